#include "net/http_connection.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

#include "net/inflate.h"
#include "net/percent.h"

namespace tomograph::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr size_t kMaxDrainedBytes = 16u << 20;
constexpr size_t kBodyReadBytes = 64u << 10;
constexpr std::chrono::seconds kLingerTime{1};
constexpr std::string_view kEventStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "X-Accel-Buffering: no\r\nConnection: close\r\n\r\n";

HttpResponse PlainAnswer(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(text) + "\n";
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string PeerName(const asio::ip::tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  const std::string address = endpoint.address().to_string(error);
  const bool v6 = endpoint.address().is_v6();
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

HttpRequest ConvertHeader(const http::request<http::string_body>& message,
                          const std::string& peer) {
  HttpRequest request;
  request.method =
      message.method() == http::verb::head ? "GET" : std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  const size_t question = target.find('?');
  request.path = PercentDecode(target.substr(0, question), PlusMeans::kPlus);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(
        LowerCase({field.name_string().data(), field.name_string().size()}),
        std::string(field.value()));
  }
  request.peer = peer;
  return request;
}

/// Undoes gzip and deflate; other encodings are the handler's to know. The request's share covers
/// both forms while both are there.
Status UndoEncoding(HttpRequest* request, size_t max_bytes) {
  const std::string encoding = LowerCase(request->Header("content-encoding"));
  if (encoding != "gzip" && encoding != "x-gzip" && encoding != "deflate" &&
      encoding != "identity") {
    return Status::Ok();
  }
  if (encoding != "identity") {
    const size_t compressed = request->share.bytes();
    Result<std::string> plain = Inflate(request->body, max_bytes, [&](size_t bytes) {
      return request->share.GrowTo(compressed + bytes);
    });
    if (!plain.ok()) return plain.status();
    request->body = std::move(*plain);
    request->share.ShrinkTo(request->body.capacity());
  }
  std::erase_if(request->headers, [](const auto& h) { return h.first == "content-encoding"; });
  return Status::Ok();
}

}  // namespace

HttpConnection::HttpConnection(HttpShared* shared, asio::ip::tcp::socket socket)
    : shared_(shared),
      stream_(std::move(socket)),
      buffer_(shared->limits.max_header_bytes + (64u << 10)),
      timer_(stream_.get_executor()),
      peer_(PeerName(stream_.socket())) {}

HttpConnection::~HttpConnection() {
  std::lock_guard lock(shared_->mutex);
  shared_->connections.erase(this);
  shared_->changed.notify_all();
}

void HttpConnection::Start() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->ReadHeader(); });
}

void HttpConnection::StartRefusing() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    self->closing_ = true;
    self->Write(PlainAnswer(503, "too many connections"));
  });
}

void HttpConnection::Stop(bool now) {
  asio::post(stream_.get_executor(), [self = shared_from_this(), now] {
    self->closing_ = true;
    if (now || !self->busy_) self->Close();
  });
}

// ---------------------------------------------------------------------------------------------------
// Requests

void HttpConnection::ReadHeader() {
  if (closing_) return Close();
  share_ = BodyShare(shared_->limits.body_budget);
  parser_.emplace();
  parser_->body_limit(shared_->limits.max_body_bytes);
  parser_->header_limit(
      static_cast<uint32_t>(std::min<size_t>(shared_->limits.max_header_bytes, UINT32_MAX)));
  stream_.expires_after(std::chrono::nanoseconds(shared_->limits.idle_timeout));
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, size_t) { self->OnHeader(error); });
}

void HttpConnection::OnHeader(error_code error) {
  if (error) return RefuseRequest(error);
  busy_ = true;
  head_ = parser_->get().method() == http::verb::head;
  // Where a body in another coding ends is not known, so nothing after it can be told from it.
  const auto coding = parser_->get()[http::field::transfer_encoding];
  if (!coding.empty() && !beast::iequals(coding, "chunked")) return RefuseCoding();
  if (!share_.HasRoomFor(parser_->content_length().value_or(0))) return RefuseForNow();
  const auto expect = parser_->get()[http::field::expect];
  if (!beast::iequals(expect, "100-continue")) return ReadBody();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](error_code write_error, size_t) {
                      if (write_error) return self->Close();
                      self->ReadBody();
                    });
}

void HttpConnection::ReadBody() {
  // Beast reads as much as there is capacity, and would go on with the 512 bytes it begins with.
  buffer_.reserve(kBodyReadBytes);
  stream_.expires_after(std::chrono::nanoseconds(shared_->limits.idle_timeout));
  ReadMoreOfBody();
}

void HttpConnection::ReadMoreOfBody() {
  if (parser_->is_done()) return OnBody({});
  http::async_read_some(stream_, buffer_, *parser_,
                        [self = shared_from_this()](error_code error, size_t) {
                          if (error) return self->OnBody(error);
                          // Of a body whose length was told, room for all of it is reserved but not
                          // yet touched.
                          const std::string& body = self->parser_->get().body();
                          const bool chunked = !self->parser_->content_length();
                          if (!self->share_.GrowTo(chunked ? body.capacity() : body.size())) {
                            return self->RefuseForNow();
                          }
                          self->ReadMoreOfBody();
                        });
}

void HttpConnection::OnBody(error_code error) {
  if (error) return RefuseRequest(error);
  if (!parser_->get().keep_alive()) closing_ = true;
  Dispatch();
}

void HttpConnection::Dispatch() {
  stream_.expires_never();
  http::request<http::string_body> message = parser_->release();
  HttpRequest request = ConvertHeader(message, peer_);
  request.body = std::move(message.body());
  request.share = std::move(share_);
  parser_.reset();
  const Status decoded = UndoEncoding(&request, shared_->limits.max_inflated_bytes);
  if (!decoded.ok()) {
    const bool too_large = decoded.code() == StatusCode::kResourceExhausted;
    const int status = decoded.retryable() ? 503 : too_large ? 413 : 400;
    request.body.clear();
    return RefuseBody(request, status, decoded.message());
  }
  shared_->handler(std::move(request), std::make_shared<HttpResponder>(shared_->shared_from_this(),
                                                                       shared_from_this()));
}

/// An error of reading: an answer where the client can still make sense of one, then the end.
void HttpConnection::RefuseRequest(error_code error) {
  closing_ = true;
  share_.ShrinkTo(0);
  if (error == http::error::body_limit) {
    return RefuseBody(ConvertHeader(parser_->get(), peer_), 413, "the body is too large");
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Write(PlainAnswer(431, "the header is too large"));
  }
  const bool is_syntax = error.category() == make_error_code(http::error::bad_method).category();
  if (is_syntax && error != http::error::end_of_stream && error != http::error::partial_message) {
    return Write(PlainAnswer(400, "not HTTP/1.1: " + error.message()));
  }
  Close();
}

void HttpConnection::RefuseCoding() {
  closing_ = true;
  RefuseBody(ConvertHeader(parser_->get(), peer_), 501,
             "of transfer codings only chunked is read here");
}

void HttpConnection::RefuseForNow() {
  closing_ = true;
  const HttpRequest request = ConvertHeader(parser_->get(), peer_);
  parser_.reset();
  share_.ShrinkTo(0);
  RefuseBody(request, 503, "too many bytes of requests are in memory, try again");
}

void HttpConnection::RefuseBody(const HttpRequest& request, int status, const std::string& why) {
  const HttpRefusal& refusal = shared_->limits.refusal;
  Write(refusal ? refusal(request, status, why) : PlainAnswer(status, why));
}

void HttpConnection::Write(HttpResponse answer) {
  response_.emplace(static_cast<http::status>(answer.status), 11);
  const bool may_have_body = answer.status >= 200 && answer.status != 204 && answer.status != 304;
  if (may_have_body) response_->set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) response_->set(name, value);
  response_->keep_alive(!closing_);
  if (may_have_body) response_->content_length(answer.body.size());
  if (may_have_body && !head_) response_->body() = std::move(answer.body);
  stream_.expires_after(std::chrono::nanoseconds(shared_->limits.idle_timeout));
  http::async_write(stream_, *response_, [self = shared_from_this()](error_code error, size_t) {
    self->OnWritten(error);
  });
}

void HttpConnection::OnWritten(error_code error) {
  response_.reset();
  busy_ = false;
  head_ = false;
  if (error) return Close();
  if (closing_ || shared_->Stopping()) return Linger();
  ReadHeader();
}

/// Closing a socket with unread bytes makes TCP throw our answer away at the other end. So: say
/// that nothing more comes, and read off what the client still sends, for a while.
void HttpConnection::Linger() {
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLingerTime);
  drained_ = 0;
  Drain();
}

void HttpConnection::Drain() {
  stream_.async_read_some(
      asio::buffer(ignored_), [self = shared_from_this()](error_code error, size_t n) {
        self->drained_ += n;
        const size_t most = std::max(kMaxDrainedBytes, self->shared_->limits.max_body_bytes);
        if (error || self->drained_ > most) return self->Close();
        self->Drain();
      });
}

void HttpConnection::Close() {
  closing_ = true;
  {
    std::lock_guard lock(event_mutex_);
    events_open_ = false;
  }
  timer_.cancel();
  stream_.close();
}

// ---------------------------------------------------------------------------------------------------
// Answers from any thread

namespace {

/// Holds only its own connection; see HttpConnection::shared_.
class HttpEventStream : public EventStream {
 public:
  HttpEventStream(std::shared_ptr<HttpShared> shared, std::shared_ptr<HttpConnection> connection)
      : shared_(std::move(shared)), connection_(std::move(connection)) {}
  ~HttpEventStream() override { connection_->PostEndOfEvents(); }

  bool Send(std::string_view event, std::string_view data) override {
    std::string text = "event: ";
    std::copy_if(event.begin(), event.end(), std::back_inserter(text),
                 [](char c) { return c != '\n' && c != '\r'; });
    text += "\ndata: ";
    for (char c : data) {
      if (c == '\n') {
        text += "\ndata: ";
      } else if (c != '\r') {
        text += c;
      }
    }
    text += "\n\n";
    return connection_->QueueEvent(std::move(text));
  }

 private:
  std::shared_ptr<HttpShared> shared_;  // before the connection, so that it goes after it
  std::shared_ptr<HttpConnection> connection_;
};

}  // namespace

HttpResponder::HttpResponder(std::shared_ptr<HttpShared> shared,
                             std::shared_ptr<HttpConnection> connection)
    : shared_(std::move(shared)), connection_(std::move(connection)) {}

HttpResponder::~HttpResponder() { Respond(PlainAnswer(500, "the request was dropped unanswered")); }

void HttpResponder::Respond(HttpResponse response) {
  if (!answered_.exchange(true)) connection_->PostResponse(std::move(response));
}

std::shared_ptr<EventStream> HttpResponder::OpenEventStream() {
  if (!answered_.exchange(true)) connection_->PostEventStream();
  return std::make_shared<HttpEventStream>(shared_, connection_);
}

void HttpConnection::PostResponse(HttpResponse response) {
  asio::post(stream_.get_executor(),
             [self = shared_from_this(), r = std::move(response)]() mutable {
               self->Write(std::move(r));
             });
}

// ---------------------------------------------------------------------------------------------------
// Event streams

void HttpConnection::PostEventStream() {
  {
    std::lock_guard lock(event_mutex_);
    events_open_ = true;
    events_writing_ = true;  // the head goes first
  }
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->StartEvents(); });
}

void HttpConnection::StartEvents() {
  if (closing_ && !stream_.socket().is_open()) return Close();
  closing_ = true;  // the stream ends with the connection
  busy_ = false;    // and a stopping server need not wait for it
  if (shared_->Stopping()) return Close();
  asio::async_write(stream_.socket(),
                    asio::buffer(kEventStreamHead.data(), kEventStreamHead.size()),
                    [self = shared_from_this()](error_code error, size_t) {
                      if (error) return self->Close();
                      if (self->head_) return self->Linger();
                      self->WatchForEnd();
                      self->Heartbeat();
                      self->WriteEvents();
                    });
}

bool HttpConnection::QueueEvent(std::string text) {
  bool full = false;
  {
    std::lock_guard lock(event_mutex_);
    if (!events_open_) return false;
    event_bytes_ += text.size();
    full = event_bytes_ > shared_->limits.max_event_queue_bytes;
    if (full) {
      events_open_ = false;
    } else {
      events_.push_back(std::move(text));
      if (events_writing_) return true;
      events_writing_ = true;
    }
  }
  asio::post(stream_.get_executor(),
             [self = shared_from_this(), full] { full ? self->Close() : self->WriteEvents(); });
  return !full;
}

void HttpConnection::WriteEvents() {
  size_t size = 0;
  {
    std::lock_guard lock(event_mutex_);
    if (events_.empty()) {
      events_writing_ = false;
      if (!events_ending_) return;
    } else {
      event_head_.clear();
      for (const std::string& event : events_) event_head_ += event;
      events_.clear();
      size = event_head_.size();
    }
  }
  if (size == 0) return Linger();
  asio::async_write(stream_.socket(), asio::buffer(event_head_),
                    [self = shared_from_this(), size](error_code error, size_t) {
                      if (error) return self->Close();
                      {
                        std::lock_guard lock(self->event_mutex_);
                        self->event_bytes_ -= size;
                      }
                      self->WriteEvents();
                    });
}

/// A client that goes away is noticed by reading; what it sends is of no interest.
void HttpConnection::WatchForEnd() {
  stream_.socket().async_read_some(asio::buffer(ignored_),
                                   [self = shared_from_this()](error_code error, size_t) {
                                     if (error) return self->Close();
                                     self->WatchForEnd();
                                   });
}

void HttpConnection::Heartbeat() {
  timer_.expires_after(std::chrono::nanoseconds(shared_->limits.heartbeat_period));
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error || !self->QueueEvent(": still here\n\n")) return;
    self->Heartbeat();
  });
}

void HttpConnection::PostEndOfEvents() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    bool writing = false;
    {
      std::lock_guard lock(self->event_mutex_);
      if (!self->events_open_) return;
      self->events_open_ = false;
      self->events_ending_ = true;
      writing = self->events_writing_;
    }
    self->timer_.cancel();
    if (!writing) self->WriteEvents();
  });
}

}  // namespace tomograph::net
