// The engine as a whole: bytes in at the listeners or from files, answers out, nothing lost in
// between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "engine/live_engine.h"
#include "engine/merge.h"
#include "engine/recorded_run.h"
#include "net/http_client.h"
#include "store/duckdb/duckdb_store.h"

namespace tomograph::engine {
namespace {

namespace fs = std::filesystem;

class TempDir {
 public:
  TempDir() {
    std::string name = testing::TempDir() + "/engine_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string Hex(uint64_t n, size_t digits) {
  std::string out(digits, '0');
  for (size_t i = digits; i > 0; --i, n >>= 4) out[i - 1] = "0123456789abcdef"[n & 15];
  return out;
}

std::string SpanJson(uint64_t trace, uint64_t span, uint64_t parent, int kind, Nanos start,
                     Nanos length) {
  return R"({"traceId":")" + Hex(trace, 32) + R"(","spanId":")" + Hex(span, 16) +
         R"(","parentSpanId":")" + (parent == 0 ? "" : Hex(parent, 16)) +
         R"(","name":"op","kind":)" + std::to_string(kind) + R"(,"startTimeUnixNano":")" +
         std::to_string(start) + R"(","endTimeUnixNano":")" + std::to_string(start + length) +
         R"("})";
}

std::string Request(const std::string& service, const std::string& spans) {
  return R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":")" +
         service + R"("}}]},"scopeSpans":[{"spans":[)" + spans + "]}]}]}";
}

constexpr Nanos kStart = 1'700'000'000 * kSecond;

// `seconds` of traffic: front calls back once each 100 ms.
std::string FrontLine(int i) {
  const uint64_t trace = static_cast<uint64_t>(i) + 1;
  const Nanos at = kStart + i * 100 * kMillisecond;
  return Request("front", SpanJson(trace, trace * 10, 0, 2, at, 20 * kMillisecond) + "," +
                              SpanJson(trace, trace * 10 + 1, trace * 10, 3, at + 5 * kMillisecond,
                                       10 * kMillisecond));
}
std::string BackLine(int i) {
  const uint64_t trace = static_cast<uint64_t>(i) + 1;
  const Nanos at = kStart + i * 100 * kMillisecond;
  return Request("back", SpanJson(trace, trace * 10 + 2, trace * 10 + 1, 2, at + 6 * kMillisecond,
                                  8 * kMillisecond));
}

double LineSum(const telemetry::Picture& picture, const std::string& entity,
               const std::string& line_name) {
  double sum = 0;
  for (const auto& line : picture.lines)
    for (const auto& e : picture.entities)
      if (e.id == line.entity && e.name == entity && line.caller == telemetry::kNoEntity &&
          line.name == line_name)
        for (const double v : line.values)
          if (v == v) sum += v;
  return sum;
}

TEST(RecordedRun, MergesFilesByEventTime) {
  TempDir dir;
  std::ofstream front(dir / "a-front.jsonl"), back(dir / "b-back.jsonl");
  for (int i = 0; i < 600; ++i) {
    front << FrontLine(i) << "\n";
    back << BackLine(i) << "\n";
  }
  front.close();
  back.close();
  const auto result = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  const telemetry::Picture& picture = *result->picture;
  EXPECT_EQ(picture.join_match_rate, 1);
  // 600 calls of each service over 12 windows of 5 s, as calls per second.
  EXPECT_NEAR(LineSum(picture, "front", "call_rate") * 5, 600, 1e-6);
  EXPECT_NEAR(LineSum(picture, "back", "call_rate") * 5, 600, 1e-6);
  ASSERT_EQ(picture.edges.size(), 1u);
  EXPECT_EQ(picture.edges[0].confidence, 1);
  for (const auto& row : picture.loss) EXPECT_TRUE(row.balanced());
}

TEST(RecordedRun, AQuantileIsNotShownAsAMean) {
  TempDir dir;
  std::ofstream csv(dir / "pods.csv"), mapping(dir / "pods.mapping.yaml");
  mapping << "signal: samples\ntime: {column: t, unit: s}\nservice: service\nvalues: all\n";
  csv << "t,service,PodServerLatencyP90(s)\n";
  for (int i = 0; i < 60; ++i) csv << 1'700'000'000 + i * 5 << ",cart,0.25\n";
  csv.close();
  mapping.close();
  const auto result = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_GT(LineSum(*result->picture, "cart", "latency_p90"), 0);
  for (const auto& line : result->picture->lines) EXPECT_EQ(line.name, "latency_p90");
}

TEST(RecordedRun, AChangeToldBeforeItsServiceSpokeIsMatched) {
  TempDir dir;
  std::ofstream change(dir / "a-change.jsonl"), front(dir / "b-front.jsonl");
  change << R"({"id":"1","source":"ci","type":"dev.cdevents.service.deployed.0.2.0",)"
            R"("time":"2023-11-14T22:13:00Z","data":{"subject":{"id":"front"}}})"
         << "\n";
  for (int i = 0; i < 600; ++i) front << FrontLine(i) << "\n";
  change.close();
  front.close();
  const auto result = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  ASSERT_EQ(result->picture->changes.size(), 1u);
  EXPECT_NE(result->picture->changes[0].entity, telemetry::kNoEntity);
}

TEST(RecordedRun, OneSpanFromTheYear2100ChangesNothingElse) {
  constexpr Nanos k2100 = 4'102'444'800 * kSecond;
  const auto run = [](const std::vector<int>& liars) {
    TempDir dir;
    std::ofstream file(dir / "traces.jsonl");
    for (int i = 0; i < 600; ++i) {
      if (std::find(liars.begin(), liars.end(), i) != liars.end())
        file << Request("front", SpanJson(9999, 9999, 0, 2, k2100, kSecond)) << "\n";
      file << FrontLine(i) << "\n" << BackLine(i) << "\n";
    }
    file.close();
    return ReconstructRecording(dir.path(), {}, nullptr);
  };
  const auto honest = run({});
  ASSERT_TRUE(honest.ok());
  for (const std::vector<int>& liars : {std::vector<int>{0}, {300}, {599}, {100, 400}}) {
    SCOPED_TRACE(liars.front());
    const auto result = run(liars);
    ASSERT_TRUE(result.ok());
    const telemetry::Picture& picture = *result->picture;
    EXPECT_EQ(picture.window_starts, honest->picture->window_starts);
    EXPECT_NEAR(LineSum(picture, "front", "call_rate") * 5, 600, 1e-6);
    EXPECT_EQ(picture.now, honest->picture->now);
    ASSERT_EQ(picture.loss.size(), 1u);
    EXPECT_TRUE(picture.loss[0].balanced());
    const std::vector<std::pair<telemetry::Reason, uint64_t>> expected = {
        {telemetry::Reason::kFromTheFuture, liars.size()}};
    EXPECT_EQ(picture.loss[0].reasons, expected);
  }
}

TEST(RecordedRun, ALongRecordingIsNoLie) {
  TempDir dir;
  std::ofstream file(dir / "traces.jsonl");
  constexpr int kDays = 200;
  for (int day = 0; day < kDays; ++day) {
    file << Request("front", SpanJson(static_cast<uint64_t>(day) + 1, 1, 0, 2,
                                      kStart + day * 24 * kHour, kSecond))
         << "\n";
  }
  file.close();
  const auto result = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->picture->loss.size(), 1u);
  EXPECT_EQ(result->picture->loss[0].accepted, static_cast<uint64_t>(kDays));
}

TEST(RecordedRun, GivesTheSamePictureTwice) {
  TempDir dir;
  std::ofstream file(dir / "traces.jsonl");
  for (int i = 0; i < 300; ++i) file << FrontLine(i) << "\n" << BackLine(i) << "\n";
  file.close();
  const auto once = ReconstructRecording(dir.path(), {}, nullptr);
  const auto again = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(once.ok() && again.ok());
  const auto& a = *once->picture;
  const auto& b = *again->picture;
  ASSERT_EQ(a.estimates.size(), b.estimates.size());
  EXPECT_GT(a.estimates.size(), 0u);
  for (size_t i = 0; i < a.estimates.size(); ++i) {
    EXPECT_EQ(a.estimates[i].state, b.estimates[i].state);
    EXPECT_EQ(a.estimates[i].start, b.estimates[i].start);
    EXPECT_TRUE(a.estimates[i].value == b.estimates[i].value ||
                a.estimates[i].value != a.estimates[i].value);
  }
}

TEST(RecordedRun, SaysWhatIsWrongWithThePath) {
  TempDir dir;
  EXPECT_EQ(ReconstructRecording(dir / "nothing", {}, nullptr).status().code(),
            StatusCode::kNotFound);
  std::ofstream(dir / "notes.txt") << "hello\n";
  EXPECT_FALSE(ReconstructRecording(dir.path(), {}, nullptr).ok());
}

class Live : public testing::Test {
 protected:
  Result<std::unique_ptr<LiveEngine>> Start(const std::string& store_dir) {
    Config config;
    config.http_address = config.otlp_http_address = config.otlp_grpc_address = "127.0.0.1:0";
    config.store_dir = store_dir;
    config.window = kSecond;
    config.lateness = kSecond;
    config.log_level = "off";
    return LiveEngine::Start(config);
  }

  static net::HttpResponse Call(uint16_t port, const std::string& path, const std::string& body) {
    net::HttpCall call;
    call.method = body.empty() ? "GET" : "POST";
    call.url = "http://127.0.0.1:" + std::to_string(port) + path;
    call.headers = {{"content-type", "application/json"}};
    call.body = body;
    const auto answer = net::Fetch(call);
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? *answer : net::HttpResponse();
  }
};

TEST_F(Live, KeepsWhatItAcknowledgedOverARestart) {
  TempDir dir;
  const Nanos now = WallClock().Now();
  {
    auto engine = Start(dir / "store");
    ASSERT_TRUE(engine.ok()) << engine.status().ToString();
    const auto answer =
        Call((*engine)->otlp_http_port(), "/v1/traces",
             Request("front", SpanJson(0xabc, 1, 0, 2, now - kSecond, kMillisecond)));
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  auto engine = Start(dir / "store");
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const auto found = Call((*engine)->http_port(), "/api/v1/evidence/trace:" + Hex(0xabc, 32), "");
  EXPECT_EQ(found.status, 200) << found.body;
  EXPECT_THAT(found.body, testing::HasSubstr(Hex(1, 16)));
}

TEST_F(Live, ShowsWhatEarlierRunsFound) {
  TempDir dir;
  const Nanos now = WallClock().Now();
  const auto incident = [&](const std::string& id, Nanos opened, Nanos closed) {
    telemetry::Incident out;
    out.id = id;
    out.opened = opened;
    out.closed = closed;
    out.diagnosis.made_at = opened + kMinute;
    out.diagnosis.summary = "summary of " + id;
    return out;
  };
  {
    telemetry::Identities ids;
    store::StoreOptions options;
    options.directory = dir / "store";
    auto store = store::OpenDuckDbStore(options, &ids);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    auto closed = incident("inc-closed", now - 30 * kHour, now - 29 * kHour);
    telemetry::Hypothesis crash;
    crash.cause = "crash_loop";
    crash.entity = ids.entities.FindOrAdd(telemetry::EntityKind::kService, "", "payment");
    closed.diagnosis.hypotheses.push_back(crash);
    ASSERT_TRUE((*store)->PutIncident(closed).ok());
    ASSERT_TRUE((*store)->PutIncident(incident("inc-open", now - 3 * kHour, 0)).ok());
    const Nanos forgotten = now - 15 * 24 * kHour;
    ASSERT_TRUE((*store)->PutIncident(incident("inc-old", forgotten, forgotten + 1)).ok());
  }
  for (int run = 0; run < 2; ++run) {
    auto engine = Start(dir / "store");
    ASSERT_TRUE(engine.ok()) << engine.status().ToString();
    const uint16_t port = (*engine)->http_port();
    const std::string all = Call(port, "/api/v1/incidents", "").body;
    EXPECT_THAT(all, testing::HasSubstr("\"total\":2"));
    EXPECT_LT(all.find("inc-open"), all.find("inc-closed")) << all;  // newest first
    // Nobody watched it after its newest diagnosis.
    EXPECT_THAT(Call(port, "/api/v1/incidents?state=open", "").body,
                testing::HasSubstr("\"total\":0"));
    const auto one = Call(port, "/api/v1/incidents/inc-closed", "");
    EXPECT_EQ(one.status, 200) << one.body;
    EXPECT_THAT(one.body, testing::HasSubstr("summary of inc-closed"));
    EXPECT_THAT(one.body, testing::HasSubstr("\"name\":\"payment\""));
    EXPECT_EQ(Call(port, "/api/v1/incidents/inc-old", "").status, 404);
  }
}

TEST(IncidentHistory, AddsWhatIsNotThereAlreadyAndStaysBounded) {
  TempDir dir;
  telemetry::Identities ids;
  store::StoreOptions options;
  options.directory = dir / "store";
  auto store = store::OpenDuckDbStore(options, &ids);
  ASSERT_TRUE(store.ok());
  telemetry::Incident incident;
  for (int i = 0; i < 120; ++i) {
    incident.id = "past-" + std::to_string(i);
    incident.opened = kStart + i * kHour;
    incident.closed = incident.opened + 2 * kHour;
    ASSERT_TRUE((*store)->PutIncident(incident).ok());
  }
  IncidentHistory history;
  ASSERT_TRUE(history.Load(store->get(), kStart + 200 * kHour, 14 * 24 * kHour).ok());
  telemetry::Incident open, found_again;
  open.id = "open";
  open.opened = kStart;  // the oldest of all
  found_again.id = "past-110";
  found_again.opened = kStart + 110 * kHour;
  found_again.closed = found_again.opened + 1;
  std::vector<telemetry::Incident> shown = {open, found_again};
  history.AddTo(&shown);
  ASSERT_EQ(shown.size(), IncidentHistory::kMost);
  EXPECT_EQ(shown[0].id, "open");
  EXPECT_EQ(shown[1].id, "past-119");
  EXPECT_EQ(shown[10].id, "past-110");
  EXPECT_EQ(shown[10].closed, found_again.closed);
  EXPECT_EQ(shown.back().id, "past-21");
}

TEST_F(Live, ASecondOwnerOfTheStoreIsToldWhoTheFirstIs) {
  TempDir dir;
  auto first = Start(dir / "store");
  ASSERT_TRUE(first.ok());
  auto second = Start(dir / "store");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), testing::HasSubstr(std::to_string(::getpid())));
}

TEST_F(Live, ATakenPortIsAClearError) {
  auto first = Start("");
  ASSERT_TRUE(first.ok());
  Config config;
  config.store_dir.clear();
  config.http_address = "127.0.0.1:" + std::to_string((*first)->http_port());
  config.otlp_http_address = config.otlp_grpc_address = "";
  auto second = LiveEngine::Start(config);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), testing::HasSubstr(std::to_string((*first)->http_port())));
}

TEST_F(Live, ShowsWhatArrived) {
  auto engine = Start("");
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  EXPECT_EQ(Call((*engine)->http_port(), "/-/ready", "").status, 200);
  for (int i = 0; i < 8; ++i) {
    const Nanos now = WallClock().Now();
    const uint64_t n = static_cast<uint64_t>(i) + 1;
    const auto answer =
        Call((*engine)->otlp_http_port(), "/v1/traces",
             Request("front", SpanJson(n, n, 0, 2, now - 10 * kMillisecond, kMillisecond)));
    ASSERT_EQ(answer.status, 200) << answer.body;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  const auto entities = Call((*engine)->http_port(), "/api/v1/entities", "");
  EXPECT_THAT(entities.body, testing::HasSubstr("front"));
  const auto metrics = Call((*engine)->http_port(), "/metrics", "");
  EXPECT_THAT(metrics.body, testing::HasSubstr("tomograph_estimate"));
}

}  // namespace
}  // namespace tomograph::engine
