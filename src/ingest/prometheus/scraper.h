// Scrapes /metrics of fixed targets on an interval, spread evenly, one thread. Writes `up` (1 or 0)
// and `scrape_duration_seconds` for each, so that a target that is gone is known and not merely
// silent.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "ingest/decoder.h"

namespace tomograph::ingest::prometheus {

struct ScrapeTarget {
  std::string url;  // http://host:port/metrics
  std::string job;
  std::string instance;  // empty: host:port of the url
};

class Scraper {
 public:
  Scraper(DecodeContext context, std::vector<ScrapeTarget> targets, Nanos interval, BatchSink sink);
  ~Scraper();  // stops and joins

 private:
  void Run();
  void ScrapeOne(const ScrapeTarget& target);

  DecodeContext context_;
  std::vector<ScrapeTarget> targets_;
  Nanos interval_;
  BatchSink sink_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace tomograph::ingest::prometheus
