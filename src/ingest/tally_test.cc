#include "ingest/tally.h"

#include <gtest/gtest.h>

namespace tomograph::ingest {
namespace {

using telemetry::Format;
using telemetry::LossLedger;
using telemetry::Reason;
using telemetry::Signal;

LossLedger::Row Counted(uint64_t received, uint64_t kept, uint64_t bad_time) {
  LossLedger ledger;
  Tally tally(&ledger, Format::kCsv, Signal::kSpan);
  tally.Received(received);
  tally.Keep(kept);
  tally.Lose(Reason::kBadTime, bad_time);
  tally.Commit();
  tally.Commit();  // a second time there is nothing
  const auto rows = ledger.Rows();
  EXPECT_EQ(rows.size(), 1u);
  return rows.at(0);
}

TEST(Tally, ARecordThatWasForgottenShows) {
  EXPECT_TRUE(Counted(3, 2, 1).balanced());
  EXPECT_EQ(Counted(3, 1, 1).received, 3u);
  EXPECT_FALSE(Counted(3, 1, 1).balanced());
  EXPECT_FALSE(Counted(3, 2, 2).balanced()) << "or was counted twice";
}

TEST(Tally, ExplainsDropsAndNotRepairs) {
  LossLedger ledger;
  Tally tally(&ledger, Format::kCsv, Signal::kSpan);
  EXPECT_EQ(ExplainDrops(tally.lost()), "");
  tally.Lose(Reason::kNegativeDuration, 4);
  tally.Lose(Reason::kBadTime, 2);
  tally.Lose(Reason::kTooLarge);
  EXPECT_EQ(DroppedOf(tally.lost()), 3u);
  EXPECT_EQ(ExplainDrops(tally.lost()),
            "1 too_large (larger than the limit for one message or record), 2 "
            "bad_time (no usable "
            "time, or one outside of 1678-2261)");
}

}  // namespace
}  // namespace tomograph::ingest
