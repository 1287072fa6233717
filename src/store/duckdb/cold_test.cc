// Hours move to Parquet and go when they are too old or too much; no row is lost or doubled on the
// way.
#include "store/duckdb/cold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/random.h"
#include "store/duckdb/schema.h"
#include "store/duckdb/test_batches.h"

namespace tomograph::store {
namespace {

namespace fs = std::filesystem;

using telemetry::Identities;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class ColdTest : public ::testing::Test {
 protected:
  void Open() {
    store_.reset();
    ids_ = std::make_unique<Identities>();
    store_ = OpenStore(options_, ids_.get());
    ASSERT_NE(store_, nullptr);
  }
  void SetUp() override { Open(); }
  /// Three spans in each of the four hours from kMorning: ids 10.., 20.., 30.., 40...
  void AppendFourHours() {
    for (uint64_t h = 0; h < 4; ++h) {
      ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 10 * h + 10, 3,
                                               kMorning + static_cast<Nanos>(h) * kHour))
                      .ok());
    }
  }
  std::vector<std::string> ColdFiles() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path() + "/cold", error)) {
      if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), dir_.path()));
    }
    return names;
  }
  /// Runs SQL on the closed store, as a crash or another tool might have left it.
  void WithDatabase(const std::function<void(Connection&)>& body) {
    ASSERT_TRUE(store_->Close().ok());
    Result<std::shared_ptr<Database>> database =
        Database::Open({dir_.path() + "/tomograph.duckdb", dir_.path() + "/tmp", 256u << 20});
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    Result<std::unique_ptr<Connection>> connection = Connection::Open(*database);
    ASSERT_TRUE(connection.ok());
    body(**connection);
  }

  TemporaryDirectory dir_;
  StoreOptions options_ = OptionsFor(dir_.path());
  std::unique_ptr<Identities> ids_;
  std::unique_ptr<Store> store_;
};

const std::vector<uint64_t> kAllIds = {10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42};

TEST_F(ColdTest, OldHoursMoveAndReadsSeeNoDifference) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour + kMinute).ok());
  EXPECT_THAT(ColdFiles(), UnorderedElementsAre("cold/spans/2026112107.parquet",
                                                "cold/spans/2026112108.parquet"));
  EXPECT_EQ(SpanIds(*store_), kAllIds);
  Open();
  EXPECT_EQ(SpanIds(*store_), kAllIds);
  ScanFilter filter;
  filter.range = {kMorning + kHour, kMorning + 3 * kHour};
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(20, 21, 22, 30, 31, 32));
  filter = {};
  filter.limit = 5;
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(10, 11, 12, 20, 21));
  filter.trace_id = {0x0af7651916cd43dd, 3};  // spans 16 to 23
  EXPECT_THAT(SpanIds(*store_, filter), ElementsAre(20, 21, 22));
  filter = {};
  filter.service = "checkout";
  EXPECT_EQ(SpanIds(*store_, filter), kAllIds);
  filter.service = "other";
  EXPECT_THAT(SpanIds(*store_, filter), IsEmpty());
}

TEST_F(ColdTest, EveryFieldSurvivesTheMove) {
  auto batch = Spans(*ids_, 1, 1);
  telemetry::SpanBatch& s = batch->spans;
  s.attributes.AddText(ids_->strings.Intern("k"), "v");  // of a second row
  AddSpan(*ids_, &s, UINT64_MAX, kMorning + 1);
  s.attributes.EndRow();
  s.weight[1] = std::numeric_limits<float>::infinity();
  auto& h = batch->samples.histograms;
  h.series = {telemetry::kNoSeries};
  h.time_ns = {kMorning};
  h.start_ns = {0};
  h.count = {UINT64_MAX};
  h.sum = h.min = h.max = {std::nan("")};
  h.bucket_end = {1};
  h.upper_bound = {std::numeric_limits<double>::infinity()};
  h.bucket_count = {UINT64_MAX};
  batch->samples.series = {telemetry::kNoSeries};
  batch->samples.time_ns = {kMorning + 1};
  batch->samples.start_ns = {kMorning};
  batch->samples.value = {-0.1};
  telemetry::LogBatch& l = batch->logs;
  l.time_ns = l.observed_ns = l.corrected_ns = {kMorning + 3};
  l.clock_bound_ns = {9};
  l.severity = {telemetry::Severity::kError};
  l.resource = {telemetry::kNoResource};
  l.trace_id = {{1, 2}};
  l.span_id = {3};
  l.event_name = {telemetry::kEmptyString};
  l.bodies = "out of memory";
  l.body_end = {l.bodies.size()};
  l.attributes.EndRow();
  telemetry::FlowBatch& f = batch->flows;
  f.start_ns = f.end_ns = {kMorning};
  f.resource = {telemetry::kNoResource};
  f.source_address = f.destination_address = {ids_->strings.Intern("2001:db8::1")};
  f.source_port = {65535};
  f.destination_port = {443};
  f.protocol = {6};
  f.bytes = f.packets = {UINT64_MAX};
  f.weight = {100};
  ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  ASSERT_TRUE(store_->Maintain(kMorning + 10 * kHour).ok());
  EXPECT_THAT(ColdFiles(), UnorderedElementsAre(
                               "cold/spans/2026112107.parquet", "cold/samples/2026112107.parquet",
                               "cold/histograms/2026112107.parquet", "cold/logs/2026112107.parquet",
                               "cold/flows/2026112107.parquet"));
  Open();
  size_t spans = 0, samples = 0, points = 0, logs = 0, flows = 0;
  ASSERT_TRUE(store_
                  ->Scan(telemetry::Signal::kSpan, {},
                         [&](const telemetry::Batch& b) {
                           spans += b.spans.rows();
                           EXPECT_EQ(b.spans.trace_id, s.trace_id);
                           EXPECT_EQ(b.spans.span_id, s.span_id);
                           EXPECT_EQ(b.spans.parent_span_id, s.parent_span_id);
                           EXPECT_EQ(b.spans.kind, s.kind);
                           EXPECT_EQ(b.spans.status, s.status);
                           EXPECT_EQ(b.spans.weight, s.weight);
                           EXPECT_EQ(b.spans.failed, s.failed);
                           EXPECT_EQ(b.spans.attributes.Row(0).size(), 0u);
                           EXPECT_EQ(b.spans.attributes.Text(b.spans.attributes.Row(1)[0]), "v");
                           EXPECT_EQ(
                               ids_->strings.Get(ids_->resources.Get(b.spans.resource[0]).host),
                               "node-7");
                           return true;
                         })
                  .ok());
  ASSERT_TRUE(store_
                  ->Scan(telemetry::Signal::kSample, {},
                         [&](const telemetry::Batch& b) {
                           // Numbers and points come in one stream, in batches of one or both.
                           samples += b.samples.series.size();
                           points += b.samples.histograms.series.size();
                           if (!b.samples.series.empty()) {
                             EXPECT_EQ(b.samples.value, batch->samples.value);
                             EXPECT_EQ(b.samples.time_ns, batch->samples.time_ns);
                             EXPECT_EQ(b.samples.start_ns, batch->samples.start_ns);
                           }
                           if (b.samples.histograms.series.empty()) return true;
                           EXPECT_EQ(b.samples.histograms.count, h.count);
                           EXPECT_EQ(b.samples.histograms.upper_bound, h.upper_bound);
                           EXPECT_EQ(b.samples.histograms.bucket_count, h.bucket_count);
                           EXPECT_TRUE(std::isnan(b.samples.histograms.min.at(0)));
                           return true;
                         })
                  .ok());
  ASSERT_TRUE(store_
                  ->Scan(telemetry::Signal::kLog, {},
                         [&](const telemetry::Batch& b) {
                           logs += b.logs.rows();
                           EXPECT_EQ(b.logs.trace_id, l.trace_id);
                           EXPECT_EQ(b.logs.severity, l.severity);
                           EXPECT_EQ(b.logs.corrected_ns, l.corrected_ns);
                           EXPECT_EQ(b.logs.body(0), "out of memory");
                           return true;
                         })
                  .ok());
  ASSERT_TRUE(store_
                  ->Scan(telemetry::Signal::kFlow, {},
                         [&](const telemetry::Batch& b) {
                           flows += b.flows.rows();
                           EXPECT_EQ(b.flows.bytes, f.bytes);
                           EXPECT_EQ(b.flows.destination_port, f.destination_port);
                           return true;
                         })
                  .ok());
  EXPECT_THAT((std::vector{spans, samples, points, logs, flows}), ElementsAre(2, 1, 1, 1, 1));
}

TEST_F(ColdTest, AFileIsReadableOnItsOwn) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 10 * kHour).ok());
  WithDatabase([&](Connection& connection) {
    Result<Rows> rows = connection.Query(
        "SELECT service, name, kind, peer, json_extract_string(resource_attributes, "
        "'$.\"service.name\"'), "
        "CAST(trace_id AS VARCHAR), CAST(start_time AS VARCHAR) FROM read_parquet(" +
        Quoted(dir_.path() + "/cold/spans/2026112107.parquet") + ") ORDER BY start_time");
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    Result<size_t> n = rows->NextChunk();
    ASSERT_TRUE(n.ok() && *n == 3);
    EXPECT_EQ(rows->Text(0, 0), "checkout");
    EXPECT_EQ(rows->Text(1, 0), "GET /cart");
    EXPECT_EQ(rows->Text(2, 0), "server");
    EXPECT_EQ(rows->Text(3, 0), "postgresql shop");
    EXPECT_EQ(rows->Text(4, 0), "checkout");
    EXPECT_EQ(rows->Text(5, 0), "0af76519-16cd-43dd-0000-000000000002");
    EXPECT_EQ(rows->Text(6, 0), "2026-11-21 07:00:00");
  });
}

TEST_F(ColdTest, ADamagedFileCostsItsOwnRowsAlone) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  const std::string file = dir_.path() + "/cold/spans/2026112107.parquet";
  const auto size = fs::file_size(file);
  const std::vector<uint64_t> without = {20, 21, 22, 30, 31, 32, 40, 41, 42};
  ScanFilter one_trace;
  one_trace.trace_id = {0x0af7651916cd43dd, 6};  // spans 40 to 47

  // The pages alone: the footer is as it was, and nothing is known before they are read.
  std::fstream pages(file, std::ios::binary | std::ios::in | std::ios::out);
  pages.seekp(4);
  pages << std::string(size / 3, 'Z');
  pages.close();
  EXPECT_THAT(store_->stats().unreadable_files, IsEmpty());
  EXPECT_EQ(SpanIds(*store_), without);
  ASSERT_EQ(store_->stats().unreadable_files.size(), 1u);
  EXPECT_THAT(store_->stats().unreadable_files[0],
              testing::StartsWith("cold/spans/2026112107.parquet: "));
  EXPECT_EQ(SpanIds(*store_), without);

  // All of it, seen when the store is opened.
  ASSERT_TRUE(store_->Close().ok());
  std::ofstream(file, std::ios::binary) << std::string(size, 'Z');
  Open();
  EXPECT_EQ(store_->stats().unreadable_files.size(), 1u);
  EXPECT_EQ(SpanIds(*store_), without);
  EXPECT_THAT(SpanIds(*store_, one_trace), ElementsAre(40, 41, 42));
  EXPECT_EQ(store_->stats().unreadable_files.size(), 1u);

  // Gone, while the store is open.
  ASSERT_TRUE(store_->Close().ok());
  Open();
  fs::remove(dir_.path() + "/cold/spans/2026112108.parquet");
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  EXPECT_EQ(store_->stats().unreadable_files.size(), 2u);
  EXPECT_THAT(SpanIds(*store_), ElementsAre(30, 31, 32, 40, 41, 42));

  // What has expired is missed no more.
  options_.retention_age = 90 * kMinute;
  Open();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  EXPECT_THAT(store_->stats().unreadable_files, IsEmpty());
}

TEST_F(ColdTest, LateRowsOfAColdHourBecomeAPartOfTheirOwnOnceTheyAreWorthIt) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 15, 2, kMorning + kMinute)).ok());
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  EXPECT_THAT(ColdFiles(), UnorderedElementsAre("cold/spans/2026112107.parquet",
                                                "cold/spans/2026112108.parquet"));
  EXPECT_THAT(SpanIds(*store_),
              ElementsAre(10, 11, 12, 15, 16, 20, 21, 22, 30, 31, 32, 40, 41, 42));
  const size_t many = static_cast<size_t>(kWorthAnotherFile) - 2;
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1000, many, kMorning + 2 * kMinute)).ok());
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  EXPECT_THAT(ColdFiles(), UnorderedElementsAre("cold/spans/2026112107.parquet",
                                                "cold/spans/2026112107-2.parquet",
                                                "cold/spans/2026112108.parquet"));
  EXPECT_EQ(SpanIds(*store_).size(), kAllIds.size() + 2 + many);
}

TEST_F(ColdTest, ADuplicateAcrossHotAndColdIsGivenOutOnce) {
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 3)).ok());
  ASSERT_TRUE(store_->Maintain(kMorning + 5 * kHour).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 1, 3)).ok());
  EXPECT_THAT(SpanIds(*store_), ElementsAre(1, 2, 3));
}

// A crash after step 1: the temporary file and the hot rows are both there.
TEST_F(ColdTest, ACrashBeforeTheCommitLeavesTheRowsHot) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  ASSERT_TRUE(AppendAndWait(*store_, Spans(*ids_, 15, 2, kMorning + 2 * kHour)).ok());
  ASSERT_TRUE(store_->Close().ok());
  fs::copy_file(dir_.path() + "/cold/spans/2026112107.parquet",
                dir_.path() + "/cold/spans/2026112109.parquet.tmp");
  Open();
  EXPECT_THAT(ColdFiles(), UnorderedElementsAre("cold/spans/2026112107.parquet",
                                                "cold/spans/2026112108.parquet"));
  EXPECT_EQ(SpanIds(*store_).size(), kAllIds.size() + 2);
}

// A crash after step 2: the commit is made, the file still has its temporary name.
TEST_F(ColdTest, ACrashAfterTheCommitIsFinishedOnOpen) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  ASSERT_TRUE(store_->Close().ok());
  const std::string file = dir_.path() + "/cold/spans/2026112107.parquet";
  fs::rename(file, file + ".tmp");
  Open();
  EXPECT_TRUE(fs::exists(file));
  EXPECT_EQ(SpanIds(*store_), kAllIds);
}

// Parquet and hot rows both there, under the final name: the record decides, and nothing is
// doubled.
TEST_F(ColdTest, AFileWithoutItsRecordIsNeitherReadNorRemoved) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  ASSERT_TRUE(store_->Close().ok());
  const std::string stray = dir_.path() + "/cold/spans/2026112110.parquet";
  fs::copy_file(dir_.path() + "/cold/spans/2026112107.parquet", stray);
  Open();
  EXPECT_EQ(SpanIds(*store_), kAllIds);
  EXPECT_TRUE(fs::exists(stray));
}

TEST_F(ColdTest, RetentionByAgeRemovesFilesAndRowsButNotTheHourBeingWritten) {
  AppendFourHours();
  ASSERT_TRUE(store_->Maintain(kMorning + 4 * kHour).ok());
  options_.retention_age = 90 * kMinute;
  Open();
  ASSERT_TRUE(store_->Maintain(kMorning + 3 * kHour + 31 * kMinute).ok());
  EXPECT_THAT(SpanIds(*store_), ElementsAre(40, 41, 42));
  EXPECT_THAT(ColdFiles(), IsEmpty());
  EXPECT_EQ(store_->stats().oldest_ns, kMorning + 3 * kHour);
  options_.retention_age = 0;
  Open();
  ASSERT_TRUE(store_->Maintain(kMorning + 3 * kHour + 59 * kMinute).ok());
  EXPECT_THAT(SpanIds(*store_), ElementsAre(40, 41, 42));
}

TEST_F(ColdTest, RetentionByBytesTakesTheOldestHoursButNotTheHourBeingWritten) {
  Random random(7);
  for (uint64_t h = 0; h < 4; ++h) {
    auto batch = std::make_shared<telemetry::Batch>();
    for (uint64_t i = 0; i < 12'000; ++i) {
      AddSpan(*ids_, &batch->spans, h * 100'000 + i + 1, kMorning + static_cast<Nanos>(h) * kHour);
      std::string noise;
      for (int k = 0; k < 12; ++k) noise += std::to_string(random.Next());
      batch->spans.attributes.AddText(ids_->strings.Intern("noise"), noise);
      batch->spans.attributes.EndRow();
    }
    ASSERT_TRUE(AppendAndWait(*store_, batch).ok());
  }
  ASSERT_TRUE(store_->Maintain(kMorning + 3 * kHour + 1).ok());  // the first hour is cold now
  EXPECT_EQ(SpanIds(*store_).size(), 48'000u);
  options_.retention_bytes = 11 << 20;  // an hour is about 4 MB
  Open();
  ASSERT_TRUE(store_->Maintain(kMorning + 3 * kHour + 1).ok());
  const std::vector<uint64_t> left = SpanIds(*store_);
  EXPECT_LT(left.size(), 48'000u);
  EXPECT_GT(left.size(), 12'000u);
  EXPECT_GT(left.front(), 100'000u);
  options_.retention_bytes = 0;
  Open();
  ASSERT_TRUE(store_->Maintain(kMorning + 3 * kHour + 1).ok());
  EXPECT_EQ(SpanIds(*store_).size(), 12'000u);
  EXPECT_EQ(SpanIds(*store_).front(), 300'001u);
}

TEST_F(ColdTest, RetentionKeepsOpenIncidents) {
  telemetry::Incident open, closed;
  open.id = "open";
  closed.id = "closed";
  open.opened = closed.opened = kMorning;
  closed.closed = kMorning + 1;
  ASSERT_TRUE(store_->PutIncident(open).ok());
  ASSERT_TRUE(store_->PutIncident(closed).ok());
  ASSERT_TRUE(store_->Maintain(kMorning + 100 * 24 * kHour).ok());
  const Result<std::vector<telemetry::Incident>> left = store_->Incidents({});
  ASSERT_TRUE(left.ok());
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ((*left)[0].id, "open");
}

}  // namespace
}  // namespace tomograph::store
