#include "publish/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "net/http_client.h"
#include "net/inflate.h"
#include "publish/fake_store_test.h"
#include "publish/json.h"
#include "publish/sample_picture_test.h"

namespace tomograph::publish {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeStream : public net::EventStream {
 public:
  bool Send(std::string_view event, std::string_view data) override {
    std::lock_guard lock(mutex);
    if (gone) return false;
    sent.push_back(std::string(event) + " " + std::string(data));
    return true;
  }
  std::mutex mutex;
  bool gone = false;
  std::vector<std::string> sent;
};

class FakeResponder : public net::Responder {
 public:
  void Respond(net::HttpResponse response) override { answer.set_value(std::move(response)); }
  std::shared_ptr<net::EventStream> OpenEventStream() override { return stream; }
  std::promise<net::HttpResponse> answer;
  std::shared_ptr<FakeStream> stream = std::make_shared<FakeStream>();
};

std::string HeaderOf(const net::HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

class PublisherTest : public ::testing::Test {
 protected:
  net::HttpResponse Ask(const std::string& path,
                        std::vector<std::pair<std::string, std::string>> headers = {},
                        const std::string& method = "GET") {
    auto responder = std::make_shared<FakeResponder>();
    auto answer = responder->answer.get_future();
    net::HttpRequest request;
    request.method = method;
    request.path = path;
    request.headers = std::move(headers);
    publisher_.HandleHttp(std::move(request), responder);
    return answer.get();
  }
  std::shared_ptr<FakeStream> OpenStream() {
    auto responder = std::make_shared<FakeResponder>();
    net::HttpRequest request;
    request.method = "GET";
    request.path = "/api/v1/stream";
    publisher_.HandleHttp(std::move(request), responder);
    return responder->stream;
  }

  Publisher publisher_{nullptr, nullptr};
};

TEST_F(PublisherTest, IsHealthyBeforeItIsReady) {
  EXPECT_EQ(Ask("/-/healthy").status, 200);
  const net::HttpResponse waiting = Ask("/-/ready");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_THAT(waiting.body, HasSubstr("still starting"));
  publisher_.SetReady(true);
  EXPECT_EQ(Ask("/-/ready").status, 200);
  publisher_.SetReady(false, "replaying");
  EXPECT_EQ(Ask("/-/ready").status, 503);
  EXPECT_EQ(Ask("/-/ready").body, "not ready: replaying\n");
  EXPECT_EQ(Ask("/-/healthy").status, 200);
}

TEST(PublisherWithAStore, IsReadyWhileTheStoreCanWrite) {
  FakeStore store;
  Publisher publisher(&store, nullptr);
  publisher.SetReady(true);
  const auto ready = [&] {
    auto responder = std::make_shared<FakeResponder>();
    auto answer = responder->answer.get_future();
    net::HttpRequest request;
    request.method = "GET";
    request.path = "/-/ready";
    publisher.HandleHttp(std::move(request), responder);
    return answer.get();
  };
  EXPECT_EQ(ready().status, 200);
  store.current.writable = false;
  store.current.last_error = "the disk is full";
  EXPECT_EQ(ready().status, 503);
  EXPECT_EQ(ready().body, "not ready: the store cannot write: the disk is full\n");
  store.current.writable = true;
  EXPECT_EQ(ready().status, 200);
}

TEST_F(PublisherTest, ServesTheNewestPicture) {
  EXPECT_EQ(Json::parse(Ask("/api/v1/picture").body)["topology"]["nodes"].size(), 0u);
  publisher_.Publish(std::make_shared<const Picture>(IncidentPicture()));
  EXPECT_EQ(Json::parse(Ask("/api/v1/picture").body)["topology"]["nodes"].size(), 11u);
  EXPECT_THAT(Ask("/metrics").body, HasSubstr("tomograph_incidents_open 1\n"));
  EXPECT_THAT(Ask("/metrics").content_type, HasSubstr("version=0.0.4"));
}

TEST_F(PublisherTest, TakesGetAlone) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", ""}) {
    const net::HttpResponse response = Ask("/api/v1/status", {}, method);
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(HeaderOf(response, "Allow"), "GET, HEAD");
  }
  EXPECT_EQ(Ask("/api/v1/status", {}, "HEAD").status, 200);
  EXPECT_EQ(Ask("/nothing").status, 404);
}

TEST_F(PublisherTest, AnswersUnchangedBodiesByTagAndCompressed) {
  publisher_.Publish(std::make_shared<const Picture>(IncidentPicture()));
  for (const char* path : {"/", "/api/v1/picture"}) {
    const net::HttpResponse plain = Ask(path);
    const std::string tag = HeaderOf(plain, "ETag");
    ASSERT_FALSE(tag.empty());
    const net::HttpResponse same = Ask(path, {{"if-none-match", tag}});
    EXPECT_EQ(same.status, 304);
    EXPECT_TRUE(same.body.empty());
    const net::HttpResponse packed = Ask(path, {{"accept-encoding", "br, gzip"}});
    EXPECT_EQ(HeaderOf(packed, "Content-Encoding"), "gzip");
    Result<std::string> inflated = net::Inflate(packed.body, 10u << 20);
    ASSERT_TRUE(inflated.ok());
    EXPECT_EQ(*inflated, plain.body);
  }
  const std::string before = HeaderOf(Ask("/api/v1/picture"), "ETag");
  publisher_.Publish(std::make_shared<const Picture>(NormalPicture()));
  EXPECT_EQ(Ask("/api/v1/picture", {{"if-none-match", before}}).status, 200);
}

TEST_F(PublisherTest, EveryAnswerHasItsSecurityHeaders) {
  for (const char* path :
       {"/", "/api/v1/status", "/metrics", "/nothing", "/-/healthy", "/api/v1/evidence/trace:1"}) {
    const net::HttpResponse response = Ask(path);
    EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff") << path;
    EXPECT_THAT(HeaderOf(response, "Content-Security-Policy"), HasSubstr("frame-ancestors 'none'"));
  }
  // Scripts and styles by hash: nothing else runs, whatever gets into the page.
  EXPECT_THAT(Ask("/").body, HasSubstr("default-src 'none'; script-src 'sha256-"));
}

TEST_F(PublisherTest, TellsItsStreamsOfEachPicture) {
  auto stream = OpenStream();
  publisher_.Publish(std::make_shared<const Picture>(NormalPicture()));
  EXPECT_THAT(stream->sent,
              ElementsAre("picture {\"version\":0,\"watermark_ms\":0.0}",
                          "picture {\"version\":1,\"watermark_ms\":1760001000000.0}"));
}

TEST_F(PublisherTest, BoundsItsStreamsAndForgetsThoseThatHaveGone) {
  std::vector<std::shared_ptr<FakeStream>> streams;
  for (int i = 0; i < 64; ++i) streams.push_back(OpenStream());
  EXPECT_EQ(Ask("/api/v1/stream").status, 503);
  streams[5]->gone = true;
  auto late = OpenStream();
  EXPECT_EQ(late->sent.size(), 1u);
}

TEST_F(PublisherTest, AnswersLookupsOffTheCallersThread) {
  const net::HttpResponse response = Ask("/api/v1/evidence/trace:00000000000000010000000000000002");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("without a store"));
}

TEST_F(PublisherTest, WorksBehindTheRealServer) {
  auto server = net::HttpServer::Start(
      "127.0.0.1", 0, 1, {},
      [&](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
        publisher_.HandleHttp(std::move(request), std::move(responder));
      });
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  publisher_.Publish(std::make_shared<const Picture>(IncidentPicture()));
  net::HttpCall call;
  const std::string base = "http://127.0.0.1:" + std::to_string((*server)->port());
  call.url = base + "/api/v1/estimates?entity=postgresql%20shop&state=call_volume&limit=2";
  Result<net::HttpResponse> response = net::Fetch(call);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(Json::parse(response->body)["estimates"].size(), 2u);
  call.url = base + "/";
  response = net::Fetch(call);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(response->body, HasSubstr("<title>Tomograph</title>"));
}

}  // namespace
}  // namespace tomograph::publish
