#include "ingest/prometheus/remote_write.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <protozero/pbf_writer.hpp>

#include "ingest/decoder_harness.h"
#include "ingest/prometheus/series_labels.h"

namespace tomograph::ingest::prometheus {
namespace {

using testing::HasSubstr;
using Labels = std::vector<std::pair<std::string, std::string>>;
using Samples = std::vector<std::pair<int64_t, double>>;  // ms, value

void AddSeries(std::string* message, const Labels& labels, const Samples& samples) {
  protozero::pbf_writer request(*message);
  protozero::pbf_writer series(request, 1);
  for (const auto& [name, value] : labels) {
    protozero::pbf_writer label(series, 1);
    label.add_string(1, name);
    label.add_string(2, value);
  }
  for (const auto& [millis, value] : samples) {
    protozero::pbf_writer sample(series, 2);
    sample.add_double(1, value);
    sample.add_int64(2, millis);
  }
}

void AddMetadata(std::string* message, int type, const std::string& family,
                 const std::string& unit) {
  protozero::pbf_writer request(*message);
  protozero::pbf_writer metadata(request, 3);
  metadata.add_enum(1, type);
  metadata.add_string(2, family);
  metadata.add_string(5, unit);
}

std::string Compressed(const std::string& plain) {
  std::string out;
  snappy::Compress(plain.data(), plain.size(), &out);
  return out;
}

class RemoteWrite : public testing::Test {
 protected:
  Status Decode(const std::string& message) {
    return DecodeRemoteWrite(Compressed(message), harness_.context, &share_, &batch_);
  }
  std::string Spelled() const { return SpellBatch(batch_, harness_.identities); }

  DecoderHarness harness_;
  net::BodyShare share_;
  telemetry::Batch batch_;
};

TEST_F(RemoteWrite, ReadsSeriesOnceAndTheirSamples) {
  std::string message;
  AddSeries(&message, {{"__name__", "requests_total"}, {"code", "200"}, {"job", "cart"}},
            {{1000, 1}, {2000, 2.5}});
  AddSeries(&message, {{"__name__", "temperature"}, {"job", "cart"}}, {{1000, -3}});
  ASSERT_TRUE(Decode(message).ok());
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_EQ(harness_.identities.series.size(), 2u);
  EXPECT_EQ(harness_.identities.resources.size(), 1u);
  EXPECT_EQ(batch_.samples.rows(), 6u);
  EXPECT_THAT(
      Spelled(),
      HasSubstr("sample {job=cart,} requests_total [code=200,] kind=2 unit= 1000000000 0 1\n"
                "sample {job=cart,} requests_total [code=200,] kind=2 unit= 2000000000 0 2.5\n"
                "sample {job=cart,} temperature [] kind=0 unit= 1000000000 0 -3\n"));
  EXPECT_EQ(harness_.SpellLedger(), "remote_write sample received=6 accepted=6\n");
}

TEST_F(RemoteWrite, TakesKindAndUnitFromMetadataOfTheSameRequest) {
  std::string message;
  AddSeries(&message, {{"__name__", "temperature"}}, {{1, 1}});
  AddSeries(&message, {{"__name__", "d_seconds_sum"}}, {{1, 1}});
  AddMetadata(&message, 2, "temperature", "celsius");
  AddMetadata(&message, 3, "d_seconds", "seconds");
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_THAT(Spelled(), HasSubstr("temperature [] kind=1 unit=celsius"));
  EXPECT_THAT(Spelled(), HasSubstr("d_seconds_sum [] kind=2 unit=seconds"));
}

TEST_F(RemoteWrite, KeepsStaleMarkersAndDropsOtherNonNumbers) {
  const double stale = std::bit_cast<double>(kStaleMarkerBits);
  std::string message;
  AddSeries(&message, {{"__name__", "a"}},
            {{1, stale}, {2, std::nan("")}, {3, std::numeric_limits<double>::infinity()}, {4, 7}});
  ASSERT_TRUE(Decode(message).ok());
  ASSERT_EQ(batch_.samples.rows(), 2u);
  EXPECT_TRUE(std::isnan(batch_.samples.value[0]));
  EXPECT_EQ(batch_.samples.value[1], 7);
  EXPECT_EQ(harness_.SpellLedger(), "remote_write sample received=4 accepted=2 non_finite=2\n");
}

TEST_F(RemoteWrite, CountsWhatItCannotKeep) {
  std::string message;
  AddSeries(&message, {{"job", "nameless"}}, {{1, 1}, {2, 2}});
  AddSeries(&message, {{"__name__", "a"}}, {{0, 1}, {INT64_MAX, 1}, {INT64_MIN, 1}});
  AddSeries(&message, {{"__name__", std::string(100'000, 'x')}}, {{1, 1}});
  AddSeries(&message, {{"__name__", "fine"}}, {{1, 1}});
  {
    protozero::pbf_writer request(message);
    protozero::pbf_writer series(request, 1);
    protozero::pbf_writer(series, 1).add_string(1, "__name__");
    protozero::pbf_writer(series, 4).add_int64(15, 1);  // a native histogram
  }
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_EQ(batch_.samples.rows(), 1u);
  EXPECT_EQ(harness_.SpellLedger(),
            "remote_write sample received=8 accepted=1 malformed=2 too_large=1 bad_time=3 "
            "unsupported=1\n");
}

TEST_F(RemoteWrite, LabelsNeedNotLieTogether) {
  std::string message;
  {
    protozero::pbf_writer request(message);
    protozero::pbf_writer series(request, 1);
    const auto label = [&](const char* name, const char* value) {
      protozero::pbf_writer l(series, 1);
      l.add_string(1, name);
      l.add_string(2, value);
    };
    label("__name__", "a");
    {
      protozero::pbf_writer sample(series, 2);
      sample.add_double(1, 1);
      sample.add_int64(2, 1);
    }
    label("x", "1");
    label("y", "2");
  }
  AddSeries(&message, {{"__name__", "a"}, {"x", "1"}, {"y", "2"}}, {{2, 2}});
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_EQ(harness_.identities.series.size(), 1u);
  EXPECT_THAT(Spelled(), HasSubstr("a [x=1,y=2,]"));
}

TEST_F(RemoteWrite, RefusesWhatItCannotReadWholly) {
  std::string message;
  AddSeries(&message, {{"__name__", "a"}}, {{1, 1}});
  ASSERT_TRUE(Decode(message).ok());
  const std::string body = Compressed(message);
  const auto refused = [&](ByteView bytes) {
    return DecodeRemoteWrite(bytes, harness_.context, &share_, &batch_).code();
  };
  EXPECT_EQ(refused(""), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(ByteView(body).substr(0, body.size() - 1)), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(Compressed(message.substr(0, message.size() - 1))),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(refused("\xff\xff\xff\x1f"
                    "x"),
            StatusCode::kInvalidArgument)
      << "claims 64 MiB less one";
  EXPECT_EQ(refused("\x81\x80\x80\x20"
                    "x"),
            StatusCode::kResourceExhausted)
      << "claims 64 MiB and one";
  EXPECT_EQ(batch_.samples.rows(), 1u) << "nothing is appended";
  EXPECT_EQ(harness_.SpellLedger(),
            "remote_write message received=5 accepted=0 malformed=4 too_large=1\n"
            "remote_write sample received=1 accepted=1\n");
}

TEST_F(RemoteWrite, TakesItsShareOfTheBudgetBeforeItUncompresses) {
  std::string message;
  AddSeries(&message, {{"__name__", std::string(5000, 'a')}}, {{1, 1}});
  const auto budget = std::make_shared<net::BodyBudget>(message.size() + 100);
  share_ = net::BodyShare(budget);
  ASSERT_TRUE(share_.GrowTo(101));  // the body
  const Status refused = Decode(message);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  EXPECT_EQ(harness_.SpellLedger(), "remote_write message received=1 accepted=0 back_pressure=1\n");
  share_.ShrinkTo(100);
  EXPECT_TRUE(Decode(message).ok());
  EXPECT_EQ(budget->in_use(), budget->limit());
  harness_.context.limits.max_plain_bytes = message.size() - 1;
  EXPECT_EQ(Decode(message).code(), StatusCode::kResourceExhausted);
}

TEST_F(RemoteWrite, TakesAMillionSamplesAndNoMore) {
  const auto samples = [](size_t n) { return Samples(n, {1, 1}); };
  std::string message;
  AddSeries(&message, {{"__name__", "a"}}, samples(1'000'000));
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_EQ(batch_.samples.rows(), 1'000'000u);
  AddSeries(&message, {{"__name__", "b"}}, samples(1));
  EXPECT_EQ(Decode(message).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(batch_.samples.rows(), 1'000'000u) << "nothing is appended";
  EXPECT_EQ(harness_.SpellLedger(),
            "remote_write message received=1 accepted=0 too_large=1\n"
            "remote_write sample received=1000000 accepted=1000000\n");
}

TEST_F(RemoteWrite, SaysWhenNothingCanBeKept) {
  std::string message;
  AddSeries(&message, {{"__name__", "a"}}, {{0, 1}});
  AddSeries(&message, {{"job", "nameless"}}, {{1, 1}, {2, 2}});
  const Status status = Decode(message);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("2 malformed ("));
  EXPECT_THAT(status.message(), HasSubstr("1 bad_time ("));
  EXPECT_EQ(harness_.SpellLedger(),
            "remote_write sample received=3 accepted=0 malformed=2 bad_time=1\n");
  std::string nan;
  AddSeries(&nan, {{"__name__", "a"}}, {{1, std::nan("")}});
  EXPECT_TRUE(Decode(nan).ok()) << "nothing to complain of";
  EXPECT_TRUE(Decode("").ok());
}

TEST_F(RemoteWrite, ANoisyJobDoesNotTakeAQuietOnesNames) {
  std::string message;
  for (int i = 0; i < 3000; ++i)
    AddSeries(&message, {{"__name__", "a"}, {"job", "noisy"}, {"id", std::to_string(i)}}, {{1, 1}});
  AddSeries(&message, {{"__name__", "quiet_one"}, {"job", "quiet"}, {"id", "q"}}, {{1, 1}});
  telemetry::Identities small{telemetry::Interner(1000), telemetry::ResourceTable(),
                              telemetry::SeriesTable(), telemetry::EntityRegistry()};
  harness_.context.identities = &small;
  harness_.context.complete_resource = [&](telemetry::Resource* r) {
    r->share = telemetry::ShareOf(small.strings.Get(r->attributes.at(0).second));
  };
  ASSERT_TRUE(Decode(message).ok());
  ASSERT_EQ(batch_.samples.rows(), 3001u);
  const telemetry::Series& quiet = small.series.Get(batch_.samples.series.back());
  EXPECT_EQ(small.strings.Get(quiet.metric), "quiet_one");
  EXPECT_FALSE(telemetry::HasOverflow(quiet));
  EXPECT_TRUE(telemetry::HasOverflow(small.series.Get(batch_.samples.series[2999])));
  const auto rows = harness_.ledger.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].balanced());
  EXPECT_GT(rows[0].repaired, 2000u);
}

TEST_F(RemoteWrite, FullTablesAreCountedLosses) {
  std::string message;
  for (int i = 0; i < 4; ++i)
    AddSeries(&message, {{"__name__", "a"}, {"i", std::to_string(i)}}, {{1, 1}});
  telemetry::Identities small{telemetry::Interner(), telemetry::ResourceTable(),
                              telemetry::SeriesTable(3), telemetry::EntityRegistry()};
  harness_.context.identities = &small;
  ASSERT_TRUE(Decode(message).ok());
  EXPECT_EQ(batch_.samples.rows(), 3u);
  EXPECT_EQ(harness_.SpellLedger(), "remote_write sample received=4 accepted=3 series_limit=1\n");
}

}  // namespace
}  // namespace tomograph::ingest::prometheus
