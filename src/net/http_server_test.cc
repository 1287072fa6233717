#include "net/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <thread>

#include "net/http_client.h"
#include "net/inflate.h"

namespace tomograph::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A client that may say anything at all.
class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    timeval patience{10, 0};  // so that a failing test ends
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }

  bool connected() const { return connected_; }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  /// What comes until `needle` has come, or until the end.
  std::string ReadUntil(std::string_view needle) {
    while (seen_.find(needle) == std::string::npos && ReadSome()) {
    }
    const size_t at = seen_.find(needle);
    const size_t end = at == std::string::npos ? seen_.size() : at + needle.size();
    std::string out = seen_.substr(0, end);
    seen_.erase(0, end);
    return out;
  }
  std::string ReadToEnd() {
    while (ReadSome()) {
    }
    return std::exchange(seen_, {});
  }
  bool AtEnd() { return ReadToEnd().empty(); }
  void Reset() {  // RST instead of FIN
    linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    Close();
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  bool ReadSome() {
    char buffer[4096];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) seen_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  int fd_;
  bool connected_ = false;
  std::string seen_;
};

/// Answers with what it got, and knows a few paths that behave oddly.
class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpLimits limits = {}) {
    auto server =
        HttpServer::Start("127.0.0.1", 0, 2, limits,
                          [this](HttpRequest&& request, std::shared_ptr<Responder> responder) {
                            Handle(std::move(request), std::move(responder));
                          });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  void TearDown() override {
    if (server_) server_->Stop(kSecond);
    for (std::thread& thread : threads_) thread.join();
  }

  void Handle(HttpRequest&& request, std::shared_ptr<Responder> responder) {
    if (request.path == "/drop") return;
    if (request.path == "/events") {
      auto stream = responder->OpenEventStream();
      std::lock_guard lock(mutex_);
      stream_ = std::move(stream);
      stream_opened_.set_value();
      return;
    }
    if (request.path == "/keep") {
      std::lock_guard lock(mutex_);
      kept_ = std::move(responder);
      kept_arrived_.set_value();
      return;
    }
    if (request.path == "/later") {
      std::lock_guard lock(mutex_);
      threads_.emplace_back([responder] {
        HttpResponse response;
        response.body = "later";
        responder->Respond(std::move(response));
        responder->Respond(HttpResponse{});  // does nothing
      });
      return;
    }
    HttpResponse response;
    response.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
    response.headers.emplace_back("x-seen-encoding",
                                  std::string(request.Header("content-encoding")));
    responder->Respond(std::move(response));
  }

  std::string Url(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  Result<HttpResponse> Post(const std::string& body, const std::string& encoding = "") {
    HttpCall call;
    call.method = "POST";
    call.url = Url("/echo");
    call.body = body;
    if (!encoding.empty()) call.headers.emplace_back("Content-Encoding", encoding);
    return Fetch(call);
  }
  Result<HttpResponse> Get(const std::string& path) {
    HttpCall call;
    call.url = Url(path);
    return Fetch(call);
  }

  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::shared_ptr<EventStream> stream_;
  std::promise<void> stream_opened_;
  std::shared_ptr<Responder> kept_;
  std::promise<void> kept_arrived_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesAndDecodesTheTarget) {
  Start();
  const auto answer = Get("/a%20b?x=1%202");
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "GET /a b?x=1%202 ");
}

TEST_F(HttpServerTest, UndoesGzipAndDeflateAndLeavesOtherEncodings) {
  Start();
  const std::string plain(100'000, 'z');
  const auto gzip = Post(Gzip(plain).value(), "gzip");
  ASSERT_TRUE(gzip.ok());
  EXPECT_EQ(gzip->body, "POST /echo? " + plain);
  const auto snappy = Post("whatever", "snappy");
  EXPECT_EQ(snappy->body, "POST /echo? whatever");
  EXPECT_THAT(snappy->headers, ::testing::Contains(std::make_pair("x-seen-encoding", "snappy")));
  EXPECT_EQ(Post("not gzip", "gzip")->status, 400);
  EXPECT_EQ(Post("", "gzip")->status, 400);
}

TEST_F(HttpServerTest, RefusesWhatIsTooLarge) {
  HttpLimits limits;
  limits.max_body_bytes = 10'000;
  limits.max_inflated_bytes = 20'000;
  Start(limits);
  EXPECT_EQ(Post(std::string(10'000, 'a'))->status, 200);
  EXPECT_EQ(Post(std::string(10'001, 'a'))->status, 413);
  EXPECT_EQ(Post(Gzip(std::string(20'001, 'a')).value(), "gzip")->status, 413);

  RawClient chunked(server_->port());
  chunked.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2800\r\n");
  chunked.Send(std::string(0x2800, 'a') + "\r\n0\r\n\r\n");
  EXPECT_THAT(chunked.ReadToEnd(), StartsWith("HTTP/1.1 413"));
}

/// A request's share is given back just after its answer, so the client may be first.
BodyShare TakeOnceFree(const std::shared_ptr<BodyBudget>& budget, size_t bytes) {
  while (budget->in_use() > 0) std::this_thread::yield();
  BodyShare share(budget);
  EXPECT_TRUE(share.GrowTo(bytes));
  return share;
}

TEST_F(HttpServerTest, RefusesBodiesBeyondTheBudgetBeforeReadingThem) {
  HttpLimits limits;
  limits.body_budget = std::make_shared<BodyBudget>(100'000);
  Start(limits);
  BodyShare others = TakeOnceFree(limits.body_budget, 60'000);
  for (const char* expect : {"", "Expect: 100-continue\r\n"}) {
    RawClient client(server_->port());
    client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n" + std::string(expect) +
                "\r\n");  // and no body: it must not be waited for
    const std::string answer = client.ReadUntil("try again");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(answer, HasSubstr("Retry-After: 1"));
  }
  EXPECT_EQ(limits.body_budget->refusals(), 2u);
  EXPECT_EQ(Post(std::string(30'000, 'a'))->status, 200);
  EXPECT_EQ(Get("/without/body")->status, 200);
  others.ShrinkTo(0);
  TakeOnceFree(limits.body_budget, 1);
  EXPECT_EQ(Post(std::string(50'000, 'a'))->status, 200);
}

TEST_F(HttpServerTest, CountsChunksAndWhatIsInflatedAgainstTheBudget) {
  HttpLimits limits;
  limits.body_budget = std::make_shared<BodyBudget>(200'000);
  Start(limits);
  const std::string bomb = Gzip(std::string(90'000, 'a')).value();
  EXPECT_EQ(Post(bomb, "gzip")->status, 200);
  TakeOnceFree(limits.body_budget, 1);
  EXPECT_EQ(Post(Gzip(std::string(250'000, 'a')).value(), "gzip")->status, 503);
  BodyShare others = TakeOnceFree(limits.body_budget, 100'000);
  const auto refused = Post(bomb, "gzip");
  EXPECT_EQ(refused->status, 503);
  EXPECT_THAT(refused->headers, ::testing::Contains(std::make_pair("Retry-After", "1")));

  RawClient chunked(server_->port());
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "4e20\r\n" + std::string(20'000, 'c') + "\r\n";
  chunked.Send(head);
  for (int i = 0; i < 6; ++i) chunked.Send(chunk);  // more than the 100,000 that are left
  EXPECT_THAT(chunked.ReadToEnd(), StartsWith("HTTP/1.1 503"));

  RawClient small(server_->port());
  small.Send(head + chunk + "0\r\n\r\n");
  EXPECT_THAT(small.ReadUntil("ccc"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, BodiesThatAreOnlyToldKeepNobodyOut) {
  HttpLimits limits;
  limits.body_budget = std::make_shared<BodyBudget>(100'000);
  Start(limits);
  RawClient silent(server_->port());
  silent.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
              std::string(10, 'a'));
  while (limits.body_budget->in_use() == 0) std::this_thread::yield();
  EXPECT_EQ(limits.body_budget->in_use(), 10u);
  EXPECT_EQ(Post(std::string(90'000, 'a'))->status, 200);
}

// The handler's side: kept as long as the request is, and not longer.
TEST_F(HttpServerTest, GivesTheBudgetBackWithTheRequest) {
  HttpLimits limits;
  limits.body_budget = std::make_shared<BodyBudget>(100'000);
  std::atomic<size_t> inside{0};
  auto server = HttpServer::Start("127.0.0.1", 0, 1, limits,
                                  [&](HttpRequest&&, std::shared_ptr<Responder> responder) {
                                    inside = limits.body_budget->in_use();
                                    responder->Respond({});
                                  });
  ASSERT_TRUE(server.ok());
  HttpCall call;
  call.method = "POST";
  call.url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  call.body = std::string(30'000, 'a');
  EXPECT_EQ(Fetch(call)->status, 200);
  EXPECT_EQ(inside, 30'000u);
  {
    RawClient gone((*server)->port());  // in the middle of its body
    gone.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\nabc");
  }
  (*server)->Stop(kSecond);
  EXPECT_EQ(limits.body_budget->in_use(), 0u);
}

TEST_F(HttpServerTest, RefusesHugeHeaders) {
  HttpLimits limits;
  limits.max_header_bytes = 4096;
  Start(limits);
  RawClient client(server_->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(200'000, 'h') + "\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 431"));
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(server_->port());
  client.Send(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: "
      "3\r\n\r\nabc"
      "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadToEnd();
  const size_t first = all.find("later");
  const size_t second = all.find("POST /2? abc");
  const size_t third = all.find("GET /3? ");
  ASSERT_NE(first, std::string::npos) << all;
  ASSERT_NE(second, std::string::npos) << all;
  ASSERT_NE(third, std::string::npos) << all;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(HttpServerTest, LeavesTheBodyOutForHead) {
  Start();
  RawClient client(server_->port());
  client.Send(
      "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadToEnd();
  EXPECT_THAT(all, HasSubstr("Content-Length: 8\r\n\r\nHTTP/1.1 200 OK")) << all;
  EXPECT_THAT(all, HasSubstr("GET /y? "));
}

TEST_F(HttpServerTest, SaysContinueBeforeTheBody) {
  Start();
  RawClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_THAT(client.ReadUntil("POST /? ok"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, RefusesAnExpectedBodyThatIsTooLargeWithoutReadingIt) {
  HttpLimits limits;
  limits.max_body_bytes = 10;
  Start(limits);
  RawClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, TakesNoBodyInAnUnknownCodingForTheNextRequest) {
  Start();
  for (const char* coding : {"xchunked", "chunked, identity", "gzip, chunked"}) {
    RawClient client(server_->port());
    client.Send("POST /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + std::string(coding) +
                "\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answers = client.ReadToEnd();
    EXPECT_THAT(answers, StartsWith("HTTP/1.1 501")) << coding;
    EXPECT_EQ(answers.find("HTTP/1.1", 1), std::string::npos) << answers;
  }
}

TEST_F(HttpServerTest, SurvivesGarbage) {
  Start();
  const std::string kinds[] = {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
                               std::string(100, '\0'),
                               "GET\r\n\r\n",
                               "GET / HTTP/9.9\r\n\r\n",
                               "\r\n\r\n\r\n",
                               "POST / HTTP/1.1\r\nContent-Length: banana\r\n\r\n",
                               "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                               "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                               "GET / HTTP/1.1\r\nNo colon here\r\n\r\n"};
  for (const std::string& garbage : kinds) {
    RawClient client(server_->port());
    client.Send(garbage);
    if (garbage == "\r\n\r\n\r\n") continue;  // empty lines before a request may be ignored
    EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 400")) << garbage;
  }
  EXPECT_EQ(Get("/still-there")->status, 200);
}

TEST_F(HttpServerTest, SurvivesHalfRequestsAndAbruptEnds) {
  Start();
  for (const char* half :
       {"", "GET", "GET / HT", "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nten bytes"}) {
    RawClient closed(server_->port());
    closed.Send(half);
    closed.Close();
    RawClient reset(server_->port());
    reset.Send(half);
    reset.Reset();
  }
  RawClient gone(server_->port());
  gone.Send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  gone.Reset();
  EXPECT_EQ(Get("/still-there")->status, 200);
}

TEST_F(HttpServerTest, CutsOffTheSlow) {
  HttpLimits limits;
  limits.idle_timeout = 50 * kMillisecond;
  Start(limits);
  RawClient silent(server_->port());
  EXPECT_TRUE(silent.AtEnd());
  RawClient slow_header(server_->port());
  slow_header.Send("GET / HTTP/1.1\r\nX-A: ");
  EXPECT_TRUE(slow_header.AtEnd());
  RawClient slow_body(server_->port());
  slow_body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(slow_body.AtEnd());
}

TEST_F(HttpServerTest, AnswersForAHandlerThatForgot) {
  Start();
  EXPECT_EQ(Get("/drop")->status, 500);
}

TEST_F(HttpServerTest, RefusesConnectionsBeyondTheLimit) {
  HttpLimits limits;
  limits.max_connections = 2;
  Start(limits);
  RawClient one(server_->port());
  RawClient two(server_->port());
  one.Send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  two.Send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(one.ReadUntil("GET /1? "), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(two.ReadUntil("GET /2? "), StartsWith("HTTP/1.1 200"));
  RawClient three(server_->port());
  EXPECT_THAT(three.ReadToEnd(), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, SaysThatAPortIsTaken) {
  Start();
  const auto second = HttpServer::Start("127.0.0.1", server_->port(), 1, {}, nullptr);
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(server_->port())));
  EXPECT_EQ(HttpServer::Start("no address", 0, 1, {}, nullptr).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(HttpServerTest, StopLetsAnAnswerUnderWayFinish) {
  Start();
  RawClient idle(server_->port());
  RawClient waiting(server_->port());
  waiting.Send("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
  kept_arrived_.get_future().wait();
  std::thread stopper([this] { server_->Stop(30 * kSecond); });
  EXPECT_TRUE(idle.AtEnd());
  HttpResponse response;
  response.body = "in time";
  kept_->Respond(std::move(response));
  kept_.reset();
  EXPECT_THAT(waiting.ReadToEnd(), HasSubstr("in time"));
  waiting.Close();
  stopper.join();
  EXPECT_FALSE(RawClient(server_->port()).connected());
}

TEST_F(HttpServerTest, StopDoesNotWaitBeyondItsGraceAndLateAnswersAreHarmless) {
  Start();
  RawClient waiting(server_->port());
  waiting.Send("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
  kept_arrived_.get_future().wait();
  server_->Stop(10 * kMillisecond);
  EXPECT_TRUE(waiting.AtEnd());
  server_.reset();
  kept_->Respond(HttpResponse{});
  kept_.reset();
}

TEST_F(HttpServerTest, StreamsEvents) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  stream_opened_.get_future().wait();
  EXPECT_TRUE(stream_->Send("picture", "{\"a\":1}"));
  EXPECT_TRUE(stream_->Send("text\nwith break", "two\nlines"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("text/event-stream"));
  EXPECT_EQ(client.ReadUntil("\n\n"), "event: picture\ndata: {\"a\":1}\n\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), "event: textwith break\ndata: two\ndata: lines\n\n");
  stream_->Send("last", "one");
  stream_.reset();
  EXPECT_EQ(client.ReadToEnd(), "event: last\ndata: one\n\n");
}

TEST_F(HttpServerTest, SendsHeartbeats) {
  HttpLimits limits;
  limits.heartbeat_period = 5 * kMillisecond;
  Start(limits);
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), ": still here\n\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), ": still here\n\n");
}

TEST_F(HttpServerTest, CutsOffAReaderThatDoesNotKeepUp) {
  HttpLimits limits;
  limits.max_event_queue_bytes = 64 << 10;
  Start(limits);
  RawClient client(server_->port(), 4096);
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  stream_opened_.get_future().wait();
  const std::string large(32 << 10, 'x');
  bool taken = true;
  for (int i = 0; i < 10'000 && taken; ++i) taken = stream_->Send("e", large);
  EXPECT_FALSE(taken);
  EXPECT_FALSE(stream_->Send("e", "small"));
}

TEST_F(HttpServerTest, NoticesThatAnEventReaderHasGone) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  client.Close();
  while (stream_->Send("e", "x")) std::this_thread::yield();  // ends, or the test times out
}

TEST_F(HttpServerTest, EventStreamsEndWithTheServerAndMayOutliveIt) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  server_->Stop(kSecond);
  EXPECT_TRUE(client.AtEnd());
  server_.reset();
  EXPECT_FALSE(stream_->Send("e", "x"));
  stream_.reset();
}

TEST(HttpClient, RefusesWhatIsNoUrl) {
  for (const char* url :
       {"", "localhost:80", "https://x/", "http://", "http:///path", "http://h:port/", "http://h:/",
        "http://[::1/", "http://u:p@h/", "http://h/a b", "http://h/\r\nX: y"}) {
    HttpCall call;
    call.url = url;
    EXPECT_EQ(Fetch(call).status().code(), StatusCode::kInvalidArgument) << url;
  }
}

TEST(HttpClient, SaysWhenNobodyAnswers) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  HttpCall call;
  call.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  call.timeout = 100 * kMillisecond;
  EXPECT_EQ(Fetch(call).status().code(), StatusCode::kUnavailable);  // refused
  listen(fd, 1);
  EXPECT_EQ(Fetch(call).status().code(), StatusCode::kUnavailable);  // connects, but never answers
  close(fd);
}

TEST_F(HttpServerTest, ClientStopsAtItsLimit) {
  Start();
  HttpCall call;
  call.method = "POST";
  call.url = Url("/echo");
  call.body = std::string(1000, 'x');
  call.max_body_bytes = 500;
  EXPECT_EQ(Fetch(call).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tomograph::net
