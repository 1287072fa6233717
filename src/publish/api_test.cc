#include "publish/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "publish/fake_store_test.h"
#include "publish/metric_samples.h"
#include "publish/request_json.h"
#include "publish/sample_picture_test.h"

namespace tomograph::publish {
namespace {

using telemetry::Batch;
using ::testing::HasSubstr;

net::HttpRequest Get(const std::string& target) {
  net::HttpRequest request;
  request.method = "GET";
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  return request;
}

class ApiTest : public ::testing::Test {
 protected:
  net::HttpResponse Ask(const std::string& target) {
    return AnswerApi(Get(target), {picture_, store_, &identities_});
  }
  Json Answer(const std::string& target) {
    const net::HttpResponse response = Ask(target);
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    return Json::parse(response.body);
  }
  /// The status, and the error's code.
  std::pair<int, std::string> Error(const std::string& target) {
    const net::HttpResponse response = Ask(target);
    const Json json = Json::parse(response.body);
    EXPECT_FALSE(json["error"]["message"].get<std::string>().empty());
    return {response.status, json["error"]["code"]};
  }

  /// One trace of `spans` spans: a parent and its children.
  Batch Trace(size_t spans) {
    Batch batch;
    auto& s = batch.spans;
    const auto resource = identities_.resources.FindOrAdd(telemetry::FingerprintOf("r"), [&] {
      telemetry::Resource r;
      r.attributes = {
          {identities_.strings.Intern("service.name"), identities_.strings.Intern("payment")}};
      return r;
    });
    for (size_t i = 0; i < spans; ++i) {
      s.trace_id.push_back({1, 2});
      s.span_id.push_back(10 + i);
      s.parent_span_id.push_back(i == 0 ? 0 : 10);
      s.start_ns.push_back(1'760'000'401'123'456'789);
      s.end_ns.push_back(1'760'000'401'125'456'789);
      s.kind.push_back(telemetry::SpanKind::kServer);
      s.status.push_back(telemetry::SpanStatus::kError);
      s.resource.push_back(resource);
      s.name.push_back(identities_.strings.Intern("</script><b>"));
      s.trace_state.push_back(telemetry::kEmptyString);
      s.attributes.AddText(identities_.strings.Intern("k"), "\xff\"v");
      s.attributes.EndRow();
    }
    return batch;
  }

  telemetry::Identities identities_;
  FakeStore fake_;
  store::Store* store_ = &fake_;
  std::shared_ptr<const Picture> picture_ = std::make_shared<const Picture>(IncidentPicture());
};

TEST_F(ApiTest, PictureHoldsAllThatThePageLoadsFirst) {
  const Json json = Answer("/api/v1/picture");
  EXPECT_EQ(json["topology"]["nodes"].size(), 11u);
  EXPECT_EQ(json["topology"]["edges"].size(), 11u);
  EXPECT_EQ(json["incidents"][0]["hypotheses"][0]["cause"], "bad_deploy");
  EXPECT_EQ(json["changes"][0]["evidence"], "event:ci/shop:d-118");
  for (const Json& estimate : json["estimates"]) {
    EXPECT_EQ(estimate["start_ms"], 1'760'000'990'000);  // the newest window's alone
  }
}

TEST_F(ApiTest, TopologyIsOfAnInstantWhenAsked) {
  auto picture = std::make_shared<Picture>(IncidentPicture());
  telemetry::Edge& edge = picture->edges[0];
  const Nanos start = SamplePicture::kStart;
  edge.sources[0].stretches = {
      {start + 100 * kSecond, start + 200 * kSecond, 50, telemetry::EdgeState::kStopped},
      {start + 400 * kSecond, start + 500 * kSecond, 70, telemetry::EdgeState::kActive}};
  edge.sources[0].calls = 120;
  picture_ = picture;
  const auto at = [&](int second) {
    return Answer("/api/v1/topology?at=" + std::to_string((start / kSecond + second) * 1000));
  };
  EXPECT_EQ(at(50)["edges"].size(), 10u) << "not yet seen";
  EXPECT_EQ(at(50)["nodes"].size(), 11u);
  const Json stopped = at(300)["edges"][0];
  EXPECT_EQ(stopped["state"], "stopped");
  EXPECT_EQ(stopped["since_ms"], (start + 200 * kSecond) / kMillisecond);
  EXPECT_EQ(stopped["sources"][0]["calls"], 50);
  EXPECT_EQ(at(450)["edges"][0]["state"], "active");
  EXPECT_EQ(at(450)["edges"][0]["sources"][0]["calls"], 85);
  EXPECT_FALSE(at(450)["nodes"][0]["figures"]["silent"]);
  EXPECT_EQ(Ask("/api/v1/topology?at=1000").status, 404) << "before the history";
  EXPECT_EQ(Ask("/api/v1/topology?at=soon").status, 400);
}

TEST_F(ApiTest, StatusSaysWhichScrapesFailAndWhy) {
  const Json scrapes = Answer("/api/v1/status")["scrapes"];
  ASSERT_EQ(scrapes.size(), 3u);
  EXPECT_EQ(scrapes[0]["up"], true);
  EXPECT_TRUE(scrapes[0]["error"].is_null());
  EXPECT_EQ(scrapes[1]["up"], false);
  EXPECT_EQ(scrapes[1]["job"], "pay");
  EXPECT_EQ(scrapes[1]["error"], "connection refused");
  EXPECT_EQ(scrapes[1]["failures"], 7);
  EXPECT_TRUE(scrapes[2]["up"].is_null()) << "not asked yet";
}

TEST_F(ApiTest, AnEmptyPictureIsAnAnswer) {
  picture_ = std::make_shared<const Picture>();
  for (const char* route : {"status", "picture", "entities", "topology", "estimates", "series",
                            "incidents", "hypotheses", "changes", "clocks", "loss"}) {
    EXPECT_EQ(Ask(std::string("/api/v1/") + route).status, 200) << route;
  }
}

TEST_F(ApiTest, FiltersEstimates) {
  const Json json = Answer("/api/v1/estimates?entity=payment&state=in_flight&limit=5");
  EXPECT_EQ(json["estimates"].size(), 5u);
  EXPECT_EQ(json["total"], kShopWindows);
  EXPECT_EQ(json["limit"], 5);
  for (const Json& e : json["estimates"]) EXPECT_EQ(e["state"], "in_flight");
  const Json by_time = Answer(
      "/api/v1/"
      "estimates?entity=payment&state=in_flight&from=2025-10-09T09:05:00Z&to=1760000710000");
  EXPECT_EQ(by_time["total"], 1u);
}

TEST_F(ApiTest, MissingIsNullAndNeverANumber) {
  const Json json = Answer(
      "/api/v1/estimates?entity=payment&state=call_volume&from=1760000640000&to=1760000650000");
  ASSERT_EQ(json["estimates"].size(), 2u);  // its own, and that of checkout's calls to it
  EXPECT_EQ(json["estimates"][1]["basis"], "observed");
  const Json& e = json["estimates"][0];
  EXPECT_EQ(e["basis"], "missing");
  EXPECT_TRUE(e["value"].is_null());
  EXPECT_TRUE(e["i90"].is_null());
  EXPECT_EQ(e["note"], "no span of this service arrived");
}

TEST_F(ApiTest, AMissingEstimateWithNumbersInItStaysMissing) {
  Picture picture = *picture_;
  for (auto& e : picture.estimates) {
    e.basis = telemetry::Basis::kMissing;
    e.value = 7;
    e.i90 = {1, 9};
  }
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json estimates = Answer("/api/v1/estimates?limit=10");
  for (const Json& e : estimates["estimates"]) {
    EXPECT_TRUE(e["value"].is_null());
    EXPECT_TRUE(e["i90"].is_null());
  }
  const Json axis = Answer("/api/v1/axis?entity=payment");
  for (const Json& track : axis["tracks"]) {
    for (const Json& v : track["upper90"]) EXPECT_TRUE(v.is_null());
  }
}

TEST_F(ApiTest, CutsSeriesToTheTimeAskedFor) {
  const Json json = Answer("/api/v1/series?entity=payment&quantity=latency_p99&from=1760000900000");
  EXPECT_EQ(json["starts_ms"].size(), 10u);
  ASSERT_EQ(json["series"].size(), 2u);  // payment's own, and as checkout sees it
  for (const Json& line : json["series"]) EXPECT_EQ(line["values"].size(), 10u);
}

TEST_F(ApiTest, AxisAlignsLinesAndTracks) {
  const Json json = Answer("/api/v1/axis?entity=payment");
  EXPECT_EQ(json["starts_ms"].size(), kShopWindows);
  for (const Json& line : json["lines"]) EXPECT_EQ(line["values"].size(), kShopWindows);
  for (const Json& track : json["tracks"]) {
    EXPECT_EQ(track["basis"].get<std::string>().size(), kShopWindows);
    EXPECT_EQ(track["lower90"].size(), kShopWindows);
  }
}

TEST_F(ApiTest, SelectsIncidents) {
  EXPECT_EQ(Answer("/api/v1/incidents?state=open")["total"], 1);
  EXPECT_EQ(Answer("/api/v1/incidents?state=closed")["total"], 0);
  EXPECT_EQ(Answer("/api/v1/incidents/inc-checkout-1760000830")["certainty"], "likely");
  EXPECT_EQ(Answer("/api/v1/hypotheses")["total"], 4);
  EXPECT_EQ(Answer("/api/v1/hypotheses?entity=payment")["total"], 2);
}

TEST_F(ApiTest, AnIncidentSaysWhatCameFirstAndAfterWhom) {
  Picture picture = *picture_;
  telemetry::Movement first, second;
  first.entity = picture.entities[0].id;
  first.quantity = telemetry::Quantity::kLatency;
  first.onset = 2 * kSecond;
  second = first;
  second.entity = picture.entities[1].id;
  second.from = first.entity;
  second.lag_s = 1.5;
  second.lag_lower_s = -0.5;
  second.lag_upper_s = 3.5;
  second.p_order = 0.9;
  second.order = telemetry::Order::kUnclear;
  picture.incidents[0].propagation = {first, second};
  const std::string id = picture.incidents[0].id;
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json json = Answer("/api/v1/incidents/" + id)["propagation"];
  ASSERT_EQ(json.size(), 2u);
  EXPECT_TRUE(json[0]["from"].is_null());
  EXPECT_TRUE(json[0]["p_order"].is_null());
  EXPECT_EQ(json[0]["onset_ms"], 2000);
  EXPECT_EQ(json[1]["from"], json[0]["entity"]);
  EXPECT_EQ(json[1]["lag_i90"], Json::array({-0.5, 3.5}));
  EXPECT_EQ(json[1]["order"], "unclear");
}

Result<telemetry::CorrelationAnswer> TwoRelated(const Picture&,
                                                const telemetry::CorrelationQuestion& question) {
  if (question.line != "latency_p50") return Status::NotFound("there is no such line");
  telemetry::CorrelationAnswer answer;
  answer.compared = 9;
  answer.related.resize(2);
  answer.related[0].name = "call_rate";
  answer.related[0].lag_s = 5;
  return answer;
}

TEST_F(ApiTest, ShowsRelatedLinesOrSaysWhyNot) {
  const std::string ask = "/api/v1/correlations?entity=payment&quantity=";
  EXPECT_EQ(Error(ask + "latency_p50").first, 503);
  const auto answer = [&](const std::string& target) {
    return AnswerApi(Get(target), {picture_, store_, &identities_, TwoRelated});
  };
  const net::HttpResponse response = answer(ask + "latency_p50&limit=1");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json["compared"], 9);
  EXPECT_EQ(json["total"], 2);
  ASSERT_EQ(json["correlations"].size(), 1u);
  EXPECT_EQ(json["correlations"][0]["lag_s"], 5.0);
  EXPECT_EQ(answer(ask + "nothing").status, 404);
  EXPECT_EQ(answer("/api/v1/correlations?entity=payment").status, 400);
  EXPECT_EQ(answer("/api/v1/correlations?quantity=latency_p50").status, 400);
}

class MetricCorrelationTest : public ApiTest {
 protected:
  static inline telemetry::CorrelationQuestion asked_;

  static Result<telemetry::CorrelationAnswer> FirstIsRelated(
      const Picture&, const telemetry::CorrelationQuestion& question) {
    asked_ = question;
    telemetry::CorrelationAnswer answer;
    answer.series.resize(question.series.size());
    for (size_t i = 0; i < question.series.size(); ++i)
      answer.series[i].samples = question.series[i].series.samples.size();
    answer.series.at(0).interval = 15 * kSecond;
    answer.series.at(0).restarts = 1;
    answer.series.at(0).corrected = true;
    answer.series.at(0).clock_bound = 2 * kMillisecond;
    answer.related.resize(1);
    answer.related[0].name = "latency_p50";
    answer.related[0].asked = answer.series.size() - 1;
    return answer;
  }

  MetricCorrelationTest() {
    resource_ = identities_.resources.FindOrAdd(telemetry::FingerprintOf("pod"), [&] {
      telemetry::Resource r;
      r.service = identities_.strings.Intern("payment");
      r.host = identities_.strings.Intern("node-1");
      return r;
    });
    fake_.batches.resize(1);
  }

  telemetry::SeriesId Series(const std::string& metric, telemetry::MetricKind kind,
                             const std::string& pool = "a") {
    return identities_.series.FindOrAdd(telemetry::FingerprintOf(metric + pool), [&] {
      telemetry::Series s;
      s.resource = resource_;
      s.metric = identities_.strings.Intern(metric);
      s.kind = kind;
      s.labels = {{identities_.strings.Intern("pool"), identities_.strings.Intern(pool)}};
      s.entity = payment_;
      return s;
    });
  }

  void Sample(telemetry::SeriesId series, Nanos after, double value) {
    telemetry::SampleBatch& s = fake_.batches[0].samples;
    s.series.push_back(series);
    s.time_ns.push_back(SamplePicture::kStart + after);
    s.start_ns.push_back(0);
    s.value.push_back(value);
  }

  net::HttpResponse Correlations(const std::string& parameters) {
    return AnswerApi(Get("/api/v1/correlations?entity=payment&" + parameters),
                     {picture_, store_, &identities_, FirstIsRelated});
  }

  const telemetry::EntityId payment_ =
      telemetry::MakeEntityId(telemetry::EntityKind::kService, "shop", "payment");
  telemetry::ResourceId resource_;
};

TEST_F(MetricCorrelationTest, AsksForEachSeriesAsItCame) {
  const auto waits = Series("gc_seconds_sum", telemetry::MetricKind::kCounter, "old");
  const auto level = Series("gc_seconds_sum", telemetry::MetricKind::kGauge, "young");
  Sample(level, 0, 3);
  Sample(waits, 0, 100);
  Sample(waits, 15 * kSecond, 104);
  telemetry::HostClock clock;
  clock.id = telemetry::ClockHostId("node-1");
  clock.segments.resize(1);
  clock.segments[0].offset = 20 * kSecond;
  clock.segments[0].applied = true;
  Picture picture = *picture_;
  picture.clocks.push_back(clock);
  picture_ = std::make_shared<const Picture>(std::move(picture));

  const net::HttpResponse response = Correlations("metric=gc_seconds_sum");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  ASSERT_EQ(asked_.series.size(), 2u);
  const telemetry::SampledSeries& first = asked_.series[0].series;
  EXPECT_EQ(asked_.entity, payment_);
  EXPECT_EQ(first.reading, telemetry::Reading::kCounter) << "the one with the most samples";
  EXPECT_EQ(first.host, clock.id);
  ASSERT_EQ(first.samples.size(), 2u);
  EXPECT_EQ(first.samples[1].time, SamplePicture::kStart + 15 * kSecond) << "raw";
  EXPECT_EQ(first.samples[1].value, 104);
  EXPECT_EQ(asked_.series[1].series.reading, telemetry::Reading::kLevel);
  EXPECT_EQ(asked_.series[0].quantity, "");

  EXPECT_EQ(fake_.last_filter.metric, "gc_seconds_sum");
  EXPECT_EQ(fake_.last_filter.entity, payment_);
  const Nanos end = SamplePicture::kStart + kShopWindows * SamplePicture::kWindow;
  EXPECT_EQ(fake_.last_filter.range.from, SamplePicture::kStart - 5 * kMinute);
  EXPECT_EQ(fake_.last_filter.range.to, end + 20 * kSecond + 5 * kMinute) << "its clock is ahead";

  ASSERT_EQ(json["series"].size(), 2u);
  const Json& told = json["series"][0];
  EXPECT_EQ(told["labels"], (Json{{"pool", "old"}}));
  EXPECT_EQ(told["host"], "node-1");
  EXPECT_EQ(told["read_as"], "counter");
  EXPECT_EQ(told["samples"], 2);
  EXPECT_EQ(told["interval_ms"], 15000);
  EXPECT_EQ(told["restarts"], 1);
  EXPECT_EQ(told["times"], "corrected");
  EXPECT_EQ(told["clock_bound_ms"], 2);
  EXPECT_EQ(json["series"][1]["times"], "raw");
  EXPECT_TRUE(json["series"][1]["clock_bound_ms"].is_null());
  EXPECT_EQ(json["correlations"][0]["series"], 1);
  EXPECT_EQ(json["series_left_out"], 0);
  EXPECT_EQ(json["samples_cut"], false);
}

TEST_F(MetricCorrelationTest, SaysWhatItCannotAnswer) {
  const auto refusal = [&](const std::string& parameters, int status) {
    const net::HttpResponse response = Correlations(parameters);
    EXPECT_EQ(response.status, status) << parameters << response.body;
    return response.body;
  };
  EXPECT_THAT(refusal("metric=x", 404), HasSubstr("known: none"));
  Series("queue.length", telemetry::MetricKind::kGauge);
  Series("gc", telemetry::MetricKind::kHistogram);
  EXPECT_THAT(refusal("metric=x", 404), HasSubstr("known: queue.length\""));
  EXPECT_THAT(refusal("metric=", 404), HasSubstr("known: queue.length"));
  EXPECT_THAT(refusal("metric=queue.length", 404), HasSubstr("no sample"));
  EXPECT_THAT(refusal("metric=gc", 400), HasSubstr("histogram"));
  refusal("metric=gc&quantity=latency_p50", 400);
  EXPECT_THAT(refusal("metric=queue.length&to=1000", 404), HasSubstr("no window"));
  fake_.current.unreadable_files = {"cold/samples/1.parquet: gone"};
  EXPECT_THAT(refusal("metric=queue.length", 404), HasSubstr("1 file of older records"));
  fake_.fails = Status::Unavailable("the disk is full");
  refusal("metric=queue.length", 503);
  store_ = nullptr;
  EXPECT_THAT(refusal("metric=queue.length", 404), HasSubstr("without a store"));
}

TEST_F(MetricCorrelationTest, OfManySeriesThoseWithTheMostSamplesAreTaken) {
  for (size_t i = 0; i <= kMostSeries; ++i) {
    const auto series = Series("heap", telemetry::MetricKind::kGauge, "space " + std::to_string(i));
    for (size_t n = 0; n <= i; ++n) Sample(series, static_cast<Nanos>(n) * kSecond, 1);
  }
  const net::HttpResponse response = Correlations("metric=heap");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json["series"].size(), kMostSeries);
  EXPECT_EQ(json["series_left_out"], 1);
  EXPECT_EQ(json["series"][0]["labels"]["pool"], "space 10");
  EXPECT_EQ(fake_.last_filter.limit, kMostSamples + 1);
  EXPECT_EQ(json["samples_cut"], false);
}

TEST_F(MetricCorrelationTest, TooManySamplesAreCutAndItIsSaid) {
  const auto series = Series("heap", telemetry::MetricKind::kGauge);
  for (size_t i = 0; i <= kMostSamples; ++i) Sample(series, static_cast<Nanos>(i), 1);
  const net::HttpResponse response = Correlations("metric=heap");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Json::parse(response.body)["samples_cut"], true);
  EXPECT_EQ(asked_.series[0].series.samples.size(), kMostSamples);
}

TEST_F(ApiTest, RefusesParametersThatCannotBeMeant) {
  const std::pair<int, std::string> bad{400, "invalid_argument"};
  const std::pair<int, std::string> unknown{404, "not_found"};
  EXPECT_EQ(Error("/api/v1/estimates?entitty=payment"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?entity=payment&entity=cart"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?limit=0"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?limit=-1"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?limit=10001"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?limit=1e3"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?limit="), bad);
  EXPECT_EQ(Error("/api/v1/estimates?from=yesterday"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?from=nan"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?from=1e300"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?from=20&to=10"), bad);
  EXPECT_EQ(Error("/api/v1/incidents?state=half"), bad);
  EXPECT_EQ(Error("/api/v1/axis"), bad);
  EXPECT_EQ(Error("/api/v1/status?x"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?entity=nobody"), unknown);
  EXPECT_EQ(Error("/api/v1/estimates?state=in_flihgt"), bad);
  EXPECT_EQ(Error("/api/v1/estimates?entity=0123456789abcdef"), unknown);
  EXPECT_EQ(Error("/api/v1/incidents/none"), unknown);
  EXPECT_EQ(Error("/api/v1/incidents/"), unknown);
  EXPECT_EQ(Error("/api/v1/"), unknown);
  EXPECT_EQ(Error("/api/v2/status"), unknown);
}

TEST_F(ApiTest, AWordThatCannotBeMeantIsNoEmptyAnswer) {
  const auto refusal = [&](const std::string& target) {
    const net::HttpResponse response = Ask(target);
    EXPECT_EQ(response.status, 400) << target << response.body;
    return response.body;
  };
  EXPECT_THAT(refusal("/api/v1/estimates?state=call_rate"), HasSubstr("known: call_volume, "));
  EXPECT_THAT(refusal("/api/v1/estimates?state="), HasSubstr("in_flight"));
  EXPECT_THAT(refusal("/api/v1/entities?kind=servcie"), HasSubstr("known: service, "));
  EXPECT_THAT(refusal("/api/v1/series?quantity=latency_p98"), HasSubstr("latency, "));
  EXPECT_THAT(refusal("/api/v1/series?quantity=call_ratep50"), HasSubstr("call_rate, "));
  EXPECT_THAT(refusal("/api/v1/incidents?state=half"), HasSubstr("known: open, closed, all"));
  EXPECT_THAT(refusal("/api/v1/requests?inferred=maybe"), HasSubstr("known: true, false"));
  // A known word that nothing here has is no error.
  EXPECT_EQ(Answer("/api/v1/estimates?state=replica_diverged")["total"], 0u);
  EXPECT_EQ(Answer("/api/v1/entities?kind=region")["total"], 0u);
  EXPECT_EQ(Answer("/api/v1/series?quantity=gc_time_mean")["total"], 0u);
}

TEST_F(ApiTest, AnAmbiguousNameIsRefusedAndAnIdIsNot) {
  Picture picture = *picture_;
  picture.entities[1].name = picture.entities[0].name;
  const std::string id = IdText(picture.entities[1].id);
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Error("/api/v1/axis?entity=frontend").first, 400);
  EXPECT_EQ(Answer("/api/v1/axis?entity=" + id)["entity"], id);
}

TEST_F(ApiTest, BoundsWhatItAnswers) {
  picture_ = std::make_shared<const Picture>(HugePicture(3000));
  const Json json = Answer("/api/v1/estimates");
  EXPECT_EQ(json["estimates"].size(), 1000u);
  EXPECT_EQ(json["total"], 3000u);
  EXPECT_EQ(Answer("/api/v1/entities?limit=7")["entities"].size(), 7u);
}

TEST_F(ApiTest, KeepsHostileNamesAsData) {
  Picture picture = *picture_;
  picture.entities[0].name = "</script><img onerror=x>\"\\\n";
  picture.entities[1].name = "not UTF-8: \xff\xfe";
  const std::string name = picture.entities[0].name;
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/picture")["topology"]["nodes"][0]["name"], name);
  EXPECT_THAT(Ask("/api/v1/entities").body, HasSubstr("not UTF-8: \xef\xbf\xbd"));
  EXPECT_EQ(Ask("/api/v1/picture").content_type, "application/json");
}

TEST_F(ApiTest, OpensATraceAsItWasSent) {
  fake_.batches = {Trace(3)};
  const Json json = Answer("/api/v1/evidence/trace:00000000000000010000000000000002");
  ASSERT_EQ(json["spans"].size(), 3u);
  EXPECT_EQ(json["truncated"], false);
  const Json& span = json["spans"][1];
  EXPECT_EQ(span["start"], "2025-10-09T09:00:01.123456789Z");
  EXPECT_EQ(span["duration_ms"], 2);
  EXPECT_EQ(span["parent_span_id"], "000000000000000a");
  EXPECT_EQ(span["name"], "</script><b>");
  EXPECT_EQ(span["resource"]["service.name"], "payment");
  EXPECT_EQ(span["attributes"]["k"], "\xef\xbf\xbd\"v");
  EXPECT_TRUE(span["clock_bound_ms"].is_null());
  EXPECT_EQ(fake_.last_filter.trace_id, (telemetry::TraceId{1, 2}));
}

TEST_F(ApiTest, SaysOfEachClockWhatIsKnownAndWhetherItIsCorrected) {
  Picture picture = *picture_;
  sample::AddClocks(&picture);
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json json = Answer("/api/v1/clocks");
  EXPECT_EQ(json["span_times"], "corrected");
  EXPECT_EQ(Answer("/api/v1/status")["span_times"], "corrected");
  ASSERT_EQ(json["total"], 4u);
  const Json &reference = json["clocks"][0], &ahead = json["clocks"][1];
  EXPECT_EQ(reference["state"], "reference");
  EXPECT_EQ(reference["bound_ms"], 0);
  EXPECT_EQ(ahead["state"], "corrected");
  EXPECT_EQ(ahead["times"], "corrected");
  EXPECT_EQ(ahead["reference"], "node-1");
  EXPECT_EQ(ahead["offset_ms"], 5);
  EXPECT_EQ(ahead["bound_ms"], 0.8);
  EXPECT_EQ(ahead["least_ms"], 4.3);
  EXPECT_EQ(ahead["most_ms"], 5.8);
  EXPECT_EQ(ahead["drift_ppm"], 40);
  EXPECT_EQ(ahead["last_step"]["size_ms"], 2);
  const Json &messages = json["clocks"][2], &alone = json["clocks"][3];
  EXPECT_EQ(messages["state"], "one_sided");
  EXPECT_EQ(messages["times"], "raw");
  EXPECT_TRUE(messages["offset_ms"].is_null());
  EXPECT_TRUE(messages["bound_ms"].is_null());
  EXPECT_TRUE(messages["least_ms"].is_null());
  EXPECT_EQ(messages["most_ms"], 5);
  EXPECT_EQ(alone["state"], "unknown");
  EXPECT_TRUE(alone["most_ms"].is_null());
  EXPECT_EQ(json["findings"][0]["kind"], "step");
  EXPECT_EQ(Answer("/api/v1/clocks?host=node-2")["total"], 1u);
  EXPECT_EQ(Answer("/api/v1/clocks?host=node-4")["findings"].size(), 0u);
}

TEST_F(ApiTest, SaysWhatIsHeldOfClocksBetweenWhichCallsCarryNoIds) {
  Picture picture = *picture_;
  const EntityId pay = picture.entities.front().id;
  sample::AddHopClocks(&picture, pay);
  picture_ = std::make_shared<const Picture>(picture);
  const Json json = Answer("/api/v1/clocks");
  EXPECT_EQ(json["total"], 0) << "hosts";
  EXPECT_EQ(json["hops_total"], 3);
  EXPECT_EQ(json["span_times"], "raw") << "no time that is shown is moved by them";
  const Json &followed = json["hops"][0], &held = json["hops"][1], &unknown = json["hops"][2];
  EXPECT_EQ(followed["service_id"], IdText(pay));
  EXPECT_EQ(followed["service"], picture.entities.front().name);
  EXPECT_EQ(followed["caller_host"], "web-1");
  EXPECT_EQ(followed["callee_host"], "pay-1");
  EXPECT_EQ(followed["state"], "followed");
  EXPECT_EQ(followed["offset_ms"], -80.3);
  EXPECT_EQ(followed["error_ms"], 0.4);
  EXPECT_EQ(followed["drift_ppm"], 40);
  EXPECT_EQ(followed["calls"], 1500);
  EXPECT_EQ(followed["last_call_ms"], ToMillis(picture.watermark - 8 * kSecond));
  EXPECT_EQ(followed["steps"], 1);
  EXPECT_EQ(followed["last_step"], Json({{"from_ms", ToMillis(picture.watermark - 90 * kSecond)},
                                         {"to_ms", ToMillis(picture.watermark - 89 * kSecond)},
                                         {"size_ms", -30}}));
  EXPECT_EQ(held["steps"], 0);
  EXPECT_TRUE(held["last_step"].is_null());
  EXPECT_EQ(held["state"], "held_in_sync");
  EXPECT_EQ(held["offset_ms"], 0);
  EXPECT_EQ(held["error_ms"], 1);
  EXPECT_EQ(unknown["state"], "unknown");
  EXPECT_TRUE(unknown["caller_host"].is_null());
  EXPECT_TRUE(unknown["offset_ms"].is_null());
  EXPECT_TRUE(unknown["error_ms"].is_null());
  EXPECT_EQ(Answer("/api/v1/clocks?host=web-2")["hops_total"], 1);
  EXPECT_EQ(Answer("/api/v1/clocks?limit=1")["hops"].size(), 1u);
  EXPECT_EQ(Answer("/api/v1/clocks?limit=1")["hops_total"], 3);

  for (auto& clock : picture.hop_clocks)
    clock.last_call = picture.watermark - telemetry::kClockMemory - kSecond;
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/clocks")["hops"][0]["state"], "unknown") << "five minutes without";
  EXPECT_TRUE(Answer("/api/v1/clocks")["hops"][0]["offset_ms"].is_null());
}

TEST_F(ApiTest, ThePictureTellsOfClocksThatAreOffInSentences) {
  Picture picture = *picture_;
  sample::AddClocks(&picture);
  sample::AddHopClocks(&picture, picture.entities.front().id);
  picture_ = std::make_shared<const Picture>(picture);
  const Json json = Answer("/api/v1/picture");
  ASSERT_EQ(json["clock_notes"].size(), 3u);
  const std::string guess = json["clock_notes"][0], measured = json["clock_notes"][1],
                    unknown = json["clock_notes"][2];
  EXPECT_EQ(
      guess.find("pay-1 is 80.3 ms behind web-1 (standard error 0.4 ms) since it jumped back, "
                 "or web-1 ahead, by 30 ms between "),
      0u)
      << guess;
  EXPECT_NE(guess.find(", as calls to "), std::string::npos) << guess;
  EXPECT_EQ(
      measured.find("node-2 is 5 ms ahead of node-1, give or take 0.8 ms at most: its times are "
                    "corrected; it jumped ahead by 2 ms between "),
      0u)
      << measured;
  EXPECT_EQ(unknown.find("The clocks of 1 pair of hosts, "), 0u) << unknown;
  EXPECT_EQ(json["clocks"]["hops"].size(), 3u);
  EXPECT_EQ(json["clocks"]["clocks"].size(), 4u);

  // Within its bound a clock is not off.
  picture.clocks[1].steps.clear();
  picture.clocks[1].segments.back().below = {kSecond, kSecond, kSecond};
  picture.hop_clocks.clear();
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/picture")["clock_notes"].size(), 0u);
  // One that jumped back to where it should be is told as well, while its calls go on.
  Picture jumped = *picture_;
  sample::AddHopClocks(&jumped, jumped.entities.front().id);
  jumped.hop_clocks.resize(1);
  jumped.hop_clocks[0].offset = 0;
  jumped.hop_clocks[0].last_step.to = jumped.hop_clocks[0].last_step.from;
  picture_ = std::make_shared<const Picture>(jumped);
  const std::string only = Answer("/api/v1/picture")["clock_notes"].at(0);
  EXPECT_EQ(only.find("pay-1 jumped back, or web-1 ahead, by 30 ms at "), 0u) << only;
  jumped.hop_clocks[0].as_of = jumped.watermark - telemetry::kClockMemory - kSecond;
  picture_ = std::make_shared<const Picture>(jumped);
  EXPECT_EQ(Answer("/api/v1/picture")["clock_notes"].size(), 0u);
  // Of hosts without names each is another one, and the furthest off comes first.
  Picture unnamed = std::move(jumped);
  unnamed.hop_clocks.clear();
  sample::AddHopClocks(&unnamed, unnamed.entities.front().id);
  unnamed.hop_clocks = {unnamed.hop_clocks[0], unnamed.hop_clocks[0]};
  for (telemetry::HopClock& hop : unnamed.hop_clocks) {
    hop.caller = hop.callee = telemetry::kNoEntity;
    hop.caller_host = hop.callee_host = "";
  }
  unnamed.hop_clocks[1].offset = 1.05;
  picture_ = std::make_shared<const Picture>(std::move(unnamed));
  const Json notes = Answer("/api/v1/picture")["clock_notes"];
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(std::string(notes[0]).find("1.05 s ahead"), std::string::npos) << notes[0];
}

TEST_F(ApiTest, OfAHostWithoutContactForFiveMinutesNothingIsKnown) {
  Picture picture = *picture_;
  sample::AddClocks(&picture);
  // Its line went on beside others, as predicted.
  picture.clocks[1].last_contact = picture.watermark - telemetry::kClockMemory - kSecond;
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json json = Answer("/api/v1/clocks");
  EXPECT_EQ(json["span_times"], "raw");
  EXPECT_EQ(json["clocks"][1]["state"], "unknown");
  EXPECT_EQ(json["clocks"][1]["times"], "raw");
  EXPECT_TRUE(json["clocks"][1]["offset_ms"].is_null());
}

TEST_F(ApiTest, ARawTraceShowsTheCorrectedTimeBesideAndNotInstead) {
  Batch batch = Trace(1);
  batch.spans.resource[0] =
      identities_.resources.FindOrAdd(telemetry::FingerprintOf("on node-2"), [&] {
        telemetry::Resource r;
        r.host = identities_.strings.Intern("node-2");
        return r;
      });
  fake_.batches = {batch};
  const std::string trace = "/api/v1/evidence/trace:00000000000000010000000000000002";
  EXPECT_EQ(Answer(trace)["spans"][0]["times"], "raw");
  Picture picture = *picture_;
  sample::AddClocks(&picture);
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json span = Answer(trace)["spans"][0];
  EXPECT_EQ(span["start"], "2025-10-09T09:00:01.123456789Z");
  EXPECT_EQ(span["times"], "corrected");
  // 5 ms in the middle of ten minutes, 40 ppm less five minutes before.
  EXPECT_THAT(span["corrected_start"].get<std::string>(), HasSubstr("09:00:01.13041"));
  EXPECT_NEAR(span["clock_bound_ms"].get<double>(), 1.0, 0.01);
}

TEST_F(ApiTest, ARebuiltRequestMarksWhatIsInferredLostAndCorrected) {
  const Json list = Answer("/api/v1/requests?inferred=true");
  ASSERT_EQ(list["total"], 1u);
  EXPECT_EQ(list["requests"][0]["root"], "GET /checkout");
  EXPECT_EQ(list["requests"][0]["links_inferred"], 2);
  EXPECT_EQ(list["requests"][0]["lost_spans"], 1);
  EXPECT_EQ(list["requests"][0]["services"].size(), 3u);
  EXPECT_EQ(list["requests"][0]["wholeness"], "incomplete") << "a span of it is lost";
  EXPECT_EQ(list["requests"][0]["unknown"], 0);
  EXPECT_EQ(list["linking"]["inferred"], 8211);
  EXPECT_EQ(list["linking"]["sender_unknown"], 5);
  const std::string id = list["requests"][0]["id"];
  EXPECT_EQ(id, "9f86d081884c7d65");

  const Json spans = Answer("/api/v1/requests/" + id)["spans"];
  ASSERT_EQ(spans.size(), 5u);
  EXPECT_TRUE(spans[0]["parent"].is_null());
  EXPECT_EQ(spans[0]["link"]["basis"], "root");
  EXPECT_EQ(spans[1]["layer"], "lost");
  EXPECT_TRUE(spans[1]["clock"]["offset_ms"].is_null());
  EXPECT_EQ(spans[2]["link"]["basis"], "id");
  const Json& pay = spans[4];
  EXPECT_EQ(pay["link"]["basis"], "inferred");
  EXPECT_EQ(pay["link"]["posterior"], 0.93);
  EXPECT_EQ(pay["link"]["runner_up"]["id"], "b7ad6b7169203331");
  EXPECT_EQ(pay["link"]["runner_up"]["posterior"], 0.05);
  EXPECT_NEAR(pay["raw_start_ms"].get<double>() - pay["start_ms"].get<double>(), 5, 1e-3);
  EXPECT_EQ(pay["clock"]["offset_ms"], 5);
  EXPECT_EQ(pay["clock"]["corrected"], true);
  EXPECT_EQ(spans[0]["clock"]["corrected"], false);
}

TEST_F(ApiTest, ACallOutsideOfItsCallerSaysWhatThatTellsOfItsClock) {
  Picture picture = *picture_;
  telemetry::RebuiltRequest request = *picture.requests.front();
  telemetry::RebuiltSpan& pay = request.spans[4];  // 9 to 29 ms, its caller 8 to 30
  const auto clock = [&] {
    picture.requests = {std::make_shared<const telemetry::RebuiltRequest>(request)};
    picture_ = std::make_shared<const Picture>(picture);
    return Answer("/api/v1/requests/9f86d081884c7d65")["spans"][4]["clock"];
  };
  EXPECT_TRUE(clock()["ahead_ms"].is_null()) << "it lies within";
  for (Nanos* time : {&pay.start, &pay.end, &pay.raw_start, &pay.raw_end})
    *time += 80 * kMillisecond;
  EXPECT_NEAR(clock()["ahead_ms"].get<double>(), 80, 1e-3);
  EXPECT_NEAR(clock()["ahead_bound_ms"].get<double>(), 1, 1e-3);
  pay.end += 3 * kMillisecond;
  EXPECT_TRUE(clock()["ahead_ms"].is_null()) << "no clock explains a call longer than its caller's";
}

TEST_F(ApiTest, AQueueIsKnownByItsClientsAndNotCalledSilentForItself) {
  Picture picture = *picture_;
  const auto queue = std::find_if(picture.entities.begin(), picture.entities.end(),
                                  [](const auto& e) { return e.kind == EntityKind::kQueue; });
  ASSERT_NE(queue, picture.entities.end());
  const EntityId id = queue->id;
  std::erase_if(picture.lines, [&](const auto& l) { return l.entity == id; });
  std::erase_if(picture.estimates, [&](const auto& e) { return e.entity == id; });
  std::erase_if(picture.edges, [&](const auto& e) { return e.callee == id; });
  const auto node = [&] {
    picture_ = std::make_shared<const Picture>(picture);
    const Json nodes = Answer("/api/v1/topology")["nodes"];
    for (const Json& one : nodes)
      if (one["id"] == IdText(id)) return one;
    return Json();
  };
  EXPECT_EQ(node()["sends_itself"], false);
  EXPECT_EQ(node()["figures"]["silent"], false) << "who takes from it is heard of";
  EXPECT_EQ(node()["figures"]["only_callers"], true);
  std::erase_if(picture.edges, [&](const auto& e) { return e.caller == id; });
  EXPECT_EQ(node()["figures"]["silent"], true);
}

TEST_F(ApiTest, RecordsOfWhoTellsOfNoCallsAreCounted) {
  Picture picture = *picture_;
  const EntityId mailer = telemetry::MakeEntityId(EntityKind::kService, "shop", "mailer");
  telemetry::TimeLine records;
  records.entity = mailer;
  records.name = telemetry::kRecordRate;
  records.unit = "1/s";
  records.values.assign(picture.window_starts.size(), 12.5);
  picture.lines.push_back(records);
  picture.mixed_units = {{mailer, "latency", {"", "ms"}}};
  picture_ = std::make_shared<const Picture>(picture);
  const Json nodes = Answer("/api/v1/topology")["nodes"];
  const auto one = std::find_if(nodes.begin(), nodes.end(),
                                [&](const Json& node) { return node["id"] == IdText(mailer); });
  ASSERT_NE(one, nodes.end());
  EXPECT_EQ((*one)["figures"]["record_rate"]["value"], 12.5);
  EXPECT_EQ((*one)["figures"]["silent"], false);
  EXPECT_EQ((*one)["sends_itself"], true);
  const Json axis = Answer("/api/v1/axis?entity=" + IdText(mailer));
  EXPECT_EQ(axis["mixed_units"], Json({{"latency", {"", "ms"}}}));
}

TEST_F(ApiTest, AFragmentIsNotCalledWhole) {
  Picture picture = *picture_;
  telemetry::RebuiltRequest request = *picture.requests.front();
  request.inferred = request.lost = 0;
  request.probability = 1;
  const auto listed = [&] {
    picture.requests = {std::make_shared<const telemetry::RebuiltRequest>(request)};
    picture_ = std::make_shared<const Picture>(picture);
    return Answer("/api/v1/requests")["requests"][0];
  };
  EXPECT_EQ(listed()["wholeness"], "complete");
  EXPECT_TRUE(listed()["probability"].is_null()) << "nothing is inferred";
  request.spans.front().basis = telemetry::JoinBasis::kUnknown;
  EXPECT_EQ(listed()["wholeness"], "fragment");
  EXPECT_EQ(listed()["unknown"], 1);
  EXPECT_EQ(listed()["root_link"]["basis"], "unknown");
  EXPECT_EQ(listed()["root_link"]["why"], "not_found");
  EXPECT_TRUE(listed()["probability"].is_null());
  request.spans.front().basis = telemetry::JoinBasis::kRoot;
  request.spans.front().none = request.probability = .8;
  EXPECT_EQ(listed()["wholeness"], "complete");
  EXPECT_EQ(listed()["probability"], .8) << "that it begins there is inferred";
  request.left_out = 1;
  EXPECT_EQ(listed()["wholeness"], "incomplete");
  request.left_out = 0;
  request.unanswered = 1;
  request.spans.front().unanswered_by = request.spans.front().service;
  EXPECT_EQ(listed()["wholeness"], "incomplete") << "the other side of a call is not here";
  EXPECT_EQ(listed()["unanswered_calls"], 1);
  const std::string id = listed()["id"];
  const Json span = Answer("/api/v1/requests/" + id)["spans"][0];
  EXPECT_EQ(span["unanswered_by"], span["service_name"]);
}

TEST_F(ApiTest, StatusSaysHowParentsAndClocksAreKnown) {
  const Json status = Answer("/api/v1/status");
  const Json& parents = status["parents"];
  EXPECT_EQ(parents, Json({{"by_id", 120'034},
                           {"inferred", 8'211},
                           {"root", 4'012},
                           {"from_queue", 14},
                           {"unknown", 508},
                           {"all", 132'779},
                           {"why_unknown",
                            {{"lost", 61},
                             {"not_found", 12},
                             {"not_looked_for", 340},
                             {"sender_unknown", 5},
                             {"waiting", 90}}}}));
  EXPECT_EQ(status["orphan_spans"], 61);
  EXPECT_EQ(status["clocks"]["hosts"], 0);
  Picture picture = *picture_;
  sample::AddClocks(&picture);
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/status")["clocks"],
            Json({{"hosts", 4}, {"by_times", 0}, {"unknown", 1}}));
  // What no id reaches may be known by the times of its calls.
  picture = *picture_;
  sample::AddHopClocks(&picture, picture.entities.front().id);
  picture.hop_clocks[0].callee = picture.clocks[3].id;
  picture_ = std::make_shared<const Picture>(picture);
  EXPECT_EQ(Answer("/api/v1/status")["clocks"],
            Json({{"hosts", 4}, {"by_times", 1}, {"unknown", 0}}));
  picture.hop_clocks[0].state = telemetry::HopClock::State::kHeldInSync;
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/status")["clocks"]["by_times"], 0) << "nothing was found";
}

TEST_F(ApiTest, ARequestThatIsNoLongerListedCanBeOpened) {
  Picture picture = *picture_;
  const std::string id = RequestIdText(*picture.requests.front());
  picture.requests_before = std::exchange(picture.requests, {});
  picture_ = std::make_shared<const Picture>(std::move(picture));
  EXPECT_EQ(Answer("/api/v1/requests")["total"], 0u);
  EXPECT_EQ(Answer("/api/v1/requests/" + id)["id"], id);
}

TEST_F(ApiTest, ShowsHowRightHiddenMeasurementsWereReconstructed) {
  Picture picture = *picture_;
  const EntityId payment = telemetry::MakeEntityId(EntityKind::kService, "shop", "payment");
  telemetry::Accuracy all, one;
  all.state = one.state = "in_flight";
  one.entity = payment;
  all.scored = 7;
  all.abstained = 2;
  all.in90 = .75;
  all.last200_in90 = std::nan("");
  picture.accuracy = {all, one};
  picture_ = std::make_shared<const Picture>(std::move(picture));
  const Json rows = Answer("/api/v1/accuracy")["accuracy"];
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["entity"], nullptr);
  EXPECT_EQ(rows[0]["scored"], 7u);
  EXPECT_EQ(rows[0]["abstained"], 2u);
  EXPECT_EQ(rows[0]["in_i90"], .75);
  EXPECT_EQ(rows[0]["in_i90_last_200"], nullptr);
  EXPECT_EQ(rows[1]["name"], "payment");
  EXPECT_FALSE(rows[1].contains("in_i90_last_200"));
  EXPECT_EQ(Answer("/api/v1/accuracy?entity=payment")["total"], 1u);
  EXPECT_EQ(Answer("/api/v1/accuracy?state=replica_lag")["total"], 0u);
  EXPECT_EQ(Error("/api/v1/accuracy?state=mood").first, 400);
}

TEST_F(ApiTest, SelectsRequests) {
  EXPECT_EQ(Answer("/api/v1/requests?entity=payment")["total"], 1u);
  EXPECT_EQ(Answer("/api/v1/requests?entity=catalog")["total"], 0u);
  EXPECT_EQ(Answer("/api/v1/requests?to=2000-01-01T00:00:00Z")["total"], 0u);
  EXPECT_EQ(Error("/api/v1/requests?inferred=maybe").first, 400);
  EXPECT_EQ(Error("/api/v1/requests/0000000000000001").first, 404);
}

TEST_F(ApiTest, CutsAHugeTraceAndSaysSo) {
  fake_.batches = {Trace(600)};
  const Json json = Answer("/api/v1/evidence/trace:00000000000000010000000000000002");
  EXPECT_EQ(json["spans"].size(), 500u);
  EXPECT_EQ(json["truncated"], true);
}

TEST_F(ApiTest, SaysThatRawRecordsMayBeLostInAFileThatCannotBeRead) {
  fake_.current.unreadable_files = {"cold/spans/2025100909.parquet: is not Parquet"};
  const std::string trace = "/api/v1/evidence/trace:00000000000000010000000000000002";
  EXPECT_THAT(Ask(trace).body, HasSubstr("1 file of older records cannot be read"));
  fake_.batches = {Trace(1)};
  EXPECT_THAT(Answer(trace)["missing"].get<std::string>(), HasSubstr("1 file"));
  fake_.current.unreadable_files.clear();
  EXPECT_FALSE(Answer(trace).contains("missing"));
}

TEST_F(ApiTest, SaysWhyEvidenceIsNotThere) {
  EXPECT_EQ(Error("/api/v1/evidence/trace:00000000000000010000000000000002").first, 404);
  fake_.fails = Status::Unavailable("disk full");
  EXPECT_EQ(Error("/api/v1/evidence/trace:00000000000000010000000000000002"),
            (std::pair<int, std::string>{503, "unavailable"}));
  store_ = nullptr;
  const net::HttpResponse response = Ask("/api/v1/evidence/trace:00000000000000010000000000000002");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("without a store"));
  for (const char* bad :
       {"trace:", "trace:xyz", "trace:00000000000000000000000000000000", "log:1:2", "window:1",
        "series:x:y", "nothing", ":", "window:zz:12", "series:0123456789abcdef:latency:1:x"}) {
    EXPECT_EQ(Error(std::string("/api/v1/evidence/") + bad).first, 400) << bad;
  }
}

TEST_F(ApiTest, ResolvesEveryEvidenceIdOfItsOwnIncident) {
  fake_.batches = {Trace(1)};
  store_ = nullptr;
  for (const auto& h : picture_->incidents[0].diagnosis.hypotheses) {
    for (const auto& e : h.evidence_for) {
      if (e.id.rfind("trace:", 0) == 0) continue;
      const Json json = Answer("/api/v1/evidence/" + e.id);
      EXPECT_TRUE(json.contains("lines") || json.contains("change")) << e.id;
    }
  }
}

TEST_F(ApiTest, WhatCallersSeeOpensAsTheLinesOfTheCalls) {
  const std::string payment = Answer("/api/v1/axis?entity=payment")["entity"];
  const auto series = [&](const std::string& quantity) {
    return "/api/v1/evidence/series:" + payment + ":" + quantity +
           ":1760000400000000000:1760001000000000000";
  };
  const Json seen = Answer(series("client_latency"))["lines"];
  ASSERT_EQ(seen.size(), 2u);
  for (const Json& line : seen) EXPECT_EQ(line.value("caller_name", ""), "checkout");
  const Json unmeasured = Answer(series("gc_time"));
  EXPECT_THAT(unmeasured["text"].get<std::string>(), HasSubstr("no line of its own"));
  EXPECT_FALSE(unmeasured["lines"].empty());
  EXPECT_EQ(Error(series("nonsense")).first, 404);
  EXPECT_EQ(Error("/api/v1/evidence/series:" + payment + ":latency:1:2").first, 404)
      << "before the history";
}

TEST_F(ApiTest, ASeriesShowsRawRequestsThatOpen) {
  const std::string payment = Answer("/api/v1/axis?entity=payment")["entity"];
  telemetry::EntityId id;
  ASSERT_TRUE(ParseIdText(payment, &id));
  Batch batch = Trace(8);  // the first failed, the others take longer and longer
  auto& s = batch.spans;
  for (size_t i = 0; i < 8; ++i) {
    s.trace_id[i] = {1, i < 7 ? i + 1 : 7};  // the last two are of one trace
    s.end_ns[i] = s.start_ns[i] + static_cast<Nanos>(i + 1) * kMillisecond;
    s.corrected_start_ns.push_back(s.start_ns[i]);
    s.service.push_back(id);
    s.peer.push_back(telemetry::kNoEntity);
    s.failed.push_back(i == 0);
  }
  fake_.batches = {batch};
  const std::string from_to = ":1760000400000000000:1760001000000000000";
  const std::string series = "/api/v1/evidence/series:" + payment;
  const Json slow = Answer(series + ":latency" + from_to)["traces"];
  ASSERT_EQ(slow.size(), 5u);
  EXPECT_EQ(slow[0]["duration_ms"], 8);
  EXPECT_EQ(slow[1]["duration_ms"], 6) << "one example a trace";
  EXPECT_EQ(slow[0]["service_name"], "payment");
  EXPECT_EQ(fake_.last_filter.service, "payment");
  for (const Json& example : slow)
    EXPECT_FALSE(
        Answer("/api/v1/evidence/" + example["evidence"].get<std::string>())["spans"].empty());
  EXPECT_EQ(slow[0]["times"], "raw");
  const Json failed = Answer(series + ":error_ratio" + from_to)["traces"];
  EXPECT_EQ(failed[0]["failed"], true);
  EXPECT_EQ(failed[0]["duration_ms"], 1);
  EXPECT_TRUE(Answer(series + ":client_latency" + from_to)["traces"].empty())
      << "requests that it served are not what its callers saw";

  // From the onset on, where a hypothesis cites the series.
  const auto& h = picture_->incidents[0].diagnosis.hypotheses[0];
  const auto cited = std::find_if(h.evidence_for.begin(), h.evidence_for.end(),
                                  [](const auto& e) { return e.id.rfind("series:", 0) == 0; });
  ASSERT_NE(cited, h.evidence_for.end());
  Answer("/api/v1/evidence/" + cited->id);
  EXPECT_EQ(fake_.last_filter.range.from, h.onset);

  fake_.fails = Status::Unavailable("disk full");
  const Json without = Answer(series + ":latency" + from_to);
  EXPECT_FALSE(without["lines"].empty());
  EXPECT_THAT(without["missing"].get<std::string>(), HasSubstr("disk full"));
}

/// docs/api.md and the code name the same routes.
TEST(ApiDocument, NamesEveryRouteAndNoOther) {
  std::ifstream in(std::string(TOMOGRAPH_SOURCE_DIR) + "/docs/api.md");
  std::vector<std::string> documented;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("### GET /api/v1/", 0) == 0) documented.push_back(line.substr(8));
  }
  std::vector<std::string> routes = ApiRoutes();
  routes.push_back("/api/v1/stream");
  std::sort(routes.begin(), routes.end());
  std::sort(documented.begin(), documented.end());
  EXPECT_EQ(documented, routes);
}

}  // namespace
}  // namespace tomograph::publish
