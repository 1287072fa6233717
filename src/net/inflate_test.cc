#include "net/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/random.h"

namespace tomograph::net {
namespace {

std::string Noise(size_t n) {
  Random random(7);
  std::string text(n, '\0');
  for (char& c : text) c = static_cast<char>(random.Next());
  return text;
}

std::string Zlib(const std::string& plain) {
  uLongf size = compressBound(plain.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  out.resize(size);
  return out;
}

TEST(Inflate, GivesBackWhatWasCompressed) {
  for (const std::string& plain :
       {std::string(), std::string("x"), std::string(300'000, 'a'), Noise(200'000)}) {
    const auto gzip = Gzip(plain);
    ASSERT_TRUE(gzip.ok());
    const auto back = Inflate(*gzip, plain.size());
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, plain);
    EXPECT_EQ(Inflate(Zlib(plain), plain.size()).value(), plain);
  }
}

TEST(Inflate, StopsABombAtTheLimit) {
  const auto bomb = Gzip(std::string(50 << 20, '\0'));
  ASSERT_TRUE(bomb.ok());
  EXPECT_EQ(Inflate(*bomb, 1 << 20).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(Inflate(*bomb, 50 << 20).ok());
  EXPECT_EQ(Inflate(*bomb, (50 << 20) - 1).status().code(), StatusCode::kResourceExhausted);
}

TEST(Inflate, RefusesDamage) {
  const std::string gzip = Gzip("hello, hello, hello").value();
  EXPECT_EQ(Inflate("", 100).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(Inflate("plain text", 100).status().code(), StatusCode::kCorrupt);
  for (size_t cut = 1; cut < gzip.size(); ++cut) {
    EXPECT_EQ(Inflate(gzip.substr(0, cut), 100).status().code(), StatusCode::kCorrupt) << cut;
  }
  std::string wrong_sum = gzip;
  wrong_sum[gzip.size() - 6] ^= 1;
  EXPECT_EQ(Inflate(wrong_sum, 100).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ(Inflate(gzip + "tail", 100).status().code(), StatusCode::kCorrupt);
}

TEST(InflateStream, ReadsConcatenatedMembersInAnyChunks) {
  const std::string plain = Noise(90'000) + std::string(90'000, 'b');
  const std::string joined = Gzip(plain).value() + Gzip("").value() + Gzip("end").value();
  for (size_t step : {size_t{1}, size_t{7}, size_t{4096}, joined.size()}) {
    InflateStream stream;
    std::string out;
    for (size_t at = 0; at < joined.size(); at += step) {
      ASSERT_TRUE(
          stream.Push(ByteView(joined).substr(at, step), [&](ByteView b) { out += b; }).ok());
    }
    EXPECT_TRUE(stream.Finish().ok());
    EXPECT_EQ(out, plain + "end") << step;
  }
}

TEST(InflateStream, SaysWhenItBrokeOffAndStaysBroken) {
  const std::string gzip = Gzip(Noise(1000)).value();
  const auto ignore = [](ByteView) {};
  InflateStream cut;
  EXPECT_TRUE(cut.Push(ByteView(gzip).substr(0, 500), ignore).ok());
  EXPECT_EQ(cut.Finish().code(), StatusCode::kCorrupt);

  InflateStream garbage;
  EXPECT_EQ(garbage.Push("garbage", ignore).code(), StatusCode::kCorrupt);
  EXPECT_EQ(garbage.Push(gzip, ignore).code(), StatusCode::kCorrupt);
  EXPECT_EQ(garbage.Finish().code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace tomograph::net
