// History: the last windows, quantity by quantity, as the series a Case needs. Bounded in time and
// in number of series; 4 bytes a step and series. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <vector>

#include "diagnose/case.h"
#include "telemetry/window.h"

namespace tomograph::diagnose {

class History {
 public:
  explicit History(Nanos span, size_t max_series = 500'000);

  /// In time order; intervals that were left out become missing steps.
  void Add(const telemetry::WindowSet& windows);
  /// NaN: missing.
  double Latest(telemetry::WindowKey key, telemetry::Quantity quantity) const;
  /// Which statistic its newest value is: a mean, a quantile, or kValue where nobody said.
  telemetry::Statistic StatisticOf(telemetry::WindowKey key, telemetry::Quantity quantity) const;
  /// The steps within [from, to), but for those that start within `left_out`, and the series with
  /// any value in them, and since when each was heard without an absence as long as the history;
  /// alert, edges, changes are left to the caller.
  Case ToCase(Nanos from, Nanos to, const std::deque<TimeRange>& left_out = {}) const;
  Nanos first() const { return times_.empty() ? 0 : times_.front(); }
  Nanos step() const { return step_; }
  size_t series() const { return rings_.size(); }

 private:
  /// Calls are told by spans or by metrics, never by turns: their means differ without any fault.
  enum class Witness : uint8_t { kNone, kSpans, kMetrics };
  struct Source {
    Witness witness = Witness::kNone;
    int silent = 0;       // windows since it last spoke while the other did
    double restarts = 0;  // running count
    Nanos since = 0;      // start of its first window
    uint64_t last_step = 0;
  };
  struct Ring {
    std::vector<float> values;  // grows up to the span; the last one is of step `last`
    telemetry::Statistic statistic = telemetry::Statistic::kValue;  // of the newest value
    uint64_t last = 0;
  };
  using Key = std::tuple<telemetry::WindowKey, telemetry::Quantity>;

  void AddWindow(const telemetry::Window& window, double seconds);
  const telemetry::CallStats* CallsOf(const telemetry::Window& window, Source* source) const;
  void Put(telemetry::WindowKey key, telemetry::Quantity quantity, double value,
           telemetry::Statistic statistic = telemetry::Statistic::kValue);
  void ForgetOld();

  const Nanos span_;
  const size_t max_series_;
  Nanos step_ = 0;
  uint64_t now_ = 0;         // number of the newest step
  std::deque<Nanos> times_;  // of steps (now_ - size, now_]
  std::map<Key, Ring> rings_;
  std::map<telemetry::WindowKey, Source> sources_;
};

}  // namespace tomograph::diagnose
