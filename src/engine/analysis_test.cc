#include "engine/analysis.h"

#include <gtest/gtest.h>

namespace tomograph::engine {
namespace {

/// A call a second of each of `services`, for half a minute.
void Feed(int services, telemetry::Identities* ids, Analysis* analysis) {
  const Nanos start = 1'700'000'000 * kSecond;
  uint64_t id = 0;
  for (int second = 0; second < 30; ++second) {
    telemetry::Batch batch;
    for (int i = 0; i < services; ++i) {
      const std::string name = "service-" + std::to_string(i);
      const auto resource = ids->resources.FindOrAdd(telemetry::FingerprintOf(name), [&] {
        telemetry::Resource made;
        made.service = ids->strings.Intern(name);
        return made;
      });
      auto& spans = batch.spans;
      ++id;
      spans.trace_id.push_back({id, id});
      spans.span_id.push_back(id);
      spans.parent_span_id.push_back(0);
      spans.start_ns.push_back(start + second * kSecond);
      spans.end_ns.push_back(start + second * kSecond + kMillisecond);
      spans.kind.push_back(telemetry::SpanKind::kServer);
      spans.status.push_back(telemetry::SpanStatus::kUnset);
      spans.resource.push_back(resource);
      spans.name.push_back(ids->strings.Intern("GET /"));
      spans.trace_state.push_back(telemetry::kEmptyString);
      spans.attributes.EndRow();
      spans.service.push_back(ids->entities.FindOrAdd(telemetry::EntityKind::kService, "", name));
      spans.operation.push_back(spans.name.back());
      spans.peer.push_back(telemetry::kNoEntity);
      spans.failed.push_back(0);
      spans.weight.push_back(1);
      spans.weight_known.push_back(0);
    }
    analysis->Add(batch);
    analysis->Advance(start + second * kSecond);
  }
  analysis->Finish();
}

TEST(Analysis, KeepsNoMoreLinesThanItsLimitAndSaysSo) {
  telemetry::Identities ids;
  AnalysisOptions options;
  options.max_lines = 40;
  Analysis analysis(options, &ids);
  Feed(100, &ids, &analysis);
  telemetry::Picture picture;
  analysis.Fill(&picture);
  EXPECT_EQ(picture.lines.size(), 40u);
  EXPECT_GT(picture.self.at("line_points_left_out_total"), 100);
  for (const telemetry::TimeLine& line : picture.lines)
    EXPECT_EQ(line.values.size(), picture.window_starts.size());
}

TEST(Analysis, AllLinesOfAnOrdinarySystemAreKept) {
  telemetry::Identities ids;
  Analysis analysis({}, &ids);
  Feed(100, &ids, &analysis);
  telemetry::Picture picture;
  analysis.Fill(&picture);
  EXPECT_GE(picture.lines.size(), 300u);
  EXPECT_EQ(picture.self.at("line_points_left_out_total"), 0);
}

}  // namespace
}  // namespace tomograph::engine
