// RecordedTime: when a recording was made, by the testimony of all of its files together. A file or
// a sender cannot vouch for itself: one record with a wrong clock, alone in its file, must neither
// begin nor end the recording.
//
// Records are counted by the hour of their event time. Hours that follow within three hours make a
// stretch; stretches that follow within a month make a run. The recording is the run with the most
// records (of equals the earliest), without the stretches at its two ends that are as good as
// alone: fewer than 100 records and less than a hundredth of the run's largest stretch. So a
// sparse recording (one record a day) is all its own measure, a long one is as long as it likes,
// and what lies a month away is not believed however much it is.
//
// When it is wrong: two recordings made more than a month apart in one folder (the smaller one is
// not believed); a sparse end more than three hours after a dense recording. Both are in the
// ledger. What is judged before most of it was read is judged by what was read by then.
//
// Cost: Count is a map lookup, Believable one pass over the hours, at most kMaxHours of them (what
// comes when they are used up is not counted). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::engine {

class RecordedTime {
 public:
  static constexpr size_t kMaxHours = 100'000;  // eleven years

  void Count(const std::vector<Nanos>& record_times);
  /// All of time before anything was counted.
  TimeRange Believable() const;

 private:
  std::map<int64_t, uint64_t> records_;  // by hour since 1970
};

}  // namespace tomograph::engine
