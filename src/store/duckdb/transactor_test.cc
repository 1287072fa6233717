#include "store/duckdb/transactor.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/duckdb/small_disk.h"

namespace tomograph::store {
namespace {

Result<int64_t> Count(DatabaseSlot& slot) {
  Result<std::unique_ptr<Connection>> connection = slot.Connect();
  if (!connection.ok()) return connection.status();
  Result<Rows> rows = (*connection)->Query("SELECT count(*) FROM t");
  if (!rows.ok()) return rows.status();
  Result<bool> found = rows->NextSingle();
  if (!found.ok()) return found.status();
  return rows->Get<int64_t>(0, 0);
}

Status InsertThousand(Connection& c) {
  return c.Execute("INSERT INTO t SELECT hash(i) FROM range(1000) r(i)");
}

// A checkpoint that hits a full disk makes DuckDB give up on the file: every later statement fails.
// The transactor must bring it back by itself, with all that was committed.
TEST(TransactorTest, ComesBackAfterACheckpointOnAFullDisk) {
  SmallDisk disk("size=32m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not permitted here";
  const std::string file = disk.path() + "/tomograph.duckdb";
  telemetry::Identities ids;
  Dictionaries dictionaries(&ids);
  DatabaseSlot slot({file, disk.path() + "/tmp", 128u << 20});
  ASSERT_TRUE(slot.Open().ok());
  Transactor transactor(&slot, &dictionaries, file + ".wal");
  ASSERT_TRUE(
      transactor.Run([](Connection& c) { return c.Execute("CREATE TABLE t (i UBIGINT)"); }).ok());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(transactor.Run(InsertThousand).ok());
  disk.FillBut(300'000);  // less than the checkpoint's blocks, more than a commit
  bool invalidated = false;
  {
    Result<std::unique_ptr<Connection>> connection = slot.Connect();
    ASSERT_TRUE(connection.ok());
    const Status status = (*connection)->Execute("CHECKPOINT");
    ASSERT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
    invalidated = !(*connection)->Alive();
  }
  EXPECT_TRUE(invalidated) << "this DuckDB survives it: the test no longer tests reopening";
  disk.Free();
  const Status after = transactor.Run(InsertThousand);
  ASSERT_TRUE(after.ok()) << after.ToString();
  const Result<int64_t> count = Count(slot);
  ASSERT_TRUE(count.ok()) << count.status().ToString();
  EXPECT_EQ(*count, 201'000);
}

TEST(TransactorTest, MemoryThatRunsOutCostsOneTransaction) {
  TemporaryDirectory dir;
  telemetry::Identities ids;
  Dictionaries dictionaries(&ids);
  DatabaseSlot slot({dir.path() + "/tomograph.duckdb", dir.path() + "/tmp", 128u << 20});
  ASSERT_TRUE(slot.Open().ok());
  Transactor transactor(&slot, &dictionaries, dir.path() + "/tomograph.duckdb.wal");
  ASSERT_TRUE(
      transactor.Run([](Connection& c) { return c.Execute("CREATE TABLE t (i UBIGINT)"); }).ok());
  const Status failed = transactor.Run([](Connection& c) -> Status {
    TG_RETURN_IF_ERROR(InsertThousand(c));
    throw std::bad_alloc();
  });
  EXPECT_EQ(failed.code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(transactor.Run(InsertThousand).ok());
  EXPECT_EQ(Count(slot).value(), 1000);
}

TEST(TransactorTest, AFailedTransactionLeavesNothing) {
  TemporaryDirectory dir;
  telemetry::Identities ids;
  Dictionaries dictionaries(&ids);
  DatabaseSlot slot({dir.path() + "/tomograph.duckdb", dir.path() + "/tmp", 128u << 20});
  ASSERT_TRUE(slot.Open().ok());
  Transactor transactor(&slot, &dictionaries, dir.path() + "/tomograph.duckdb.wal");
  ASSERT_TRUE(
      transactor.Run([](Connection& c) { return c.Execute("CREATE TABLE t (i UBIGINT)"); }).ok());
  const Status failed = transactor.Run([](Connection& c) {
    TG_RETURN_IF_ERROR(InsertThousand(c));
    return c.Execute("INSERT INTO nowhere VALUES (1)");
  });
  EXPECT_EQ(failed.code(), StatusCode::kInternal);
  EXPECT_EQ(Count(slot).value(), 0);
  EXPECT_TRUE(transactor.Run(InsertThousand).ok());
  EXPECT_EQ(Count(slot).value(), 1000);
  transactor.Close();
  EXPECT_EQ(transactor.Run(InsertThousand).code(), StatusCode::kFailedPrecondition);
}

// What a sender may try again must not depend on how DuckDB wraps an error of the disk.
TEST(DuckDbErrorTest, TellsWhatMaySucceedLater) {
  const auto code = [](duckdb_error_type type, const char* message) {
    return DuckDbError(type, message, "COMMIT").code();
  };
  EXPECT_EQ(code(DUCKDB_ERROR_TRANSACTION,
                 "TransactionContext Error: Failed to commit: Could not write all bytes to file "
                 "\"x.wal\": No space left on device"),
            StatusCode::kUnavailable);
  EXPECT_EQ(code(DUCKDB_ERROR_TRANSACTION,
                 "TransactionContext Error: Failed to commit: Could not write file \"x.wal\": "
                 "Input/output error"),
            StatusCode::kIo);
  EXPECT_EQ(code(DUCKDB_ERROR_IO, "IO Error: Read-only file system"), StatusCode::kIo);
  EXPECT_EQ(code(DUCKDB_ERROR_FATAL,
                 "FATAL Error: Failed: database has been invalidated because of a previous fatal "
                 "error."),
            StatusCode::kUnavailable);  // the transactor opens it anew
  EXPECT_EQ(code(DUCKDB_ERROR_CATALOG, "Catalog Error: Table spans does not exist"),
            StatusCode::kInternal);
  EXPECT_EQ(code(DUCKDB_ERROR_SERIALIZATION, "Serialization Error: x"), StatusCode::kCorrupt);
}

TEST(DatabaseSlotTest, CloseWaitsForBorrowedConnections) {
  TemporaryDirectory dir;
  DatabaseSlot slot({dir.path() + "/tomograph.duckdb", dir.path() + "/tmp", 128u << 20});
  ASSERT_TRUE(slot.Open().ok());
  Result<std::unique_ptr<Connection>> borrowed = slot.Connect();
  ASSERT_TRUE(borrowed.ok());
  std::atomic<bool> returned{false}, closed_before_return{false};
  std::thread closer([&] {
    slot.Close();
    closed_before_return = !returned;
  });
  while (slot.Connect().ok())
    std::this_thread::yield();  // refused from the moment that Close began
  EXPECT_TRUE((*borrowed)->Alive());
  returned = true;
  borrowed->reset();
  closer.join();
  EXPECT_FALSE(closed_before_return);
  EXPECT_TRUE(slot.Open().ok());
}

}  // namespace
}  // namespace tomograph::store
