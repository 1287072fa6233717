// Samples: a SampleRecord in one call, for those who show metrics; and the histogram of the
// semantic conventions' bucket bounds that most of these are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "simulate/show/records.h"

namespace tomograph::simulate {

/// Seconds, cumulative. Bounds: OpenTelemetry's advice for http.server.request.duration.
class DurationHistogram {
 public:
  static constexpr std::array<double, 14> kBounds = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};
  void Add(double seconds) {
    size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    ++counts_[i];
    sum_ += seconds;
    ++count_;
  }
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  const std::array<uint64_t, kBounds.size() + 1>& counts() const { return counts_; }

 private:
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
  uint64_t count_ = 0;
};

/// What spans and metrics of messages say of the queue that they go through.
inline Labels MessagingLabels(std::string_view destination) {
  return {{"messaging.system", "rabbitmq"},
          {"messaging.destination.name", std::string(destination)}};
}

/// One sender's export at one moment.
class Export {
 public:
  /// `since`: when its counters began.
  Export(Audience* audience, SenderId sender, Nanos since, Nanos now)
      : audience_(audience), sender_(sender), since_(since), now_(now) {}
  void Gauge(std::string_view metric, std::string_view unit, double value, Labels labels = {});
  void Counter(std::string_view metric, std::string_view unit, double value, Labels labels = {});
  void Histogram(std::string_view metric, const DurationHistogram& durations, Labels labels = {});

 private:
  SampleRecord Make(std::string_view metric, std::string_view unit, SampleKind kind,
                    Labels labels) const;

  Audience* audience_;
  SenderId sender_;
  Nanos since_, now_;
};

}  // namespace tomograph::simulate
