#include "store/duckdb/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "store/duckdb/test_batches.h"

namespace tomograph::store {
namespace {

using telemetry::Identities;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A database file with `fill` applied to it.
void MakeDatabase(const std::string& directory, const std::function<void(Connection&)>& fill) {
  std::filesystem::create_directories(directory);
  Result<std::shared_ptr<Database>> database =
      Database::Open({directory + "/tomograph.duckdb", directory + "/tmp", 256u << 20});
  ASSERT_TRUE(database.ok()) << database.status().ToString();
  Result<std::unique_ptr<Connection>> connection = Connection::Open(*database);
  ASSERT_TRUE(connection.ok());
  fill(**connection);
}

TEST(SchemaTest, AStoreOfVersion1IsMigratedAndItsRowsAreThere) {
  TemporaryDirectory dir;
  MakeDatabase(dir.path(), [](Connection& c) {
    ASSERT_TRUE(Migrate(c, 1).ok());
    const Status inserted = c.Execute(
        "INSERT INTO spans VALUES ('0af7651916cd43dd0000000000000001', 7, NULL, "
        "'2026-11-21 07:00:00', '2026-11-21 07:00:01', '2026-11-21 07:00:00', NULL, 'cart', 'GET', "
        "'GET', 'client', 'ok', false, 1, false, NULL, NULL, 0, '', '{\"a\":1}', NULL, NULL)");
    ASSERT_TRUE(inserted.ok()) << inserted.ToString();
  });
  Identities ids;
  std::unique_ptr<Store> store = OpenStore(OptionsFor(dir.path()), &ids);
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(AppendAndWait(*store, Spans(ids, 8, 1, kMorning + kSecond)).ok());
  EXPECT_THAT(SpanIds(*store), ElementsAre(7, 8));
  ASSERT_TRUE(store
                  ->Scan(telemetry::Signal::kSpan, {},
                         [&](const telemetry::Batch& b) {
                           EXPECT_EQ(b.spans.kind[0], telemetry::SpanKind::kClient);
                           EXPECT_EQ(b.spans.status[0], telemetry::SpanStatus::kOk);
                           EXPECT_EQ(b.spans.attributes.Row(0).size(), 1u);
                           return true;
                         })
                  .ok());
}

TEST(SchemaTest, AnEstimateOfVersion2HasNoDetail) {
  TemporaryDirectory dir;
  MakeDatabase(dir.path(), [](Connection& c) {
    ASSERT_TRUE(Migrate(c, 2).ok());
    const Status inserted = c.Execute(
        "INSERT INTO estimates VALUES ('in_flight', 1, NULL, '2026-11-21 07:00:00', 5000000000, 3, "
        "1, 2, 0, 4, 0.9, 'inferred', 'calls', 'little', '', [])");
    ASSERT_TRUE(inserted.ok()) << inserted.ToString();
  });
  Identities ids;
  std::unique_ptr<Store> store = OpenStore(OptionsFor(dir.path()), &ids);
  ASSERT_NE(store, nullptr);
  telemetry::Estimate step;
  step.state = "step_completion";
  step.start = kMorning;
  step.detail = "buy: pay";
  ASSERT_TRUE(store->PutEstimates({step}).ok());
  const Result<std::vector<telemetry::Estimate>> all = store->Estimates({}, "");
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  std::map<std::string, std::string> details;
  for (const telemetry::Estimate& e : *all) details[e.state] = e.detail;
  EXPECT_EQ(details.at("in_flight"), "");
  EXPECT_EQ(details.at("step_completion"), "buy: pay");
}

TEST(SchemaTest, AColdFileOfVersion1IsReadBesideNewerRows) {
  TemporaryDirectory dir;
  std::filesystem::create_directories(dir.path() + "/cold/samples");
  MakeDatabase(dir.path(), [&](Connection& c) {
    ASSERT_TRUE(Migrate(c, 1).ok());
    ASSERT_TRUE(
        c.Execute(
             "COPY (SELECT '2026-11-21 07:00:00'::TIMESTAMP_NS AS time, "
             "NULL::TIMESTAMP_NS AS start_time, 0::UINTEGER AS series, 4.5::DOUBLE AS value) TO " +
             Quoted(dir.path() + "/cold/samples/2026112107.parquet") + " (FORMAT parquet)")
            .ok());
    ASSERT_TRUE(c.Execute("INSERT INTO cold_files VALUES ('samples', '2026-11-21 07:00:00', "
                          "'cold/samples/2026112107.parquet', 1)")
                    .ok());
  });
  Identities ids;
  std::unique_ptr<Store> store = OpenStore(OptionsFor(dir.path()), &ids);
  ASSERT_NE(store, nullptr);
  std::vector<double> values;
  const Status status = store->Scan(telemetry::Signal::kSample, {}, [&](const telemetry::Batch& b) {
    values = b.samples.value;
    return true;
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(values, ElementsAre(4.5));
}

TEST(SchemaTest, ANewerSchemaIsRefusedAndLeftAsItIs) {
  TemporaryDirectory dir;
  MakeDatabase(dir.path(), [](Connection& c) {
    ASSERT_TRUE(Migrate(c).ok());
    ASSERT_TRUE(c.Execute("INSERT INTO schema_version VALUES (99)").ok());
  });
  Identities ids;
  const Result<std::unique_ptr<Store>> store = OpenDuckDbStore(OptionsFor(dir.path()), &ids);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().code(), StatusCode::kCorrupt);
  EXPECT_THAT(store.status().message(), HasSubstr("99"));
}

TEST(SchemaTest, MigratingTwiceChangesNothing) {
  TemporaryDirectory dir;
  MakeDatabase(dir.path(), [](Connection& c) {
    ASSERT_TRUE(Migrate(c).ok());
    ASSERT_TRUE(Migrate(c).ok());
    Result<Rows> rows = c.Query("SELECT count(*) FROM schema_version");
    ASSERT_TRUE(rows.ok() && rows->NextSingle().ok());
    EXPECT_EQ(rows->Get<int64_t>(0, 0), LatestSchemaVersion());
  });
}

}  // namespace
}  // namespace tomograph::store
