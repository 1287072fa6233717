#include "ingest/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ingest/decoder_harness.h"
#include "ingest/line_order.h"
#include "net/inflate.h"

namespace tomograph::ingest {
namespace {

namespace fs = std::filesystem;
using telemetry::Format;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kJaegerSpan[] =
    R"({"traceID":"1","spanID":"2","startTime":1700000000000000,"operationName":"a"})";
constexpr char kChange[] =
    R"({"specversion":"1.0","id":"1","type":"dev.cdevents.service.deployed.0.1.1",)"
    R"("time":"2023-11-14T22:13:20Z"})";
constexpr char kOtlp[] =
    R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c",)"
    R"("spanId":"b7ad6b7169203331","name":"x","startTimeUnixNano":"1700000000000000000",)"
    R"("endTimeUnixNano":"1700000000000000001"}]}]}]})";

class RecordingTest : public testing::Test {
 protected:
  RecordingTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("tomograph_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "sub");
  }
  ~RecordingTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::vector<std::string> Relative(const std::vector<std::string>& paths) const {
    std::vector<std::string> names;
    for (const std::string& path : paths) names.push_back(fs::relative(path, folder_).string());
    return names;
  }
  /// The files that broke off.
  std::vector<std::string> ReadAll(DecoderHarness* harness) {
    const auto files = FindRecording(folder_.string(), nullptr);
    TG_CHECK(files.ok());
    ReadingTroubles troubles = ReadRecording(
        *files, harness->context,
        [&](telemetry::Batch&& b) { harness->batches.push_back(std::move(b)); },
        [this](uint64_t bytes) { progress_ = bytes; });
    damaged_ = troubles.Sentences();
    return std::move(troubles.broken_off);
  }

  std::vector<RecordingFile> Ordered(DecoderHarness* harness, ReadingTroubles* troubles) {
    const auto files = FindRecording(folder_.string(), nullptr);
    TG_CHECK(files.ok());
    return InOrderOfTime(
        *files, harness->context.ledger, [](uint64_t) {}, troubles);
  }
  std::vector<RecordingFile> Ordered() {
    DecoderHarness harness;
    ReadingTroubles troubles;
    return Ordered(&harness, &troubles);
  }
  static BatchSink Into(DecoderHarness* harness) {
    return [harness](telemetry::Batch&& b) { harness->batches.push_back(std::move(b)); };
  }

  fs::path folder_;
  uint64_t progress_ = 0;
  std::vector<std::string> damaged_;  // by the last ReadAll
};

TEST_F(RecordingTest, DamagedLinesAreNamedByFileAndNumber) {
  const std::string otlp = kOtlp, half = otlp.substr(0, otlp.size() / 2);
  Write("a.jsonl", otlp + "\n\n" + half + "\n" + otlp + "\n" + half);
  Write("b.jsonl", otlp + "\n");
  Write("c.json", std::string(kChange) + "\n" + kChange + "\n{\"specversion\": \"1.0\n" + kChange);
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), ::testing::IsEmpty()) << "each was read to its end";
  ASSERT_EQ(damaged_.size(), 2u);
  EXPECT_THAT(damaged_[0],
              ::testing::HasSubstr("a.jsonl: 2 lines could not be read, the first is line 3: "));
  EXPECT_THAT(damaged_[1], ::testing::HasSubstr("c.json: 1 line could not be read, line 3: "));
}

TEST_F(RecordingTest, ADamagedFirstLineCostsItselfAlone) {
  const std::string otlp = kOtlp;
  const std::string good = otlp + "\n" + otlp + "\n";
  Write("a.jsonl", "nonsense\n" + good);
  Write("b.jsonl", otlp.substr(otlp.size() / 2) + "\n" + good);
  Write("c.jsonl", otlp.substr(0, 12) + "\n" + good);
  Write("d.jsonl", std::string(3, '\0') + std::string(200'000, 'x') + "\n" + good);
  Write("e.jsonl", "{" + std::string(200'000, 'x') + "\n" + good);
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), IsEmpty());
  EXPECT_THAT(damaged_, testing::SizeIs(5));
  for (const std::string& file : damaged_)
    EXPECT_THAT(file, HasSubstr("1 line could not be read, line 1: ")) << file;
  EXPECT_EQ(harness.SpellLedger(),
            "otlp_file message received=5 accepted=0 malformed=5\n"
            "otlp_file span received=10 accepted=10\n");
}

TEST_F(RecordingTest, ATextThatShowsALineIsNoTelemetry) {
  Write("README.md", "Send this:\n\n" + std::string(kOtlp) + "\n\nand look.\n");
  Write("notes.txt", "nothing\nof the\nkind\n");
  std::vector<std::string> ignored;
  EXPECT_FALSE(FindRecording(folder_.string(), &ignored).ok());
}

/// A line of JSON whose span ends at second `s`.
std::string OtlpAt(int s) {
  return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c",)"
         R"("spanId":"b7ad6b7169203331","name":"x","startTimeUnixNano":")" +
         std::to_string(1'700'000'000 + s) + R"(000000000","endTimeUnixNano":")" +
         std::to_string(1'700'000'000 + s) + R"(000000001"}]}]}]})" + "\n";
}

TEST_F(RecordingTest, LinesOutOfOrderAreSorted) {
  std::string twice, falling;
  for (int r = 0; r < 2; ++r)
    for (int s = 0; s < 60; ++s) twice += OtlpAt(s);
  for (int s = 600; s > 0; --s) falling += OtlpAt(s);
  Write("a.jsonl", twice);
  Write("b.jsonl", falling);
  Write("c.jsonl.gz", *net::Gzip(falling));
  for (const RecordingFile& file : Ordered()) {
    SCOPED_TRACE(file.path);
    ASSERT_TRUE(file.run.has_value());
    DecoderHarness harness;
    ReadRecording({file}, harness.context, Into(&harness), nullptr);
    std::vector<Nanos> starts;
    for (const auto& batch : harness.batches)
      starts.insert(starts.end(), batch.spans.start_ns.begin(), batch.spans.start_ns.end());
    EXPECT_EQ(starts.size(), file.path.find("a.jsonl") == std::string::npos ? 600u : 120u);
    EXPECT_TRUE(std::is_sorted(starts.begin(), starts.end()));
    EXPECT_EQ(file.first, starts.front());
  }
}

TEST_F(RecordingTest, FilesComeByTheirFirstTimes) {
  const auto from = [](int first) {
    std::string lines;
    for (int s = first; s < first + 20; ++s) lines += OtlpAt(s);
    return lines;
  };
  Write("a.jsonl", from(500));
  Write("b.jsonl", OtlpAt(-3'000) + from(600));                     // a wrong clock costs nothing
  Write("c.jsonl", OtlpAt(300'000) + OtlpAt(300'000) + from(300));  // nor here
  Write("d.prom", "# TYPE up gauge\nup 1\n");
  std::vector<std::string> paths;
  std::vector<Nanos> firsts;
  for (const RecordingFile& file : Ordered()) {
    paths.push_back(file.path);
    firsts.push_back(file.first);
    EXPECT_FALSE(file.run.has_value()) << file.path;
  }
  EXPECT_THAT(Relative(paths), ElementsAre("d.prom", "b.jsonl", "c.jsonl", "a.jsonl"));
  EXPECT_EQ(firsts[0], INT64_MIN);
  for (size_t i = 1; i < 4; ++i)
    EXPECT_EQ(firsts[i], (1'700'000'000 + std::array{0, -3'000, 300, 500}.at(i)) * kSecond);
}

TEST_F(RecordingTest, TheSortedFileIsTheFile) {
  std::string text;
  for (int r = 0; r < 4; ++r) {
    for (int s = 0; s < 3'000; ++s) text += OtlpAt(s) + (s % 1000 == 7 ? "{\"broken\n" : "");
  }
  Write("a.jsonl", text);
  Write("b.jsonl.gz", *net::Gzip(text));
  const auto files = FindRecording(folder_.string(), nullptr);
  ASSERT_TRUE(files.ok());
  for (const RecordingFile& file : *files) {
    DecoderHarness whole, sorted;
    ReadRecording({file}, whole.context, Into(&whole), nullptr);
    uint64_t read = 0;
    ReadingTroubles troubles;
    const auto ordered = InOrderOfTime(
        {file}, sorted.context.ledger, [&](uint64_t bytes) { read = bytes; }, &troubles);
    ASSERT_EQ(ordered.size(), 1u) << file.path;
    troubles.Add(ReadRecording(ordered, sorted.context, Into(&sorted), nullptr));
    EXPECT_EQ(sorted.SpellLedger(), whole.SpellLedger());
    EXPECT_THAT(whole.SpellLedger(), HasSubstr("otlp_file span received=12000 accepted=12000"));
    EXPECT_THAT(troubles.broken_off, IsEmpty());
    EXPECT_THAT(troubles.Sentences(),
                ElementsAre(HasSubstr("12 lines could not be read, the first is line 9: ")));
    EXPECT_EQ(read, file.bytes) << "how far it is";
  }
}

TEST_F(RecordingTest, TheFirstDamagedLineOfASortedFileIsTheLowest) {
  std::string text;
  for (int s = 100; s > 0; --s)
    text += s == 90 || s == 50 ? "{\"broken\": " + std::to_string(s) + "\n" : OtlpAt(s);
  Write("a.jsonl", text);
  DecoderHarness harness;
  ReadingTroubles troubles;
  const auto files = FindRecording(folder_.string(), nullptr);
  ASSERT_TRUE(files.ok());
  const auto ordered = InOrderOfTime(
      *files, harness.context.ledger, [](uint64_t) {}, &troubles);
  ASSERT_TRUE(ordered.at(0).run.has_value());
  troubles.Add(ReadRecording(ordered, harness.context, Into(&harness), nullptr));
  EXPECT_THAT(troubles.Sentences(),
              ElementsAre(HasSubstr("2 lines could not be read, the first is line 11: ")));
}

TEST_F(RecordingTest, OfAFileInSeveralRunsTheDamageIsToldOnce) {
  auto spill = SpillFile::Make();
  ASSERT_TRUE(spill.ok());
  LineSorter sorter(*spill, 2'000);
  for (int s = 0; s < 60; ++s) {
    const std::string line = s % 20 == 3 ? "{" : OtlpAt(s).substr(0, OtlpAt(s).size() - 1);
    ASSERT_TRUE(sorter.Add(60 - s, static_cast<uint64_t>(s) + 1, line).ok());
  }
  const auto runs = sorter.Finish();
  ASSERT_TRUE(runs.ok());
  ASSERT_GT(runs->size(), 3u);
  RecordingFile file;
  file.path = "a.jsonl";
  std::vector<RecordingFile> ordered;
  for (const SortedRun& run : *runs) {
    file.run = run;
    ordered.push_back(file);
  }
  DecoderHarness harness;
  ReadingTroubles troubles;
  for (const RecordingFile& run : ordered)
    troubles.Add(ReadRecording({run}, harness.context, Into(&harness), nullptr));
  EXPECT_THAT(troubles.Sentences(),
              ElementsAre(HasSubstr("a.jsonl: 3 lines could not be read, the first is line 4: ")));
}

TEST_F(RecordingTest, AnEmptyFileIsNoTrouble) {
  Write("a.jsonl", std::string(kOtlp) + "\n");
  Write("b.jsonl", "");
  Write("c.jsonl.gz", *net::Gzip(""));
  Write("d.jsonl.gz", "");
  Write("e.csv", "");
  Write("e.mapping.yaml", "time: t\nmetric: m\nvalue: v\n");
  Write("f.csv", "");
  Write("g.jsonl.gz", net::Gzip(kOtlp)->substr(0, 12));  // cut off before anything
  std::vector<std::string> ignored;
  const auto files = FindRecording(folder_.string(), &ignored);
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 1u);
  EXPECT_THAT(Relative({files->front().path}), ElementsAre("a.jsonl"));
  EXPECT_THAT(Relative(ignored), ElementsAre("g.jsonl.gz"));
}

TEST_F(RecordingTest, OfABrokenFileWhatCameBeforeIsSorted) {
  std::string text;
  for (int s = 20'000; s > 0; --s) text += OtlpAt(s);
  const std::string whole = *net::Gzip(text);
  Write("a.jsonl.gz", whole.substr(0, whole.size() / 2));
  DecoderHarness harness;
  ReadingTroubles troubles;
  const auto ordered = Ordered(&harness, &troubles);
  troubles.Add(ReadRecording(ordered, harness.context, Into(&harness), nullptr));
  EXPECT_THAT(troubles.broken_off, ElementsAre(HasSubstr("the compressed stream broke off")));
  DecoderHarness as_it_lies;
  ReadAll(&as_it_lies);
  EXPECT_EQ(harness.SpellLedger(), as_it_lies.SpellLedger());
  EXPECT_GT(harness.batches.at(0).spans.rows(), 1000u);
  EXPECT_TRUE(harness.Balanced());
}

TEST_F(RecordingTest, WithoutRoomToSortAFileIsReadAsItLies) {
  std::string text;
  for (int s = 600; s > 0; --s) text += OtlpAt(s);
  Write("a.jsonl", text);
  ::setenv("TMPDIR", (folder_ / "nowhere").c_str(), 1);
  DecoderHarness harness;
  ReadingTroubles troubles;
  const auto ordered = Ordered(&harness, &troubles);
  ::unsetenv("TMPDIR");
  EXPECT_THAT(troubles.out_of_order, ElementsAre(HasSubstr("not in the order of their times")));
  ReadRecording(ordered, harness.context, Into(&harness), nullptr);
  EXPECT_EQ(harness.SpellLedger(), "otlp_file span received=600 accepted=600\n");
}

/// As Jaeger's search returns them: the newest trace first.
TEST_F(RecordingTest, OneJaegerDocumentIsTakenAsItLiesHoweverItIsLaidOut) {
  std::string indented = "{\n  \"data\": [\n", lines;
  for (int i = 50; i > 0; --i) {
    const std::string time = std::to_string(1'700'000'000 + 20 * i) + "000000";
    const std::string id = std::to_string(100 + i);
    indented += "    {\n      \"traceID\": \"" + id +
                "\",\n      \"spans\": [{\n        \"traceID\": \"" + id +
                "\",\n        \"spanID\": \"" + id + "\",\n        \"startTime\": " + time +
                ",\n        \"duration\": 5\n      }]\n    }" + (i > 1 ? ",\n" : "\n");
    lines += R"({"traceID":"1","spanID":")" + id + R"(","startTime":)" + time + "}\n";
  }
  Write("a.json", indented + "  ]\n}\n");
  Write("b.json", lines);
  const auto files = FindRecording(folder_.string(), nullptr);
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 2u);
  for (const RecordingFile& file : Ordered())
    EXPECT_EQ(file.run.has_value(), file.path.ends_with("b.json")) << file.path;
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), IsEmpty());
  EXPECT_EQ(harness.batches.at(0).spans.rows(), 50u);
}

TEST_F(RecordingTest, NeitherAWrongClockNorTwoSendersAreDisorder) {
  std::string text;
  for (int s = 0; s < 300; ++s) {
    text += OtlpAt(s) + OtlpAt(s - 60);
    if (s % 50 == 9) text += OtlpAt(-100'000);
  }
  Write("a.jsonl", text);
  Write("b.jsonl", OtlpAt(0));
  Write("c.prom", "# TYPE up gauge\nup 1\n");
  for (const RecordingFile& file : Ordered()) EXPECT_FALSE(file.run.has_value()) << file.path;
}

TEST_F(RecordingTest, AFileBeginsWhereItsOddLinesLeaveOff) {
  std::string lines;
  for (int s = 0; s < 30; ++s) {
    lines += OtlpAt(s);
    if (s % 10 == 5) lines += OtlpAt(-1'700'000'000 + 1);  // 1970
  }
  Write("a.jsonl", lines);
  Write("b.jsonl", OtlpAt(0) + OtlpAt(30'000) + OtlpAt(60'000) + OtlpAt(90'000));  // few, none odd
  Write("c.jsonl", OtlpAt(-1'700'000'000 + 1) + OtlpAt(0));
  for (const RecordingFile& file : Ordered()) {
    EXPECT_FALSE(file.run.has_value()) << file.path;
    EXPECT_EQ(file.first, 1'700'000'000 * kSecond) << file.path;
  }
}

TEST_F(RecordingTest, FewLinesNewestFirstAreSortedToo) {
  Write("a.jsonl", OtlpAt(180) + OtlpAt(120) + OtlpAt(60) + OtlpAt(0));
  Write("b.jsonl", OtlpAt(60) + OtlpAt(0));
  for (const RecordingFile& file : Ordered()) EXPECT_TRUE(file.run.has_value()) << file.path;
}

TEST(TimeOfLine, IsTheFirstThatIsSetHoweverItIsSpelt) {
  constexpr auto kFile = Format::kOtlpFile;
  EXPECT_EQ(
      TimeOfLine(R"({"resourceSpans":[{"startTimeUnixNano":"7","endTimeUnixNano":"9"}]})", kFile),
      7);
  EXPECT_EQ(TimeOfLine(R"({"resource_spans":[{"start_time_unix_nano":"7"}]})", kFile), 7);
  EXPECT_EQ(
      TimeOfLine(R"({"resource_metrics":[{"start_time_unix_nano":5,"time_unix_nano":7}]})", kFile),
      7);
  EXPECT_EQ(
      TimeOfLine(R"({"resourceLogs":[{"timeUnixNano":"0","observedTimeUnixNano":"7"}]})", kFile),
      7);
  EXPECT_EQ(TimeOfLine(R"({"resourceLogs":[{"timeUnixNano":"0"}]})", kFile), std::nullopt);
}

/// Cumulative series begin when their process does.
TEST_F(RecordingTest, WhenSeriesBeganIsNoTimeOfTheirSamples) {
  std::string lines;
  for (int s = 0; s < 200; ++s) {
    const int begun = s / 20 % 2 == 0 ? -100'000 : -50'000;
    lines += R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":)"
             R"([{"startTimeUnixNano":")" +
             std::to_string(1'700'000'000 + begun) + R"(000000000","timeUnixNano":")" +
             std::to_string(1'700'000'000 + s) + R"(000000000","asInt":"1"}]}}]}]}]})" + "\n";
  }
  Write("a.jsonl", lines);
  const auto ordered = Ordered();
  ASSERT_EQ(ordered.size(), 1u);
  EXPECT_FALSE(ordered[0].run.has_value());
  EXPECT_EQ(ordered[0].first, 1'700'000'000 * kSecond);
}

TEST_F(RecordingTest, TellsFilesApartAndOrdersThem) {
  Write("c_traces.jsonl", kOtlp);
  Write("b_spans.json", std::string("{\n \"data\": [") + kJaegerSpan + "]}");
  Write("a_changes.json", kChange);
  Write("sub/m.txt", "# TYPE a gauge\na 1 1700000000000\n");
  Write("m.prom", "a 1 1700000000000\n");
  Write("values.csv", "t,v\n");
  Write("values.mapping.yaml", "time: t\nvalues: all\n");
  Write("unmapped.csv", "t,v\n");
  Write("truth.json", "{\"cause\":\"cart\"}");
  Write("README.md", "# A recording\n");
  Write("empty", "");
  std::vector<std::string> ignored;
  const auto files = FindRecording(folder_.string(), &ignored);
  ASSERT_TRUE(files.ok());
  std::vector<std::string> paths;
  std::vector<Format> formats;
  for (const RecordingFile& file : *files) {
    paths.push_back(file.path);
    formats.push_back(file.format);
  }
  EXPECT_THAT(Relative(paths), ElementsAre("a_changes.json", "b_spans.json", "c_traces.jsonl",
                                           "m.prom", "sub/m.txt", "values.csv"));
  EXPECT_THAT(formats, ElementsAre(Format::kCdEvents, Format::kJaeger, Format::kOtlpFile,
                                   Format::kOpenMetrics, Format::kOpenMetrics, Format::kCsv));
  EXPECT_THAT(Relative(ignored), ElementsAre("README.md", "truth.json", "unmapped.csv"));
}

TEST_F(RecordingTest, ReadsAllOfItAndSaysHowFarItIs) {
  Write("a.json.gz", *net::Gzip(kChange));
  Write("b.jsonl", kOtlp);
  Write("c.csv.gz", *net::Gzip("t,cpu\n1700000000,0.5\n"));
  Write("c.mapping.yaml", "time: t\nvalues: all\nservice: {constant: cart}\n");
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), IsEmpty());
  ASSERT_EQ(harness.batches.size(), 3u);
  EXPECT_EQ(harness.batches[0].events.rows(), 1u);
  EXPECT_EQ(harness.batches[1].spans.rows(), 1u);
  EXPECT_EQ(harness.batches[2].samples.rows(), 1u);
  EXPECT_TRUE(harness.Balanced());
  EXPECT_THAT(std::string(harness.identities.strings.Get(harness.batches[1].origin.peer)),
              testing::EndsWith("b.jsonl"));
  EXPECT_EQ(progress_, fs::file_size(folder_ / "a.json.gz") + fs::file_size(folder_ / "b.jsonl") +
                           fs::file_size(folder_ / "c.csv.gz"));
}

TEST_F(RecordingTest, ReadsASingleFile) {
  Write("b.json", kJaegerSpan);
  const auto files = FindRecording((folder_ / "b.json").string(), nullptr);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->size(), 1u);
}

TEST_F(RecordingTest, AByteOrderMarkCostsNothing) {
  Write("a.jsonl", std::string("\xEF\xBB\xBF") + kOtlp + "\n");
  Write("b.json", std::string("\xEF\xBB\xBF") + kChange + "\n");
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), IsEmpty());
  size_t spans = 0, events = 0;
  for (const auto& batch : harness.batches) {
    spans += batch.spans.rows();
    events += batch.events.rows();
  }
  EXPECT_EQ(spans, 1u);
  EXPECT_EQ(events, 1u);
}

TEST_F(RecordingTest, SaysWhatIsWrong) {
  EXPECT_EQ(FindRecording((folder_ / "nothing").string(), nullptr).status().code(),
            StatusCode::kNotFound);
  const auto nothing = FindRecording(folder_.string(), nullptr);
  EXPECT_EQ(nothing.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(nothing.status().message(), HasSubstr("mapping.yaml"));
}

TEST_F(RecordingTest, ADamagedFileCostsNoOther) {
  Write("a.csv", "t,v\n1,2\n");
  Write("a.mapping.yaml", "time: when\nvalues: all\n");
  Write("b.csv", "t,v\n1,2\n");
  Write("b.mapping.yaml", "time: [\n");
  Write("c.jsonl", kOtlp);
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), ElementsAre(HasSubstr("a.csv: CSV has no time column 'when'"),
                                             HasSubstr("b.csv: CSV mapping: ")));
  EXPECT_EQ(harness.SpellLedger(),
            "otlp_file span received=1 accepted=1\n"
            "csv message received=2 accepted=0 malformed=2\n");
}

TEST_F(RecordingTest, KeepsWhatCameBeforeABreak) {
  std::string lines;
  for (int i = 0; i < 20'000; ++i)  // no two alike, or the compressed file is one block
    lines += R"({"traceID":"1","spanID":")" + std::to_string(i + 1) +
             R"(","startTime":1700000000000000})" + "\n";
  const std::string whole = *net::Gzip(lines);
  Write("a.json.gz", whole.substr(0, whole.size() / 2));
  DecoderHarness harness;
  EXPECT_THAT(ReadAll(&harness), ElementsAre(HasSubstr("a.json.gz: the compressed stream broke")));
  ASSERT_FALSE(harness.batches.empty());
  EXPECT_GT(harness.batches[0].spans.rows(), 1000u);
  EXPECT_TRUE(harness.Balanced());
}

}  // namespace
}  // namespace tomograph::ingest
