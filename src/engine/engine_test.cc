// The engine as a whole: bytes in at the listeners or from files, answers out, nothing lost in
// between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "engine/live_engine.h"
#include "engine/merge.h"
#include "engine/recorded_run.h"
#include "engine/recorded_time.h"
#include "net/http_client.h"
#include "net/inflate.h"
#include "publish/words.h"
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

TEST(RecordedRun, RecordingsBehindOneAnotherInOneFileLoseNothing) {
  TempDir dir;
  std::ofstream file(dir / "all.jsonl");
  for (int i = 0; i < 20'000; ++i) file << FrontLine(i) << "\n";
  for (int i = 0; i < 20'000; ++i) file << BackLine(i) << "\n";
  file.close();
  RecordedOptions options;
  options.lateness = 15 * kSecond;
  const auto result = ReconstructRecording(dir.path(), options, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  const telemetry::Picture& picture = *result->picture;
  EXPECT_EQ(picture.join_match_rate, 1);
  EXPECT_NEAR(LineSum(picture, "front", "call_rate") * 5, 20'000, 1e-6);
  EXPECT_NEAR(LineSum(picture, "back", "call_rate") * 5, 20'000, 1e-6);
  ASSERT_EQ(picture.loss.size(), 1u);
  EXPECT_EQ(picture.loss[0].accepted, 60'000u);
  EXPECT_EQ(picture.loss[0].set_aside, 0u);
}

/// Lines of `n` requests, front's and back's, in files however named: all of it has to be
/// counted, in its window.
class RotatedFiles {
 public:
  explicit RotatedFiles(int n) : n_(n) {}

  /// Where `name` ends in .gz it is compressed.
  void Write(const std::string& name, const std::string& lines) {
    std::ofstream(dir_ / name, std::ios::binary)
        << (name.ends_with(".gz") ? *net::Gzip(lines) : lines);
  }
  void ExpectAll(Nanos lateness = 15 * kSecond) {
    RecordedOptions options;
    options.lateness = lateness;
    const auto result = ReconstructRecording(dir_.path(), options, nullptr);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    const telemetry::Picture& picture = *result->picture;
    EXPECT_EQ(picture.join_match_rate, 1);
    EXPECT_NEAR(LineSum(picture, "front", "call_rate") * 5, n_, 1e-6);
    EXPECT_NEAR(LineSum(picture, "back", "call_rate") * 5, n_, 1e-6);
    ASSERT_EQ(picture.loss.size(), 1u);
    EXPECT_EQ(picture.loss[0].accepted, 3 * static_cast<uint64_t>(n_));
    EXPECT_EQ(picture.loss[0].set_aside, 0u);
  }

 private:
  const int n_;
  TempDir dir_;
};

TEST(RecordedRun, RotatedFilesLoseNothingHoweverTheyAreNamed) {
  constexpr int kFiles = 100, kEach = 200;
  RotatedFiles files(kFiles * kEach);
  for (int f = 0; f < kFiles; ++f) {
    std::string lines;
    for (int i = f * kEach; i < (f + 1) * kEach; ++i)
      lines += FrontLine(i) + "\n" + BackLine(i) + "\n";
    // As logrotate does: the newest is 1. By name, 10 comes before 2.
    files.Write("traces.jsonl." + std::to_string(kFiles - f) + (f % 2 == 0 ? "" : ".gz"), lines);
  }
  files.ExpectAll();
}

TEST(RecordedRun, ManyFilesSideBySideLoseNothing) {
  constexpr int kFiles = 200, kEach = 100;
  RotatedFiles files(kFiles * kEach);
  for (int f = 0; f < kFiles; ++f) {
    std::string lines;
    for (int i = f; i < kFiles * kEach; i += kFiles)
      lines += FrontLine(i) + "\n" + BackLine(i) + "\n";
    files.Write("host" + std::to_string(f) + ".jsonl" + (f % 2 == 0 ? "" : ".gz"), lines);
  }
  files.ExpectAll();
}

TEST(Merge, FilesThatHadToWaitTooLongAreTold) {
  const auto merge = [](int files) {
    constexpr int kEach = 10;
    TempDir dir;
    for (int f = 0; f < files; ++f) {
      std::ofstream file(dir / ("host" + std::to_string(f) + ".jsonl"));
      for (int i = f; i < files * kEach; i += files) file << FrontLine(10 * i) << "\n";
    }
    telemetry::Identities identities;
    telemetry::LossLedger ledger;
    VirtualClock clock;
    ingest::DecodeContext context;
    context.identities = &identities;
    context.ledger = &ledger;
    context.clock = &clock;
    context.limits.rows_per_batch = 8;
    const auto found = ingest::FindRecording(dir.path(), nullptr);
    TG_CHECK(found.ok());
    size_t spans = 0, late = 0;
    Nanos watermark = INT64_MIN / 2;
    const auto take = [&](telemetry::Batch&& batch, Progress at) {
      spans += batch.spans.rows();
      for (const Nanos end : batch.spans.end_ns) late += end < watermark - 30 * kSecond;
      watermark = at.watermark;
    };
    const ingest::ReadingTroubles troubles = MergeRecording(*found, context, take, nullptr);
    EXPECT_EQ(late > 0, files > 256);
    EXPECT_EQ(spans, 2u * kEach * static_cast<size_t>(files)) << "they are read all the same";
    return troubles.Sentences();
  };
  EXPECT_THAT(merge(256), testing::IsEmpty());
  EXPECT_THAT(merge(270), testing::ElementsAre(testing::HasSubstr(
                              " and 13 more: begun late, since 256 others were open")));
}

TEST(RecordedRun, AFileWrittenNewestFirstLosesNothing) {
  constexpr int kRequests = 20'000;
  std::string lines;
  for (int i = kRequests; i-- > 0;) lines += BackLine(i) + "\n" + FrontLine(i) + "\n";
  for (const std::string name : {"traces.jsonl", "traces.jsonl.gz"}) {
    SCOPED_TRACE(name);
    RotatedFiles files(kRequests);
    files.Write(name, lines);
    files.ExpectAll();
  }
}

TEST(RecordedRun, ManyRecordingsBehindOneAnotherInOneFileLoseNothing) {
  constexpr int kRecordings = 1'200, kEach = 20;  // more than are read side by side
  std::string lines;
  for (int r = 0; r < kRecordings; ++r)
    for (int i = r; i < kRecordings * kEach; i += kRecordings)
      lines += FrontLine(i) + "\n" + BackLine(i) + "\n";
  RotatedFiles files(kRecordings * kEach);
  files.Write("traces.jsonl.gz", lines);
  files.ExpectAll();
}

TEST(RecordedRun, SaysWhatItCouldNotPlaceAsALiveOneDoes) {
  constexpr int kAddresses = 1'100;  // of nobody, 100 more than are put on the map
  TempDir dir;
  std::ofstream out(dir / "front.jsonl");
  for (int i = 0; i < kAddresses; ++i) {
    const auto id = static_cast<uint64_t>(i) + 1;
    std::string call = SpanJson(id, id, 0, 3, kStart + i * 10 * kMillisecond, kMillisecond);
    call.back() = ',';
    call += R"("attributes":[{"key":"server.address","value":{"stringValue":"10.1.)" +
            std::to_string(i / 250) + "." + std::to_string(i % 250) +
            R"("}},{"key":"server.port","value":{"intValue":"80"}}]})";
    out << Request("front", call) << "\n";
  }
  out.close();
  const auto result = ReconstructRecording(dir.path(), {}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->picture->self.at("unplaced_calls_total"), 100);
  EXPECT_EQ(result->picture->self.at("late_spans_total"), 0);
  EXPECT_EQ(result->picture->owner_unknown.size(), 1'000u);
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
  for (const auto& line : result->picture->lines)
    EXPECT_TRUE(line.name == "latency_p90" || line.name == telemetry::kRecordRate) << line.name;
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

/// 600 calls of front and back in one file, and what the others hold, by name.
Result<RecordedResult> RunBeside(const std::map<std::string, std::string>& others) {
  TempDir dir;
  std::ofstream file(dir / "m-traces.jsonl");
  for (int i = 0; i < 600; ++i) file << FrontLine(i) << "\n" << BackLine(i) << "\n";
  file.close();
  for (const auto& [name, text] : others) std::ofstream(dir / name) << text;
  return ReconstructRecording(dir.path(), {}, nullptr);
}

std::string LoneSpan(Nanos at) {
  return Request("liar", SpanJson(9999, 9999, 0, 2, at, kSecond)) + "\n";
}

TEST(RecordedRun, AFileDoesNotVouchForItself) {
  using telemetry::Reason;
  const auto honest = RunBeside({});
  ASSERT_TRUE(honest.ok());
  const struct {
    Nanos at;
    Reason reason;
  } liars[] = {{4'102'444'800 * kSecond, Reason::kFromTheFuture},  // 2100
               {kStart + 10 * 24 * kHour, Reason::kFromTheFuture},
               {kStart + 20 * kHour, Reason::kFromTheFuture},
               {10 * kSecond, Reason::kTooOld},  // 1970
               {kStart - 10 * 24 * kHour, Reason::kTooOld}};
  for (const auto& liar : liars) {
    for (const std::string name : {"a.jsonl", "z.jsonl"}) {
      SCOPED_TRACE(name + " at " + FormatTime(liar.at));
      const auto result = RunBeside({{name, LoneSpan(liar.at)}});
      ASSERT_TRUE(result.ok());
      const telemetry::Picture& picture = *result->picture;
      EXPECT_EQ(picture.window_starts, honest->picture->window_starts);
      EXPECT_EQ(picture.watermark, honest->picture->watermark);
      EXPECT_EQ(picture.broke_off, honest->picture->broke_off);
      EXPECT_NEAR(LineSum(picture, "front", "call_rate") * 5, 600, 1e-6);
      ASSERT_EQ(picture.loss.size(), 1u);
      EXPECT_TRUE(picture.loss[0].balanced());
      EXPECT_EQ(picture.loss[0].accepted, 1801u);
      const std::vector<std::pair<Reason, uint64_t>> expected = {{liar.reason, 1}};
      EXPECT_EQ(picture.loss[0].reasons, expected);
    }
  }
}

TEST(RecordedRun, ManyLoneLiarsAreStillNotTheRecording) {
  const auto honest = RunBeside({});
  std::map<std::string, std::string> liars;
  for (int i = 0; i < 40; ++i)
    liars["a" + std::to_string(i) + ".jsonl"] = LoneSpan((i + 1) * 400 * 24 * kHour / 2);
  const auto result = RunBeside(liars);
  ASSERT_TRUE(honest.ok() && result.ok());
  EXPECT_EQ(result->picture->window_starts, honest->picture->window_starts);
  ASSERT_EQ(result->picture->loss.size(), 1u);
  EXPECT_TRUE(result->picture->loss[0].balanced());
  EXPECT_EQ(result->picture->loss[0].set_aside, 40u);
}

TEST(RecordedRun, WhatWasRecordedTwiceIsAnalysedOnceAndSaid) {
  const auto honest = RunBeside({});
  std::string again;
  for (int i = 0; i < 600; ++i) again += FrontLine(i) + "\n" + BackLine(i) + "\n";
  const auto result = RunBeside({{"z-again.jsonl", again}});
  ASSERT_TRUE(honest.ok() && result.ok());
  EXPECT_NEAR(LineSum(*result->picture, "front", "call_rate") * 5, 600, 1e-6);
  EXPECT_EQ(result->picture->window_starts, honest->picture->window_starts);
  ASSERT_EQ(result->picture->loss.size(), 1u);
  const auto& row = result->picture->loss[0];
  EXPECT_TRUE(row.balanced());
  EXPECT_EQ(row.received, 3600u);
  EXPECT_EQ(row.accepted, 3600u) << "both are kept";
  const std::vector<std::pair<telemetry::Reason, uint64_t>> expected = {
      {telemetry::Reason::kDuplicate, 1800}};
  EXPECT_EQ(row.reasons, expected);
}

TEST(RecordedRun, AChangeDaysBeforeIsTold) {
  const std::string event =
      R"({"specversion":"1.0","id":"d-1","source":"ci","type":"dev.cdevents.service.deployed.0.1.0",)"
      R"("time":")" +
      FormatTime(kStart - 3 * 24 * kHour) + R"(","data":{"subject":{"id":"front"}}})";
  const auto result = RunBeside({{"changes.json", event}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->picture->changes.size(), 1u);
  EXPECT_EQ(result->picture->window_starts.front(), kStart);
}

TEST(RecordedTime, TheLargestRunWithoutItsLoneEnds) {
  constexpr Nanos kDay = 24 * kHour;
  const auto at = [](Nanos t, size_t n) { return std::vector<Nanos>(n, kStart + t); };
  RecordedTime recorded;
  EXPECT_TRUE(recorded.Believable().Contains(0));
  recorded.Count(at(0, 1000));
  recorded.Count(at(-400 * kDay, 900));  // another recording: a smaller one
  recorded.Count(at(400 * kDay, 1));
  recorded.Count(at(20 * kDay, 150));  // few, but no mistake of one clock
  recorded.Count(at(22 * kDay, 3));
  const TimeRange believable = recorded.Believable();
  EXPECT_TRUE(believable.Contains(kStart));
  EXPECT_TRUE(believable.Contains(kStart + 20 * kDay));
  EXPECT_FALSE(believable.Contains(kStart + 22 * kDay));
  EXPECT_FALSE(believable.Contains(kStart - kDay));
  recorded.Count(at(22 * kDay, 30));
  EXPECT_TRUE(recorded.Believable().Contains(kStart + 22 * kDay));
  RecordedTime extreme;
  extreme.Count({INT64_MIN, INT64_MAX, INT64_MAX});
  EXPECT_TRUE(extreme.Believable().Contains(INT64_MAX - 1));
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
    EXPECT_THAT(publish::kEstimateStates, ::testing::Contains(a.estimates[i].state));
    EXPECT_EQ(a.estimates[i].start, b.estimates[i].start);
    EXPECT_TRUE(a.estimates[i].value == b.estimates[i].value ||
                a.estimates[i].value != a.estimates[i].value);
  }
}

TEST(RecordedRun, ADamagedFileCostsWhatLiesBehindItsDamage) {
  std::string lines;
  for (int i = 600; i < 1200; ++i) lines += FrontLine(i) + "\n";
  const std::string gz = *net::Gzip(lines);
  const auto result = RunBeside({{"a.jsonl.gz", gz.substr(0, gz.size() * 9 / 10)},
                                 {"b.csv", "t,service\n1,a\n"},
                                 {"b.mapping.yaml", "time: t\nmetric: m\nvalue: v\n"}});
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  ASSERT_EQ(result->troubles.broken_off.size(), 2u);
  EXPECT_NE(result->troubles.broken_off[0].find("a.jsonl.gz: the compressed"), std::string::npos);
  EXPECT_NE(result->troubles.broken_off[1].find("b.csv: CSV has no column 'm'"), std::string::npos);
  EXPECT_EQ(result->picture->broken_off_files, result->troubles.broken_off);
  EXPECT_EQ(result->picture->damaged_files, result->troubles.Sentences());
  uint64_t spans = 0, lost_messages = 0;
  for (const auto& row : result->picture->loss) {
    EXPECT_TRUE(row.balanced());
    if (row.signal == telemetry::Signal::kSpan) spans = row.accepted;
    if (row.signal == telemetry::Signal::kMessage) lost_messages += row.dropped;
  }
  EXPECT_GT(spans, 1800u + 500) << "of both files";
  EXPECT_GE(lost_messages, 2u);

  TempDir dir;
  std::ofstream(dir / "b.csv") << "t,service\n1,a\n";
  std::ofstream(dir / "b.mapping.yaml") << "time: t\nmetric: m\nvalue: v\n";
  const Status nothing = ReconstructRecording(dir.path(), {}, nullptr).status();
  EXPECT_NE(nothing.message().find("CSV has no column 'm'"), std::string::npos)
      << nothing.ToString();
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
  static Config ConfigFor(const std::string& store_dir) {
    Config config;
    config.http_address = config.otlp_http_address = config.otlp_grpc_address = "127.0.0.1:0";
    config.store_dir = store_dir;
    config.window = kSecond;
    config.lateness = kSecond;
    config.log_level = "off";
    return config;
  }
  static Result<std::unique_ptr<LiveEngine>> Start(const std::string& store_dir) {
    return LiveEngine::Start(ConfigFor(store_dir));
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

/// A store whose history takes as long to read as the test likes.
class SlowToRead : public store::Store {
 public:
  explicit SlowToRead(std::unique_ptr<store::Store> real) : real_(std::move(real)) {}

  void LetRead() {
    const std::lock_guard lock(mutex_);
    may_read_ = true;
    changed_.notify_all();
  }
  Nanos asked_for_what_came_before() const { return received_before_; }

  Status Scan(telemetry::Signal signal, const store::ScanFilter& filter,
              const std::function<bool(const telemetry::Batch&)>& visit) override {
    std::unique_lock lock(mutex_);
    received_before_ = filter.received_before;
    changed_.wait(lock, [&] { return may_read_; });
    return real_->Scan(signal, filter, visit);
  }
  Status Append(std::shared_ptr<const telemetry::Batch> batch, Durable durable) override {
    return real_->Append(std::move(batch), std::move(durable));
  }
  Status PutEstimates(const std::vector<telemetry::Estimate>& estimates) override {
    return real_->PutEstimates(estimates);
  }
  Result<std::vector<telemetry::Estimate>> Estimates(TimeRange range,
                                                     const std::string& state) override {
    return real_->Estimates(range, state);
  }
  Status PutIncident(const telemetry::Incident& incident) override {
    return real_->PutIncident(incident);
  }
  Result<std::vector<telemetry::Incident>> Incidents(TimeRange range) override {
    return real_->Incidents(range);
  }
  Status Maintain(Nanos now) override { return real_->Maintain(now); }
  store::StoreStats stats() const override { return real_->stats(); }
  Status Close() override { return real_->Close(); }

 private:
  std::unique_ptr<store::Store> real_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool may_read_ = false;
  std::atomic<Nanos> received_before_{0};
};

TEST_F(Live, ListensWhileItReplays) {
  TempDir dir;
  const Nanos before = WallClock().Now();
  SlowToRead* store = nullptr;
  auto engine = LiveEngine::Start(
      ConfigFor(dir / "store"),
      [&](const store::StoreOptions& options,
          telemetry::Identities* identities) -> Result<std::unique_ptr<store::Store>> {
        auto real = store::OpenDuckDbStore(options, identities);
        if (!real.ok()) return real.status();
        auto slow = std::make_unique<SlowToRead>(std::move(real).value());
        store = slow.get();
        return std::unique_ptr<store::Store>(std::move(slow));
      });
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const uint16_t page = (*engine)->http_port();
  EXPECT_EQ(Call(page, "/-/healthy", "").status, 200);
  const auto not_ready = Call(page, "/-/ready", "");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_THAT(not_ready.body, testing::HasSubstr("replaying"));
  EXPECT_THAT(Call(page, "/api/v1/status", "").body, testing::HasSubstr("\"replaying\":true"));
  const Nanos now = WallClock().Now();
  const auto answer = Call((*engine)->otlp_http_port(), "/v1/traces",
                           Request("front", SpanJson(1, 1, 0, 2, now - kSecond, kMillisecond)));
  EXPECT_EQ(answer.status, 200) << "it is durable: " << answer.body;

  store->LetRead();
  while (Call(page, "/-/ready", "").status != 200) std::this_thread::yield();
  EXPECT_GE(store->asked_for_what_came_before(), before);
  EXPECT_LE(store->asked_for_what_came_before(), now) << "else it would count twice";
  while (Call(page, "/api/v1/entities", "").body.find("front") == std::string::npos)
    std::this_thread::yield();
  const auto loss = Call(page, "/api/v1/loss", "");
  EXPECT_THAT(loss.body, testing::HasSubstr("\"accepted\":1,"));
  EXPECT_THAT(loss.body, testing::HasSubstr("\"set_aside\":0,"));
}

TEST_F(Live, WhatIsTooLargeIsAnsweredInOtlpsWordsAndCounted) {
  Config config = ConfigFor("");
  config.max_request_bytes = 10'000;
  auto engine = LiveEngine::Start(config);
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const auto post = [&](std::string body, const std::string& encoding) {
    net::HttpCall call;
    call.method = "POST";
    call.url = "http://127.0.0.1:" + std::to_string((*engine)->otlp_http_port()) + "/v1/traces";
    call.headers = {{"content-type", "application/json"}};
    if (!encoding.empty()) call.headers.emplace_back("content-encoding", encoding);
    call.body = std::move(body);
    return net::Fetch(call).value();
  };
  const std::string bomb = net::Gzip(std::string(1'000'000, ' ')).value();
  for (const auto& answer : {post(std::string(20'000, ' '), ""), post(bomb, "gzip")}) {
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(answer.content_type, "application/json");
    EXPECT_THAT(answer.body, testing::HasSubstr("\"code\":3"));
  }
  EXPECT_EQ(post("no gzip", "gzip").status, 400);
  const auto loss = [&] { return Call((*engine)->http_port(), "/api/v1/loss", "").body; };
  while (loss().find("\"dropped\":3") == std::string::npos) std::this_thread::yield();
  EXPECT_THAT(loss(), testing::HasSubstr("too_large"));
  EXPECT_THAT(loss(), testing::HasSubstr("malformed"));
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
