// Scrapes /metrics of fixed targets on an interval, spread evenly, up to kMostScrapesAtOnce at
// once: a target that hangs holds up no other. Writes `up` (1 or 0) and `scrape_duration_seconds`
// for each, so that a target that is gone is known and not merely silent, and says of each why its
// last scrape failed. An answer of which no line is Prometheus text counts as down, as Prometheus
// has it.
//
// One scrape is one batch. It reaches the ledger when its fate is known.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/decoder.h"
#include "telemetry/picture.h"

namespace tomograph::ingest::prometheus {

/// What bounds the threads, and the memory for answers.
inline constexpr size_t kMostScrapesAtOnce = 16;

struct ScrapeTarget {
  std::string url;  // http://host:port/metrics
  std::string job;
  std::string instance;  // empty: host:port of the url
};

class Scraper {
 public:
  /// Returns when the batch is kept, or why it is not; then its records are counted as lost.
  /// Called from several threads.
  using Accept = std::function<Status(telemetry::Batch&&)>;

  Scraper(DecodeContext context, std::vector<ScrapeTarget> targets, Nanos interval, Accept accept);
  ~Scraper();  // stops
  /// Breaks off the scrapes under way, of which nothing is told then, and joins; the states stay
  /// readable. Not at once with itself.
  void Stop();

  /// In the order of the targets. Thread-safe.
  std::vector<telemetry::ScrapeState> states() const;

 private:
  using Time = std::chrono::steady_clock::time_point;

  void Run(const std::stop_token& stop);
  void ScrapeOne(size_t i, const std::stop_token& stop);

  DecodeContext context_;
  std::vector<ScrapeTarget> targets_;
  Nanos interval_;
  Accept accept_;
  mutable std::mutex mutex_;
  std::vector<telemetry::ScrapeState> states_;  // under mutex_
  std::set<std::pair<Time, size_t>> due_;       // targets that no thread is at; under mutex_
  std::condition_variable_any pause_;
  std::vector<std::jthread> threads_;
};

}  // namespace tomograph::ingest::prometheus
