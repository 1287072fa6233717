#include "ingest/prometheus/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/decoder_harness.h"

namespace tomograph::ingest::prometheus {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Nanos kScrapeTime = 1'700'000'000 * kSecond;

DecoderHarness::Make Decoder(Nanos default_time = kScrapeTime) {
  return [default_time](DecodeContext context) {
    ExpositionOptions options;
    options.default_time = default_time;
    options.target_labels = {{"job", "cart"}, {"instance", "h:1"}};
    return NewExpositionDecoder(std::move(context), options);
  };
}

std::string Read(ByteView text, std::string* ledger = nullptr) {
  DecoderHarness harness;
  EXPECT_TRUE(harness.Run(Decoder(), text).ok());
  EXPECT_TRUE(harness.Balanced());
  EXPECT_EQ(CheckAnyChunking(Decoder(), text), "");
  if (ledger != nullptr) *ledger = harness.SpellLedger();
  return harness.Spell();
}

TEST(Exposition, ReadsCountersAndGauges) {
  EXPECT_EQ(
      Read("# HELP http_requests_total Requests.\n"
           "# TYPE http_requests_total counter\n"
           "http_requests_total{method=\"post\",code=\"200\"} 1027 1700000001500\n"
           "http_requests_total{method=\"get\",code=\"200\"} 3\r\n"
           "\n"
           "# TYPE temperature gauge\n"
           "temperature -1.5e1"),
      "batch openmetrics\n"
      "sample {job=cart,instance=h:1,} http_requests_total [method=post,code=200,] kind=2 unit= "
      "1700000001500000000 0 1027\n"
      "sample {job=cart,instance=h:1,} http_requests_total [method=get,code=200,] kind=2 unit= "
      "1700000000000000000 0 3\n"
      "sample {job=cart,instance=h:1,} temperature [] kind=1 unit= 1700000000000000000 0 -15\n");
}

TEST(Exposition, UnescapesLabelValues) {
  EXPECT_THAT(Read("a{p=\"C:\\\\x\\n\\\"q\\\"\",e=\"\"} 1\n"), HasSubstr("[p=C:\\x\n\"q\",]"));
  EXPECT_THAT(Read("{\"my.metric\",\"a.b\"=\"c\"} 1\n"), HasSubstr("my.metric [a.b=c,]"));
}

TEST(Exposition, PutsClassicHistogramsTogether) {
  EXPECT_THAT(Read("# TYPE d_seconds histogram\n"
                   "d_seconds_bucket{path=\"/\",le=\"0.1\"} 2\n"
                   "d_seconds_bucket{path=\"/\",le=\"0.5\"} 5\n"
                   "d_seconds_bucket{path=\"/\",le=\"+Inf\"} 6\n"
                   "d_seconds_sum{path=\"/\"} 3.5\n"
                   "d_seconds_count{path=\"/\"} 6\n"
                   "d_seconds_bucket{path=\"/b\",le=\"+Inf\"} 1\n"
                   "d_seconds_count{path=\"/b\"} 1\n"),
              testing::EndsWith("histogram {job=cart,instance=h:1,} d_seconds [path=/,] kind=4 "
                                "unit= 1700000000000000000 0 "
                                "count=6 3.5 0.10000000000000001 :2 0.5 :3 inf :1\n"
                                "histogram {job=cart,instance=h:1,} d_seconds [path=/b,] kind=4 "
                                "unit= 1700000000000000000 0 "
                                "count=1 nan inf :1\n"));
}

TEST(Exposition, PutsHistogramsRightThatDisagreeWithThemselves) {
  std::string ledger;
  const std::string rows = Read(
      "# TYPE a histogram\na_bucket{le=\"1\"} 5\na_bucket{le=\"2\"} 3\na_bucket{le=\"+Inf\"} "
      "7\na_count 7\n"
      "# TYPE b histogram\nb_bucket{le=\"1\"} 5\nb_count 9\n"
      "# TYPE c histogram\nc_sum 5\nc_count 2\n"
      "# TYPE d histogram\nd_sum 5\n"
      "# TYPE e histogram\ne_bucket{le=\"+Inf\"} -1\ne_bucket 3\ne_bucket{le=\"x\"} 3\n",
      &ledger);
  EXPECT_THAT(rows, HasSubstr("count=7 nan 1 :5 2 :0 inf :2\n"));
  EXPECT_THAT(rows, HasSubstr("count=9 nan 1 :5 inf :4\n"));
  EXPECT_THAT(rows, HasSubstr("count=2 5 inf :2\n"));
  EXPECT_EQ(ledger, "openmetrics sample received=7 accepted=1 malformed=4 buckets_repaired=2\n");
}

TEST(Exposition, ReadsOpenMetricsTimesUnitsStartsAndExemplars) {
  EXPECT_EQ(
      Read(
          "# TYPE d_seconds histogram\n"
          "# UNIT d_seconds seconds\n"
          "d_seconds_bucket{le=\"+Inf\"} 1 1600000000.25 # {trace_id=\"a b\"} 0.67 1520879607.789\n"
          "d_seconds_count 1 1600000000.25\n"
          "d_seconds_created 1500000000.5 1600000000.25\n"
          "# TYPE jobs counter\n"
          "jobs_total 17 1600000000\n"
          "jobs_created 1500000000\n"
          "# EOF\n"),
      "batch openmetrics\n"
      "sample {job=cart,instance=h:1,} jobs_total [] kind=2 unit= 1600000000000000000 "
      "1500000000000000000 17\n"
      "histogram {job=cart,instance=h:1,} d_seconds [] kind=4 unit=seconds 1600000000250000000 "
      "1500000000500000000 count=1 nan inf :1\n");
}

TEST(Exposition, SummariesAreSeriesWithQuantiles) {
  const std::string rows = Read(
      "# TYPE rpc summary\nrpc{quantile=\"0.9\"} 0.2\nrpc{quantile=\"0.99\"} NaN\nrpc_sum "
      "12\nrpc_count 60\n");
  EXPECT_THAT(rows, HasSubstr("rpc [quantile=0.9,] kind=5"));
  EXPECT_THAT(rows, HasSubstr("rpc_sum [] kind=2"));
  EXPECT_THAT(rows, HasSubstr("rpc_count [] kind=2"));
  EXPECT_THAT(rows, Not(HasSubstr("0.99")));
}

TEST(Exposition, CountsAndSkipsBadLines) {
  std::string ledger;
  const std::string rows = Read(
      "good 1\nbad\n{} 1\na{b=\"c} 1\na{b=c} 1\n1abc 2\nx y\na{b=\"c\"}\na 1 2 3\nbad_time 1 9e99\n"
      "inf +Inf\ngood 2\n\xff\xfe\n",
      &ledger);
  EXPECT_THAT(rows, HasSubstr("good [] kind=0 unit= 1700000000000000000 0 1\n"));
  EXPECT_THAT(rows, HasSubstr("good [] kind=0 unit= 1700000000000000000 0 2\n"));
  EXPECT_EQ(ledger,
            "openmetrics sample received=13 accepted=2 malformed=9 bad_time=1 non_finite=1\n");
}

TEST(Exposition, SamplesWithoutAnyTimeAreDropped) {
  DecoderHarness harness;
  ASSERT_TRUE(harness.Run(Decoder(0), "a 1\na 1 1700000000000\n").ok());
  EXPECT_EQ(harness.SpellLedger(), "openmetrics sample received=2 accepted=1 bad_time=1\n");
}

TEST(Exposition, KeepsToItsLimits) {
  Limits limits;
  limits.max_record_bytes = 20;
  limits.rows_per_batch = 2;
  const std::string text =
      "a 1\nb 2\nc 3\nlong_name_of_a_metric 4\nd 5\n# " + std::string(100, 'x') + "\ne 6";
  EXPECT_EQ(CheckAnyChunking(Decoder(), text, limits), "");
  DecoderHarness harness;
  harness.context.limits = limits;
  ASSERT_TRUE(harness.Run(Decoder(), text).ok());
  EXPECT_EQ(harness.batches.size(), 3u);
  EXPECT_EQ(harness.SpellLedger(), "openmetrics sample received=7 accepted=5 too_large=2\n");
}

TEST(Exposition, EndsAtItsEnd) {
  std::string ledger;
  EXPECT_THAT(Read("a 1\n# EOF\n\n", &ledger), HasSubstr(" a "));
  EXPECT_EQ(ledger, "openmetrics sample received=1 accepted=1\n");
  EXPECT_THAT(Read("a 1\n# EOF\nb 1\n\nc 1\n# TYPE d gauge\nd 1\n", &ledger),
              Not(HasSubstr(" b ")));
  EXPECT_EQ(ledger,
            "openmetrics message received=1 accepted=0 malformed=1\n"
            "openmetrics sample received=1 accepted=1\n");
}

}  // namespace
}  // namespace tomograph::ingest::prometheus
