// One accepted connection: reads a request, hands it to the handler, writes the answer, and again.
// The next request is read when the answer before it has been written, so that pipelined answers
// keep their order. Inner part of http_server.cc; includes Boost.
//
// Everything runs on the connection's strand, but what Responders and EventStreams call: that is
// posted. A pending operation or a Responder keeps the connection alive; nothing else does, so an
// idle connection whose operation is cancelled goes away by itself.
#pragma once

#include <utility>  // Boost 1.74's asio needs it before its own headers with C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/http_server.h"

namespace tomograph::net {

class HttpConnection;

/// What the connections of a server share. Outlives them: `io` is the last member and so goes
/// first, and what is pending in it goes with it.
struct HttpShared : std::enable_shared_from_this<HttpShared> {
  HttpLimits limits;
  HttpServer::Handler handler;
  std::mutex mutex;
  std::condition_variable changed;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  bool stopping = false;
  boost::asio::io_context io;

  bool Stopping() {
    std::lock_guard lock(mutex);
    return stopping;
  }
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(HttpShared* shared, boost::asio::ip::tcp::socket socket);
  ~HttpConnection();

  void Start();
  /// Too many connections: 503 and away.
  void StartRefusing();
  /// Closes now if nothing is under way, else after the answer; `now` closes in any case.
  void Stop(bool now);

  void PostResponse(HttpResponse response);
  void PostEventStream();
  void PostEndOfEvents();  // nobody will send any more
  /// False when the client is gone or the queue is full, which also cuts it off.
  bool QueueEvent(std::string text);

 private:
  void ReadHeader();
  void OnHeader(boost::system::error_code error);
  void ReadBody();
  void ReadMoreOfBody();
  void OnBody(boost::system::error_code error);
  void Dispatch();
  void RefuseRequest(boost::system::error_code error);
  /// The body was not read, or not to its end.
  void RefuseCoding();
  void RefuseForNow();
  /// In the words of HttpLimits::refusal.
  void RefuseBody(const HttpRequest& request, int status, const std::string& why);
  void Write(HttpResponse response);
  void OnWritten(boost::system::error_code error);
  void Linger();
  void Drain();
  void Close();

  void StartEvents();
  void WriteEvents();
  void WatchForEnd();
  void Heartbeat();

  // A raw pointer, since a pending operation that owns its own io_context would never be destroyed.
  // Responders and event streams own the HttpShared.
  HttpShared* const shared_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  boost::asio::steady_timer timer_;
  std::string peer_;
  BodyShare share_;  // of the request that is being read
  bool head_ = false;
  bool busy_ = false;  // a request's header is here and its answer is not yet written
  bool closing_ = false;
  size_t drained_ = 0;

  // Event stream. The queue is the only thing that other threads touch.
  std::mutex event_mutex_;
  std::deque<std::string> events_;
  size_t event_bytes_ = 0;
  bool events_open_ = false;
  bool events_writing_ = false;
  bool events_ending_ = false;
  std::string event_head_;
  char ignored_[4096];
};

/// The handler's side of one request. Keeps the shared state and the connection alive.
class HttpResponder : public Responder {
 public:
  HttpResponder(std::shared_ptr<HttpShared> shared, std::shared_ptr<HttpConnection> connection);
  ~HttpResponder() override;
  void Respond(HttpResponse response) override;
  std::shared_ptr<EventStream> OpenEventStream() override;

 private:
  std::shared_ptr<HttpShared> shared_;  // before the connection, so that it goes after it
  std::shared_ptr<HttpConnection> connection_;
  std::atomic<bool> answered_{false};
};

}  // namespace tomograph::net
