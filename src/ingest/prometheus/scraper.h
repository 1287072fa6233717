// Scrapes /metrics of fixed targets on an interval, spread evenly, one thread. Writes `up` (1 or 0)
// and `scrape_duration_seconds` for each, so that a target that is gone is known and not merely
// silent, and says of each why its last scrape failed. An answer of which no line is Prometheus
// text counts as down, as Prometheus has it.
//
// One scrape is one batch. It reaches the ledger when its fate is known.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ingest/decoder.h"
#include "telemetry/picture.h"

namespace tomograph::ingest::prometheus {

struct ScrapeTarget {
  std::string url;  // http://host:port/metrics
  std::string job;
  std::string instance;  // empty: host:port of the url
};

class Scraper {
 public:
  /// Returns when the batch is kept, or why it is not; then its records are counted as lost.
  using Accept = std::function<Status(telemetry::Batch&&)>;

  Scraper(DecodeContext context, std::vector<ScrapeTarget> targets, Nanos interval, Accept accept);
  ~Scraper();  // stops
  /// Joins; the states stay readable. Not at once with itself.
  void Stop();

  /// In the order of the targets. Thread-safe.
  std::vector<telemetry::ScrapeState> states() const;

 private:
  void Run();
  void ScrapeOne(size_t i);

  DecodeContext context_;
  std::vector<ScrapeTarget> targets_;
  Nanos interval_;
  Accept accept_;
  mutable std::mutex mutex_;
  std::vector<telemetry::ScrapeState> states_;  // under mutex_
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace tomograph::ingest::prometheus
