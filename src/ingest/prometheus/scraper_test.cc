#include "ingest/prometheus/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "ingest/decoder_harness.h"
#include "net/http_server.h"

namespace tomograph::ingest::prometheus {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Waits (up to 20 s) for the first scrape of a target and spells what came. `state_` is what is
/// known of the target then, `accepted_` what the scraper is told.
class ScraperTest : public testing::Test {
 protected:
  std::string FirstScrape(const ScrapeTarget& target) {
    std::mutex mutex;
    std::condition_variable came;
    std::string spelled;
    int times = 0;
    {
      Scraper scraper(harness_.context, {target}, 50 * kMillisecond, [&](telemetry::Batch&& batch) {
        const std::lock_guard lock(mutex);
        if (spelled.empty()) spelled = SpellBatch(batch, harness_.identities);
        ++times;
        came.notify_all();
        return accepted_;
      });
      std::unique_lock lock(mutex);
      // At the second all is said of the first.
      came.wait_for(lock, std::chrono::seconds(20), [&] { return times >= 2; });
      state_ = scraper.states().at(0);
    }
    return spelled;
  }

  net::HttpServer* Serve(int status, const std::string& body) {
    auto server = net::HttpServer::Start(
        "127.0.0.1", 0, 1, {}, [=](net::HttpRequest&&, std::shared_ptr<net::Responder> responder) {
          net::HttpResponse response;
          response.status = status;
          response.body = body;
          responder->Respond(std::move(response));
        });
    EXPECT_TRUE(server.ok());
    server_ = std::move(server).value();
    return server_.get();
  }

  DecoderHarness harness_;
  std::unique_ptr<net::HttpServer> server_;
  telemetry::ScrapeState state_;
  Status accepted_;
};

TEST_F(ScraperTest, ReadsATargetAndSaysThatItIsUp) {
  auto server = net::HttpServer::Start(
      "127.0.0.1", 0, 1, {},
      [](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
        net::HttpResponse response;
        response.status = request.path == "/metrics" ? 200 : 404;
        response.body = "# TYPE a counter\na_total 5";
        responder->Respond(std::move(response));
      });
  ASSERT_TRUE(server.ok());
  const std::string host = "127.0.0.1:" + std::to_string((*server)->port());
  const std::string good = FirstScrape({"http://" + host + "/metrics", "cart", ""});
  EXPECT_THAT(good, HasSubstr("sample {job=cart,instance=" + host + ",} a_total [] kind=2"));
  EXPECT_THAT(good, HasSubstr("up [] kind=1 unit= 1700000000000000000 0 1\n"));
  EXPECT_THAT(good, HasSubstr("scrape_duration_seconds"));

  const std::string missing = FirstScrape({"http://" + host + "/other", "cart", "i1"});
  EXPECT_THAT(missing,
              HasSubstr("{job=cart,instance=i1,} up [] kind=1 unit= 1700000000000000000 0 0\n"));
  EXPECT_THAT(missing, Not(HasSubstr("a_total")));
  EXPECT_TRUE(harness_.Balanced());
}

TEST_F(ScraperTest, ATargetThatIsGoneIsDown) {
  EXPECT_THAT(
      FirstScrape({"http://127.0.0.1:1/metrics", "cart", ""}),
      HasSubstr("{job=cart,instance=127.0.0.1:1,} up [] kind=1 unit= 1700000000000000000 0 0\n"));
  EXPECT_FALSE(state_.up);
  EXPECT_NE(state_.error, "");
  EXPECT_EQ(state_.job, "cart");
  EXPECT_EQ(state_.instance, "127.0.0.1:1");
  EXPECT_EQ(state_.failures, state_.scrapes);
  EXPECT_EQ(state_.last, 1'700'000'000'000'000'000);
}

TEST_F(ScraperTest, SaysWhyATargetIsDown) {
  const std::string host = "127.0.0.1:" + std::to_string(Serve(503, "")->port());
  FirstScrape({"http://" + host + "/metrics?token=secret", "cart", ""});
  EXPECT_FALSE(state_.up);
  EXPECT_THAT(state_.error, HasSubstr("503"));
  EXPECT_EQ(state_.url, "http://" + host + "/metrics");
}

TEST_F(ScraperTest, AnAnswerThatIsNoExpositionIsDown) {
  const std::string host =
      "127.0.0.1:" + std::to_string(Serve(200, "<html>\n<p>Log in</p>\n</html>")->port());
  const std::string came = FirstScrape({"http://" + host + "/metrics", "cart", "i1"});
  EXPECT_THAT(came,
              HasSubstr("{job=cart,instance=i1,} up [] kind=1 unit= 1700000000000000000 0 0"));
  EXPECT_FALSE(state_.up);
  EXPECT_THAT(state_.error, HasSubstr("Prometheus text"));
  EXPECT_TRUE(harness_.Balanced());
}

/// A target that takes the request and never answers it.
std::unique_ptr<net::HttpServer> NeverDone(std::vector<std::shared_ptr<net::Responder>>* held) {
  auto server = net::HttpServer::Start(
      "127.0.0.1", 0, 1, {}, [=](net::HttpRequest&&, std::shared_ptr<net::Responder> responder) {
        held->push_back(std::move(responder));  // one I/O thread
      });
  EXPECT_TRUE(server.ok());
  return std::move(server).value();
}

TEST_F(ScraperTest, ATargetThatHangsHoldsUpNoOtherAndNotTheEnd) {
  using Ticks = std::chrono::steady_clock;
  std::vector<std::shared_ptr<net::Responder>> held;
  const auto hanging = NeverDone(&held);
  const auto url = [](const net::HttpServer& server) {
    return "http://127.0.0.1:" + std::to_string(server.port()) + "/metrics";
  };
  const std::string good = url(*Serve(200, "a 5\n"));
  std::mutex mutex;
  std::condition_variable came;
  int times = 0;
  // The first is asked at once and hangs for the whole interval; the good one is due after a third
  // of it.
  Scraper scraper(harness_.context,
                  {{url(*hanging), "a", ""}, {good, "b", ""}, {url(*hanging), "c", ""}},
                  10 * kSecond, [&](telemetry::Batch&&) {
                    const std::lock_guard lock(mutex);
                    ++times;
                    came.notify_all();
                    return Status::Ok();
                  });
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(came.wait_for(lock, std::chrono::seconds(8), [&] { return times >= 1; }));
  }
  const Ticks::time_point stopping = Ticks::now();
  scraper.Stop();
  EXPECT_LT(Ticks::now() - stopping, std::chrono::seconds(2));
  EXPECT_EQ(scraper.states()[0].scrapes, 0u) << "broken off is not down";
  EXPECT_TRUE(scraper.states()[1].up);
  EXPECT_TRUE(harness_.Balanced());
}

TEST_F(ScraperTest, WhatIsNotKeptIsInTheLedgerAndInTheState) {
  const std::string host = "127.0.0.1:" + std::to_string(Serve(200, "a 5\nb\n")->port());
  accepted_ = Status::Unavailable("the disk is full");
  FirstScrape({"http://" + host + "/metrics", "cart", ""});
  EXPECT_TRUE(state_.up);
  EXPECT_THAT(state_.error, HasSubstr("the disk is full"));
  EXPECT_GT(state_.failures, 0u);
  EXPECT_TRUE(harness_.Balanced());
  const auto rows = harness_.ledger.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].accepted, 0u);
  ASSERT_EQ(rows[0].reasons.size(), 2u);
  EXPECT_EQ(rows[0].reasons[0].first, telemetry::Reason::kMalformed);
  EXPECT_EQ(rows[0].reasons[1].first, telemetry::Reason::kStoreFailed);
  EXPECT_EQ(rows[0].reasons[1].second, 3 * rows[0].reasons[0].second) << "a, up and duration";
}

}  // namespace
}  // namespace tomograph::ingest::prometheus
