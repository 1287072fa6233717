#include <cmath>
#include <set>

#include "ingest/otlp/otlp_test_fixture.h"

namespace tomograph::ingest::otlp {
namespace {

using namespace test;  // NOLINT: the builders are this file's language
using telemetry::MetricKind;
using telemetry::Temporality;
using ::testing::ElementsAre;

constexpr double kInf = std::numeric_limits<double>::infinity();

class MetricsTest : public OtlpTest {
 protected:
  const telemetry::Series& SeriesOf(const Batch& batch, size_t row) {
    return identities_.series.Get(batch.samples.series[row]);
  }
};

TEST_F(MetricsTest, ReadsGaugesAndSums) {
  const Batch batch =
      Metrics({Gauge("g", {NumberPoint(1.5, {Pair("pod", "p"), Pair("n", Int(3))})}),
               Sum("c", 2, true, {IntPoint(-7, {})}), Sum("u", 1, false, {NumberPoint(2, {})})});
  ASSERT_EQ(batch.samples.rows(), 3u);
  EXPECT_THAT(batch.samples.value, ElementsAre(1.5, -7, 2));
  EXPECT_EQ(batch.samples.time_ns[0], static_cast<Nanos>(kTime));
  EXPECT_EQ(batch.samples.start_ns[0], static_cast<Nanos>(kTime - 60));
  EXPECT_EQ(batch.samples.start_ns[1], 0);
  EXPECT_EQ(SeriesText(batch.samples.series[0]), "g{pod=p,n=3,otel.scope.name=lib}");
  EXPECT_EQ(SeriesOf(batch, 0).kind, MetricKind::kGauge);
  EXPECT_EQ(SeriesOf(batch, 1).kind, MetricKind::kCounter);
  EXPECT_EQ(SeriesOf(batch, 1).temporality, Temporality::kCumulative);
  EXPECT_EQ(Text(SeriesOf(batch, 1).unit), "By");
  EXPECT_EQ(SeriesOf(batch, 2).kind, MetricKind::kUpDownCounter);
  EXPECT_EQ(SeriesOf(batch, 2).temporality, Temporality::kDelta);
  EXPECT_EQ(Accepted(Signal::kSample), 3u);
}

TEST_F(MetricsTest, TellsSeriesApartByResourceScopeNameKindAndLabels) {
  const std::string point = NumberPoint(1, {Pair("a", "b")});
  const auto block = [&](const char* service, const char* scope, const std::string& metric) {
    return Block(Resource({Pair("service.name", service)}), {metric}, scope);
  };
  const std::string request =
      Request({block("s", "x", Gauge("m", {point})), block("t", "x", Gauge("m", {point})),
               block("s", "y", Gauge("m", {point})), block("s", "x", Gauge("n", {point})),
               block("s", "x", Sum("m", 2, true, {point})),
               block("s", "x", Gauge("m", {NumberPoint(1, {Pair("a", "c")})})),
               block("s", "x", Gauge("m", {NumberPoint(2, {Pair("a", "b")})}))});
  const Batch batch = MustDecode(request, Signal::kSample);
  ASSERT_EQ(batch.samples.rows(), 7u);
  EXPECT_EQ(std::set(batch.samples.series.begin(), batch.samples.series.end()).size(), 6u);
  EXPECT_EQ(batch.samples.series[0], batch.samples.series[6]);
  EXPECT_EQ(series_completed_, 6);
  MustDecode(request, Signal::kSample);
  EXPECT_EQ(series_completed_, 6);
}

TEST_F(MetricsTest, ReadsExplicitHistograms) {
  const std::string point = Message()
                                .Fixed(2, kTime - 9)
                                .Fixed(3, kTime)
                                .Fixed(4, 6)
                                .Double(5, 12.5)
                                .PackedFixed(6, {1, 2, 3})
                                .PackedDouble(7, {0.5, 2})
                                .Double(11, 0.1)
                                .Double(12, 9);
  const std::string bare = Message().Fixed(3, kTime).Fixed(4, 4);
  const std::string with_inf =
      Message().Fixed(3, kTime).Fixed(4, 3).PackedFixed(6, {1, 2, 0}).PackedDouble(7, {1, kInf});
  const Batch batch = Metrics({Histogram("h", {point, bare, with_inf})});
  const auto& h = batch.samples.histograms;
  ASSERT_EQ(h.rows(), 3u);
  EXPECT_THAT(h.count, ElementsAre(6, 4, 3));
  EXPECT_EQ(h.sum[0], 12.5);
  EXPECT_EQ(h.min[0], 0.1);
  EXPECT_EQ(h.max[0], 9);
  EXPECT_TRUE(std::isnan(h.sum[1]) && std::isnan(h.min[1]) && std::isnan(h.max[1]));
  EXPECT_THAT(h.bucket_end, ElementsAre(3, 4, 6));
  EXPECT_THAT(h.upper_bound, ElementsAre(0.5, 2, kInf, kInf, 1, kInf));
  EXPECT_THAT(h.bucket_count, ElementsAre(1, 2, 3, 4, 1, 2));
  EXPECT_EQ(identities_.series.Get(h.series[0]).kind, MetricKind::kHistogram);
}

TEST_F(MetricsTest, PutsCountsRightAndRefusesNonsense) {
  const auto point = [](uint64_t count, std::vector<uint64_t> counts, std::vector<double> bounds) {
    return std::string(
        Message().Fixed(3, kTime).Fixed(4, count).PackedFixed(6, counts).PackedDouble(7, bounds));
  };
  const Batch batch = Metrics(
      {Histogram("h", {point(5, {1, 2}, {1}), point(3, {1, 2}, {1, 2}), point(3, {1, 1, 1}, {2, 1}),
                       point(2, {1, 1}, {std::nan("")}), point(1, {UINT64_MAX, 2}, {1})})});
  ASSERT_EQ(batch.samples.histograms.rows(), 1u);
  EXPECT_EQ(batch.samples.histograms.count[0], 3u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kBucketsRepaired), 1u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kMalformed), 4u);
}

TEST_F(MetricsTest, SpellsOutExponentialHistograms) {
  // Scale 0: base 2. Positive buckets from offset 1: (2,4] 3, (4,8] 0, (8,16] 2. Negative:
  // [-2,-1) 4.
  const std::string point =
      Message()
          .Fixed(3, kTime)
          .Fixed(4, 10)
          .Double(5, 1)
          .Signed(6, 0)
          .Fixed(7, 1)
          .Bytes(8, std::string(Message().Signed(1, 1).PackedInt(2, {3, 0, 2})))
          .Bytes(9, std::string(Message().Signed(1, 0).PackedInt(2, {4})))
          .Double(14, 0.5);
  const Batch batch = Metrics({ExponentialHistogram("e", {point})});
  const auto& h = batch.samples.histograms;
  ASSERT_EQ(h.rows(), 1u);
  EXPECT_THAT(h.upper_bound, ElementsAre(-2, -1, -0.5, 0.5, 2, 4, 8, 16, kInf));
  EXPECT_THAT(h.bucket_count, ElementsAre(0, 4, 0, 1, 0, 3, 0, 2, 0));
  EXPECT_EQ(h.count[0], 10u);
  EXPECT_EQ(Accepted(Signal::kSample), 1u);
}

TEST_F(MetricsTest, SurvivesExponentialExtremes) {
  const auto point = [](int32_t scale, int32_t offset) {
    const std::string side = Message().Signed(1, offset).PackedInt(2, {1, 1});
    return std::string(
        Message().Fixed(3, kTime).Fixed(4, 4).Signed(6, scale).Bytes(8, side).Bytes(9, side));
  };
  const Batch batch = Metrics(
      {ExponentialHistogram("e", {point(20, INT32_MAX), point(20, INT32_MIN), point(-11, INT32_MAX),
                                  point(-11, INT32_MIN), point(0, 5000), point(0, -5000),
                                  point(21, 0), point(INT32_MIN, 0), point(INT32_MAX, 0)})});
  const auto& h = batch.samples.histograms;
  EXPECT_EQ(h.rows(), 6u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kMalformed), 3u);
  for (size_t row = 0; row < h.rows(); ++row) {
    const size_t from = row == 0 ? 0 : h.bucket_end[row - 1];
    uint64_t total = 0;
    for (size_t i = from; i < h.bucket_end[row]; ++i) {
      total += h.bucket_count[i];
      EXPECT_FALSE(std::isnan(h.upper_bound[i]));
      if (i > from) {
        EXPECT_LT(h.upper_bound[i - 1], h.upper_bound[i]) << row;
      }
    }
    EXPECT_EQ(total, 4u) << row;
    EXPECT_EQ(h.upper_bound[h.bucket_end[row] - 1], kInf);
  }
}

TEST_F(MetricsTest, TakesNoMoreOfARequestThanItsCells) {
  context_.limits.max_cells = 100;
  const auto point = [](size_t buckets) {
    const std::string side = Message().Signed(1, 0).PackedInt(2, std::vector<uint64_t>(buckets, 1));
    return std::string(Message().Fixed(3, kTime).Fixed(4, buckets).Signed(6, 5).Bytes(8, side));
  };
  const Batch batch =
      Metrics({ExponentialHistogram("e", {point(1000), point(60), point(60), point(9)})});
  EXPECT_EQ(batch.samples.histograms.rows(), 2u);
  EXPECT_EQ(batch.samples.histograms.count[1], 9u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kTooLarge), 2u);
}

TEST_F(MetricsTest, ReadsSummariesAsSeries) {
  const auto quantile = [](double q, double v) {
    return std::string(Message().Double(1, q).Double(2, v));
  };
  const std::string point =
      Message()
          .Fixed(3, kTime)
          .Fixed(4, 20)
          .Double(5, 7.5)
          .All(6, {quantile(0.5, 1), quantile(0.99, 3), quantile(1, std::nan(""))})
          .All(7, {Pair("a", "b")});
  const Batch batch = Metrics({Summary("s", {point})});
  ASSERT_EQ(batch.samples.rows(), 4u);
  EXPECT_EQ(SeriesText(batch.samples.series[0]), "s{a=b,quantile=0.5,otel.scope.name=lib}");
  EXPECT_EQ(SeriesText(batch.samples.series[1]), "s{a=b,quantile=0.99,otel.scope.name=lib}");
  EXPECT_EQ(SeriesText(batch.samples.series[2]), "s_count{a=b,otel.scope.name=lib}");
  EXPECT_EQ(SeriesText(batch.samples.series[3]), "s_sum{a=b,otel.scope.name=lib}");
  EXPECT_THAT(batch.samples.value, ElementsAre(1, 3, 20, 7.5));
  EXPECT_EQ(SeriesOf(batch, 0).kind, MetricKind::kSummary);
  EXPECT_EQ(SeriesOf(batch, 2).kind, MetricKind::kCounter);
  EXPECT_EQ(Text(SeriesOf(batch, 2).unit), "");
  EXPECT_EQ(Text(SeriesOf(batch, 3).unit), "ms");
  EXPECT_EQ(Accepted(Signal::kSample), 4u);
}

TEST_F(MetricsTest, JudgesValuesAndTimes) {
  const std::string none = Message().Fixed(3, kTime);
  const std::string stale = Message().Fixed(3, kTime).Int(8, 1);
  const Batch batch = Metrics(
      {Gauge("g", {NumberPoint(kInf, {}), NumberPoint(std::nan(""), {}), NumberPoint(1, {}, 0),
                   NumberPoint(1, {}, UINT64_MAX), none, stale, NumberPoint(5, {})}),
       Histogram("h", {std::string(Message().Fixed(3, kTime).Int(10, 1))})});
  ASSERT_EQ(batch.samples.rows(), 3u);
  EXPECT_TRUE(std::isnan(batch.samples.value[0]));
  EXPECT_EQ(batch.samples.value[1], 5);
  EXPECT_TRUE(std::isnan(batch.samples.value[2]));
  EXPECT_EQ(batch.samples.histograms.rows(), 0u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kNonFinite), 2u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kBadTime), 2u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kMalformed), 1u);
  EXPECT_EQ(Accepted(Signal::kSample), 3u);
}

TEST_F(MetricsTest, DropsSeriesBeyondTheLimit) {
  const std::unique_ptr<telemetry::Identities> small(
      new telemetry::Identities{telemetry::Interner(), telemetry::ResourceTable(),
                                telemetry::SeriesTable(2), telemetry::EntityRegistry()});
  context_.identities = small.get();
  const Batch batch = Metrics({Gauge("a", {NumberPoint(1, {})}), Gauge("b", {NumberPoint(2, {})}),
                               Gauge("c", {NumberPoint(3, {})}), Gauge("a", {NumberPoint(4, {})})});
  EXPECT_THAT(batch.samples.value, ElementsAre(1, 2, 4));
  EXPECT_EQ(Lost(Signal::kSample, Reason::kSeriesLimit), 1u);
}

TEST_F(MetricsTest, ReadsRepeatedNumbersThatAreNotPacked) {
  const std::string point =
      Message().Fixed(3, kTime).Fixed(4, 3).Fixed(6, 1).Fixed(6, 2).Double(7, 5);
  const Batch batch = Metrics({Histogram("h", {point})});
  EXPECT_THAT(batch.samples.histograms.bucket_count, ElementsAre(1, 2));
}

TEST_F(MetricsTest, KeepsNothingOfADamagedMessage) {
  const std::string good = Request({Block(
      Resource({Pair("s", "n")}),
      {Gauge("g", {NumberPoint(1, {Pair("a", "b")})}),
       Histogram("h", {std::string(
                          Message().Fixed(3, kTime).Fixed(4, 3).PackedFixed(6, {1, 2}).PackedDouble(
                              7, {1}))})})});
  Batch batch;
  for (size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_FALSE(DecodeInto(&batch, good.substr(0, cut), Signal::kSample).ok()) << cut;
    EXPECT_EQ(batch.rows(), 0u);
  }
  EXPECT_TRUE(DecodeInto(&batch, good, Signal::kSample).ok());
}

// What a client sends that was given the wrong path.
TEST_F(MetricsTest, SpansAreNoMetricsAndAreTold) {
  test::SpanFields with_event, bare;
  with_event.events = {test::Event(test::kTime, "retry", {})};
  bare.name = "";
  for (const test::SpanFields& fields : {with_event, bare}) {
    Batch batch;
    const auto decoded =
        DecodeInto(&batch, test::Request({test::Block(test::Resource({}), {test::Span(fields)})}),
                   Signal::kSample);
    if (!decoded.ok()) continue;  // told as well
    EXPECT_EQ(decoded->rejected, 1u);
    EXPECT_NE(decoded->message, "");
  }
  EXPECT_EQ(Received(Signal::kSample) + Received(Signal::kMessage), 2u);
}

TEST_F(MetricsTest, AMetricWithoutPointsIsNoLoss) {
  Batch batch;
  const auto decoded =
      DecodeInto(&batch,
                 test::Request({test::Block(
                     test::Resource({}), {test::Gauge("idle", {}), test::Sum("n", 2, true, {})})}),
                 Signal::kSample);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->rejected, 0u);
  EXPECT_EQ(Received(Signal::kSample), 0u);
}

}  // namespace
}  // namespace tomograph::ingest::otlp
