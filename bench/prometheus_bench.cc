// Remote write as Prometheus sends it (2000 series of 10 labels, 4 samples each) and the normaliser
// on spans of older conventions. One core each.
#include <benchmark/benchmark.h>
#include <snappy.h>

#include <protozero/pbf_writer.hpp>
#include <string>

#include "ingest/decoder_harness.h"
#include "ingest/prometheus/exposition.h"
#include "ingest/prometheus/remote_write.h"
#include "normalize/normalizer.h"

namespace tomograph {
namespace {

using ingest::DecoderHarness;

constexpr int kSeries = 2000;
constexpr int kSamplesEach = 4;

std::string RemoteWriteRequest() {
  std::string message;
  for (int i = 0; i < kSeries; ++i) {
    protozero::pbf_writer request(message);
    protozero::pbf_writer series(request, 1);
    const std::pair<const char*, std::string> labels[] = {
        {"__name__", "http_server_request_duration_seconds_bucket"},
        {"container", "server"},
        {"http_request_method", "GET"},
        {"http_response_status_code", "200"},
        {"http_route", "/api/v1/carts/{id}/items"},
        {"instance", "10.42.7." + std::to_string(i % 20) + ":8080"},
        {"job", "cart"},
        {"le", std::to_string(i / 20)},
        {"namespace", "shop"},
        {"pod", "cart-74594bd569-x2x" + std::to_string(i % 20)}};
    for (const auto& [name, value] : labels) {
      protozero::pbf_writer label(series, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    for (int k = 0; k < kSamplesEach; ++k) {
      protozero::pbf_writer sample(series, 2);
      sample.add_double(1, i * 17.25 + k);
      sample.add_int64(2, 1'700'000'000'000 + k * 15'000);
    }
  }
  std::string compressed;
  snappy::Compress(message.data(), message.size(), &compressed);
  return compressed;
}

void BM_RemoteWrite(benchmark::State& state) {
  const std::string body = RemoteWriteRequest();
  DecoderHarness harness;
  for (auto _ : state) {
    net::BodyShare share;
    telemetry::Batch batch;
    if (!ingest::prometheus::DecodeRemoteWrite(body, harness.context, &share, &batch).ok() ||
        batch.samples.rows() != kSeries * kSamplesEach)
      state.SkipWithError("not decoded");
  }
  state.counters["samples/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kSeries * kSamplesEach,
                         benchmark::Counter::kIsRate);
}
BENCHMARK(BM_RemoteWrite)->Unit(benchmark::kMicrosecond);

void BM_Exposition(benchmark::State& state) {
  std::string text = "# TYPE http_requests_total counter\n";
  for (int i = 0; i < kSeries; ++i)
    text += "http_requests_total{method=\"GET\",route=\"/api/v1/carts/{id}\",code=\"" +
            std::to_string(i) + "\"} " + std::to_string(i * 17) + "\n";
  DecoderHarness harness;
  ingest::prometheus::ExpositionOptions options;
  options.default_time = kSecond;
  for (auto _ : state) {
    const auto decoder = ingest::prometheus::NewExpositionDecoder(harness.context, options);
    const auto drop = [](telemetry::Batch&& batch) { benchmark::DoNotOptimize(batch.rows()); };
    if (!decoder->Push(text, drop).ok() || !decoder->Finish(drop).ok())
      state.SkipWithError("not decoded");
  }
  state.counters["samples/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * kSeries, benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Exposition)->Unit(benchmark::kMicrosecond);

/// A quarter each: HTTP server, HTTP client, database, RPC.
telemetry::SpanBatch OldConventionSpans(telemetry::Identities* ids, telemetry::ResourceId resource,
                                        int rows) {
  telemetry::SpanBatch s;
  const auto key = [&](const char* name) { return ids->strings.Intern(name); };
  for (int i = 0; i < rows; ++i) {
    const int shape = i % 4;
    s.trace_id.push_back({1, static_cast<uint64_t>(i / 8 + 1)});
    s.span_id.push_back(static_cast<uint64_t>(i + 1));
    s.parent_span_id.push_back(0);
    s.start_ns.push_back(kSecond + i);
    s.end_ns.push_back(2 * kSecond);
    s.kind.push_back(shape == 0 ? telemetry::SpanKind::kServer : telemetry::SpanKind::kClient);
    s.status.push_back(telemetry::SpanStatus::kUnset);
    s.resource.push_back(resource);
    s.name.push_back(key("GET /cart/7"));
    s.trace_state.push_back(key("ot=th:8"));
    auto& a = s.attributes;
    if (shape <= 1) {
      a.AddText(key("http.method"), "GET");
      a.AddText(key("http.url"), "http://cart:8080/cart/7");
      a.AddInt(key("http.status_code"), 200);
      a.AddText(key("net.peer.name"), "cart");
      a.AddInt(key("net.peer.port"), 8080);
      if (shape == 0) a.AddText(key("http.route"), "/cart/{id}");
    } else if (shape == 2) {
      a.AddText(key("db.system"), "postgresql");
      a.AddText(key("db.name"), "shop");
      a.AddText(key("db.operation"), "SELECT");
      a.AddText(key("db.sql.table"), "items");
      a.AddText(key("db.statement"), "SELECT * FROM items WHERE id = ?");
    } else {
      a.AddText(key("rpc.system"), "grpc");
      a.AddText(key("rpc.service"), "shop.Cart");
      a.AddText(key("rpc.method"), "GetCart");
      a.AddInt(key("rpc.grpc.status_code"), 0);
      a.AddText(key("net.peer.name"), "cart");
    }
    a.AddText(key("thread.name"), "main");
    a.EndRow();
  }
  return s;
}

void BM_NormalizeSpans(benchmark::State& state) {
  constexpr int kRows = 4096;
  telemetry::Identities ids;
  const normalize::Normalizer normalizer(&ids);
  const auto resource = ids.resources.FindOrAdd({1, 2}, [&] {
    telemetry::Resource r;
    r.attributes.emplace_back(ids.strings.Intern("service.name"), ids.strings.Intern("checkout"));
    normalizer.CompleteResource(&r);
    return r;
  });
  const telemetry::SpanBatch spans = OldConventionSpans(&ids, resource, kRows);
  for (auto _ : state) {
    state.PauseTiming();
    telemetry::Batch batch;
    batch.spans = spans;
    state.ResumeTiming();
    normalizer.Normalize(&batch);
    benchmark::DoNotOptimize(batch.spans.operation.data());
  }
  state.counters["spans/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * kRows,
                                                 benchmark::Counter::kIsRate);
}
BENCHMARK(BM_NormalizeSpans)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tomograph
