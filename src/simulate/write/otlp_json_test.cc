#include "simulate/write/otlp_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tomograph::simulate {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr Nanos kTime = 1'767'225'600'123'456'789;
constexpr char kAnything[] = "a\"b\\c\n\t\x01\x7f é 😀 </script>";

/// Strict: throws at what is no JSON, which fails the test.
std::vector<json> Parse(const std::string& lines) {
  std::vector<json> parsed;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) parsed.push_back(json::parse(line));
  EXPECT_TRUE(lines.empty() || lines.back() == '\n');
  return parsed;
}

std::map<std::string, std::string> Attributes(const json& list) {
  std::map<std::string, std::string> pairs;
  for (const json& pair : list) {
    const json& value = pair.at("value");
    pairs[pair.at("key")] = value.contains("intValue")
                                ? "#" + value.at("intValue").get<std::string>()
                                : value.at("stringValue").get<std::string>();
  }
  EXPECT_EQ(pairs.size(), list.size());  // no key twice
  return pairs;
}

SpanRecord Span(SenderId sender, std::string_view name = "GET /items") {
  SpanRecord span;
  span.sender = sender;
  span.trace = {0x0af7651916cd43ddULL, 0x8448eb211c80319cULL};
  span.span = 0xb7ad6b7169203331ULL;
  span.start = kTime;
  span.end = kTime + 5;
  span.name = name;
  return span;
}

SampleRecord Sample(SenderId sender, std::string_view metric, double value) {
  SampleRecord sample;
  sample.sender = sender;
  sample.metric = metric;
  sample.unit = "1";
  sample.time = kTime;
  sample.value = value;
  return sample;
}

TEST(OtlpJson, WritesNothingWhenThereIsNothing) {
  OtlpJson writer;
  writer.Enter({"cart", "", "", "", {}});
  const OtlpJson::Lines lines = writer.Take();
  EXPECT_EQ(lines.traces + lines.metrics + lines.logs + lines.changes, "");
}

TEST(OtlpJson, WritesSpansBySender) {
  OtlpJson writer;
  const SenderId cart = writer.Enter({"cart", "cart-0", "1.4", "node-a", {{"k8s.pod.name", "c"}}});
  const SenderId web = writer.Enter({"web", "", "", "", {}});
  SpanRecord span = Span(web);
  span.http_status = 200;
  writer.See(span);
  span = Span(cart);
  span.parent = 0x10;
  span.failed = true;
  span.trace_state = "ot=th:8";
  span.kind = telemetry::SpanKind::kInternal;
  writer.See(span);
  writer.See(Span(web, "GET"));
  const std::vector<json> lines = Parse(writer.Take().traces);
  ASSERT_EQ(lines.size(), 1u);
  const json& blocks = lines[0].at("resourceSpans");
  ASSERT_EQ(blocks.size(), 2u);  // in the order of their first record
  EXPECT_EQ(Attributes(blocks[0].at("resource").at("attributes")).at("service.name"), "web");
  const std::map<std::string, std::string> who{{"service.name", "cart"},
                                               {"service.instance.id", "cart-0"},
                                               {"service.version", "1.4"},
                                               {"host.name", "node-a"},
                                               {"k8s.pod.name", "c"}};
  EXPECT_EQ(Attributes(blocks[1].at("resource").at("attributes")), who);
  const json& of_web = blocks[0].at("scopeSpans").at(0).at("spans");
  ASSERT_EQ(of_web.size(), 2u);
  EXPECT_EQ(of_web[0].at("traceId"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(of_web[0].at("spanId"), "b7ad6b7169203331");
  EXPECT_FALSE(of_web[0].contains("parentSpanId"));
  EXPECT_EQ(of_web[0].at("startTimeUnixNano"), "1767225600123456789");
  EXPECT_EQ(of_web[0].at("endTimeUnixNano"), "1767225600123456794");
  EXPECT_EQ(of_web[0].at("kind"), 2);
  EXPECT_EQ(of_web[0].at("status"), json::object());
  const json& of_cart = blocks[1].at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(of_cart.at("parentSpanId"), "0000000000000010");
  EXPECT_EQ(of_cart.at("traceState"), "ot=th:8");
  EXPECT_EQ(of_cart.at("status").at("code"), 2);
  EXPECT_EQ(of_cart.at("kind"), 1);
  EXPECT_EQ(writer.written().spans, 3u);
}

TEST(OtlpJson, TextsMayHoldAnything) {
  OtlpJson writer;
  const SenderId sender = writer.Enter({kAnything, kAnything, "", "", {{kAnything, kAnything}}});
  SpanRecord span = Span(sender, kAnything);
  span.more = {{kAnything, kAnything}, {"bad", "\xff\xc3"}};
  writer.See(span);
  LogRecord log;
  log.sender = sender;
  log.time = kTime;
  log.body = kAnything;
  log.event_name = kAnything;
  writer.See(log);
  ChangeRecord change;
  change.time = kTime;
  change.service = change.version = change.text = kAnything;
  writer.See(change);
  SampleRecord sample = Sample(sender, kAnything, 1);
  sample.labels = {{kAnything, kAnything}};
  writer.See(sample);
  const OtlpJson::Lines lines = writer.Take();
  const json block = Parse(lines.traces).at(0).at("resourceSpans").at(0);
  EXPECT_EQ(Attributes(block.at("resource").at("attributes")).at(kAnything), kAnything);
  const json written = block.at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(written.at("name"), kAnything);
  EXPECT_EQ(Attributes(written.at("attributes")).at(kAnything), kAnything);
  EXPECT_EQ(Attributes(written.at("attributes")).at("bad"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  const json record =
      Parse(lines.logs).at(0).at("resourceLogs").at(0).at("scopeLogs").at(0).at("logRecords").at(0);
  EXPECT_EQ(record.at("body").at("stringValue"), kAnything);
  EXPECT_EQ(record.at("eventName"), kAnything);
  EXPECT_FALSE(record.contains("traceId"));
  EXPECT_EQ(Parse(lines.changes).at(0).at("data").at("text"), kAnything);
  const json metric = Parse(lines.metrics)
                          .at(0)
                          .at("resourceMetrics")
                          .at(0)
                          .at("scopeMetrics")
                          .at(0)
                          .at("metrics")
                          .at(0);
  EXPECT_EQ(metric.at("name"), kAnything);
}

TEST(OtlpJson, WritesGaugesCountersAndHistograms) {
  OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "", "", "", {}});
  const SenderId other = writer.Enter({"web", "", "", "", {}});
  writer.See(Sample(sender, "cpu", 0.1));
  writer.See(Sample(other, "cpu", NAN));  // interleaved, and no number
  SampleRecord labelled = Sample(sender, "cpu", 1e300);
  labelled.labels = {{"core", "1"}};
  writer.See(labelled);
  SampleRecord counter = Sample(sender, "requests", 12);
  counter.kind = SampleKind::kCounter;
  counter.start = kTime - kSecond;
  writer.See(counter);
  SampleRecord histogram = Sample(sender, "duration", 0);
  histogram.kind = SampleKind::kHistogram;
  histogram.bounds = {0.005, 1};
  histogram.counts = {1, 0, 1ULL << 60};
  histogram.sum = 2.5;
  writer.See(histogram);
  const std::vector<json> lines = Parse(writer.Take().metrics);
  ASSERT_EQ(lines.size(), 1u);
  const json& blocks = lines[0].at("resourceMetrics");
  ASSERT_EQ(blocks.size(), 2u);
  const json& metrics = blocks[0].at("scopeMetrics").at(0).at("metrics");
  ASSERT_EQ(metrics.size(), 3u);
  const json& points = metrics[0].at("gauge").at("dataPoints");
  ASSERT_EQ(points.size(), 2u);  // one metric, two series
  EXPECT_EQ(points[0].at("asDouble"), 0.1);
  EXPECT_FALSE(points[0].contains("startTimeUnixNano"));
  EXPECT_EQ(points[1].at("asDouble"), 1e300);
  EXPECT_EQ(Attributes(points[1].at("attributes")).at("core"), "1");
  EXPECT_EQ(metrics[1].at("unit"), "1");
  EXPECT_EQ(metrics[1].at("sum").at("isMonotonic"), true);
  EXPECT_EQ(metrics[1].at("sum").at("aggregationTemporality"), 2);
  EXPECT_EQ(metrics[1].at("sum").at("dataPoints").at(0).at("startTimeUnixNano"),
            std::to_string(kTime - kSecond));
  const json& point = metrics[2].at("histogram").at("dataPoints").at(0);
  EXPECT_EQ(point.at("count"), std::to_string((1ULL << 60) + 1));
  EXPECT_EQ(point.at("bucketCounts").at(2), std::to_string(1ULL << 60));
  EXPECT_EQ(point.at("explicitBounds"), json({0.005, 1.0}));
  EXPECT_EQ(point.at("sum"), 2.5);
  const json& nan = blocks[1].at("scopeMetrics").at(0).at("metrics").at(0);
  EXPECT_EQ(nan.at("gauge").at("dataPoints").at(0).at("asDouble"), "NaN");
}

TEST(OtlpJson, WritesLogsWithTheirIds) {
  OtlpJson writer;
  const SenderId sender = writer.Enter({"cart", "", "", "", {}});
  LogRecord log;
  log.sender = sender;
  log.time = kTime;
  log.severity = telemetry::Severity::kError;
  log.trace = {1, 2};
  log.span = 3;
  log.more = {{"k", "v"}};
  writer.See(log);
  const json record = Parse(writer.Take().logs)
                          .at(0)
                          .at("resourceLogs")
                          .at(0)
                          .at("scopeLogs")
                          .at(0)
                          .at("logRecords")
                          .at(0);
  EXPECT_EQ(record.at("severityNumber"), 17);
  EXPECT_EQ(record.at("severityText"), "ERROR");
  EXPECT_EQ(record.at("traceId"), "00000000000000010000000000000002");
  EXPECT_EQ(record.at("spanId"), "0000000000000003");
  EXPECT_EQ(record.at("timeUnixNano"), std::to_string(kTime));
  EXPECT_EQ(Attributes(record.at("attributes")).at("k"), "v");
}

TEST(OtlpJson, WritesChangesAsCdEvents) {
  OtlpJson writer;
  ChangeRecord change;
  change.time = kTime;
  change.service = "cart";
  change.version = "1.5";
  writer.See(change);
  writer.See(change);
  change.kind = telemetry::ChangeKind::kFlag;
  writer.See(change);
  const std::vector<json> events = Parse(writer.Take().changes);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].at("type"), "dev.cdevents.service.deployed.0.2.0");
  EXPECT_EQ(events[0].at("time"), "2026-01-01T00:00:00.123456789Z");
  EXPECT_EQ(events[0].at("data").at("subject").at("id"), "cart");
  EXPECT_EQ(events[0].at("data").at("subject").at("content").at("artifactId"),
            "pkg:oci/cart?tag=1.5");
  EXPECT_NE(events[0].at("id"), events[1].at("id"));
  EXPECT_THAT(events[2].at("type").get<std::string>(), HasSubstr("flag"));
}

TEST(OtlpJson, LinesStayBelowALimit) {
  OtlpJson writer;
  const SenderId cart = writer.Enter({"cart", "", "", "", {}});
  const SenderId web = writer.Enter({"web", "", "", "", {}});
  constexpr size_t kEach = 20'000;
  for (size_t i = 0; i < kEach; ++i) {
    writer.See(Span(cart));
    writer.See(Span(web));
    writer.See(Sample(cart, i % 2 == 0 ? "a" : "b", 1));
    writer.See(Sample(web, "a", 1));
  }
  const OtlpJson::Lines lines = writer.Take();
  size_t spans = 0, points = 0;
  std::istringstream in(lines.traces);
  for (std::string line; std::getline(in, line);)
    EXPECT_LT(line.size(), OtlpJson::kLineBytes + 4096);
  for (const json& line : Parse(lines.traces)) {
    for (const json& block : line.at("resourceSpans"))
      spans += block.at("scopeSpans").at(0).at("spans").size();
  }
  const std::vector<json> metric_lines = Parse(lines.metrics);
  EXPECT_GT(metric_lines.size(), 1u);
  for (const json& line : metric_lines) {
    for (const json& block : line.at("resourceMetrics")) {
      for (const json& metric : block.at("scopeMetrics").at(0).at("metrics"))
        points += metric.at("gauge").at("dataPoints").size();
    }
  }
  EXPECT_EQ(spans, 2 * kEach);
  EXPECT_EQ(points, 2 * kEach);
}

// ---------------------------------------------------------------------------------------------------
// Attributes by the conventions

std::map<std::string, std::string> SpanAttributes(const SpanRecord& span) {
  OtlpJson writer;
  writer.Enter({"cart", "", "", "", {}});
  writer.See(span);
  const json written = Parse(writer.Take().traces)
                           .at(0)
                           .at("resourceSpans")
                           .at(0)
                           .at("scopeSpans")
                           .at(0)
                           .at("spans")
                           .at(0);
  return written.contains("attributes") ? Attributes(written.at("attributes"))
                                        : std::map<std::string, std::string>();
}

using Pairs = std::map<std::string, std::string>;

TEST(SpanAttributes, OfHttp) {
  SpanRecord span = Span(SenderId{0}, "GET /items/{id}");
  span.http_status = 503;
  span.failed = true;
  EXPECT_EQ(SpanAttributes(span), (Pairs{{"http.request.method", "GET"},
                                         {"http.route", "/items/{id}"},
                                         {"http.response.status_code", "#503"},
                                         {"error.type", "503"}}));
  span.kind = telemetry::SpanKind::kClient;
  span.peer = "stock:8080";
  span.http_status = 0;  // no answer
  EXPECT_EQ(SpanAttributes(span), (Pairs{{"http.request.method", "GET"},
                                         {"url.template", "/items/{id}"},
                                         {"server.address", "stock"},
                                         {"server.port", "#8080"},
                                         {"error.type", "_OTHER"}}));
}

TEST(SpanAttributes, OfPeers) {
  SpanRecord span = Span(SenderId{0}, "call");
  span.kind = telemetry::SpanKind::kClient;
  const auto peer = [&](std::string_view name) {
    span.peer = name;
    return SpanAttributes(span);
  };
  EXPECT_EQ(peer("stock"), (Pairs{{"server.address", "stock"}, {"peer.service", "stock"}}));
  EXPECT_EQ(peer("api.pay.com"), (Pairs{{"server.address", "api.pay.com"}}));
  EXPECT_EQ(peer("10.0.0.1:80"), (Pairs{{"server.address", "10.0.0.1"}, {"server.port", "#80"}}));
  EXPECT_EQ(peer("[::1]:80"), (Pairs{{"server.address", "::1"}, {"server.port", "#80"}}));
  EXPECT_EQ(peer("fe80::1"), (Pairs{{"server.address", "fe80::1"}}));
  EXPECT_EQ(peer("a:99999"), (Pairs{{"server.address", "a:99999"}}));
  span.kind = telemetry::SpanKind::kProducer;
  EXPECT_EQ(peer("orders"), (Pairs{{"messaging.destination.name", "orders"}}));
  span.kind = telemetry::SpanKind::kServer;
  EXPECT_EQ(peer("orders"), Pairs{});
}

TEST(SpanAttributes, OfDatabases) {
  SpanRecord span = Span(SenderId{0}, "SELECT orders");
  span.kind = telemetry::SpanKind::kClient;
  span.peer = "orders-db";
  span.db_system = "postgresql";
  EXPECT_EQ(SpanAttributes(span), (Pairs{{"db.system.name", "postgresql"},
                                         {"db.operation.name", "SELECT"},
                                         {"db.query.summary", "SELECT orders"},
                                         {"server.address", "orders-db"}}));
  span.name = "pool.connect";
  EXPECT_EQ(SpanAttributes(span),
            (Pairs{{"db.system.name", "postgresql"}, {"server.address", "orders-db"}}));
}

TEST(SpanAttributes, WhatIsSaidByHandWins) {
  SpanRecord span = Span(SenderId{0});
  span.more = {{"http.route", "/other"}, {"error.type", "timeout"}};
  span.failed = true;
  EXPECT_EQ(
      SpanAttributes(span),
      (Pairs{{"http.request.method", "GET"}, {"http.route", "/other"}, {"error.type", "timeout"}}));
}

}  // namespace
}  // namespace tomograph::simulate
