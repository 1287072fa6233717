#include "engine/recorded_time.h"

#include <algorithm>

namespace tomograph::engine {
namespace {

constexpr int64_t kHoursOfStretch = 3;    // from one to the next
constexpr int64_t kHoursOfRun = 31 * 24;  // from one to the next
constexpr uint64_t kEnoughRecords = 100;  // are no mistake of one clock
constexpr uint64_t kAlone = 100;          // times fewer than in the largest stretch

struct Stretch {
  int64_t first_hour, last_hour;
  uint64_t records;
};

struct Run {
  size_t first = 0, end = 0;  // stretches
  uint64_t records = 0;
};

std::vector<Stretch> StretchesOf(const std::map<int64_t, uint64_t>& records_by_hour) {
  std::vector<Stretch> stretches;
  for (const auto& [hour, records] : records_by_hour) {
    if (!stretches.empty() && hour - stretches.back().last_hour <= kHoursOfStretch) {
      stretches.back().last_hour = hour;
      stretches.back().records += records;
    } else {
      stretches.push_back({hour, hour, records});
    }
  }
  return stretches;
}

Run LargestRun(const std::vector<Stretch>& stretches) {
  Run largest, run;
  for (size_t i = 0; i < stretches.size(); ++i) {
    if (i > 0 && stretches[i].first_hour - stretches[i - 1].last_hour > kHoursOfRun)
      run = Run{i, i, 0};
    run.end = i + 1;
    run.records += stretches[i].records;
    if (run.records > largest.records) largest = run;
  }
  return largest;
}

/// Without what is as good as alone at its ends. The largest stretch always stays.
Run WithoutLoneEnds(const std::vector<Stretch>& stretches, Run run) {
  uint64_t largest = 0;
  for (size_t i = run.first; i < run.end; ++i) largest = std::max(largest, stretches[i].records);
  const auto alone = [&](size_t i) {
    const uint64_t n = stretches[i].records;
    return n < kEnoughRecords && n < largest / kAlone;
  };
  while (alone(run.first)) ++run.first;
  while (alone(run.end - 1)) --run.end;
  return run;
}

int64_t HourOf(Nanos t) { return t >= 0 ? t / kHour : -((-(t + 1)) / kHour) - 1; }

/// INT64_MIN or INT64_MAX where an hour's start is beyond them.
Nanos StartOfHour(int64_t hour) {
  if (hour > INT64_MAX / kHour) return INT64_MAX;
  if (hour < INT64_MIN / kHour) return INT64_MIN;
  return hour * kHour;
}

}  // namespace

void RecordedTime::Count(const std::vector<Nanos>& record_times) {
  // Neighbours mostly share their hour.
  auto at = records_.end();
  for (const Nanos t : record_times) {
    const int64_t hour = HourOf(t);
    if (at == records_.end() || at->first != hour) {
      at = records_.find(hour);
      if (at == records_.end()) {
        if (records_.size() >= kMaxHours) continue;
        at = records_.emplace(hour, 0).first;
      }
    }
    ++at->second;
  }
}

TimeRange RecordedTime::Believable() const {
  if (records_.empty()) return {INT64_MIN, INT64_MAX};
  const std::vector<Stretch> stretches = StretchesOf(records_);
  const Run run = WithoutLoneEnds(stretches, LargestRun(stretches));
  return {StartOfHour(stretches[run.first].first_hour),
          StartOfHour(stretches[run.end - 1].last_hour + 1)};
}

}  // namespace tomograph::engine
