// HTTP/1.1 listener. Knows nothing of telemetry. Boost.Beast lives behind this file alone.
//
// Handlers are called on the server's I/O threads and must not block: they may keep the Responder
// and answer from any thread, later (a group commit, say). A Responder that is destroyed unanswered
// answers 500, so that no client waits for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "base/status.h"
#include "net/body_budget.h"

namespace tomograph::net {

struct HttpRequest {
  std::string method;  // HEAD arrives as GET: the server leaves the answer's body out
  std::string path;    // without the query, percent-decoded
  std::string query;   // after '?', as sent
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  // After Content-Encoding gzip or deflate was undone (its header is then gone). Other encodings
  // are left as they came, with their header.
  std::string body;
  std::string peer;  // "address:port"
  BodyShare share;   // what the body takes of the budget: given back with the request

  /// Empty when absent.
  std::string_view Header(std::string_view lower_case_name) const;
  /// Percent-decoded value of a query parameter; empty when absent.
  std::string Param(std::string_view name) const;
};

/// ASCII letters, as HTTP compares names, media types and encodings.
std::string LowerCase(std::string_view text);

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Server-sent events to one client. Thread-safe. Send returns false once the client has gone or
/// reads so slowly that its queue is full (it is then cut off and may reconnect).
class EventStream {
 public:
  virtual ~EventStream() = default;
  virtual bool Send(std::string_view event, std::string_view data) = 0;
};

class Responder {
 public:
  virtual ~Responder() = default;
  /// Once; later calls do nothing.
  virtual void Respond(HttpResponse response) = 0;
  /// Instead of Respond: turns the answer into an open event stream.
  virtual std::shared_ptr<EventStream> OpenEventStream() = 0;
};

/// The answer to a request whose body was not taken: 413 too large, 400 not what its encoding says,
/// 503 no room for now. `request` has no body. Called on the I/O threads; must not block.
using HttpRefusal =
    std::function<HttpResponse(const HttpRequest& request, int status, const std::string& why)>;

struct HttpLimits {
  size_t max_body_bytes = 16u << 20;      // as received; 413 beyond
  size_t max_inflated_bytes = 64u << 20;  // after gzip; 413 beyond
  size_t max_header_bytes = 32u << 10;
  size_t max_connections = 256;       // 503 beyond
  Nanos idle_timeout = 60 * kSecond;  // for the header, again for the body, again for the answer
  Nanos heartbeat_period = 15 * kSecond;  // of event streams
  size_t max_event_queue_bytes = 1u << 20;
  // For the bodies of all connections, as they arrive and as inflated; 503 with Retry-After beyond,
  // before the body is read where its length says that it has no room. Null: none.
  std::shared_ptr<BodyBudget> body_budget;
  HttpRefusal refusal;  // none: plain text
};

class HttpServer {
 public:
  using Handler = std::function<void(HttpRequest&&, std::shared_ptr<Responder>)>;

  /// Listens on `address:port` (port 0: a free one) with `threads` I/O threads. kUnavailable,
  /// naming the address, when it is taken.
  static Result<std::unique_ptr<HttpServer>> Start(const std::string& address, uint16_t port,
                                                   int threads, HttpLimits limits, Handler handler);
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
  /// Stops accepting, lets answers under way finish for up to `grace`, then closes. Idempotent.
  virtual void Stop(Nanos grace) = 0;
};

}  // namespace tomograph::net
