#include "publish/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <sstream>

#include "publish/sample_picture_test.h"

namespace tomograph::publish {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What the text format asks for: a header before each family, no family and no series twice.
void ExpectValid(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> families, series;
  std::string family;
  for (std::string line; std::getline(in, line);) {
    ASSERT_FALSE(line.empty());
    if (line.rfind("# HELP ", 0) == 0) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " comes twice";
      continue;
    }
    if (line.rfind("# TYPE " + family + " ", 0) == 0) continue;
    EXPECT_EQ(line.rfind(family, 0), 0u) << line << " is not of " << family;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line << " comes twice";
  }
}

TEST(Metrics, ShowsTheNewestEstimatesAsQuantiles) {
  const std::string text = MetricsText(IncidentPicture());
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("# TYPE tomograph_estimate summary\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_estimate{state=\"in_flight\",entity=\"payment\","
                              "unit=\"requests\",quantile=\"0.05\"} "));
  EXPECT_THAT(text, HasSubstr("tomograph_estimate_basis{state=\"in_flight\",entity=\"payment\","
                              "basis=\"inferred\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_estimate{state=\"call_volume\",entity=\"payment\","
                              "caller=\"checkout\",unit=\"calls\",quantile=\"0.95\"} "));
}

TEST(Metrics, AMissingEstimateHasABasisAndNoNumber) {
  Picture picture = IncidentPicture();
  for (auto& e : picture.estimates) e.basis = telemetry::Basis::kMissing;
  const std::string text = MetricsText(picture);
  EXPECT_THAT(text, Not(HasSubstr("tomograph_estimate{")));
  EXPECT_THAT(text, HasSubstr("basis=\"missing\"} 1\n"));
}

TEST(Metrics, StepsHaveFamiliesOfTheirOwn) {
  Picture picture = IncidentPicture();
  for (const char* detail : {"POST /checkout: payment POST -> (end)", "GET /: (start) -> (end)"}) {
    for (const char* state : {"step_duration_p50", "step_duration_p95", "step_completion"}) {
      telemetry::Estimate e = picture.estimates.front();
      e.state = state;
      e.detail = detail;
      if (e.state == "step_completion") e.detail.resize(e.detail.find(" -> "));
      e.start = picture.window_starts.back();
      e.value = 0.25;
      e.basis = telemetry::Basis::kObserved;
      picture.estimates.push_back(e);
    }
  }
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("operation=\"POST /checkout\",after=\"payment POST\","
                              "before=\"(end)\",quantile=\"0.95\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("operation=\"GET /\",after=\"(start)\"} 0.25\n"));
  EXPECT_THAT(text, Not(HasSubstr("state=\"step_")));
}

TEST(Metrics, ShowsTheClocksThatAreMeasured) {
  Picture picture = IncidentPicture();
  sample::AddClocks(&picture);
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("tomograph_clock_offset_seconds{host=\"node-2\"} 0.005\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_clock_bound_seconds{host=\"node-2\"} 8e-04\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_clock_corrected{host=\"node-1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_clock_corrected{host=\"node-2\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("node-3")));
  EXPECT_THAT(text, Not(HasSubstr("node-4")));
}

TEST(Metrics, ShowsWhatIsHeldOfClocksBetweenWhichCallsCarryNoIds) {
  Picture picture = IncidentPicture();
  sample::AddHopClocks(&picture, picture.entities.front().id);
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  const std::string of = "{service=\"" + picture.entities.front().name + "\",";
  const std::string followed = of + "caller_host=\"web-1\",callee_host=\"pay-1\"} ",
                    held = of + "caller_host=\"web-2\",callee_host=\"pay-1\"} ",
                    unknown = of + "callee_host=\"pay-1\"} ";
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_offset_seconds" + followed + "-0.0803\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_error_seconds" + followed + "4e-04\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_calls_total" + followed + "1500\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_followed" + followed + "1\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_steps_total" + followed + "1\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_last_step_seconds" + followed + "-0.03"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_steps_total" + held + "0\n"));
  EXPECT_THAT(text, Not(HasSubstr("tomograph_hop_clock_last_step_seconds" + held)));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_offset_seconds" + held + "0\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_followed" + held + "0\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hop_clock_followed" + unknown + "0\n"));
  EXPECT_THAT(text, Not(HasSubstr("tomograph_hop_clock_offset_seconds" + unknown)));
}

TEST(Metrics, ShowsHowRightHiddenMeasurementsWereReconstructed) {
  Picture picture = IncidentPicture();
  telemetry::Accuracy all;
  all.state = "in_flight";
  all.scored = 200;
  all.in50 = .5;
  all.in90 = .875;
  all.width = 2;
  all.mean = 4;
  all.crps = .25;
  all.last_value_crps = std::nan("");
  picture.accuracy = {all, all};
  picture.accuracy[1].entity = picture.entities.front().id;
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("tomograph_holdout_scored_total{state=\"in_flight\"} 200\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_holdout_coverage_ratio{state=\"in_flight\",level=\"0.9\"} "
                              "0.875\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_holdout_interval_width_ratio{state=\"in_flight\"} 0.5\n"));
  EXPECT_THAT(text, Not(HasSubstr("tomograph_holdout_crps_ratio{")));
}

TEST(Metrics, ShowsHypothesesLedgerAndOwnFigures) {
  const std::string text = MetricsText(IncidentPicture());
  EXPECT_THAT(text, HasSubstr("tomograph_incidents_open 1\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_hypothesis_posterior{incident=\"inc-checkout-1760000830\","
                              "cause=\"bad_deploy\",entity=\"payment\"} 0.68\n"));
  EXPECT_THAT(text, HasSubstr("cause=\"unknown\"} 0.09\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_records_total{format=\"otlp_grpc\",signal=\"span\","
                              "outcome=\"repaired\",reason=\"negative_duration\"} 290\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_records_total{format=\"otlp_grpc\",signal=\"span\","
                              "outcome=\"accepted\"} 183901\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_records_set_aside_total{format=\"otlp_grpc\","
                              "signal=\"span\",reason=\"too_late\"} 41\n"));
  EXPECT_THAT(text, Not(HasSubstr("outcome=\"set_aside\"")))
      << "it is accepted or repaired already";
  EXPECT_THAT(text, HasSubstr("tomograph_store_bytes 41200128\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_join_match_ratio 0.973\n"));
}

TEST(Metrics, SaysWhichScrapesFail) {
  const std::string text = MetricsText(IncidentPicture());
  const std::string pay = "{job=\"pay\",instance=\"pay:9100\",url=\"http://pay:9100/metrics\"}";
  EXPECT_THAT(text, HasSubstr("tomograph_scrape_up" + pay + " 0\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_scrape_failures_total" + pay + " 7\n"));
  EXPECT_THAT(text, HasSubstr("tomograph_scrape_up{job=\"cart\""));
  EXPECT_THAT(text, Not(HasSubstr("job=\"new\""))) << "not asked is not down";
}

TEST(Metrics, ClosedIncidentsAreGone) {
  EXPECT_THAT(MetricsText(UnknownPicture()), Not(HasSubstr("tomograph_hypothesis_posterior{")));
}

TEST(Metrics, EscapesAndTellsNamesakesApart) {
  Picture picture = IncidentPicture();
  picture.entities[0].name = "a\"b\\c\nd\xff";
  picture.entities[2].name = "checkout";  // a second one
  picture.entities[2].service_namespace = "other";
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("entity=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\""));
  EXPECT_THAT(text, HasSubstr("entity=\"shop/checkout (service)\""));
  EXPECT_THAT(text, HasSubstr("entity=\"other/checkout (service)\""));
}

TEST(Metrics, OwnNamesCannotBreakTheScrape) {
  Picture picture;
  picture.self = {{"Queue depth", 1}, {"queue.depth", 2}, {"entities", 3}, {"scrapes_total", 4}};
  const std::string text = MetricsText(picture);
  ExpectValid(text);
  EXPECT_THAT(text, HasSubstr("# TYPE tomograph_scrapes_total counter\n"));
}

TEST(Metrics, AnEmptyPictureIsValid) {
  Picture picture;
  picture.join_match_rate = std::nan("");
  ExpectValid(MetricsText(picture));
}

}  // namespace
}  // namespace tomograph::publish
