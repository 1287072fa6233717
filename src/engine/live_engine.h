// LiveEngine: a running Tomograph. Wires the stages in the order of the data, owns the threads and
// the order of shutdown, and nothing else.
//
// Threads: io_threads read, decode and normalise; one writes the store; one analyses; up to 16
// scrape; one keeps the store tidy. Shutdown: listeners, scraper, store (commits and hands over
// what is queued), analysis, page.
//
// Start-up: the listeners are there at once; the analysis thread then replays the stored history
// and only after that takes what arrived meanwhile. Until it is through, /-/ready is 503
// ("replaying"). Senders are acknowledged durably as ever while the queues hold (queue_batches
// before the analysis, as many before the store); when those are full they get the retryable answer
// of any back-pressure. What is taken in from the start on is not replayed, so nothing counts
// twice.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/nanotime.h"
#include "engine/analysis.h"
#include "engine/config.h"
#include "engine/incident_history.h"
#include "engine/journal.h"
#include "engine/listed_requests.h"
#include "engine/pipeline.h"
#include "ingest/prometheus/scraper.h"
#include "ingest/receiver.h"
#include "net/grpc_server.h"
#include "net/http_server.h"
#include "publish/publisher.h"
#include "store/store.h"

namespace tomograph::engine {

class LiveEngine {
 public:
  using OpenStore = std::function<Result<std::unique_ptr<store::Store>>(const store::StoreOptions&,
                                                                        telemetry::Identities*)>;

  /// Opens the store, then listens. Errors name the address or directory.
  static Result<std::unique_ptr<LiveEngine>> Start(const Config& config);
  static Result<std::unique_ptr<LiveEngine>> Start(const Config& config, const OpenStore& open);
  ~LiveEngine();
  void Stop();  // idempotent

  uint16_t http_port() const;
  uint16_t otlp_http_port() const;  // 0: off
  uint16_t otlp_grpc_port() const;

 private:
  explicit LiveEngine(const Config& config);
  Status Listen();
  void ReplayStored();
  void RunAnalysis();
  void RunMaintenance();
  void PublishPicture();
  void StoreResults();

  const Config config_;
  WallClock clock_;
  telemetry::Identities identities_;
  telemetry::LossLedger ledger_;
  std::unique_ptr<store::Store> store_;
  Pipeline::Queue queue_;
  const std::shared_ptr<net::BodyBudget> body_budget_;  // of all listeners
  IncidentHistory incident_history_;
  Analysis analysis_;  // the analysis thread's alone once it runs
  Journal journal_;    // likewise
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<ingest::Receiver> receiver_;
  std::unique_ptr<publish::Publisher> publisher_;
  std::unique_ptr<net::HttpServer> page_server_;
  std::unique_ptr<net::HttpServer> otlp_http_server_;
  std::unique_ptr<net::GrpcServer> otlp_grpc_server_;
  std::unique_ptr<ingest::prometheus::Scraper> scraper_;
  std::atomic<const ingest::prometheus::Scraper*> scraper_told_{nullptr};  // to the analysis
  std::thread analysis_thread_;
  std::thread maintenance_thread_;
  Nanos started_ = 0;                      // what was received before is replayed
  bool replaying_ = false;                 // the analysis thread's alone once it runs
  ListedRequests listed_requests_;         // likewise
  std::set<std::string> unreadable_told_;  // files of the store, in the log; likewise
  std::mutex stop_mutex_;
  std::condition_variable stop_signal_;
  std::atomic<bool> stopping_{false};  // set under stop_mutex_
};

}  // namespace tomograph::engine
