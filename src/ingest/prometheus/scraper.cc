#include "ingest/prometheus/scraper.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "ingest/prometheus/exposition.h"
#include "net/http_client.h"

namespace tomograph::ingest::prometheus {
namespace {

constexpr Nanos kMaxTimeout = 10 * kSecond;

std::string InstanceOf(const ScrapeTarget& target) {
  if (!target.instance.empty()) return target.instance;
  std::string_view host = target.url;
  if (const size_t scheme = host.find("://"); scheme != std::string_view::npos)
    host.remove_prefix(scheme + 3);
  return std::string(host.substr(0, host.find_first_of("/?")));
}

/// Fit to be shown: "http://me:secret@host/metrics?token=1" -> "http://host/metrics".
std::string WithoutSecrets(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t at = url.substr(0, url.find('/', host)).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

/// Of an answer with lines, none was a sample.
bool IsNoExposition(const telemetry::LossLedger& counted) {
  uint64_t malformed = 0, other = 0;
  for (const auto& row : counted.Rows()) {
    for (const auto& [reason, n] : row.reasons)
      (reason == telemetry::Reason::kMalformed ? malformed : other) += n;
    other += row.accepted;
  }
  return malformed > 0 && other == 0;
}

}  // namespace

Scraper::Scraper(DecodeContext context, std::vector<ScrapeTarget> targets, Nanos interval,
                 Accept accept)
    : context_(std::move(context)),
      targets_(std::move(targets)),
      interval_(std::max(interval, kMillisecond)),
      accept_(std::move(accept)) {
  context_.limits.rows_per_batch = SIZE_MAX;  // what one answer may hold is bound enough
  for (const ScrapeTarget& target : targets_) {
    telemetry::ScrapeState state;
    state.job = target.job;
    state.instance = InstanceOf(target);
    state.url = WithoutSecrets(target.url);
    states_.push_back(std::move(state));
  }
  // Target i is due at offset i/n of the interval, so that n targets don't answer all at once.
  const Time start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < targets_.size(); ++i) {
    const auto n = static_cast<Nanos>(targets_.size());
    due_.emplace(start + std::chrono::nanoseconds(interval_ / n * static_cast<Nanos>(i)), i);
  }
  for (size_t i = 0; i < std::min(targets_.size(), kMostScrapesAtOnce); ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { Run(stop); });
}

Scraper::~Scraper() { Stop(); }

void Scraper::Stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();  // joins
}

// Takes the target that is due first, waits for its time, and puts it back when it is scraped: a
// scrape that takes longer than the interval starts the next one late and never a second one beside
// it.
void Scraper::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto [due, i] = *due_.begin();
    due_.erase(due_.begin());
    pause_.wait_until(lock, stop, due, [] { return false; });
    if (stop.stop_requested()) return;
    lock.unlock();
    ScrapeOne(i, stop);
    lock.lock();
    due_.emplace(std::max(due + std::chrono::nanoseconds(interval_), Time::clock::now()), i);
  }
}

std::vector<telemetry::ScrapeState> Scraper::states() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

void Scraper::ScrapeOne(size_t i, const std::stop_token& stop) {
  const ScrapeTarget& target = targets_[i];
  const Nanos started = context_.clock->Now();
  telemetry::LossLedger counted;
  DecodeContext context = context_;
  context.ledger = &counted;
  ExpositionOptions options;
  options.format = telemetry::Format::kScrape;
  options.default_time = started;
  options.target_labels = {{"job", target.job}, {"instance", InstanceOf(target)}};
  const auto decoder = NewExpositionDecoder(context, std::move(options));
  telemetry::Batch batch;
  const BatchSink keep = [&](telemetry::Batch&& decoded) { batch = std::move(decoded); };

  net::HttpCall call;
  call.url = target.url;
  call.timeout = std::min(interval_, kMaxTimeout);
  call.stop = stop;
  call.headers = {
      {"accept", "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4"}};
  const auto before = std::chrono::steady_clock::now();
  const Result<net::HttpResponse> answer = net::Fetch(call);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
  if (stop.stop_requested()) return;  // that it was broken off says nothing of the target

  std::string error;
  if (!answer.ok()) {
    error = answer.status().message();
  } else if (answer->status != 200) {
    error = "the target answered " + std::to_string(answer->status);
  } else {
    (void)decoder->Push(answer->body + "\n", keep);
    if (IsNoExposition(counted)) error = "no line of the answer is Prometheus text";
  }
  const bool up = error.empty();
  // The scrape's own samples go through the same decoder, as two lines more.
  (void)decoder->Push("# TYPE up gauge\nup " + std::to_string(up ? 1 : 0) +
                          "\n# TYPE scrape_duration_seconds gauge\nscrape_duration_seconds " +
                          std::to_string(took.count()) + "\n",
                      keep);
  (void)decoder->Finish(keep);
  const Status kept = accept_(std::move(batch));
  context_.ledger->Add(counted,
                       kept.ok() ? std::nullopt : std::optional(telemetry::Reason::kStoreFailed));
  if (up && !kept.ok()) error = "read, but not kept: " + kept.message();
  const std::lock_guard lock(mutex_);
  telemetry::ScrapeState& state = states_[i];
  state.last = started;
  state.up = up;
  state.duration_s = took.count();
  ++state.scrapes;
  if (!error.empty()) ++state.failures;
  state.error = std::move(error);
}

}  // namespace tomograph::ingest::prometheus
