#include "ingest/prometheus/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "ingest/decoder_harness.h"
#include "net/http_server.h"

namespace tomograph::ingest::prometheus {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Waits (up to 20 s) for the first scrape of a target and spells what came.
class ScraperTest : public testing::Test {
 protected:
  std::string FirstScrape(const ScrapeTarget& target) {
    std::mutex mutex;
    std::condition_variable came;
    std::string spelled;
    {
      Scraper scraper(harness_.context, {target}, 50 * kMillisecond, [&](telemetry::Batch&& batch) {
        const std::lock_guard lock(mutex);
        if (spelled.empty()) spelled = SpellBatch(batch, harness_.identities);
        came.notify_all();
      });
      std::unique_lock lock(mutex);
      came.wait_for(lock, std::chrono::seconds(20), [&] { return !spelled.empty(); });
    }
    return spelled;
  }

  DecoderHarness harness_;
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
}

}  // namespace
}  // namespace tomograph::ingest::prometheus
