#include "publish/publisher.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "net/inflate.h"
#include "publish/api.h"
#include "publish/metrics.h"
#include "publish/page.h"
#include "telemetry/resource.h"

namespace tomograph::publish {

using telemetry::Picture;

namespace {

constexpr size_t kMaxStreams = 64;
constexpr size_t kMaxWaitingLookups = 32;

/// A body that many ask for: made once, compressed once, known by its tag.
struct CachedBody {
  std::string plain;
  std::string gzip;  // empty when compression failed
  std::string etag;
};

CachedBody MakeCached(std::string plain) {
  CachedBody out;
  const telemetry::Fingerprint print = telemetry::FingerprintOf(plain);
  out.etag = "\"" + telemetry::SpanIdToHex(print.hi) + "\"";
  if (Result<std::string> gzip = net::Gzip(plain); gzip.ok()) out.gzip = std::move(*gzip);
  out.plain = std::move(plain);
  return out;
}

bool AcceptsGzip(const net::HttpRequest& request) {
  const std::string_view accepted = request.Header("accept-encoding");
  const size_t at = accepted.find("gzip");
  return at != std::string_view::npos && accepted.substr(at, 8) != "gzip;q=0";
}

net::HttpResponse CachedResponse(const net::HttpRequest& request, const CachedBody& body,
                                 std::string_view content_type) {
  net::HttpResponse response;
  response.content_type = content_type;
  response.headers = {
      {"ETag", body.etag}, {"Cache-Control", "no-cache"}, {"Vary", "Accept-Encoding"}};
  if (request.Header("if-none-match") == body.etag) {
    response.status = 304;
    return response;
  }
  const bool gzip = AcceptsGzip(request) && !body.gzip.empty();
  if (gzip) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = gzip ? body.gzip : body.plain;
  return response;
}

net::HttpResponse TextResponse(int status, std::string text) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

/// The page carries its own policy for scripts and styles, by hash; the header holds for the rest,
/// and for everything but the page nothing may be loaded at all.
void AddSecurityHeaders(net::HttpResponse* response) {
  const bool page = response->content_type.rfind("text/html", 0) == 0;
  response->headers.emplace_back(
      "Content-Security-Policy",
      page ? "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
           : "default-src 'none'; frame-ancestors 'none'");
  response->headers.emplace_back("X-Content-Type-Options", "nosniff");
  response->headers.emplace_back("X-Frame-Options", "DENY");
  response->headers.emplace_back("Referrer-Policy", "no-referrer");
  response->headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
}

/// One published picture with the answers that are the same for everybody.
struct Served {
  Served(std::shared_ptr<const Picture> p, uint64_t v) : picture(std::move(p)), version(v) {}

  const CachedBody& PictureBody() const {
    std::call_once(once, [this] { body = MakeCached(Dump(PictureJson(*picture))); });
    return body;
  }
  std::string Event() const {
    return Dump({{"version", version}, {"watermark_ms", ToMillis(picture->watermark)}});
  }

  const std::shared_ptr<const Picture> picture;
  const uint64_t version;
  mutable std::once_flag once;
  mutable CachedBody body;
};

struct Lookup {
  net::HttpRequest request;
  std::shared_ptr<net::Responder> responder;
};

}  // namespace

struct Publisher::Impl {
  Impl(store::Store* s, telemetry::Identities* i, telemetry::AnswerCorrelation c)
      : store(s), identities(i), correlate(c), lookups(kMaxWaitingLookups), worker([this] {
          RunLookups();
        }) {}

  ~Impl() {
    lookups.Close();
    worker.join();
  }

  std::shared_ptr<const Served> Current() const {
    std::lock_guard lock(mutex);
    return served;
  }

  void Route(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder);
  void OpenStream(std::shared_ptr<net::Responder> responder);
  void Tell(std::string_view event, std::string_view data);
  net::HttpResponse AnswerNow(const net::HttpRequest& request);
  net::HttpResponse Ready() const;
  net::HttpResponse Api(const net::HttpRequest& request) const;
  void RunLookups();

  store::Store* const store;
  telemetry::Identities* const identities;
  const telemetry::AnswerCorrelation correlate;
  const CachedBody page = MakeCached(std::string(PageHtml()));

  mutable std::mutex mutex;  // guards the next four
  std::shared_ptr<const Served> served =
      std::make_shared<Served>(std::make_shared<const Picture>(), 0);
  bool ready = false;
  std::string why_not_ready = "the engine is still starting or is stopping";
  std::vector<std::shared_ptr<net::EventStream>> streams;

  BoundedQueue<Lookup> lookups;
  std::thread worker;  // last: it uses all of the above
};

namespace {

void Finish(net::Responder& responder, net::HttpResponse response) {
  AddSecurityHeaders(&response);
  responder.Respond(std::move(response));
}

}  // namespace

void Publisher::Impl::Route(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
  if (request.method != "GET" && request.method != "HEAD") {
    net::HttpResponse refused = ErrorResponse(405, "method_not_allowed", "only GET and HEAD");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return Finish(*responder, std::move(refused));
  }
  if (request.path == "/api/v1/stream") return OpenStream(std::move(responder));
  if (!MayTakeLong(request.path)) return Finish(*responder, AnswerNow(request));
  if (!lookups.TryPush({std::move(request), responder})) {
    Finish(*responder, ErrorResponse(503, "unavailable", "too many lookups wait; try again"));
  }
}

void Publisher::Impl::OpenStream(std::shared_ptr<net::Responder> responder) {
  std::unique_lock lock(mutex);
  if (streams.size() >= kMaxStreams) {
    lock.unlock();
    Tell("ping", "{}");  // finds those that have gone
    lock.lock();
  }
  if (streams.size() >= kMaxStreams) {
    lock.unlock();
    return Finish(*responder, ErrorResponse(503, "unavailable", "too many event streams are open"));
  }
  std::shared_ptr<net::EventStream> stream = responder->OpenEventStream();
  if (stream == nullptr) return;
  if (stream->Send("picture", served->Event())) streams.push_back(std::move(stream));
}

void Publisher::Impl::Tell(std::string_view event, std::string_view data) {
  std::lock_guard lock(mutex);
  const auto gone = [&](const auto& stream) { return !stream->Send(event, data); };
  streams.erase(std::remove_if(streams.begin(), streams.end(), gone), streams.end());
}

net::HttpResponse Publisher::Impl::AnswerNow(const net::HttpRequest& request) {
  if (request.path == "/" || request.path == "/index.html") {
    return CachedResponse(request, page, "text/html; charset=utf-8");
  }
  if (request.path == "/-/healthy") return TextResponse(200, "healthy\n");
  if (request.path == "/-/ready") return Ready();
  if (request.path == "/metrics") {
    net::HttpResponse response = TextResponse(200, MetricsText(*Current()->picture));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  }
  if (request.path == "/api/v1/picture" && request.query.empty()) {
    return CachedResponse(request, Current()->PictureBody(), "application/json");
  }
  return Api(request);
}

net::HttpResponse Publisher::Impl::Ready() const {
  const auto not_ready = [](const std::string& why) {
    return TextResponse(503, "not ready: " + why + "\n");
  };
  {
    std::lock_guard lock(mutex);
    if (!ready) return not_ready(why_not_ready);
  }
  if (store != nullptr) {
    const store::StoreStats stats = store->stats();
    if (!stats.writable) return not_ready("the store cannot write: " + stats.last_error);
  }
  return TextResponse(200, "ready\n");
}

net::HttpResponse Publisher::Impl::Api(const net::HttpRequest& request) const {
  net::HttpResponse response =
      AnswerApi(request, {Current()->picture, store, identities, correlate});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

void Publisher::Impl::RunLookups() {
  while (std::optional<Lookup> lookup = lookups.Pop()) {
    Finish(*lookup->responder, Api(lookup->request));
  }
}

Publisher::Publisher(store::Store* store, telemetry::Identities* identities,
                     telemetry::AnswerCorrelation correlate)
    : impl_(std::make_unique<Impl>(store, identities, correlate)) {}

Publisher::~Publisher() = default;

void Publisher::Publish(std::shared_ptr<const Picture> picture) {
  std::string event;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->served = std::make_shared<Served>(std::move(picture), impl_->served->version + 1);
    event = impl_->served->Event();
  }
  impl_->Tell("picture", event);
}

std::shared_ptr<const Picture> Publisher::picture() const { return impl_->Current()->picture; }

void Publisher::SetReady(bool ready, std::string why_not) {
  std::lock_guard lock(impl_->mutex);
  impl_->ready = ready;
  impl_->why_not_ready = std::move(why_not);
}

void Publisher::HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
  impl_->Route(std::move(request), std::move(responder));
}

}  // namespace tomograph::publish
