#include "ingest/prometheus/scraper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingest/prometheus/exposition.h"
#include "net/http_client.h"

namespace tomograph::ingest::prometheus {
namespace {

constexpr Nanos kMaxTimeout = 10 * kSecond;
constexpr std::chrono::milliseconds kStopCheck(20);

std::string InstanceOf(const ScrapeTarget& target) {
  if (!target.instance.empty()) return target.instance;
  std::string_view host = target.url;
  if (const size_t scheme = host.find("://"); scheme != std::string_view::npos)
    host.remove_prefix(scheme + 3);
  return std::string(host.substr(0, host.find_first_of("/?")));
}

}  // namespace

Scraper::Scraper(DecodeContext context, std::vector<ScrapeTarget> targets, Nanos interval,
                 BatchSink sink)
    : context_(std::move(context)),
      targets_(std::move(targets)),
      interval_(std::max(interval, kMillisecond)),
      sink_(std::move(sink)) {
  if (!targets_.empty()) thread_ = std::thread([this] { Run(); });
}

Scraper::~Scraper() {
  stop_.store(true);
  if (thread_.joinable()) thread_.join();
}

void Scraper::Run() {
  using Ticks = std::chrono::steady_clock;
  // Target i is due at offset i/n of the interval, so that n targets don't answer all at once. A
  // round that takes longer than the interval starts the next one late and never a second one
  // beside it.
  const std::chrono::nanoseconds step(interval_ / static_cast<Nanos>(targets_.size()));
  Ticks::time_point due = Ticks::now();
  for (size_t i = 0; !stop_.load(); i = (i + 1) % targets_.size()) {
    ScrapeOne(targets_[i]);
    due = std::max(due + step, Ticks::now() - std::chrono::nanoseconds(interval_));
    for (Ticks::time_point now = Ticks::now(); now < due && !stop_.load(); now = Ticks::now())
      std::this_thread::sleep_for(std::min<Ticks::duration>(due - now, kStopCheck));
  }
}

void Scraper::ScrapeOne(const ScrapeTarget& target) {
  const Nanos started = context_.clock->Now();
  ExpositionOptions options;
  options.format = telemetry::Format::kScrape;
  options.default_time = started;
  options.target_labels = {{"job", target.job}, {"instance", InstanceOf(target)}};

  net::HttpCall call;
  call.url = target.url;
  call.timeout = std::min(interval_, kMaxTimeout);
  call.headers = {
      {"accept", "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4"}};
  const auto before = std::chrono::steady_clock::now();
  const Result<net::HttpResponse> answer = net::Fetch(call);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
  const bool up = answer.ok() && answer->status == 200;

  // The scrape's own samples go through the same decoder, as two lines more.
  std::string text = up ? answer->body : std::string();
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += "# TYPE up gauge\nup " + std::to_string(up ? 1 : 0) + "\n";
  text += "# TYPE scrape_duration_seconds gauge\nscrape_duration_seconds " +
          std::to_string(took.count()) + "\n";
  const auto decoder = NewExpositionDecoder(context_, std::move(options));
  if (decoder->Push(text, sink_).ok()) (void)decoder->Finish(sink_);
}

}  // namespace tomograph::ingest::prometheus
