// Decoding OTLP: spans and points a second on one core.
#include <benchmark/benchmark.h>

#include <string>

#include "base/check.h"
#include "ingest/otlp/otlp_decoder.h"
#include "ingest/otlp/otlp_test_messages.h"

namespace tomograph::ingest::otlp {
namespace {

using namespace test;  // NOLINT: the builders are this file's language
using telemetry::Signal;

constexpr int kResources = 10;
constexpr int kSpansEach = 100;

std::string IdBytes(uint64_t n, size_t size) {
  std::string id(size, '\x5a');
  for (int i = 0; i < 8; ++i)
    id[static_cast<size_t>(i)] = static_cast<char>(n * 0x9e3779b97f4a7c15ULL >> (8 * i));
  return id;
}

std::string ServiceResource(int i) {
  return Resource({Pair("service.name", Str("service-" + std::to_string(i))),
                   Pair("host.name", "host-1"),
                   Pair("k8s.pod.name", Str("pod-" + std::to_string(i))),
                   Pair("telemetry.sdk.language", "go")});
}

std::string BenchSpan(int n) {
  SpanFields s;
  s.trace_id = IdBytes(static_cast<uint64_t>(n / 10), 16);
  s.span_id = IdBytes(static_cast<uint64_t>(n) + 1, 8);
  s.name = "GET /api/v1/resource/" + std::to_string(n % 20);
  s.start = kTime + static_cast<uint64_t>(n) * 1000;
  s.end = s.start + 50'000;
  s.attributes = {Pair("http.request.method", "GET"),
                  Pair("http.route", Str("/api/v1/resource/" + std::to_string(n % 20))),
                  Pair("http.response.status_code", Int(200)),
                  Pair("url.path", Str("/api/v1/resource/" + std::to_string(n))),
                  Pair("server.address", "frontend.internal"),
                  Pair("network.protocol.version", "1.1"),
                  Pair("client.port", Int(40'000 + n)),
                  Pair("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101")};
  return Span(s);
}

std::string TraceRequest() {
  Messages blocks;
  for (int r = 0; r < kResources; ++r) {
    Messages spans;
    for (int i = 0; i < kSpansEach; ++i) spans.push_back(BenchSpan(r * kSpansEach + i));
    blocks.push_back(Block(ServiceResource(r), spans));
  }
  return Request(blocks);
}

std::string MetricRequest() {
  Messages blocks;
  for (int r = 0; r < kResources; ++r) {
    Messages metrics;
    for (int m = 0; m < 10; ++m) {
      Messages points;
      for (int p = 0; p < 10; ++p) {
        points.push_back(
            NumberPoint(p, {Pair("http.route", Str("/route/" + std::to_string(p))),
                            Pair("http.request.method", "GET"), Pair("code", Int(200))}));
      }
      metrics.push_back(Gauge("metric." + std::to_string(m), points));
    }
    blocks.push_back(Block(ServiceResource(r), metrics));
  }
  return Request(blocks);
}

/// The same spans as JSON, in the form of the Collector's file exporter.
std::string JsonTraceRequest() {
  std::string out = R"({"resourceSpans":[)";
  for (int r = 0; r < kResources; ++r) {
    if (r > 0) out += ",";
    out += R"({"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"service-)" +
           std::to_string(r) + R"("}}]},"scopeSpans":[{"scope":{"name":"lib"},"spans":[)";
    for (int i = 0; i < kSpansEach; ++i) {
      const std::string n = std::to_string(100'000 + r * kSpansEach + i);
      if (i > 0) out += ",";
      out +=
          R"({"traceId":"0102030405060708090a0b0c0d)" + n + R"(","spanId":"1112131415)" + n +
          R"(","name":"GET /api","kind":2,"startTimeUnixNano":"1700000000000000000",)"
          R"("endTimeUnixNano":"1700000000000050000","attributes":[)"
          R"({"key":"http.request.method","value":{"stringValue":"GET"}},)"
          R"({"key":"http.route","value":{"stringValue":"/api/v1/resource"}},)"
          R"({"key":"http.response.status_code","value":{"intValue":"200"}},)"
          R"({"key":"url.path","value":{"stringValue":"/api/v1/resource/)" +
          n +
          R"("}},)"
          R"({"key":"server.address","value":{"stringValue":"frontend.internal"}},)"
          R"({"key":"network.protocol.version","value":{"stringValue":"1.1"}},)"
          R"({"key":"client.port","value":{"intValue":"40000"}},)"
          R"({"key":"user_agent.original","value":{"stringValue":"Mozilla/5.0 X11; Linux x86_64"}}],)"
          R"("status":{}})";
    }
    out += "]}]}";
  }
  return out + "]}";
}

void Run(benchmark::State& state, const std::string& request, Signal signal, Encoding encoding) {
  telemetry::Identities identities;
  telemetry::LossLedger ledger;
  const VirtualClock clock(static_cast<Nanos>(kTime));
  DecodeContext context;
  context.identities = &identities;
  context.ledger = &ledger;
  context.clock = &clock;
  size_t rows = 0;
  for (auto _ : state) {
    telemetry::Batch batch;
    const auto decoded =
        Decode(request, signal, encoding, telemetry::Format::kOtlpHttp, context, &batch);
    TG_CHECK(decoded.ok() && decoded->rejected == 0 && batch.rows() == kResources * kSpansEach);
    rows += batch.rows();
    benchmark::DoNotOptimize(batch);
  }
  state.SetItemsProcessed(static_cast<int64_t>(rows));
  state.SetBytesProcessed(static_cast<int64_t>(request.size()) *
                          static_cast<int64_t>(state.iterations()));
}

void BM_OtlpTracesProtobuf(benchmark::State& state) {
  Run(state, TraceRequest(), Signal::kSpan, Encoding::kProtobuf);
}
void BM_OtlpTracesJson(benchmark::State& state) {
  Run(state, JsonTraceRequest(), Signal::kSpan, Encoding::kJson);
}
void BM_OtlpMetricsProtobuf(benchmark::State& state) {
  Run(state, MetricRequest(), Signal::kSample, Encoding::kProtobuf);
}
BENCHMARK(BM_OtlpTracesProtobuf);
BENCHMARK(BM_OtlpTracesJson);
BENCHMARK(BM_OtlpMetricsProtobuf);

}  // namespace
}  // namespace tomograph::ingest::otlp
