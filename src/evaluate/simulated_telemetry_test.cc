// What simulate/ writes is what the product reads: through the decoders and the normaliser, field
// by field, nothing repaired or dropped. Lives here because simulate/ must not know ingest/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "engine/recorded_run.h"
#include "ingest/changes/cdevents_decoder.h"
#include "ingest/otlp/otlp_decoder.h"
#include "ingest/recording.h"
#include "normalize/normalizer.h"
#include "simulate/loss/loss.h"
#include "simulate/write/otlp_json.h"
#include "simulate/write/recording.h"

namespace tomograph::evaluate {
namespace {

namespace fs = std::filesystem;
using simulate::Labels;
using simulate::SampleKind;
using simulate::SenderId;
using telemetry::Batch;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Nanos kTime = 1'767'225'600'123'456'789;

/// Reads lines as a recording's files are read.
class Reader {
 public:
  Reader() : normalizer_(&identities) {
    context_.identities = &identities;
    context_.ledger = &ledger;
    context_.clock = &clock_;
    context_.complete_resource = [this](telemetry::Resource* r) {
      normalizer_.CompleteResource(r);
    };
    context_.complete_series = [this](telemetry::Series* s) { normalizer_.CompleteSeries(s); };
  }
  Batch Otlp(const std::string& lines) {
    return Read(ingest::otlp::NewLinesDecoder(context_), lines);
  }
  Batch Changes(const std::string& lines) {
    return Read(ingest::changes::NewLinesDecoder(context_), lines);
  }
  std::string Text(telemetry::StringId id) const { return std::string(identities.strings.Get(id)); }
  std::string Name(telemetry::EntityId id) const {
    const telemetry::Entity entity = identities.entities.Get(id);
    if (entity.id == telemetry::kNoEntity) return "";
    return std::string(EntityKindName(entity.kind)) + " " + entity.name;
  }
  /// All that was received was accepted as it came.
  bool Clean(uint64_t records) const {
    uint64_t received = 0, accepted = 0;
    for (const auto& row : ledger.Rows()) {
      received += row.received;
      accepted += row.accepted;
    }
    return received == records && accepted == records;
  }

  telemetry::Identities identities;
  telemetry::LossLedger ledger;

 private:
  Batch Read(const std::unique_ptr<ingest::StreamDecoder>& decoder, const std::string& lines) {
    std::vector<Batch> batches;
    const auto keep = [&](Batch&& batch) { batches.push_back(std::move(batch)); };
    EXPECT_TRUE(decoder->Push(lines, keep).ok());
    EXPECT_TRUE(decoder->Finish(keep).ok());
    EXPECT_EQ(batches.size(), 1u);
    normalizer_.Normalize(&batches.at(0));
    return std::move(batches.at(0));
  }
  VirtualClock clock_{kTime};
  normalize::Normalizer normalizer_;
  ingest::DecodeContext context_;
};

simulate::SpanRecord Span(SenderId sender, uint64_t id, telemetry::SpanKind kind,
                          std::string_view name) {
  simulate::SpanRecord span;
  span.sender = sender;
  span.trace = {1, ~uint64_t{0} - id};  // that sampling keeps
  span.span = id;
  span.start = kTime + static_cast<Nanos>(id);
  span.end = span.start + kMillisecond;
  span.kind = kind;
  span.name = name;
  return span;
}

std::vector<simulate::SpanRecord> SomeSpans(SenderId sender) {
  using telemetry::SpanKind;
  auto server = Span(sender, 1, SpanKind::kServer, "GET /items/{id}");
  server.http_status = 200;
  auto failing = Span(sender, 2, SpanKind::kServer, "POST /orders");
  failing.http_status = 503;
  failing.failed = true;
  failing.parent = 0xabcdef;
  auto call = Span(sender, 3, SpanKind::kClient, "GET /stock");
  call.peer = "stock:8080";
  call.more = {{"peer.service", "stock"}};
  auto named = Span(sender, 4, SpanKind::kClient, "GET /price");
  named.peer = "price";
  named.failed = true;  // no answer came
  auto query = Span(sender, 5, SpanKind::kClient, "SELECT orders");
  query.peer = "orders-db";
  query.db_system = "postgresql";
  auto connect = Span(sender, 6, SpanKind::kClient, "pool.connect");
  connect.peer = "orders-db";
  connect.db_system = "postgresql";
  auto cache = Span(sender, 7, SpanKind::kClient, "GET");
  cache.peer = "sessions";
  cache.db_system = "redis";
  auto third = Span(sender, 8, SpanKind::kClient, "POST /pay");
  third.peer = "api.pay.com";
  auto queued = Span(sender, 9, SpanKind::kProducer, "publish orders");
  queued.peer = "orders";
  queued.more = {{"messaging.system", "kafka"}, {"messaging.operation.type", "publish"}};
  auto inner = Span(sender, 10, SpanKind::kInternal, "work \"x\"");
  inner.parent = 1;
  return {server, failing, call, named, query, connect, cache, third, queued, inner};
}

TEST(SimulatedTelemetry, SpansAreReadAsTheyWereShown) {
  simulate::OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "cart-0", "1.4", "node-a", {}});
  const auto shown = SomeSpans(sender);
  for (const auto& span : shown) writer.See(span);
  Reader reader;
  const Batch batch = reader.Otlp(writer.Take().traces);
  EXPECT_TRUE(reader.Clean(shown.size()));
  const telemetry::SpanBatch& read = batch.spans;
  ASSERT_EQ(read.rows(), shown.size());
  std::vector<std::string> operations, peers;
  for (size_t i = 0; i < shown.size(); ++i) {
    EXPECT_EQ(read.trace_id[i], shown[i].trace);
    EXPECT_EQ(read.span_id[i], shown[i].span);
    EXPECT_EQ(read.parent_span_id[i], shown[i].parent);
    EXPECT_EQ(read.start_ns[i], shown[i].start);
    EXPECT_EQ(read.end_ns[i], shown[i].end);
    EXPECT_EQ(read.kind[i], shown[i].kind);
    EXPECT_EQ(read.failed[i], shown[i].failed ? 1 : 0);
    EXPECT_EQ(read.status[i],
              shown[i].failed ? telemetry::SpanStatus::kError : telemetry::SpanStatus::kUnset);
    EXPECT_EQ(reader.Text(read.name[i]), shown[i].name);
    EXPECT_EQ(read.weight[i], 1);
    EXPECT_EQ(read.weight_known[i], 0);
    EXPECT_EQ(reader.Name(read.service[i]), "service cart");
    operations.push_back(reader.Text(read.operation[i]));
    peers.push_back(reader.Name(read.peer[i]));
  }
  EXPECT_THAT(operations, ElementsAre("GET /items/{id}", "POST /orders", "GET /stock", "GET /price",
                                      "SELECT orders", "(take connection)", "GET", "POST /pay",
                                      "publish orders", "work \"x\""));
  EXPECT_THAT(peers, ElementsAre("", "", "service stock", "service price",
                                 "database postgresql orders-db", "", "cache redis sessions",
                                 "third_party api.pay.com", "queue kafka orders", ""));
  EXPECT_EQ(reader.Text(read.peer_address[2]), "stock:8080");
  const telemetry::Resource& resource = reader.identities.resources.Get(read.resource[0]);
  EXPECT_EQ(reader.Text(resource.instance), "cart-0");
  EXPECT_EQ(reader.Text(resource.version), "1.4");
  EXPECT_EQ(reader.Text(resource.host), "node-a");
}

TEST(SimulatedTelemetry, SampledSpansHaveTheirWeight) {
  simulate::OtlpJson writer;
  simulate::LossSettings settings;
  settings.keep_traces = 0.1;
  simulate::Loss loss(settings, 1, kTime, &writer);
  const SenderId sender = loss.Enter({"cart", "", "", "", {}});
  for (const auto& span : SomeSpans(sender)) loss.See(span);
  Reader reader;
  const Batch batch = reader.Otlp(writer.Take().traces);
  EXPECT_EQ(loss.count().sampled_out, 0u);
  ASSERT_EQ(batch.spans.rows(), loss.count().shown);
  for (size_t i = 0; i < batch.spans.rows(); ++i) {
    EXPECT_NEAR(batch.spans.weight[i], 10, 1e-5);
    EXPECT_EQ(batch.spans.weight_known[i], 1);
  }
}

TEST(SimulatedTelemetry, SamplesAreReadAsTheyWereShown) {
  simulate::OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "cart-0", "", "", {}});
  simulate::SampleRecord sample;
  sample.sender = sender;
  sample.time = kTime;
  sample.metric = "process.cpu.utilization";
  sample.unit = "1";
  sample.labels = {{"state", "user"}, {"odd", "a\"\\\n"}};
  sample.value = 0.1 + 0.2;
  writer.See(sample);
  sample.metric = "process.cpu.time";
  sample.kind = SampleKind::kCounter;
  sample.labels = {};
  sample.start = kTime - kHour;
  sample.value = 9'007'199'254'740'992.0;
  writer.See(sample);
  sample.metric = "http.server.request.duration";
  sample.unit = "s";
  sample.kind = SampleKind::kHistogram;
  sample.bounds = {0.005, 0.01, 10};
  sample.counts = {4, 0, 3, 1};
  sample.sum = 12.75;
  writer.See(sample);
  Reader reader;
  const Batch batch = reader.Otlp(writer.Take().metrics);
  EXPECT_TRUE(reader.Clean(3));
  const telemetry::SampleBatch& read = batch.samples;
  ASSERT_EQ(read.rows(), 2u);
  EXPECT_THAT(read.time_ns, ElementsAre(kTime, kTime));
  EXPECT_THAT(read.start_ns, ElementsAre(0, kTime - kHour));
  EXPECT_THAT(read.value, ElementsAre(0.1 + 0.2, 9'007'199'254'740'992.0));
  const telemetry::Series& gauge = reader.identities.series.Get(read.series[0]);
  EXPECT_EQ(gauge.kind, telemetry::MetricKind::kGauge);
  EXPECT_EQ(reader.Text(gauge.metric), "process.cpu.utilization");
  EXPECT_EQ(reader.Text(gauge.unit), "1");
  ASSERT_EQ(gauge.labels.size(), 2u);
  EXPECT_EQ(reader.Text(gauge.labels[1].second), "a\"\\\n");
  const telemetry::Series& counter = reader.identities.series.Get(read.series[1]);
  EXPECT_EQ(counter.kind, telemetry::MetricKind::kCounter);
  EXPECT_EQ(counter.temporality, telemetry::Temporality::kCumulative);
  const auto& h = read.histograms;
  ASSERT_EQ(h.rows(), 1u);
  EXPECT_EQ(h.count[0], 8u);
  EXPECT_EQ(h.sum[0], 12.75);
  EXPECT_EQ(h.start_ns[0], kTime - kHour);
  EXPECT_THAT(h.upper_bound, ElementsAre(0.005, 0.01, 10, INFINITY));
  EXPECT_THAT(h.bucket_count, ElementsAre(4, 0, 3, 1));
  const telemetry::Series& durations = reader.identities.series.Get(h.series[0]);
  EXPECT_EQ(durations.kind, telemetry::MetricKind::kHistogram);
  EXPECT_EQ(durations.temporality, telemetry::Temporality::kCumulative);
  EXPECT_EQ(reader.Name(durations.entity), "service cart");
}

TEST(SimulatedTelemetry, LogsAreReadAsTheyWereShown) {
  simulate::OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "", "", "", {}});
  simulate::LogRecord log;
  log.sender = sender;
  log.time = kTime;
  log.severity = telemetry::Severity::kWarn;
  log.body = "line \"1\"\n";
  log.trace = {1, 2};
  log.span = 3;
  log.event_name = "k8s.pod.scheduled";
  log.more = {{"pod", "cart-0"}};
  writer.See(log);
  log.trace = {};
  log.severity = telemetry::Severity::kUnknown;
  writer.See(log);
  Reader reader;
  const Batch batch = reader.Otlp(writer.Take().logs);
  EXPECT_TRUE(reader.Clean(2));
  const telemetry::LogBatch& read = batch.logs;
  ASSERT_EQ(read.rows(), 2u);
  EXPECT_EQ(read.time_ns[0], kTime);
  EXPECT_THAT(read.severity,
              ElementsAre(telemetry::Severity::kWarn, telemetry::Severity::kUnknown));
  EXPECT_EQ(read.body(0), "line \"1\"\n");
  EXPECT_EQ(read.trace_id[0], (telemetry::TraceId{1, 2}));
  EXPECT_EQ(read.span_id[0], 3u);
  EXPECT_TRUE(read.trace_id[1].empty());
  EXPECT_EQ(reader.Text(read.event_name[0]), "k8s.pod.scheduled");
  const auto* pod = read.attributes.Find(0, reader.identities.strings.Intern("pod"));
  ASSERT_NE(pod, nullptr);
  EXPECT_EQ(read.attributes.Text(*pod), "cart-0");
}

TEST(SimulatedTelemetry, ChangesAreReadAsTheyWereShown) {
  using telemetry::ChangeKind;
  simulate::OtlpJson writer;
  const std::vector<ChangeKind> kinds{
      ChangeKind::kDeploy, ChangeKind::kRollback, ChangeKind::kRemove, ChangeKind::kConfig,
      ChangeKind::kFlag,   ChangeKind::kPipeline, ChangeKind::kOther};
  for (const ChangeKind kind : kinds)
    writer.See({kTime, kind, "shop/cart", "1.5+b:2", "said \"so\""});
  Reader reader;
  const Batch batch = reader.Changes(writer.Take().changes);
  EXPECT_TRUE(reader.Clean(kinds.size()));
  EXPECT_EQ(batch.events.kind, kinds);
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(batch.events.time_ns[i], kTime);
    EXPECT_EQ(reader.Text(batch.events.service[i]), "shop/cart");
    EXPECT_EQ(reader.Text(batch.events.version[i]), "1.5+b:2");
    const auto* text = batch.events.attributes.Find(i, reader.identities.strings.Intern("text"));
    ASSERT_NE(text, nullptr);
    EXPECT_EQ(batch.events.attributes.Text(*text), "said \"so\"");
  }
}

TEST(SimulatedTelemetry, ARecordingIsReadWithoutItsTruth) {
  const fs::path folder =
      fs::temp_directory_path() / ("tomograph_simulated_" + std::to_string(getpid()));
  fs::remove_all(folder);
  simulate::OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "cart-0", "", "", {}});
  auto recording = simulate::Recording::Create(folder, "# TYPE of a system\nname: \"traceID\"\n");
  ASSERT_TRUE(recording.ok());
  for (const auto& span : SomeSpans(sender)) writer.See(span);
  simulate::LogRecord log;
  log.sender = sender;
  log.time = kTime;
  log.body = "{\"resourceSpans\"}";
  writer.See(log);
  writer.See({kTime, telemetry::ChangeKind::kDeploy, "cart", "1.5", ""});
  simulate::SampleRecord sample;
  sample.sender = sender;
  sample.metric = "process.cpu.utilization";
  sample.time = kTime;
  writer.See(sample);
  ASSERT_TRUE((*recording)->Write(writer.Take()).ok());
  (*recording)->truth()->Say({kTime, "in_flight", "\"resourceSpans\"", "", "", 1});
  ASSERT_TRUE((*recording)->Finish({{"slow", "cart", kTime, kTime, 2, {}}}, false).ok());

  std::vector<std::string> ignored;
  const auto files = ingest::FindRecording(folder, &ignored);
  ASSERT_TRUE(files.ok());
  const auto relative = [&](const std::string& path) {
    return fs::relative(path, folder).string();
  };
  std::vector<std::string> read, left_out;
  for (const auto& file : *files) read.push_back(relative(file.path));
  for (const std::string& path : ignored) left_out.push_back(relative(path));
  EXPECT_THAT(read, ElementsAre("changes.jsonl", "logs-000.jsonl", "metrics-000.jsonl",
                                "traces-000.jsonl"));
  EXPECT_THAT(left_out, ElementsAre("truth/faults.json", "truth/scenario.yaml", "truth/truth.csv"));

  const auto result = engine::ReconstructRecording(folder, {}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_THAT(result->troubles.broken_off, IsEmpty());
  for (const auto& row : result->picture->loss) EXPECT_EQ(row.accepted, row.received);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tomograph::evaluate
