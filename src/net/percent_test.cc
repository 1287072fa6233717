#include "net/percent.h"

#include <gtest/gtest.h>

#include "net/http_server.h"

namespace tomograph::net {
namespace {

TEST(Percent, DecodesWhatIsAnEscapeAndKeepsTheRest) {
  EXPECT_EQ(PercentDecode("a%20b%2Fc%c3%a9", PlusMeans::kPlus), "a b/c\xc3\xa9");
  EXPECT_EQ(PercentDecode("100%", PlusMeans::kPlus), "100%");
  EXPECT_EQ(PercentDecode("%4", PlusMeans::kPlus), "%4");
  EXPECT_EQ(PercentDecode("%zz%41", PlusMeans::kPlus), "%zzA");
  EXPECT_EQ(PercentDecode("a+b", PlusMeans::kPlus), "a+b");
  EXPECT_EQ(PercentDecode("a+b%2B", PlusMeans::kSpace), "a b+");
}

TEST(HttpRequest, FindsParametersByTheirDecodedName) {
  HttpRequest request;
  request.query = "a=1&na%6De=x+y%26z&flag&empty=&a=2";
  EXPECT_EQ(request.Param("a"), "1");
  EXPECT_EQ(request.Param("name"), "x y&z");
  EXPECT_EQ(request.Param("flag"), "");
  EXPECT_EQ(request.Param("empty"), "");
  EXPECT_EQ(request.Param("absent"), "");
  request.query = "&&=&b=3";
  EXPECT_EQ(request.Param("b"), "3");
}

}  // namespace
}  // namespace tomograph::net
