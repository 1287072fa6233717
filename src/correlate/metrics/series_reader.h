// SeriesReader: number samples and histogram points of all series, turned into what happened in one
// interval.
//
// Cumulative values become differences between neighbouring points of a series (a fall, or a new
// start time, is a reset: the value then counts from that start); deltas are taken as they are. A
// difference belongs to the time between two exports. Where that time crosses the border of a
// window it is split in proportion, and the variance of the split, n f (1-f), is kept: with exports
// at other times than the borders a "total" is not exact, and the window says so.
//
// A window whose interval the exports do not cover (first sight of a process, an export not in yet)
// gets no CallStats from metrics at all: an undercount would look like silence. Samples are kept
// until the window of their time is closed, so that any order of arrival gives the same result. Not
// thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"
#include "telemetry/window.h"

namespace tomograph::correlate {

class SeriesReader {
 public:
  /// What metrics say of one entity (`peer` empty) or of its calls to `peer`, in one interval.
  struct Reading {
    telemetry::CallStats
        calls;  // seen > 0 where calls were measured, a measured zero has covered = true
    bool covered = false;
    std::map<telemetry::Quantity, telemetry::GaugeStats> gauges;
    std::optional<uint32_t> restarts;  // none: nothing tells
  };
  struct Subject {
    telemetry::EntityId entity = telemetry::kNoEntity;
    telemetry::EntityId peer = telemetry::kNoEntity;
    bool peer_is_address = false;  // then it is the AddressKey of
    telemetry::StringId address = telemetry::kEmptyString;
    auto operator<=>(const Subject&) const = default;
  };

  explicit SeriesReader(telemetry::Identities* identities);
  ~SeriesReader();

  /// Takes the points within `believable`. Returns how many from `in_time_from` on were there
  /// already, or another point of the same series and instant.
  uint64_t Add(const telemetry::SampleBatch& samples, TimeRange believable = {INT64_MIN, INT64_MAX},
               Nanos in_time_from = INT64_MIN);
  /// Readings of [from, to). Intervals must come in order; samples before `from` are forgotten.
  std::map<Subject, Reading> Read(Nanos from, Nanos to);
  Nanos oldest() const;  // of samples not read yet; INT64_MAX when there are none
  size_t bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::correlate
