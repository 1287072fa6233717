#include "net/http_client.h"

#include <utility>  // Boost 1.74's asio needs it before its own headers with C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "net/inflate.h"

namespace tomograph::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Deadline = std::chrono::steady_clock::time_point;

struct Url {
  std::string host;  // without the brackets of an IPv6 address
  std::string port = "80";
  std::string authority;
  std::string target;
};

std::optional<Url> ParseUrl(std::string_view text) {
  static constexpr std::string_view kScheme = "http://";
  if (text.substr(0, kScheme.size()) != kScheme) return std::nullopt;
  text.remove_prefix(kScheme.size());
  for (const char c : text) {
    if (c <= ' ' || c == 0x7f) return std::nullopt;  // would break the request line
  }
  Url url;
  text = text.substr(0, text.find('#'));
  const size_t end = text.find_first_of("/?");
  std::string_view authority = text.substr(0, end);
  if (end != std::string_view::npos) url.target = text.substr(end);
  if (url.target.empty() || url.target[0] == '?') url.target.insert(0, 1, '/');
  if (authority.empty() || authority.find('@') != std::string_view::npos) return std::nullopt;
  url.authority = authority;
  if (authority[0] == '[') {
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    url.host = authority.substr(1, bracket - 1);
    authority.remove_prefix(bracket + 1);
  } else {
    url.host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(url.host.size());
  }
  if (!authority.empty()) {
    url.port = authority.substr(1);
    const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
    if (authority[0] != ':' || url.port.empty() || url.port.size() > 5 || !digits)
      return std::nullopt;
  }
  if (url.host.empty()) return std::nullopt;
  return url;
}

Status Unreachable(const std::string& url, const std::string& why) {
  return Status::Unavailable(url + ": " + why);
}

/// The system's resolver cannot be interrupted, so it gets a thread that may outlive the call.
Result<tcp::resolver::results_type> Resolve(const Url& url, Deadline deadline,
                                            const std::stop_token& stop) {
  struct Answer {
    asio::io_context io;
    error_code error;
    tcp::resolver::results_type endpoints;
    std::mutex mutex;
    std::condition_variable_any ready;
    bool done = false;  // under mutex
  };
  const auto answer = std::make_shared<Answer>();
  std::thread([answer, host = url.host, port = url.port] {
    tcp::resolver resolver(answer->io);
    answer->endpoints = resolver.resolve(host, port, answer->error);
    std::lock_guard lock(answer->mutex);
    answer->done = true;
    answer->ready.notify_all();
  }).detach();
  std::unique_lock lock(answer->mutex);
  if (!answer->ready.wait_until(lock, stop, deadline, [&] { return answer->done; })) {
    return Status::Unavailable("the name was not resolved in time");
  }
  if (answer->error) return Status::Unavailable(answer->error.message());
  return answer->endpoints;
}

/// One exchange on one connection; each step starts the next and `Run` returns when the last has
/// ended.
class Exchange {
 public:
  Exchange(const HttpCall& call, const Url& url, Deadline deadline) : stream_(io_) {
    stream_.expires_at(deadline);
    request_.method_string(call.method);
    request_.target(url.target);
    request_.version(11);
    request_.set(http::field::host, url.authority);
    request_.set(http::field::user_agent, "tomograph");
    request_.set(http::field::accept_encoding, "gzip");
    request_.set(http::field::connection, "close");
    for (const auto& [name, value] : call.headers) request_.set(name, value);
    request_.body() = call.body;
    if (!call.body.empty() || call.method != "GET") request_.content_length(call.body.size());
    parser_.body_limit(call.max_body_bytes);
    parser_.skip(call.method == "HEAD");
  }

  error_code Run(const tcp::resolver::results_type& endpoints, const std::stop_token& stop) {
    stream_.async_connect(endpoints, [this](error_code error, const tcp::endpoint&) {
      if (!Failed(error)) Write();
    });
    // On this thread, like all that touches the stream; what waits for it then fails.
    const std::stop_callback on_stop(stop,
                                     [this] { asio::post(io_, [this] { stream_.close(); }); });
    io_.run();
    return error_;
  }
  http::response<http::string_body> TakeResponse() { return parser_.release(); }

 private:
  void Write() {
    http::async_write(stream_, request_, [this](error_code error, size_t) {
      // A server may refuse a large body early and close its side: its answer is still to be read.
      if (error == beast::error::timeout) return static_cast<void>(Failed(error));
      Read();
    });
  }
  // In two steps: reading all at once, Boost 1.74 passes over its limit on bodies that have arrived
  // with their header.
  void Read() {
    http::async_read_header(stream_, buffer_, parser_, [this](error_code error, size_t) {
      if (!Failed(error)) ReadBody();
    });
  }
  void ReadBody() {
    http::async_read(stream_, buffer_, parser_,
                     [this](error_code error, size_t) { Failed(error); });
  }
  bool Failed(error_code error) {
    error_ = error;
    return static_cast<bool>(error);
  }

  asio::io_context io_;
  beast::tcp_stream stream_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  error_code error_;
};

Result<HttpResponse> Convert(http::response<http::string_body>&& message, const HttpCall& call) {
  HttpResponse response;
  response.status = static_cast<int>(message.result_int());
  response.content_type = std::string(message[http::field::content_type]);
  for (const auto& field : message) {
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  response.body = std::move(message.body());
  if (beast::iequals(message[http::field::content_encoding], "gzip") && !response.body.empty()) {
    Result<std::string> plain = Inflate(response.body, call.max_body_bytes);
    if (!plain.ok()) return plain.status();
    response.body = std::move(*plain);
  }
  return response;
}

}  // namespace

Result<HttpResponse> Fetch(const HttpCall& call) {
  const Deadline deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(call.timeout);
  const std::optional<Url> url = ParseUrl(call.url);
  if (!url) return Status::InvalidArgument("not an http:// URL: " + call.url);
  const auto endpoints = Resolve(*url, deadline, call.stop);
  if (!endpoints.ok()) return Unreachable(call.url, endpoints.status().message());

  Exchange exchange(call, *url, deadline);
  const error_code error = exchange.Run(*endpoints, call.stop);
  if (error == http::error::body_limit) {
    return Status::ResourceExhausted(call.url + ": the answer is larger than the limit");
  }
  if (error) return Unreachable(call.url, error.message());
  return Convert(exchange.TakeResponse(), call);
}

}  // namespace tomograph::net
