#include "ingest/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "ingest/otlp/otlp_test_messages.h"
#include "net/http_client.h"
#include "net/inflate.h"

namespace tomograph::ingest {
namespace {

using namespace otlp::test;  // NOLINT: the builders are this file's language
using telemetry::Batch;
using telemetry::Format;
using telemetry::Reason;
using telemetry::Signal;
using ::testing::_;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr char kProtobuf[] = "application/x-protobuf";
constexpr char kTraces[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

class FakeResponder : public net::Responder {
 public:
  explicit FakeResponder(std::optional<net::HttpResponse>* answer) : answer_(answer) {}
  void Respond(net::HttpResponse response) override { *answer_ = std::move(response); }
  std::shared_ptr<net::EventStream> OpenEventStream() override { return nullptr; }

 private:
  std::optional<net::HttpResponse>* answer_;
};

class ReceiverTest : public ::testing::Test {
 protected:
  ReceiverTest()
      : receiver_(Context(),
                  [this](Batch&& b, Receiver::Done done) { return Accept(std::move(b), done); }) {}
  void TearDown() override {
    for (const auto& row : ledger_.Rows()) {
      EXPECT_TRUE(row.balanced());
      EXPECT_LT(row.received, 1000u);  // nothing wrapped around
      EXPECT_LT(row.accepted, 1000u);
    }
  }

  DecodeContext Context() {
    DecodeContext context;
    context.identities = &identities_;
    context.ledger = &ledger_;
    context.clock = &clock_;
    return context;
  }
  Status Accept(Batch&& batch, const Receiver::Done& done) {
    if (!take_.ok()) return take_;
    batches_.push_back(std::move(batch));
    if (hold_) {
      held_ = done;
    } else {
      done(stored_);
    }
    return Status::Ok();
  }

  std::optional<net::HttpResponse> Post(const std::string& path, const std::string& type,
                                        const std::string& body, const std::string& encoding = "",
                                        const std::string& method = "POST") {
    net::HttpRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.peer = "10.0.0.7:51000";
    request.headers = {{"content-type", type}};
    if (!encoding.empty()) request.headers.emplace_back("content-encoding", encoding);
    receiver_.HandleHttp(std::move(request), std::make_shared<FakeResponder>(&answer_));
    return std::exchange(answer_, std::nullopt);
  }
  Result<std::string> Call(std::string_view method, const std::string& body) {
    Result<std::string> answer = Status::Internal("not answered");
    receiver_.HandleGrpc(method, "10.0.0.7:51000", body,
                         [&](Result<std::string> r) { answer = std::move(r); });
    return answer;
  }
  uint64_t Lost(Signal signal, Reason reason, Format format = Format::kOtlpHttp) {
    for (const auto& row : ledger_.Rows()) {
      if (row.format != format || row.signal != signal) continue;
      for (const auto& [r, n] : row.reasons) {
        if (r == reason) return n;
      }
    }
    return 0;
  }
  uint64_t Accepted(Signal signal, Format format = Format::kOtlpHttp) {
    for (const auto& row : ledger_.Rows()) {
      if (row.format == format && row.signal == signal) return row.accepted;
    }
    return 0;
  }
  static std::string Spans(int good, int repaired, int bad) {
    SpanFields backwards, no_id;
    backwards.end = backwards.start - 1;
    no_id.trace_id = "";
    Messages spans;
    for (int i = 0; i < good; ++i) spans.push_back(Span({}));
    for (int i = 0; i < repaired; ++i) spans.push_back(Span(backwards));
    for (int i = 0; i < bad; ++i) spans.push_back(Span(no_id));
    return Request({Block(Resource({}), spans)});
  }

  telemetry::Identities identities_;
  telemetry::LossLedger ledger_;
  VirtualClock clock_{static_cast<Nanos>(kTime)};
  Receiver receiver_;
  std::vector<Batch> batches_;
  std::optional<net::HttpResponse> answer_;
  Status take_, stored_;
  bool hold_ = false;
  Receiver::Done held_;
};

TEST_F(ReceiverTest, OwnsItsPaths) {
  for (const char* path :
       {"/v1/traces", "/v1/metrics", "/v1/logs", "/api/v1/write", "/v1/events"}) {
    EXPECT_TRUE(Receiver::Owns(path)) << path;
  }
  EXPECT_FALSE(Receiver::Owns("/v1/traces/"));
  EXPECT_FALSE(Receiver::Owns("/metrics"));
}

TEST_F(ReceiverTest, HandsOnAndAnswersInTheEncodingOfTheRequest) {
  const auto protobuf = Post("/v1/traces", kProtobuf, Spans(2, 0, 0));
  EXPECT_EQ(protobuf->status, 200);
  EXPECT_EQ(protobuf->content_type, kProtobuf);
  EXPECT_EQ(protobuf->body, "");
  const auto json = Post("/v1/logs", "Application/JSON; charset=utf-8", "{}");
  EXPECT_EQ(json->status, 200);
  EXPECT_EQ(json->content_type, "application/json");
  EXPECT_EQ(json->body, "{}");
  ASSERT_EQ(batches_.size(), 1u);  // nothing to hand on of the second
  EXPECT_EQ(batches_[0].spans.rows(), 2u);
  EXPECT_EQ(identities_.strings.Get(batches_[0].origin.peer), "10.0.0.7");
  EXPECT_EQ(batches_[0].origin.received_ns, static_cast<Nanos>(kTime));
  EXPECT_EQ(Accepted(Signal::kSpan), 2u);
}

TEST_F(ReceiverTest, ReportsPartialSuccess) {
  const auto answer = Post("/v1/traces", kProtobuf, Spans(1, 0, 2));
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr("2 missing_id"));
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kMissingId), 2u);
}

TEST_F(ReceiverTest, AnswersOnlyWhenTheBatchIsDurable) {
  hold_ = true;
  EXPECT_FALSE(Post("/v1/traces", kProtobuf, Spans(1, 0, 0)).has_value());
  EXPECT_EQ(Accepted(Signal::kSpan), 0u);
  held_(Status::Ok());
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 200);
  EXPECT_EQ(Accepted(Signal::kSpan), 1u);
}

TEST_F(ReceiverTest, PushesBackWhenTheQueueIsFull) {
  take_ = Status::Unavailable("queue full");
  const auto answer =
      Post("/v1/traces", "application/json", R"({"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","startTimeUnixNano":9}]}]}]})");
  EXPECT_EQ(answer->status, 429);
  EXPECT_THAT(answer->headers, Contains(std::make_pair("Retry-After", "1")));
  EXPECT_EQ(answer->body, R"({"code":14,"message":"queue full"})");
  EXPECT_EQ(Post("/v1/traces", kProtobuf, Spans(1, 2, 3))->status, 429);
  EXPECT_EQ(Accepted(Signal::kSpan), 0u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kBackPressure), 4u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kMissingId), 3u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kNegativeDuration), 0u);
}

TEST_F(ReceiverTest, SaysWhenTheStoreCannotWriteForNow) {
  for (const Status& now : {Status::Unavailable("disk full"), Status::Io("read-only disk"),
                            Status::ResourceExhausted("no memory"),
                            Status::FailedPrecondition("the store is closed")}) {
    stored_ = now;
    const auto answer = Post("/v1/traces", kProtobuf, Spans(0, 2, 0));
    EXPECT_EQ(answer->status, 503) << now.ToString();
    EXPECT_THAT(answer->headers, Contains(std::make_pair("Retry-After", "1")));
    EXPECT_EQ(answer->body, std::string(Message().Int(1, 14).Bytes(2, now.message())));
    EXPECT_EQ(Call(kTraces, Spans(1, 0, 0)).status().code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kStoreFailed), 8u);
}

/// Remote write of one series with these samples, in milliseconds.
std::string WriteRequest(std::initializer_list<uint64_t> times, const char* name = "up") {
  Message series = Message().Bytes(1, std::string(Message().Bytes(1, "__name__").Bytes(2, name)));
  for (const uint64_t time : times) series.Bytes(2, std::string(Message().Int(2, time)));
  const std::string plain = Message().Bytes(1, std::string(series));
  EXPECT_LT(plain.size(), 60u);  // one snappy literal: its length, a tag, itself
  return std::string(1, static_cast<char>(plain.size())) +
         static_cast<char>((plain.size() - 1) << 2) + plain;
}

TEST_F(ReceiverTest, TellsRemoteWriteToGiveUpWithA4xx) {
  const std::string body = WriteRequest({1'700'000'000'000});
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, body, "snappy")->status, 204);
  stored_ = Status::Corrupt("the file is damaged");
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, body, "snappy")->status, 400);
  stored_ = Status::Unavailable("no space");
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, body, "snappy")->status, 503);
}

TEST_F(ReceiverTest, ReadsTheFirstRemoteWriteAlone) {
  const std::string body = WriteRequest({1'700'000'000'000});
  for (const char* v1 : {"application/x-protobuf;proto=prometheus.WriteRequest",
                         "application/x-protobuf; Proto=\"prometheus.WriteRequest\"; q=1"}) {
    EXPECT_EQ(Post("/api/v1/write", v1, body, "snappy")->status, 204) << v1;
  }
  const auto v2 =
      Post("/api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request", body,
           "snappy");
  EXPECT_EQ(v2->status, 415);
  EXPECT_THAT(v2->body, HasSubstr("proto=io.prometheus.write.v2.Request is not read here: send "
                                  "application/x-protobuf;proto=prometheus.WriteRequest"));
  EXPECT_EQ(Accepted(Signal::kSample, Format::kRemoteWrite), 2u);
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kUnsupported, Format::kRemoteWrite), 1u);
}

TEST_F(ReceiverTest, TellsRemoteWriteWhenNothingOfItWasKept) {
  const auto bad = Post("/api/v1/write", kProtobuf, WriteRequest({0, 0}), "snappy");
  EXPECT_EQ(bad->status, 400);
  EXPECT_THAT(bad->body, HasSubstr("2 bad_time (no usable time"));
  EXPECT_EQ(Lost(Signal::kSample, Reason::kBadTime, Format::kRemoteWrite), 2u);
  EXPECT_TRUE(batches_.empty());
  // A good one among them, and a request without any, are no reason to complain.
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, WriteRequest({0, 1}), "snappy")->status, 204);
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, WriteRequest({}), "snappy")->status, 204);
}

TEST_F(ReceiverTest, DoesNotAskToTryAgainWhatWillNeverBeStored) {
  for (const Status& never : {Status::Corrupt("the file is damaged"), Status::Internal("no table"),
                              Status::InvalidArgument("columns of unequal length")}) {
    stored_ = never;
    const auto answer = Post("/v1/traces", kProtobuf, Spans(1, 1, 0));
    EXPECT_EQ(answer->status, 500) << never.ToString();
    EXPECT_THAT(answer->headers, Not(Contains(Pair("Retry-After", _))));
    EXPECT_EQ(answer->body, std::string(Message().Int(1, 13).Bytes(2, never.message())));
    const Status called = Call(kTraces, Spans(1, 0, 0)).status();
    EXPECT_EQ(called.code(), StatusCode::kInternal);
    EXPECT_EQ(called.message(), never.message());
  }
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kStoreRefused), 6u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kStoreRefused, Format::kOtlpGrpc), 3u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kStoreFailed), 0u);
  stored_ = Status::Ok();
  take_ = Status::Corrupt("refused at once");
  EXPECT_EQ(Post("/v1/traces", kProtobuf, Spans(1, 0, 0))->status, 500);
}

TEST_F(ReceiverTest, KeepsTheGoodPartOfJson) {
  const auto answer = Post("/v1/traces", "application/json",
                           R"({"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","startTimeUnixNano":9},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161719","name":7}]}]}]})");
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr(R"("rejectedSpans":"1")"));
  EXPECT_THAT(answer->body, HasSubstr("1 wrong_type"));
  EXPECT_THAT(answer->body, HasSubstr("name"));
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(batches_[0].spans.rows(), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kWrongType), 1u);
}

TEST_F(ReceiverTest, TellsAPersonWhatToSend) {
  const auto wrong_type = Post("/v1/traces", "text/plain", Spans(1, 0, 0));
  EXPECT_EQ(wrong_type->status, 415);
  EXPECT_THAT(wrong_type->content_type, HasSubstr("text/plain"));
  EXPECT_EQ(wrong_type->body,
            "Content-Type text/plain is not read here: send application/x-protobuf or "
            "application/json\n");
  EXPECT_THAT(Post("/v1/traces", "", "x")->body, HasSubstr("without a Content-Type"));
  EXPECT_THAT(Post("/api/v1/write", "text/plain", "x")->body,
              HasSubstr("send application/x-protobuf;proto=prometheus.WriteRequest\n"));
  EXPECT_THAT(Post("/v1/events", "text/plain", "x")->body,
              HasSubstr("send application/cloudevents+json"));
  EXPECT_THAT(Post("/v1/traces", kProtobuf, "x", "zstd")->body,
              HasSubstr("Content-Encoding zstd is not read here: send gzip, deflate or none"));
  EXPECT_THAT(Post("/api/v1/write", kProtobuf, "x", "zstd")->body, HasSubstr("send snappy"));
  const auto protobuf_as_json = Post("/v1/traces", "application/json", Spans(1, 0, 0));
  EXPECT_EQ(protobuf_as_json->status, 400);
  EXPECT_THAT(protobuf_as_json->body,
              HasSubstr("send it with Content-Type: application/x-protobuf"));
  const auto json_as_protobuf = Post("/v1/traces", kProtobuf, R"( {"resourceSpans":[]})");
  EXPECT_EQ(json_as_protobuf->status, 400);
  EXPECT_THAT(json_as_protobuf->body, HasSubstr("send it with Content-Type: application/json"));
  EXPECT_THAT(Post("/v1/traces", "application/json", "{")->body, Not(HasSubstr("Content-Type")));
}

TEST_F(ReceiverTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(Post("/v1/traces", kProtobuf, "\x0a\xff")->status, 400);
  EXPECT_EQ(Post("/v1/traces", "application/json", "{")->status, 400);
  EXPECT_EQ(Post("/v1/events", "application/json", "no json")->status, 400);
  EXPECT_EQ(Post("/api/v1/write", kProtobuf, "no snappy", "snappy")->status, 400);
  EXPECT_EQ(Post("/v1/traces", "text/plain", "x")->status, 415);
  EXPECT_EQ(Post("/v1/traces", "", "x")->status, 415);
  EXPECT_EQ(Post("/v1/traces", kProtobuf, "x", "zstd")->status, 415);
  EXPECT_EQ(Post("/v1/traces", kProtobuf, "x", "snappy")->status, 415);
  EXPECT_EQ(Post("/api/v1/write", "application/json", "x")->status, 415);
  EXPECT_EQ(Post("/v1/other", kProtobuf, "x")->status, 404);
  const auto get = Post("/v1/traces", kProtobuf, "", "", "GET");
  EXPECT_EQ(get->status, 405);
  EXPECT_THAT(get->headers, Contains(std::make_pair("Allow", "POST")));
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kMalformed), 2u);
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kUnsupported), 4u);
  EXPECT_TRUE(batches_.empty());
}

TEST_F(ReceiverTest, ServesGrpc) {
  EXPECT_EQ(Call(kTraces, Spans(1, 0, 0)).value(), "");
  EXPECT_THAT(Call(kTraces, Spans(0, 0, 1)).value(), HasSubstr("1 missing_id"));
  EXPECT_EQ(Call("/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                 Request({Block("", {Log({})})}))
                .value(),
            "");
  EXPECT_EQ(Call("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                 Request({Block("", {Gauge("g", {NumberPoint(1, {})})})}))
                .value(),
            "");
  EXPECT_EQ(Call(kTraces, "\x0a\xff").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("/some.Service/Method", "").status().code(), StatusCode::kNotFound);
  take_ = Status::Unavailable("full");
  EXPECT_EQ(Call(kTraces, Spans(1, 0, 0)).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(batches_.size(), 3u);
  EXPECT_EQ(Accepted(Signal::kSpan, Format::kOtlpGrpc), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kBackPressure, Format::kOtlpGrpc), 1u);
}

TEST_F(ReceiverTest, WorksBehindARealListener) {
  auto server = net::HttpServer::Start(
      "127.0.0.1", 0, 1, {},
      [this](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
        receiver_.HandleHttp(std::move(request), std::move(responder));
      });
  ASSERT_TRUE(server.ok());
  net::HttpCall call;
  call.method = "POST";
  call.url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/v1/traces";
  call.headers = {{"Content-Type", kProtobuf}, {"Content-Encoding", "gzip"}};
  call.body = net::Gzip(Spans(3, 0, 0)).value();
  const auto answer = net::Fetch(call);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->status, 200);
  (*server)->Stop(kSecond);
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(batches_[0].spans.rows(), 3u);
}

constexpr char kCloudEvent[] = "application/cloudevents+json";

std::string Deploy(const std::string& id, const std::string& subject) {
  return R"({"specversion":"1.0","id":")" + id +
         R"(","source":"/ci","type":"dev.cdevents.service.deployed.0.2.0",)"
         R"("time":"2023-11-14T22:13:20Z","data":{"subject":{)" +
         subject + R"("content":{"artifactId":"pkg:oci/cart@1.4"}}}})";
}

TEST_F(ReceiverTest, SaysWhatItUnderstoodOfAChange) {
  identities_.entities.FindOrAdd(telemetry::EntityKind::kService, "shop", "cart");
  const auto answer = Post("/v1/events", kCloudEvent, Deploy("e1", R"("id":"cart",)"));
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->content_type, "application/json");
  EXPECT_THAT(
      answer->body,
      HasSubstr(R"({"id":"e1","kept":true,"kind":"deploy","service":"cart","version":"1.4")"));
  EXPECT_EQ(answer->body.find("problem\":\""), std::string::npos);
  EXPECT_EQ(Accepted(Signal::kEvent, Format::kCdEvents), 1u);
}

TEST_F(ReceiverTest, SaysWhatAChangeLacksToBeOfUse) {
  auto answer = Post("/v1/events", kCloudEvent, Deploy("e1", ""));
  EXPECT_EQ(answer->status, 202);
  EXPECT_THAT(answer->body, HasSubstr("it names no service"));
  EXPECT_EQ(Lost(Signal::kEvent, Reason::kNoSubject, Format::kCdEvents), 1u);

  for (const char* known : {"cart", "catalog"})
    identities_.entities.FindOrAdd(telemetry::EntityKind::kService, "shop", known);
  answer = Post("/v1/events", kCloudEvent, Deploy("e2", R"("id":"carrt",)"));
  EXPECT_EQ(answer->status, 202);
  EXPECT_THAT(answer->body, HasSubstr("no single known service is called 'carrt'"));
  EXPECT_THAT(answer->body, HasSubstr("known: cart, catalog"));
  EXPECT_EQ(Lost(Signal::kEvent, Reason::kUnknownService, Format::kCdEvents), 1u);
  // Kept all the same: telemetry of it may come.
  EXPECT_EQ(batches_.size(), 2u);
}

TEST_F(ReceiverTest, RefusesChangesOfWhichNothingCanBeKept) {
  auto answer = Post("/v1/events", kCloudEvent, R"({"id":"e1"})");
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("it has no type"));
  answer = Post("/v1/events", kCloudEvent, R"({"id":"e1","type":"a","time":"yesterday"})");
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("'yesterday' is not RFC 3339"));
  EXPECT_TRUE(batches_.empty());
  // Of several the good ones are kept, and the others named.
  answer = Post("/v1/events", "application/cloudevents-batch+json",
                "[1," + Deploy("e2", R"("id":"cart",)") + "]");
  EXPECT_EQ(answer->status, 202);
  EXPECT_THAT(answer->body, HasSubstr(R"("kept":1,"dropped":1)"));
  EXPECT_THAT(answer->body, HasSubstr("it is not a JSON object"));
}

}  // namespace
}  // namespace tomograph::ingest
