#include "engine/live_engine.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "engine/related_lines.h"
#include "store/duckdb/duckdb_store.h"

namespace tomograph::engine {

using telemetry::Batch;

namespace {

// A sender's clock may be this much ahead of ours; what claims to be later waits for nothing real.
constexpr Nanos kClocksDiffer = 10 * kMinute;

AnalysisOptions AnalysisOptionsOf(const Config& config) {
  AnalysisOptions options;
  options.correlator.window_length = config.window;
  options.correlator.lateness = config.lateness;
  options.history = config.history;
  return options;
}

/// Of a request, whatever compressed it.
size_t InflatedLimitOf(const Config& config) { return 4 * config.max_request_bytes; }

double ResidentBytes() {
  long pages = 0, resident = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(statm);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// "job=url" -> target; Validate has seen that it has both.
ingest::prometheus::ScrapeTarget TargetOf(const std::string& text) {
  const size_t equals = text.find('=');
  ingest::prometheus::ScrapeTarget target;
  target.job = text.substr(0, equals);
  target.url = text.substr(equals + 1);
  return target;
}

}  // namespace

LiveEngine::LiveEngine(const Config& config)
    : config_(config),
      queue_(config.queue_batches, config.max_inflight_bytes,
             [](const std::shared_ptr<const Batch>& batch) { return telemetry::SizeOf(*batch); }),
      body_budget_(std::make_shared<net::BodyBudget>(config.max_inflight_bytes)),
      analysis_(AnalysisOptionsOf(config), &identities_, &ledger_) {}

Result<std::unique_ptr<LiveEngine>> LiveEngine::Start(const Config& config) {
  return Start(config, store::OpenDuckDbStore);
}

Result<std::unique_ptr<LiveEngine>> LiveEngine::Start(const Config& config, const OpenStore& open) {
  TG_RETURN_IF_ERROR(Validate(config));
  std::unique_ptr<LiveEngine> engine(new LiveEngine(config));
  if (!config.store_dir.empty()) {
    store::StoreOptions options;
    options.directory = config.store_dir;
    options.commit_interval = config.commit_interval;
    options.queue_batches = config.queue_batches;
    options.retention_age = config.retention_age;
    options.retention_bytes = config.retention_bytes;
    options.cold_after = config.cold_after;
    options.memory_limit_bytes = config.memory_limit_bytes;
    auto opened = open(options, &engine->identities_);
    if (!opened.ok()) return opened.status();
    engine->store_ = std::move(opened).value();
    const Status loaded = engine->incident_history_.Load(engine->store_.get(), engine->clock_.Now(),
                                                         config.retention_age);
    if (!loaded.ok()) spdlog::warn("older incidents are not all known: {}", loaded.ToString());
  }
  engine->pipeline_ =
      std::make_unique<Pipeline>(&engine->identities_, &engine->ledger_, &engine->clock_,
                                 engine->store_.get(), &engine->queue_);
  engine->publisher_ = std::make_unique<publish::Publisher>(engine->store_.get(),
                                                            &engine->identities_, RelatedLines);
  ingest::DecodeContext context = engine->pipeline_->Context();
  context.limits.max_plain_bytes = InflatedLimitOf(config);
  engine->receiver_ = std::make_unique<ingest::Receiver>(
      std::move(context), [e = engine.get()](Batch&& batch, ingest::Receiver::Done done) {
        return e->pipeline_->Accept(std::move(batch), std::move(done));
      });
  // Older records are kept in the store; here one clock set to 1970 would ask for a million
  // windows.
  engine->started_ = engine->clock_.Now();
  engine->analysis_.Begin(engine->started_ - config.history);
  engine->replaying_ = engine->store_ != nullptr;
  engine->publisher_->SetReady(!engine->replaying_, "replaying the stored history");
  engine->PublishPicture();
  // The listeners come before the threads, which only read what is set up here; what arrives
  // meanwhile is queued.
  const Status listening = engine->Listen();
  if (!listening.ok()) return listening;  // the destructor stops what runs
  engine->PublishPicture();
  engine->analysis_thread_ = std::thread([e = engine.get()] { e->RunAnalysis(); });
  engine->maintenance_thread_ = std::thread([e = engine.get()] { e->RunMaintenance(); });
  return engine;
}

Status LiveEngine::Listen() {
  net::HttpLimits limits;
  limits.max_body_bytes = config_.max_request_bytes;
  limits.max_inflated_bytes = InflatedLimitOf(config_);
  limits.body_budget = body_budget_;
  limits.max_connections = config_.max_connections;
  const int threads = static_cast<int>(config_.io_threads);
  const auto listen = [&](const std::string& text, net::HttpLimits with,
                          net::HttpServer::Handler handler,
                          std::unique_ptr<net::HttpServer>* server) {
    const auto address = ParseAddress(text);
    if (!address.ok()) return address.status();
    auto started = net::HttpServer::Start(address->host, address->port, threads, std::move(with),
                                          std::move(handler));
    if (!started.ok()) return started.status();
    *server = std::move(started).value();
    return Status::Ok();
  };
  TG_RETURN_IF_ERROR(listen(
      config_.http_address, limits,
      [this](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
        publisher_->HandleHttp(std::move(request), std::move(responder));
      },
      &page_server_));
  if (!config_.otlp_http_address.empty()) {
    limits.refusal = [this](const net::HttpRequest& request, int status, const std::string& why) {
      return receiver_->Refuse(request, status, why);
    };
    TG_RETURN_IF_ERROR(listen(
        config_.otlp_http_address, limits,
        [this](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
          receiver_->HandleHttp(std::move(request), std::move(responder));
        },
        &otlp_http_server_));
  }
  if (!config_.otlp_grpc_address.empty()) {
    const auto address = ParseAddress(config_.otlp_grpc_address);
    if (!address.ok()) return address.status();
    net::GrpcLimits grpc_limits;
    grpc_limits.body_budget = body_budget_;
    grpc_limits.max_message_bytes =
        static_cast<int>(std::min<uint64_t>(config_.max_request_bytes, INT32_MAX));
    grpc_limits.max_inflated_bytes = limits.max_inflated_bytes;
    grpc_limits.on_refused = [this](std::string_view method, const Status& why) {
      receiver_->CountRefused(method, why);
    };
    auto started =
        net::GrpcServer::Start(address->host, address->port, grpc_limits,
                               [this](std::string_view method, std::string_view peer,
                                      ByteView request, net::GrpcServer::Reply reply) {
                                 receiver_->HandleGrpc(method, peer, request, std::move(reply));
                               });
    if (!started.ok()) return started.status();
    otlp_grpc_server_ = std::move(started).value();
  }
  if (!config_.scrape.empty()) {
    std::vector<ingest::prometheus::ScrapeTarget> targets;
    for (const std::string& text : config_.scrape) targets.push_back(TargetOf(text));
    scraper_ = std::make_unique<ingest::prometheus::Scraper>(
        pipeline_->Context(), std::move(targets), config_.scrape_interval,
        [this](Batch&& batch) { return pipeline_->AcceptAndWait(std::move(batch)); });
    scraper_told_ = scraper_.get();
  }
  return Status::Ok();
}

// A restart must not forget what normal looks like: the kept history passes the analysis again.
void LiveEngine::ReplayStored() {
  constexpr telemetry::Signal kSignals[] = {telemetry::Signal::kEvent, telemetry::Signal::kSample,
                                            telemetry::Signal::kSpan, telemetry::Signal::kLog,
                                            telemetry::Signal::kFlow};
  for (Nanos from = started_ - config_.history; from < started_; from += kMinute) {
    store::ScanFilter slice;
    slice.range = {from, std::min(from + kMinute, started_)};
    slice.received_before = started_;
    for (const telemetry::Signal signal : kSignals) {
      const Status scanned = store_->Scan(signal, slice, [&](const Batch& stored) {
        // What follows from the attributes alone is not stored: addresses, marks for joins.
        Batch batch = stored;
        pipeline_->Normalize(&batch);
        analysis_.Replay(batch);
        return !stopping_;
      });
      if (stopping_) return;
      if (!scanned.ok()) {
        spdlog::warn("history is not replayed: {}", scanned.ToString());
        return;
      }
    }
    analysis_.Advance(slice.range.to);
  }
  analysis_.TakeEstimates();  // the store has them
}

void LiveEngine::RunAnalysis() {
  // What came during the replay is as old as that took, and must not be late for it.
  bool catching_up = replaying_;
  Nanos taken_in = started_;
  if (replaying_) {
    ReplayStored();
    replaying_ = false;
    PublishPicture();
    std::lock_guard lock(stop_mutex_);
    if (!stopping_) publisher_->SetReady(true);
  }
  constexpr auto kTick = std::chrono::milliseconds(200);
  constexpr auto kPicturePause =
      std::chrono::seconds(5);  // when nothing closes: queue lengths, losses
  auto next_picture = std::chrono::steady_clock::now();
  while (!queue_.finished()) {
    const auto tick = std::chrono::steady_clock::now() + kTick;
    while (std::chrono::steady_clock::now() < tick) {
      auto batch = queue_.PopUntil(tick);
      if (!batch.has_value()) break;
      taken_in = std::max(taken_in, (*batch)->origin.received_ns);
      analysis_.Add(**batch, {INT64_MIN, clock_.Now() + kClocksDiffer});
    }
    catching_up = catching_up && (queue_.size() > 0 || store_->stats().queued_batches > 0);
    const bool closed = analysis_.Advance(catching_up ? taken_in : clock_.Now());
    if (closed) StoreResults();
    if (closed || std::chrono::steady_clock::now() >= next_picture) {
      PublishPicture();
      next_picture = std::chrono::steady_clock::now() + kPicturePause;
    }
  }
}

void LiveEngine::StoreResults() {
  const auto estimates = analysis_.TakeEstimates();
  if (store_ == nullptr || queue_.closed()) return;  // at shutdown the store may be closed already
  Status status = store_->PutEstimates(estimates);
  for (const auto& incident : analysis_.incidents())
    if (status.ok() && (incident.closed == 0 || clock_.Now() - incident.closed < kMinute))
      status = store_->PutIncident(incident);
  if (!status.ok()) spdlog::warn("results are not stored: {}", status.ToString());
}

void LiveEngine::PublishPicture() {
  auto picture = std::make_shared<telemetry::Picture>();
  analysis_.Fill(picture.get());
  picture->windows_to_learn = analysis_.windows_to_learn();
  incident_history_.AddTo(&picture->incidents);
  picture->now = clock_.Now();
  picture->requests_before = listed_requests_.Before(picture->now, picture->requests);
  picture->live = true;
  picture->replaying = replaying_;
  picture->source = "live";
  picture->loss = ledger_.Rows();
  if (const auto* scraper = scraper_told_.load()) picture->scrapes = scraper->states();
  picture->self["resident_bytes"] = ResidentBytes();
  picture->self["analysis_queue_batches"] = static_cast<double>(queue_.size());
  picture->self["request_bytes_in_flight"] = static_cast<double>(body_budget_->in_use());
  picture->self["requests_without_room_total"] = static_cast<double>(body_budget_->refusals());
  picture->self["otlp_http_port"] = otlp_http_port();
  picture->self["otlp_grpc_port"] = otlp_grpc_port();
  if (store_ != nullptr) {
    const store::StoreStats stats = store_->stats();
    picture->self["store_rows_committed_total"] = static_cast<double>(stats.rows_committed);
    picture->self["store_commits_total"] = static_cast<double>(stats.commits);
    picture->self["store_bytes"] = static_cast<double>(stats.bytes_on_disk);
    picture->self["store_queued_batches"] = static_cast<double>(stats.queued_batches);
    picture->self["store_last_commit_seconds"] = stats.last_commit_s;
    picture->self["store_writable"] = stats.writable ? 1 : 0;
    picture->self["store_unreadable_files"] = static_cast<double>(stats.unreadable_files.size());
    for (const std::string& file : stats.unreadable_files) {
      if (unreadable_told_.insert(file).second)
        spdlog::error("older records cannot be read: {}", file);
    }
  }
  for (const JournalLine& line : journal_.Tell(*picture))
    spdlog::log(line.warning ? spdlog::level::warn : spdlog::level::info, "{}", line.text);
  publisher_->Publish(std::move(picture));
}

void LiveEngine::RunMaintenance() {
  std::unique_lock lock(stop_mutex_);
  while (!stop_signal_.wait_for(lock, std::chrono::minutes(1), [&] { return stopping_.load(); })) {
    if (store_ == nullptr) continue;
    lock.unlock();
    const Status status = store_->Maintain(clock_.Now());
    if (!status.ok()) spdlog::warn("the store's upkeep failed: {}", status.ToString());
    lock.lock();
  }
}

void LiveEngine::Stop() {
  {
    std::lock_guard lock(stop_mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  stop_signal_.notify_all();
  if (publisher_) publisher_->SetReady(false);
  if (otlp_grpc_server_) otlp_grpc_server_->Stop();
  if (otlp_http_server_) otlp_http_server_->Stop(5 * kSecond);
  if (scraper_) scraper_->Stop();  // the analysis may still ask for its states
  if (maintenance_thread_.joinable()) maintenance_thread_.join();
  // First the queue: what is in it is durable and will be replayed, and the store's thread must not
  // wait for it.
  queue_.Close();
  if (store_) {
    if (const Status closed = store_->Close(); !closed.ok())
      spdlog::error("closing the store: {}", closed.ToString());
  }
  if (analysis_thread_.joinable()) analysis_thread_.join();
  if (page_server_) page_server_->Stop(kSecond);
}

LiveEngine::~LiveEngine() { Stop(); }

uint16_t LiveEngine::http_port() const { return page_server_ ? page_server_->port() : 0; }
uint16_t LiveEngine::otlp_http_port() const {
  return otlp_http_server_ ? otlp_http_server_->port() : 0;
}
uint16_t LiveEngine::otlp_grpc_port() const {
  return otlp_grpc_server_ ? otlp_grpc_server_->port() : 0;
}

}  // namespace tomograph::engine
