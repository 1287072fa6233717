#include "simulate/write/otlp_post.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "net/http_server.h"

namespace tomograph::simulate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Answers each request with the next status, the last one for ever.
class Receiver {
 public:
  explicit Receiver(std::vector<int> statuses) : statuses_(std::move(statuses)) {
    auto server = net::HttpServer::Start(
        "127.0.0.1", 0, 1, {},
        [this](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
          net::HttpResponse response;
          {
            const std::lock_guard<std::mutex> lock(mutex_);
            got_.push_back(request.path + " " + std::string(request.Header("content-type")) + " " +
                           request.body);
            response.status = statuses_.front();
            if (statuses_.size() > 1) statuses_.erase(statuses_.begin());
          }
          response.body = "because";
          responder->Respond(std::move(response));
        });
    TG_CHECK(server.ok());
    server_ = std::move(server).value();
  }
  ~Receiver() { server_->Stop(kSecond); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  std::vector<std::string> got() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return got_;
  }

 private:
  std::mutex mutex_;
  std::vector<int> statuses_;
  std::vector<std::string> got_;
  std::unique_ptr<net::HttpServer> server_;
};

class OtlpPostTest : public testing::Test {
 protected:
  OtlpPost To(const std::string& url) {
    return OtlpPost(url, [this](Nanos pause) { waits_.push_back(pause / kMillisecond); });
  }
  std::vector<Nanos> waits_;
};

TEST_F(OtlpPostTest, SendsEachLineWhereItBelongs) {
  Receiver receiver({200});
  OtlpPost post = To(receiver.url());
  post.Send({"{\"t\":1}\n{\"t\":2}\n", "{\"m\":1}\n", "{\"l\":1}\n", "{\"c\":1}\n"});
  EXPECT_THAT(
      receiver.got(),
      ElementsAre("/v1/traces application/json {\"t\":1}", "/v1/traces application/json {\"t\":2}",
                  "/v1/metrics application/json {\"m\":1}", "/v1/logs application/json {\"l\":1}",
                  "/v1/events application/cloudevents+json {\"c\":1}"));
  EXPECT_EQ(post.count().requests, 5u);
  EXPECT_EQ(post.count().failed + post.count().retries, 0u);
}

TEST_F(OtlpPostTest, TriesAgainWhenAsked) {
  Receiver receiver({503, 429, 200});
  OtlpPost post = To(receiver.url());
  post.Send({"a\n", "", "", ""});
  EXPECT_EQ(receiver.got().size(), 3u);
  EXPECT_THAT(waits_, ElementsAre(100, 200));
  EXPECT_EQ(post.count().retries, 2u);
  EXPECT_EQ(post.count().failed, 0u);
}

TEST_F(OtlpPostTest, GivesUpAfterAWhile) {
  Receiver receiver({503});
  OtlpPost post = To(receiver.url());
  post.Send({"a\n", "", "", ""});
  EXPECT_THAT(waits_, ElementsAre(100, 200, 400, 800, 1600));
  EXPECT_EQ(post.count().failed, 1u);
  EXPECT_THAT(post.count().first_failure, HasSubstr("/v1/traces: answered 503: because"));
}

TEST_F(OtlpPostTest, ARefusalIsFinal) {
  Receiver receiver({400, 200});
  OtlpPost post = To(receiver.url());
  post.Send({"a\nb\n", "", "", ""});
  EXPECT_EQ(receiver.got().size(), 2u);
  EXPECT_EQ(post.count().failed, 1u);
  EXPECT_EQ(post.count().retries, 0u);
}

TEST_F(OtlpPostTest, NobodyThereIsAFailure) {
  std::string url;
  {
    const Receiver gone({200});
    url = gone.url();
  }
  OtlpPost post = To(url);
  post.Send({"a\n", "", "", ""});
  EXPECT_EQ(post.count().failed, 1u);
  EXPECT_EQ(waits_.size(), 5u);
  EXPECT_EQ(post.count().first_failure, url + "/v1/traces: Connection refused");
}

TEST(OtlpPostUrl, IsMadeOfHostAndPort) {
  EXPECT_EQ(*OtlpPost::BaseUrlOf("otlp://127.0.0.1:4318"), "http://127.0.0.1:4318");
  EXPECT_EQ(*OtlpPost::BaseUrlOf("http://localhost:80/"), "http://localhost:80");
  for (const char* wrong : {"", "127.0.0.1:4318", "otlp://", "otlp://host", "otlp://host:",
                            "otlp://:80", "otlp://host:x", "otlp://a/b:80", "grpc://a:1"})
    EXPECT_FALSE(OtlpPost::BaseUrlOf(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace tomograph::simulate
