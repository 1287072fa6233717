#include "net/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace tomograph::net {
namespace {

struct Answer {
  grpc::Status status;
  std::string body;
};

class GrpcServerTest : public ::testing::Test {
 protected:
  void Start(GrpcLimits limits = {}) {
    auto server = GrpcServer::Start(
        "127.0.0.1", 0, limits,
        [this](std::string_view method, std::string_view peer, ByteView request,
               GrpcServer::Reply reply) { Handle(method, peer, request, std::move(reply)); });
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                         grpc::InsecureChannelCredentials(), arguments);
  }

  void Handle(std::string_view method, std::string_view peer, ByteView request,
              GrpcServer::Reply reply) {
    if (method == "/s/Echo") return reply(std::string(request));
    if (method == "/s/Peer") return reply(std::string(peer));
    if (method == "/s/Size") return reply(std::to_string(request.size()));
    if (method == "/s/Drop") return;
    if (method == "/s/Twice") {
      reply(std::string("first"));
      return reply(std::string("second"));
    }
    if (method == "/s/Keep") {
      kept_ = std::move(reply);
      return kept_arrived_.set_value();
    }
    if (method == "/s/Bad") return reply(Status::InvalidArgument("bad"));
    if (method == "/s/Busy") return reply(Status::Unavailable("busy"));
    if (method == "/s/Full") return reply(Status::ResourceExhausted("full"));
    if (method == "/s/Broken") return reply(Status::Io("disk"));
    reply(Status::NotFound("no such method"));
  }

  Answer Call(const std::string& method, const std::string& body, bool gzip = false) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
    grpc::ClientContext context;
    if (gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const grpc::Slice slice(body);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, {}, &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    Answer answer;
    answer.status = done.get_future().get();
    if (answer.status.ok()) {
      grpc::Slice out;
      if (response.DumpToSingleSlice(&out).ok()) {
        answer.body.assign(reinterpret_cast<const char*>(out.begin()), out.size());
      }
    }
    return answer;
  }

  GrpcServer::Reply kept_;
  std::promise<void> kept_arrived_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, PassesBytesBothWays) {
  Start();
  const std::string bytes("\0\x01\xff binary", 10);
  EXPECT_EQ(Call("/s/Echo", bytes).body, bytes);
  EXPECT_EQ(Call("/s/Echo", "").body, "");
  EXPECT_TRUE(Call("/s/Echo", "").status.ok());
  EXPECT_THAT(Call("/s/Peer", "").body, ::testing::StartsWith("127.0.0.1:"));
}

TEST_F(GrpcServerTest, UndoesGzip) {
  Start();
  const std::string text(500'000, 'g');
  EXPECT_EQ(Call("/s/Echo", text, true).body, text);
}

TEST_F(GrpcServerTest, RefusesMessagesBeyondTheLimitCompressedOrNot) {
  GrpcLimits limits;
  limits.max_message_bytes = 10'000;
  limits.max_inflated_bytes = 10'000;
  Start(limits);
  EXPECT_EQ(Call("/s/Size", std::string(10'000, 'a')).body, "10000");
  EXPECT_EQ(Call("/s/Size", std::string(10'001, 'a')).status.error_code(),
            grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Call("/s/Size", std::string(10'000, 'a'), true).body, "10000");
  EXPECT_EQ(Call("/s/Size", std::string(5 << 20, 'a'), true).status.error_code(),
            grpc::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, InflatesNoFurtherThanTheLimit) {
  GrpcLimits limits;
  limits.max_message_bytes = 1'000'000;
  limits.max_inflated_bytes = 2'000'000;
  std::vector<std::string> refused;
  limits.on_refused = [&](std::string_view method, const Status& why) {
    refused.push_back(std::string(method) + ": " + why.message());
  };
  Start(limits);
  EXPECT_EQ(Call("/s/Size", std::string(2'000'000, 'a'), true).body, "2000000");
  // The words are ours: grpc itself inflates all of it before it says anything.
  const grpc::Status bomb = Call("/s/Size", std::string(100'000'000, 'a'), true).status;
  EXPECT_EQ(bomb.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(bomb.error_message(), "inflates to more than the limit");
  EXPECT_EQ(Call("/s/Size", "\x1f\x8b no gzip").status.error_code(), grpc::INVALID_ARGUMENT);
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused[0], "/s/Size: inflates to more than the limit");
}

TEST_F(GrpcServerTest, ACallThatSendsNothingKeepsNobodyOutForGood) {
  GrpcLimits limits;
  limits.max_message_bytes = 500'000;
  limits.body_budget = std::make_shared<BodyBudget>(500'000);  // one at once
  limits.read_timeout = 300 * kMillisecond;
  Start(limits);
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  void* tag = nullptr;
  bool ok = false;
  const auto silent = stub.PrepareCall(&context, "/s/Echo", &queue);
  silent->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::Status status;
  silent->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "no message came in time");
  EXPECT_EQ(Call("/s/Echo", "x").body, "x");
  server_->Stop();
  EXPECT_EQ(limits.body_budget->in_use(), 0u);
}

TEST_F(GrpcServerTest, MapsStatuses) {
  Start();
  const auto code = [&](const char* method) { return Call(method, "x").status.error_code(); };
  EXPECT_EQ(code("/s/Bad"), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(code("/s/Busy"), grpc::UNAVAILABLE);
  EXPECT_EQ(code("/s/Full"), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(code("/s/Broken"), grpc::INTERNAL);
  EXPECT_EQ(code("/s/Nothing"), grpc::UNIMPLEMENTED);
  EXPECT_EQ(code("/s/Drop"), grpc::INTERNAL);
  EXPECT_EQ(Call("/s/Bad", "x").status.error_message(), "bad");
  EXPECT_EQ(Call("/s/Twice", "x").body, "first");
}

// OTLP senders try again after UNAVAILABLE anyway, and RetryInfo says when.
TEST_F(GrpcServerTest, SaysWhenToTryAgainAndOnlyThen) {
  Start();
  const grpc::Status busy = Call("/s/Busy", "x").status;
  // google.rpc.Status{14, "busy", [Any{RetryInfo{Duration{1 s}}}]}
  EXPECT_EQ(busy.error_details(), std::string("\x08\x0e\x12\x04"
                                              "busy\x1a\x30\x0a\x28") +
                                      "type.googleapis.com/google.rpc.RetryInfo" +
                                      std::string("\x12\x04\x0a\x02\x08\x01"));
  for (const char* method : {"/s/Bad", "/s/Full", "/s/Broken", "/s/Nothing"})
    EXPECT_EQ(Call(method, "x").status.error_details(), "") << method;
}

TEST_F(GrpcServerTest, RefusesCallsBeyondTheLimitUntilOneIsAnswered) {
  GrpcLimits limits;
  limits.max_calls_in_flight = 1;
  Start(limits);
  auto waiting = std::async(std::launch::async, [&] { return Call("/s/Keep", "x"); });
  kept_arrived_.get_future().wait();
  EXPECT_EQ(Call("/s/Echo", "x").status.error_code(), grpc::UNAVAILABLE);
  std::thread([reply = std::move(kept_)] { reply(std::string("done")); }).join();
  EXPECT_EQ(waiting.get().body, "done");
  EXPECT_EQ(Call("/s/Echo", "x").body, "x");
}

TEST_F(GrpcServerTest, RefusesWhatTheBudgetHasNoRoomForUntilItHas) {
  GrpcLimits limits;
  limits.max_message_bytes = 500'000;
  limits.body_budget = std::make_shared<BodyBudget>(1'000'000);
  Start(limits);
  BodyShare others(limits.body_budget);
  ASSERT_TRUE(others.GrowTo(500'001));  // a message of the largest size would not fit
  const grpc::Status full = Call("/s/Echo", "x").status;
  EXPECT_EQ(full.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(full.error_details(), ::testing::HasSubstr("RetryInfo"));
  EXPECT_EQ(limits.body_budget->refusals(), 1u);
  others.ShrinkTo(500'000);
  EXPECT_EQ(Call("/s/Size", std::string(500'000, 'a')).body, "500000");
  // Beside the compressed form, for a moment.
  EXPECT_EQ(Call("/s/Size", std::string(250'000, 'a'), true).body, "250000");
  EXPECT_EQ(Call("/s/Size", std::string(500'000, 'a'), true).status.error_code(),
            grpc::UNAVAILABLE);
  server_->Stop();
  EXPECT_EQ(limits.body_budget->in_use(), 500'000u);
}

// A call that waits for its commit has been read; its message is gone and others may come.
TEST_F(GrpcServerTest, GivesTheBudgetBackBeforeTheAnswer) {
  GrpcLimits limits;
  limits.max_message_bytes = 500'000;
  limits.body_budget = std::make_shared<BodyBudget>(500'000);
  Start(limits);
  auto waiting = std::async(std::launch::async, [&] { return Call("/s/Keep", "x"); });
  kept_arrived_.get_future().wait();
  EXPECT_EQ(Call("/s/Echo", "other").body, "other");
  kept_(std::string("done"));
  EXPECT_EQ(waiting.get().body, "done");
}

TEST_F(GrpcServerTest, CallsWithoutRoomAreReadOneAfterTheOther) {
  GrpcLimits limits;
  limits.max_message_bytes = 2 << 20;
  limits.body_budget = std::make_shared<BodyBudget>(5u << 20);  // two at once
  Start(limits);
  std::vector<std::thread> clients;
  std::atomic<int> served{0};
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&] {
      for (int i = 0; i < 10; ++i)
        served += Call("/s/Size", std::string(1'000'000, 'a')).body == "1000000";
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, 160);
  server_->Stop();
  EXPECT_EQ(limits.body_budget->in_use(), 0u);
}

TEST_F(GrpcServerTest, SaysThatAPortIsTaken) {
  Start();
  const auto second = GrpcServer::Start("127.0.0.1", server_->port(), {}, nullptr);
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), ::testing::HasSubstr(std::to_string(server_->port())));
  EXPECT_THAT(second.status().message(), ::testing::HasSubstr("in use"));
}

TEST_F(GrpcServerTest, StopAnswersForTheForgetfulAndLateRepliesAreHarmless) {
  Start();
  auto waiting = std::async(std::launch::async, [&] { return Call("/s/Keep", "x"); });
  kept_arrived_.get_future().wait();
  server_->Stop();
  EXPECT_EQ(waiting.get().status.error_code(), grpc::UNAVAILABLE);
  server_.reset();
  kept_(std::string("late"));
}

TEST_F(GrpcServerTest, TakesManyCallsAtOnce) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(c) + "/" + std::to_string(i);
        right += Call("/s/Echo", body).body == body;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace tomograph::net
