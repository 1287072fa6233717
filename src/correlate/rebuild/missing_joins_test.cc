#include "correlate/rebuild/missing_joins.h"

#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;

constexpr EntityId kService{1};

/// A window in which `missing` of `all` joins are, both within and into the service.
void Window(MissingJoins* joins, int missing, int all) {
  for (int i = 0; i < all; ++i) {
    joins->CountCall(kService, i < missing);
    joins->CountReceived(kService, i < missing);
    if (i < missing) joins->CountUnanswered(kService);
  }
  joins->CloseWindow();
}

void ExpectOpen(const MissingJoins& joins, bool open, const char* why) {
  EXPECT_EQ(joins.any(), open) << why;
  EXPECT_EQ(joins.WithinOpen(kService), open) << why;
  EXPECT_EQ(joins.IntoOpen(kService), open) << why;
}

void ExpectOpens(int missing, int all, bool open, const char* why) {
  MissingJoins joins;
  Window(&joins, missing, all);
  ExpectOpen(joins, open, why);
}

TEST(MissingJoins, ABackgroundJobOrABrokenClientIsNoReasonToInfer) {
  ExpectOpens(2, 2, false, "two are few, however large a share");
  ExpectOpens(12, 4000, false, "three in a thousand");
}

TEST(MissingJoins, OneRequestInTwentyIsReasonEnough) {
  ExpectOpens(3, 60, true, "few requests");
  ExpectOpens(200, 4000, true, "many requests");
  ExpectOpens(120, 4000, true, "three in a hundred");
}

TEST(MissingJoins, RareCallsOpenAPlaceTogether) {
  MissingJoins joins;
  for (int i = 0; i < 12; ++i) {  // the two sides of a call may be counted in two windows
    joins.CountUnanswered(kService);
    joins.CloseWindow();
    joins.CountReceived(kService, true);
    joins.CloseWindow();
    EXPECT_EQ(joins.IntoOpen(kService), i >= 3) << i;
    EXPECT_TRUE(joins.IntoUnclear(kService)) << i;
  }
  EXPECT_FALSE(joins.WithinOpen(kService));
  MissingJoins few;
  for (int i = 0; i < 100; ++i) {
    Window(&few, i % 10 == 0, 100);
    ASSERT_FALSE(few.IntoOpen(kService)) << "one in a thousand";
  }
}

TEST(MissingJoins, APlaceStaysOpenWhileJoinsWereMissingOfLate) {
  MissingJoins joins;
  Window(&joins, 50, 100);
  for (int i = 1; i < MissingJoins::kMemory; ++i) Window(&joins, 0, 100);
  ExpectOpen(joins, true, "within its memory");
  Window(&joins, 0, 100);
  ExpectOpen(joins, false, "all joins have been there for long");
}

TEST(MissingJoins, CallsOfWhatReceivesNothingAreNobodys) {
  MissingJoins joins;
  for (int i = 0; i < 100; ++i) joins.CountCall(kService, true);
  joins.CloseWindow();
  EXPECT_FALSE(joins.WithinOpen(kService));
}

TEST(MissingJoins, WithoutUnansweredCallsReceivedRequestsAreRoots) {
  MissingJoins joins;
  for (int i = 0; i < 100; ++i) joins.CountReceived(kService, true);
  joins.CloseWindow();
  EXPECT_FALSE(joins.IntoOpen(kService));
}

}  // namespace
}  // namespace tomograph::correlate
