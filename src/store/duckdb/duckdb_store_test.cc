#include "store/duckdb/duckdb_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "store/duckdb/test_batches.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;
using telemetry::Identities;
using telemetry::Signal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DuckDbStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = OpenStore(OptionsFor(dir_.path()), ids_.get()); }
  /// Closes and opens with new Identities, as another process would.
  void Reopen() {
    ASSERT_TRUE(store_->Close().ok());
    store_.reset();
    ids_ = std::make_unique<Identities>();
    store_ = OpenStore(OptionsFor(dir_.path()), ids_.get());
    ASSERT_NE(store_, nullptr);
  }
  std::string_view Text(telemetry::StringId id) const { return ids_->strings.Get(id); }
  std::vector<Batch> ScanAll(Signal signal, const ScanFilter& filter = {}) {
    std::vector<Batch> batches;
    const Status status = store_->Scan(signal, filter, [&](const Batch& b) {
      batches.push_back(b);
      return true;
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return batches;
  }

  TemporaryDirectory dir_;
  std::unique_ptr<Identities> ids_ = std::make_unique<Identities>();
  std::unique_ptr<Store> store_;
};

TEST_F(DuckDbStoreTest, GivesBackASpanWithAllItsFields) {
  auto batch = std::make_shared<Batch>();
  telemetry::SpanBatch& s = batch->spans;
  AddSpan(*ids_, &s, 41, kMorning);
  s.corrected_start_ns[0] = kMorning + 17;
  s.attributes.AddText(ids_->strings.Intern("http.route"), "/cart");
  s.attributes.AddInt(ids_->strings.Intern("int"), INT64_MIN);
  s.attributes.AddDouble(ids_->strings.Intern("double"), 0.1);
  s.attributes.AddBool(ids_->strings.Intern("bool"), true);
  s.attributes.AddText(ids_->strings.Intern("list"), "[1,\"a\"]", telemetry::ValueType::kJson);
  s.attributes.EndRow();
  s.events.span = {0, 0};
  s.events.time_ns = {kMorning + 1, kMorning + 2};
  s.events.name = {ids_->strings.Intern("exception"), ids_->strings.Intern("")};
  s.events.attributes.AddText(ids_->strings.Intern("exception.type"), "Timeout");
  s.events.attributes.EndRow();
  s.events.attributes.EndRow();
  s.links.span = {0};
  s.links.trace_id = {{UINT64_MAX, 1}};
  s.links.span_id = {UINT64_MAX};
  batch->origin.received_ns = kMorning + kSecond;
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());

  Reopen();
  const std::vector<Batch> batches = ScanAll(Signal::kSpan);
  ASSERT_EQ(batches.size(), 1u);
  const telemetry::SpanBatch& r = batches[0].spans;
  ASSERT_EQ(r.rows(), 1u);
  EXPECT_EQ(r.trace_id[0], (telemetry::TraceId{0x0af7651916cd43dd, 6}));
  EXPECT_EQ(r.span_id[0], 41u);
  EXPECT_EQ(r.parent_span_id[0], 40u);
  EXPECT_EQ(r.start_ns[0], kMorning);
  EXPECT_EQ(r.end_ns[0], kMorning + kMillisecond);
  EXPECT_EQ(r.corrected_start_ns[0], kMorning + 17);
  EXPECT_EQ(r.clock_bound_ns[0], 25);
  EXPECT_EQ(r.kind[0], telemetry::SpanKind::kServer);
  EXPECT_EQ(r.status[0], telemetry::SpanStatus::kError);
  EXPECT_EQ(Text(r.name[0]), "GET /cart");
  EXPECT_EQ(Text(r.operation[0]), "/cart");
  EXPECT_EQ(Text(r.trace_state[0]), "ot=th:8");
  EXPECT_EQ(r.failed[0], 1);
  EXPECT_EQ(r.weight[0], 2.5f);
  EXPECT_EQ(r.weight_known[0], 1);
  EXPECT_EQ(batches[0].origin.received_ns, kMorning + kSecond);
  EXPECT_EQ(ids_->entities.Name(r.service[0]), "checkout");
  EXPECT_EQ(ids_->entities.Name(r.peer[0]), "postgresql shop");

  const telemetry::Resource& resource = ids_->resources.Get(r.resource[0]);
  EXPECT_EQ(Text(resource.service), "checkout");
  EXPECT_EQ(Text(resource.service_namespace), "shop");
  EXPECT_EQ(Text(resource.instance), "checkout-0");
  EXPECT_EQ(Text(resource.version), "1.2.3");
  EXPECT_EQ(Text(resource.environment), "prod");
  EXPECT_EQ(Text(resource.host), "node-7");
  EXPECT_EQ(resource.service_entity, r.service[0]);
  EXPECT_EQ(ids_->entities.Get(resource.instance_entity).parent, r.service[0]);
  ASSERT_EQ(resource.attributes.size(), 2u);
  EXPECT_EQ(Text(resource.attributes[1].first), "\"quoted\" \\ key");
  EXPECT_EQ(Text(resource.attributes[1].second), "wörld\n");

  std::string json;
  r.attributes.AppendJson(0, ids_->strings, &json);
  EXPECT_EQ(
      json,
      R"({"http.route":"/cart","int":-9223372036854775808,"double":0.1,"bool":true,"list":[1,"a"]})");
  EXPECT_THAT(r.events.span, ElementsAre(0, 0));
  EXPECT_THAT(r.events.time_ns, ElementsAre(kMorning + 1, kMorning + 2));
  EXPECT_EQ(Text(r.events.name[0]), "exception");
  EXPECT_EQ(r.events.attributes.Row(0).size(), 1u);
  EXPECT_EQ(r.events.attributes.Row(1).size(), 0u);
  ASSERT_EQ(r.links.span.size(), 1u);
  EXPECT_EQ(r.links.trace_id[0], (telemetry::TraceId{UINT64_MAX, 1}));
  EXPECT_EQ(r.links.span_id[0], UINT64_MAX);
}

TEST_F(DuckDbStoreTest, ABatchThatWasNotNormalizedIsKeptWithUnknowns) {
  auto batch = Spans(*ids_, 1, 1);
  telemetry::SpanBatch& s = batch->spans;
  s.corrected_start_ns.clear();
  s.clock_bound_ns.clear();
  s.operation.clear();
  s.service.clear();
  s.peer.clear();
  s.failed.clear();
  s.weight.clear();
  s.weight_known.clear();
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  Reopen();
  const std::vector<Batch> batches = ScanAll(Signal::kSpan);
  ASSERT_EQ(batches.size(), 1u);
  const telemetry::SpanBatch& r = batches[0].spans;
  EXPECT_EQ(r.corrected_start_ns[0], kMorning);
  EXPECT_EQ(r.clock_bound_ns[0], telemetry::kUnknownBound);
  EXPECT_EQ(Text(r.operation[0]), "GET /cart");
  EXPECT_EQ(ids_->entities.Name(r.service[0]), "checkout");
  EXPECT_EQ(r.peer[0], telemetry::kNoEntity);
  EXPECT_EQ(r.failed[0], 1);  // by its status
  EXPECT_EQ(r.weight[0], 1.0f);
  EXPECT_EQ(r.weight_known[0], 0);
}

telemetry::SeriesId AddSeries(Identities& ids, const std::string& metric,
                              const std::string& service) {
  return ids.series.FindOrAdd(telemetry::FingerprintOf(metric + service), [&] {
    telemetry::Series s;
    s.resource = AddResource(ids, service);
    s.metric = ids.strings.Intern(metric);
    s.unit = ids.strings.Intern("By");
    s.kind = telemetry::MetricKind::kCounter;
    s.temporality = telemetry::Temporality::kCumulative;
    s.labels = {{ids.strings.Intern("le"), ids.strings.Intern("")}};
    s.quantity = telemetry::Quantity::kMemoryBytes;
    s.statistic = telemetry::Statistic::kP99;
    s.entity = ids.entities.FindOrAdd(telemetry::EntityKind::kService, "shop", service);
    s.peer = ids.entities.FindOrAdd(telemetry::EntityKind::kCache, "", "redis");
    s.scale = 0.001;
    return s;
  });
}

TEST_F(DuckDbStoreTest, GivesBackSamplesAndHistogramsInOneTimeOrder) {
  const double nan = std::nan("");
  auto batch = std::make_shared<Batch>();
  telemetry::SampleBatch& s = batch->samples;
  const telemetry::SeriesId one = AddSeries(*ids_, "memory", "cart");
  const telemetry::SeriesId two = AddSeries(*ids_, "latency", "cart");
  s.series = {one, one, one, one};
  s.time_ns = {kMorning, kMorning + 2, kMorning + 4, kMorning + 6};
  s.start_ns = {0, kMorning - 1, 0, 0};
  s.value = {1.5, nan, -std::numeric_limits<double>::infinity(), 5e-324};
  auto& h = s.histograms;
  h.series = {two, two};
  h.time_ns = {kMorning + 3, kMorning + 1};
  h.start_ns = {kMorning, 0};
  h.count = {UINT64_MAX, 0};
  h.sum = {nan, 7};
  h.min = {nan, 1};
  h.max = {nan, 2};
  h.bucket_end = {2, 2};  // the second has no buckets
  h.upper_bound = {0.5, std::numeric_limits<double>::infinity()};
  h.bucket_count = {3, UINT64_MAX - 3};
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  Reopen();

  ScanFilter first_three;
  first_three.limit = 3;
  std::vector<Batch> batches = ScanAll(Signal::kSample, first_three);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_THAT(batches[0].samples.time_ns, ElementsAre(kMorning, kMorning + 2));
  EXPECT_THAT(batches[0].samples.histograms.time_ns, ElementsAre(kMorning + 1));

  batches = ScanAll(Signal::kSample);
  ASSERT_EQ(batches.size(), 1u);
  const telemetry::SampleBatch& r = batches[0].samples;
  EXPECT_EQ(r.value[0], 1.5);
  EXPECT_TRUE(std::isnan(r.value[1]));
  EXPECT_EQ(r.value[2], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(r.value[3], 5e-324);
  EXPECT_THAT(r.start_ns, ElementsAre(0, kMorning - 1, 0, 0));
  EXPECT_THAT(r.histograms.count, ElementsAre(0u, UINT64_MAX));
  EXPECT_THAT(r.histograms.bucket_end, ElementsAre(0u, 2u));
  EXPECT_THAT(r.histograms.bucket_count, ElementsAre(3u, UINT64_MAX - 3));
  EXPECT_EQ(r.histograms.upper_bound[1], std::numeric_limits<double>::infinity());
  EXPECT_EQ(r.histograms.sum[0], 7);
  EXPECT_TRUE(std::isnan(r.histograms.sum[1]));

  const telemetry::Series& series = ids_->series.Get(r.series[0]);
  EXPECT_EQ(Text(series.metric), "memory");
  EXPECT_EQ(Text(series.unit), "By");
  EXPECT_EQ(series.kind, telemetry::MetricKind::kCounter);
  EXPECT_EQ(series.temporality, telemetry::Temporality::kCumulative);
  EXPECT_EQ(series.quantity, telemetry::Quantity::kMemoryBytes);
  EXPECT_EQ(series.statistic, telemetry::Statistic::kP99);
  EXPECT_EQ(series.scale, 0.001);
  EXPECT_EQ(ids_->entities.Name(series.entity), "cart");
  EXPECT_EQ(ids_->entities.Name(series.peer), "redis");
  ASSERT_EQ(series.labels.size(), 1u);
  EXPECT_EQ(Text(series.labels[0].first), "le");
  EXPECT_EQ(Text(ids_->resources.Get(series.resource).service), "cart");
}

TEST_F(DuckDbStoreTest, SamplesAreFoundByMetricAndEntity) {
  auto batch = std::make_shared<Batch>();
  telemetry::SampleBatch& s = batch->samples;
  for (const char* metric : {"memory", "it's"}) {
    for (const char* service : {"cart", "payment"}) {
      s.series.push_back(AddSeries(*ids_, metric, service));
      s.time_ns.push_back(kMorning);
      s.start_ns.push_back(0);
      s.value.push_back(static_cast<double>(s.value.size()));
    }
  }
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  const auto values = [&](const std::string& metric, const std::string& service) {
    ScanFilter filter;
    filter.metric = metric;
    if (!service.empty())
      filter.entity = telemetry::MakeEntityId(telemetry::EntityKind::kService, "shop", service);
    std::vector<double> found;
    for (const Batch& b : ScanAll(Signal::kSample, filter))
      found.insert(found.end(), b.samples.value.begin(), b.samples.value.end());
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_THAT(values("it's", "payment"), ElementsAre(3));
  EXPECT_THAT(values("memory", ""), ElementsAre(0, 1));
  EXPECT_THAT(values("", "cart"), ElementsAre(0, 2));
  EXPECT_TRUE(values("memory", "nobody").empty());
}

TEST_F(DuckDbStoreTest, GivesBackLogsFlowsAndEvents) {
  auto batch = std::make_shared<Batch>();
  telemetry::LogBatch& l = batch->logs;
  l.time_ns = {kMorning, kMorning + 1};
  l.observed_ns = {kMorning + 5, kMorning + 6};
  l.corrected_ns = {kMorning + 3, kMorning + 4};
  l.clock_bound_ns = {9, telemetry::kUnknownBound};
  l.severity = {telemetry::Severity::kError, static_cast<telemetry::Severity>(14)};
  l.resource = {AddResource(*ids_, "cart"), telemetry::kNoResource};
  l.trace_id = {{1, 2}, {}};
  l.span_id = {3, 0};
  l.event_name = {ids_->strings.Intern("login"), telemetry::kEmptyString};
  l.bodies = std::string("a\0b", 3);
  l.body_end = {3, 3};
  l.attributes.EndRow();
  l.attributes.EndRow();
  telemetry::FlowBatch& f = batch->flows;
  f.start_ns = {kMorning};
  f.end_ns = {kMorning + kSecond};
  f.resource = {AddResource(*ids_, "router")};
  f.source_address = {ids_->strings.Intern("2001:db8::1")};
  f.destination_address = {ids_->strings.Intern("192.0.2.1")};
  f.source_port = {65535};
  f.destination_port = {0};
  f.protocol = {255};
  f.bytes = {UINT64_MAX};
  f.packets = {1};
  f.weight = {100};
  telemetry::EventBatch& e = batch->events;
  e.time_ns = {kMorning};
  e.kind = {telemetry::ChangeKind::kScale};
  e.id = {ids_->strings.Intern("e1")};
  e.source = {ids_->strings.Intern("ci")};
  e.service = {ids_->strings.Intern("cart")};
  e.environment = {ids_->strings.Intern("prod")};
  e.version = {ids_->strings.Intern("v2")};
  e.entity = {ids_->entities.FindOrAdd(telemetry::EntityKind::kService, "shop", "cart")};
  e.attributes.AddText(ids_->strings.Intern("text"), "scaled to 3");
  e.attributes.EndRow();
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  Reopen();

  const std::vector<Batch> logs = ScanAll(Signal::kLog);
  ASSERT_EQ(logs.size(), 1u);
  const telemetry::LogBatch& rl = logs[0].logs;
  EXPECT_EQ(rl.time_ns, l.time_ns);
  EXPECT_EQ(rl.observed_ns, l.observed_ns);
  EXPECT_EQ(rl.corrected_ns, l.corrected_ns);
  EXPECT_EQ(rl.clock_bound_ns, l.clock_bound_ns);
  EXPECT_EQ(rl.severity, l.severity);
  EXPECT_EQ(rl.trace_id, l.trace_id);
  EXPECT_EQ(rl.span_id, l.span_id);
  EXPECT_EQ(rl.body(0), std::string_view("a\0b", 3));
  EXPECT_EQ(rl.body(1), "");
  EXPECT_EQ(Text(rl.event_name[0]), "login");
  EXPECT_EQ(rl.resource[1], telemetry::kNoResource);

  const std::vector<Batch> flows = ScanAll(Signal::kFlow);
  ASSERT_EQ(flows.size(), 1u);
  const telemetry::FlowBatch& rf = flows[0].flows;
  EXPECT_EQ(rf.bytes, f.bytes);
  EXPECT_EQ(rf.source_port, f.source_port);
  EXPECT_EQ(rf.protocol, f.protocol);
  EXPECT_EQ(rf.weight, f.weight);
  EXPECT_EQ(Text(rf.source_address[0]), "2001:db8::1");
  EXPECT_EQ(Text(ids_->resources.Get(rf.resource[0]).service), "router");

  const std::vector<Batch> events = ScanAll(Signal::kEvent);
  ASSERT_EQ(events.size(), 1u);
  const telemetry::EventBatch& re = events[0].events;
  EXPECT_EQ(re.kind, e.kind);
  EXPECT_EQ(re.entity, e.entity);
  EXPECT_EQ(Text(re.id[0]), "e1");
  EXPECT_EQ(Text(re.version[0]), "v2");
  EXPECT_EQ(re.attributes.Text(re.attributes.Row(0)[0]), "scaled to 3");
}

TEST_F(DuckDbStoreTest, KeepsExtremesUnicodeAndBrokenText) {
  auto batch = Spans(*ids_, 1, 4);
  telemetry::SpanBatch& s = batch->spans;
  s.corrected_start_ns = {INT64_MIN + 2, -1, kMorning, INT64_MAX - 1};
  s.start_ns = {INT64_MIN, 0, INT64_MAX, INT64_MAX};
  s.end_ns = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  s.span_id = {UINT64_MAX, 1, 2, 3};
  s.trace_id = {{UINT64_MAX, UINT64_MAX}, {0, 0}, {1ULL << 63, 0}, {0, 1}};
  s.name = {ids_->strings.Intern("Größe 漢字 😀 with more than twelve bytes"),
            telemetry::kEmptyString, ids_->strings.Intern("bad \xff\xc3( tail"),
            ids_->strings.Intern(std::string("\0", 1))};
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  Reopen();
  ScanFilter all;
  all.range.from = INT64_MIN;
  std::vector<Nanos> corrected, start;
  std::vector<std::string> names;
  std::vector<telemetry::TraceId> traces;
  for (const Batch& b : ScanAll(Signal::kSpan, all)) {
    corrected.insert(corrected.end(), b.spans.corrected_start_ns.begin(),
                     b.spans.corrected_start_ns.end());
    start.insert(start.end(), b.spans.start_ns.begin(), b.spans.start_ns.end());
    traces.insert(traces.end(), b.spans.trace_id.begin(), b.spans.trace_id.end());
    for (auto name : b.spans.name) names.emplace_back(Text(name));
  }
  EXPECT_EQ(corrected, s.corrected_start_ns);
  EXPECT_EQ(start, s.start_ns);
  EXPECT_EQ(traces, s.trace_id);
  EXPECT_THAT(names, ElementsAre("Größe 漢字 😀 with more than twelve bytes", "",
                                 "bad \xEF\xBF\xBD\xEF\xBF\xBD( tail", std::string("\0", 1)));
}

TEST_F(DuckDbStoreTest, TenThousandNamesAndResources) {
  auto batch = std::make_shared<Batch>();
  for (uint64_t i = 0; i < 10'000; ++i) {
    AddSpan(*ids_, &batch->spans, i + 1, kMorning + static_cast<Nanos>(i),
            "service " + std::to_string(i), "operation number " + std::to_string(i));
    batch->spans.attributes.EndRow();
  }
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  Reopen();
  uint64_t i = 0;
  for (const Batch& b : ScanAll(Signal::kSpan)) {
    for (size_t row = 0; row < b.spans.rows(); ++row, ++i) {
      ASSERT_EQ(Text(b.spans.name[row]), "operation number " + std::to_string(i));
      ASSERT_EQ(Text(ids_->resources.Get(b.spans.resource[row]).service),
                "service " + std::to_string(i));
    }
  }
  EXPECT_EQ(i, 10'000u);
}

TEST_F(DuckDbStoreTest, ScanFiltersByTimeServiceTraceAndLimit) {
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 8, 8, kMorning, "cart")).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 16, 8, kMorning + kHour, "payment")).ok());
  ScanFilter filter;
  filter.service = "payment";
  EXPECT_EQ(SpanIds(*store_, filter).size(), 8u);
  filter.limit = 2;
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(16, 17));
  filter = {};
  filter.trace_id = {0x0af7651916cd43dd, 2};
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
  filter = {};
  filter.range = {kMorning + 6 * kMicrosecond, kMorning + kHour + 2 * kMicrosecond};
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(14, 15, 16, 17));
  filter = {};
  filter.limit = 0;
  EXPECT_THAT(SpanIds(*store_, filter), IsEmpty());
  filter.limit = SIZE_MAX;
  filter.service = "'; DROP TABLE spans; --";
  EXPECT_THAT(SpanIds(*store_, filter), IsEmpty());
  EXPECT_EQ(SpanIds(*store_).size(), 16u);
}

TEST_F(DuckDbStoreTest, ScanLeavesOutWhatWasReceivedLater) {
  auto early = Spans(*ids_, 1, 3);
  auto late = Spans(*ids_, 11, 3);
  late->origin.received_ns = early->origin.received_ns + kSecond;
  ASSERT_TRUE(AppendAndWait(*store_, early).ok());
  ASSERT_TRUE(AppendAndWait(*store_, late).ok());
  ScanFilter filter;
  EXPECT_EQ(SpanIds(*store_, filter).size(), 6u);
  filter.received_before = late->origin.received_ns;
  EXPECT_EQ(SpanIds(*store_, filter), (std::vector<uint64_t>{1, 2, 3}));
}

TEST_F(DuckDbStoreTest, ScanStopsWhenTheVisitorSaysSo) {
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 10'000)).ok());
  int visits = 0;
  ASSERT_TRUE(store_->Scan(Signal::kSpan, {}, [&](const Batch&) { return ++visits < 2; }).ok());
  EXPECT_EQ(visits, 2);
}

TEST_F(DuckDbStoreTest, ScanSeesASnapshotAndDoesNotStopTheWriter) {
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 5'000)).ok());
  size_t seen = 0;
  bool appended = false;
  ASSERT_TRUE(
      store_
          ->Scan(Signal::kSpan, {},
                 [&](const Batch& b) {
                   seen += b.spans.rows();
                   if (!appended) {
                     appended = true;
                     EXPECT_TRUE(
                         AppendAndWait(*store_, Spans(*ids_, 9'000, 100, kMorning + kMinute)).ok());
                   }
                   return true;
                 })
          .ok());
  EXPECT_EQ(seen, 5'000u);
  EXPECT_EQ(SpanIds(*store_).size(), 5'100u);
}

TEST_F(DuckDbStoreTest, SpansAndSamplesDeliveredTwiceAreGivenOutOnce) {
  auto batch = Spans(*ids_, 1, 10);
  batch->samples.series = {AddSeries(*ids_, "memory", "cart")};
  batch->samples.time_ns = {kMorning};
  batch->samples.start_ns = {0};
  batch->samples.value = {1};
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  EXPECT_EQ(SpanIds(*store_).size(), 10u);
  ScanFilter limited;
  limited.limit = 7;  // repeats must not eat the limit
  EXPECT_THAT(SpanIds(*store_, limited), ElementsAre(1, 2, 3, 4, 5, 6, 7));
  const std::vector<Batch> samples = ScanAll(Signal::kSample);
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0].samples.rows(), 1u);
}

std::shared_ptr<Batch> Event(Identities& ids, Nanos time, const std::string& id,
                             const std::string& source) {
  auto batch = std::make_shared<Batch>();
  telemetry::EventBatch& e = batch->events;
  e.time_ns = {time};
  e.kind = {telemetry::ChangeKind::kDeploy};
  e.id = {ids.strings.Intern(id)};
  e.source = {ids.strings.Intern(source)};
  e.service = e.environment = e.version = {telemetry::kEmptyString};
  e.attributes.EndRow();
  return batch;
}

TEST_F(DuckDbStoreTest, AnEventIsKeptOncePerSourceAndId) {
  ASSERT_TRUE(AppendAndWait(*store_, Event(*ids_, kMorning, "1", "ci")).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Event(*ids_, kMorning + 1, "1", "ci")).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Event(*ids_, kMorning + 2, "1", "other")).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Event(*ids_, kMorning + 3, "", "ci")).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Event(*ids_, kMorning + 4, "", "ci")).ok());
  std::vector<Nanos> times;
  for (const Batch& b : ScanAll(Signal::kEvent)) {
    times.insert(times.end(), b.events.time_ns.begin(), b.events.time_ns.end());
  }
  EXPECT_THAT(times, ElementsAre(kMorning, kMorning + 2, kMorning + 3, kMorning + 4));
}

TEST_F(DuckDbStoreTest, ABadBatchDoesNotTakeItsGroupWithIt) {
  ASSERT_TRUE(store_->Close().ok());
  StoreOptions options = OptionsFor(dir_.path());
  options.commit_interval = 200 * kMillisecond;  // long enough that all meet in one group
  options.memory_limit_bytes = 48u << 20;
  store_ = OpenStore(options, ids_.get());
  auto misshapen = Spans(*ids_, 100, 4);
  misshapen->spans.end_ns.pop_back();
  auto too_large = std::make_shared<Batch>();  // DuckDB itself fails on this one
  telemetry::LogBatch& l = too_large->logs;
  for (int i = 0; i < 20; ++i) {
    l.time_ns.push_back(kMorning);
    l.observed_ns.push_back(kMorning);
    l.severity.push_back(telemetry::Severity::kInfo);
    l.resource.push_back(telemetry::kNoResource);
    l.trace_id.push_back({});
    l.span_id.push_back(0);
    l.event_name.push_back(telemetry::kEmptyString);
    l.bodies.append(8u << 20, 'x');
    l.body_end.push_back(l.bodies.size());
    l.attributes.EndRow();
  }
  std::vector<std::promise<Status>> answers(4);
  const auto answer = [&](int i) {
    return [&answers, i](const Status& s) { answers[i].set_value(s); };
  };
  ASSERT_TRUE(store_->Append(Spans(*ids_, 1, 4), answer(0)).ok());
  ASSERT_TRUE(store_->Append(misshapen, answer(1)).ok());
  ASSERT_TRUE(store_->Append(too_large, answer(2)).ok());
  ASSERT_TRUE(store_->Append(Spans(*ids_, 5, 4, kMorning + kSecond), answer(3)).ok());
  EXPECT_TRUE(answers[0].get_future().get().ok());
  EXPECT_EQ(answers[1].get_future().get().code(), StatusCode::kInvalidArgument);
  const Status large = answers[2].get_future().get();
  EXPECT_EQ(large.code(), StatusCode::kResourceExhausted) << large.ToString();
  EXPECT_TRUE(answers[3].get_future().get().ok());
  EXPECT_THAT(SpanIds(*store_), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(DuckDbStoreTest, AFullQueueRefusesAtOnce) {
  ASSERT_TRUE(store_->Close().ok());
  StoreOptions options = OptionsFor(dir_.path());
  options.queue_batches = 2;
  store_ = OpenStore(options, ids_.get());
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  std::promise<void> writer_waits;
  std::atomic<int> answers{0};
  ASSERT_TRUE(store_
                  ->Append(Spans(*ids_, 1, 1),
                           [&, opened](const Status&) {
                             ++answers;
                             writer_waits.set_value();
                             opened.wait();  // the writer's thread is held here
                           })
                  .ok());
  writer_waits.get_future().wait();
  const auto count = [&](const Status& s) { answers += s.ok(); };
  EXPECT_TRUE(store_->Append(Spans(*ids_, 2, 1), count).ok());
  EXPECT_TRUE(store_->Append(Spans(*ids_, 3, 1), count).ok());
  EXPECT_EQ(store_->stats().queued_batches, 2u);
  const Status refused = store_->Append(Spans(*ids_, 4, 1), count);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(refused.retryable());
  gate.set_value();
  ASSERT_TRUE(store_->Close().ok());
  EXPECT_EQ(answers, 3);
}

TEST_F(DuckDbStoreTest, CloseCommitsWhatIsQueuedAndThenRefuses) {
  ASSERT_TRUE(store_->Close().ok());
  StoreOptions options = OptionsFor(dir_.path());
  options.commit_interval = 60 * kSecond;
  store_ = OpenStore(options, ids_.get());
  std::atomic<int> durable{0};
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(
        store_->Append(Spans(*ids_, i, 1), [&](const Status& s) { durable += s.ok(); }).ok());
  }
  ASSERT_TRUE(store_->Close().ok());
  ASSERT_TRUE(store_->Close().ok());
  EXPECT_EQ(durable, 3);
  EXPECT_EQ(store_->Append(Spans(*ids_, 4, 1), [](const Status&) {}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_FALSE(store_->PutEstimates({}).ok());
  EXPECT_FALSE(store_->Scan(Signal::kSpan, {}, [](const Batch&) { return true; }).ok());
  Reopen();
  EXPECT_THAT(SpanIds(*store_), ElementsAre(1, 2, 3));
}

TEST_F(DuckDbStoreTest, ASecondOwnerIsRefusedByName) {
  Identities other;
  const Result<std::unique_ptr<Store>> second = OpenDuckDbStore(OptionsFor(dir_.path()), &other);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(getpid())));
  EXPECT_THAT(second.status().message(), HasSubstr(dir_.path()));
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 1)).ok());
}

TEST_F(DuckDbStoreTest, StatsCountWhatWasCommitted) {
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 10)).ok());
  const StoreStats stats = store_->stats();
  EXPECT_EQ(stats.rows_committed, 10u);
  EXPECT_EQ(stats.commits, 1u);
  EXPECT_GT(stats.bytes_on_disk, 0u);
  EXPECT_TRUE(stats.writable);
  EXPECT_EQ(stats.oldest_ns, kMorning);
  Reopen();
  EXPECT_EQ(store_->stats().oldest_ns, kMorning);
}

telemetry::Estimate MakeEstimate(const std::string& state, Nanos start, double value) {
  telemetry::Estimate e;
  e.state = state;
  e.entity = telemetry::EntityId{UINT64_MAX};
  e.start = start;
  e.length = 10 * kSecond;
  e.value = value;
  e.i50 = {1, 2};
  e.i90 = {0.5, 4};
  e.confidence = 0.75;
  e.basis = telemetry::Basis::kInferred;
  e.unit = "calls";
  e.method = "little";
  e.note = "it's wide";
  e.evidence = {"trace:0a", "series:a long evidence id:1:2"};
  return e;
}

TEST_F(DuckDbStoreTest, EstimatesComeBackAndTheLastOneCounts) {
  telemetry::Estimate missing = MakeEstimate("queue_depth", kMorning + kMinute, std::nan(""));
  missing.basis = telemetry::Basis::kMissing;
  missing.caller = telemetry::EntityId{7};
  missing.evidence.clear();
  ASSERT_TRUE(store_->PutEstimates({MakeEstimate("in_flight", kMorning, 3), missing}).ok());
  ASSERT_TRUE(store_->PutEstimates({MakeEstimate("in_flight", kMorning, 5)}).ok());
  ASSERT_TRUE(store_->PutEstimates({}).ok());
  Reopen();
  Result<std::vector<telemetry::Estimate>> all = store_->Estimates({}, "");
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  ASSERT_EQ(all->size(), 2u);
  const telemetry::Estimate& e = (*all)[0];
  EXPECT_EQ(e.value, 5);
  EXPECT_EQ(e.state, "in_flight");
  EXPECT_EQ(e.entity, telemetry::EntityId{UINT64_MAX});
  EXPECT_EQ(e.caller, telemetry::kNoEntity);
  EXPECT_EQ(e.start, kMorning);
  EXPECT_EQ(e.length, 10 * kSecond);
  EXPECT_EQ(e.i50.upper, 2);
  EXPECT_EQ(e.i90.lower, 0.5);
  EXPECT_EQ(e.confidence, 0.75);
  EXPECT_EQ(e.basis, telemetry::Basis::kInferred);
  EXPECT_EQ(e.note, "it's wide");
  EXPECT_THAT(e.evidence, ElementsAre("trace:0a", "series:a long evidence id:1:2"));
  EXPECT_TRUE(std::isnan((*all)[1].value));
  EXPECT_EQ((*all)[1].caller, telemetry::EntityId{7});
  EXPECT_THAT((*all)[1].evidence, IsEmpty());
  EXPECT_EQ(store_->Estimates({}, "queue_depth")->size(), 1u);
  EXPECT_EQ(store_->Estimates({kMorning, kMorning + kMinute}, "")->size(), 1u);
}

TEST_F(DuckDbStoreTest, EstimatesOfOneStateAreToldApartByTheirDetail) {
  telemetry::Estimate pay = MakeEstimate("step_completion", kMorning, 0.9);
  pay.detail = "buy: pay";
  telemetry::Estimate ship = MakeEstimate("step_completion", kMorning, 0.8);
  ship.detail = "buy: ship";
  ASSERT_TRUE(store_->PutEstimates({ship, pay}).ok());
  pay.value = 0.7;
  ASSERT_TRUE(store_->PutEstimates({pay}).ok());
  Reopen();
  Result<std::vector<telemetry::Estimate>> all = store_->Estimates({}, "step_completion");
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].detail, "buy: pay");
  EXPECT_EQ((*all)[0].value, 0.7);
  EXPECT_EQ((*all)[1].detail, "buy: ship");
}

TEST_F(DuckDbStoreTest, AnIncidentIsReplacedByItsId) {
  telemetry::Incident incident;
  incident.id = "i-1";
  incident.opened = kMorning;
  incident.diagnosis.summary = "first";
  ASSERT_TRUE(store_->PutIncident(incident).ok());
  incident.diagnosis.summary = "second";
  incident.closed = kMorning + kMinute;
  ASSERT_TRUE(store_->PutIncident(incident).ok());
  telemetry::Incident open;
  open.id = "i-2";
  open.opened = kMorning + kSecond;
  ASSERT_TRUE(store_->PutIncident(open).ok());
  Reopen();
  Result<std::vector<telemetry::Incident>> all = store_->Incidents({});
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].diagnosis.summary, "second");
  EXPECT_EQ((*all)[0].closed, kMorning + kMinute);
  EXPECT_EQ((*all)[1].closed, 0);
  Result<std::vector<telemetry::Incident>> later = store_->Incidents({kMorning + kHour, INT64_MAX});
  ASSERT_EQ(later->size(), 1u);  // the open one goes on
  EXPECT_EQ((*later)[0].id, "i-2");
}

TEST_F(DuckDbStoreTest, WritersAndReadersFromManyThreads) {
  std::atomic<size_t> durable{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 20; ++i) {
        EXPECT_TRUE(AppendAndWait(*store_, Spans(*ids_, t * 100'000 + i * 100 + 1, 100,
                                                 kMorning + static_cast<Nanos>(i) * kSecond))
                        .ok());
        ++durable;
      }
    });
  }
  threads.emplace_back([&] {
    while (durable < 60) {
      SpanIds(*store_);
      EXPECT_TRUE(store_->PutEstimates({MakeEstimate("in_flight", kMorning, 1)}).ok());
      static_cast<void>(store_->stats());
      EXPECT_TRUE(store_->Maintain(kMorning).ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(SpanIds(*store_).size(), 6'000u);
}

}  // namespace
}  // namespace tomograph::store
