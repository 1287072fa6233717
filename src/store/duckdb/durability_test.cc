// What was acknowledged must be there: after kill -9, with a torn log, with a disk that fills up.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "base/random.h"
#include "store/duckdb/small_disk.h"
#include "store/duckdb/test_batches.h"

namespace tomograph::store {
namespace {

namespace fs = std::filesystem;

using telemetry::Identities;
using ::testing::HasSubstr;

constexpr size_t kSpansABatch = 50;

/// In a child: appends batches numbered from `first` and writes the number of each acknowledged one
/// to the pipe, until it is killed.
[[noreturn]] void AppendUntilKilled(const StoreOptions& options, uint64_t first, int pipe) {
  Identities ids;
  std::unique_ptr<Store> store = OpenStore(options, &ids);
  if (store == nullptr) _exit(1);
  for (uint64_t n = first;; ++n) {
    auto batch =
        Spans(ids, n * kSpansABatch, kSpansABatch, kMorning + static_cast<Nanos>(n) * kMillisecond,
              "service " + std::to_string(n % 7 + n / 50));
    const Status queued = store->Append(batch, [n, pipe](const Status& status) {
      if (status.ok() && write(pipe, &n, sizeof n) != sizeof n) _exit(2);
    });
    if (!queued.ok()) usleep(500);
    if (n % 97 == 0 &&
        !store->Maintain(kMorning + 3 * kHour + static_cast<Nanos>(n) * kMillisecond).ok()) {
      _exit(3);
    }
    usleep(200);
  }
}

std::vector<uint64_t> ReadAll(int fd) {
  std::vector<uint64_t> numbers;
  uint64_t n;
  while (read(fd, &n, sizeof n) == sizeof n) numbers.push_back(n);
  close(fd);
  return numbers;
}

enum class Kill { kAnyTime, kAfterTheFirstAnswer };

/// Runs the child, kills it after `delay`, and gives back what it was told is durable. On a slow
/// machine (sanitizers) a child killed at any time may not have got as far as a first answer.
std::vector<uint64_t> RunAndKill(const StoreOptions& options, uint64_t first, Kill when,
                                 useconds_t delay) {
  int pipe_ends[2];
  TG_CHECK(pipe(pipe_ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    AppendUntilKilled(options, first, pipe_ends[1]);
  }
  close(pipe_ends[1]);
  if (when == Kill::kAfterTheFirstAnswer) {
    pollfd first_answer = {pipe_ends[0], POLLIN, 0};
    EXPECT_EQ(poll(&first_answer, 1, 20'000), 1);
  }
  usleep(delay);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  return ReadAll(pipe_ends[0]);
}

/// Every span of every acknowledged batch is there, exactly once, and its resource with it.
void ExpectAllThere(const StoreOptions& options, const std::vector<uint64_t>& acknowledged) {
  Identities ids;
  std::unique_ptr<Store> store = OpenStore(options, &ids);
  ASSERT_NE(store, nullptr);
  std::map<uint64_t, size_t> rows_of;
  const Status status = store->Scan(telemetry::Signal::kSpan, {}, [&](const telemetry::Batch& b) {
    for (size_t i = 0; i < b.spans.rows(); ++i) {
      const uint64_t n = b.spans.span_id[i] / kSpansABatch;
      ++rows_of[n];
      EXPECT_EQ(ids.strings.Get(ids.resources.Get(b.spans.resource[i]).service),
                "service " + std::to_string(n % 7 + n / 50));
    }
    return true;
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  for (uint64_t n : acknowledged) {
    ASSERT_EQ(rows_of[n], kSpansABatch) << "batch " << n;
  }
  // Batches are whole or absent, acknowledged or not.
  for (const auto& [n, rows] : rows_of) ASSERT_EQ(rows, kSpansABatch) << "batch " << n;
}

TEST(DurabilityTest, NothingAcknowledgedIsLostByKill9) {
  TemporaryDirectory dir;
  StoreOptions options = OptionsFor(dir.path());
  options.cold_after = kHour;  // the children move hours to Parquet while they are killed
  Random random(20261121);
  std::vector<uint64_t> acknowledged;
  for (uint64_t round = 0; round < 20; ++round) {
    const std::vector<uint64_t> more = RunAndKill(
        options, round * 1'000'000, round % 4 == 0 ? Kill::kAnyTime : Kill::kAfterTheFirstAnswer,
        static_cast<useconds_t>(random.Below(250'000)));
    acknowledged.insert(acknowledged.end(), more.begin(), more.end());
    ExpectAllThere(options, acknowledged);
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(acknowledged.size(), 15u);  // else nothing was tested
}

TEST(DurabilityTest, ATornLogLosesItsEndOnly) {
  TemporaryDirectory dir;
  Identities ids;
  std::unique_ptr<Store> writer = OpenStore(OptionsFor(dir.path()), &ids);
  ASSERT_NE(writer, nullptr);
  constexpr uint64_t kCommits = 40;
  for (uint64_t n = 0; n < kCommits; ++n) {
    const Nanos start = kMorning + static_cast<Nanos>(n) * kMillisecond;
    ASSERT_TRUE(AppendAndWait(*writer, Spans(ids, n * kSpansABatch, kSpansABatch, start)).ok());
  }
  const auto size = fs::file_size(dir.path() + "/tomograph.duckdb.wal");
  size_t before = kCommits + 1;
  for (uintmax_t cut : {uintmax_t{0}, uintmax_t{1}, size / 4, size / 2}) {
    TemporaryDirectory copy;  // of the open store: what a crash leaves
    for (const char* file : {"/tomograph.duckdb", "/tomograph.duckdb.wal"}) {
      fs::copy_file(dir.path() + file, copy.path() + file);
    }
    fs::resize_file(copy.path() + "/tomograph.duckdb.wal", size - cut);
    Identities reader_ids;
    std::unique_ptr<Store> store = OpenStore(OptionsFor(copy.path()), &reader_ids);
    ASSERT_NE(store, nullptr) << "cut by " << cut;
    const std::vector<uint64_t> there = SpanIds(*store);
    const size_t commits = there.size() / kSpansABatch;
    for (size_t i = 0; i < there.size(); ++i)
      ASSERT_EQ(there[i], i);  // a prefix of what was written
    EXPECT_EQ(there.size() % kSpansABatch, 0u) << "a commit is whole or absent";
    EXPECT_LT(commits, before) << "cut by " << cut;
    EXPECT_GE(commits, cut == 0 ? kCommits : cut == 1 ? kCommits - 1 : kCommits / 4);
    before = commits;
    EXPECT_TRUE(AppendAndWait(*store, Spans(reader_ids, 900'000'000, 10)).ok());
  }
}

void Overwrite(const std::string& path, std::streamoff at, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file << bytes;
}

TEST(DurabilityTest, ACorruptFileIsSaidToBeCorrupt) {
  TemporaryDirectory dir;
  {
    Identities ids;
    std::unique_ptr<Store> store = OpenStore(OptionsFor(dir.path()), &ids);
    ASSERT_TRUE(AppendAndWait(*store, Spans(ids, 1, 20'000)).ok());
  }
  const std::string file = dir.path() + "/tomograph.duckdb";
  const auto size = static_cast<std::streamoff>(fs::file_size(file));
  struct Damage {
    const char* what;
    std::streamoff from, to;
  };
  for (const Damage& damage :
       {Damage{"header", 0, 4096}, Damage{"both database headers", 4096, 12288},
        Damage{"all blocks", 12288, size}}) {
    TemporaryDirectory copy;
    const std::string broken = copy.path() + "/tomograph.duckdb";
    fs::copy_file(file, broken);
    Overwrite(broken, damage.from,
              std::string(static_cast<size_t>(damage.to - damage.from), '\x5a'));
    Identities ids;
    const Result<std::unique_ptr<Store>> store = OpenDuckDbStore(OptionsFor(copy.path()), &ids);
    ASSERT_FALSE(store.ok()) << damage.what;
    EXPECT_EQ(store.status().code(), StatusCode::kCorrupt)
        << damage.what << store.status().ToString();
    EXPECT_THAT(store.status().message(), HasSubstr("tomograph.duckdb")) << damage.what;
  }
}

class FullDiskTest : public ::testing::TestWithParam<uintmax_t> {};

// Fills the disk but for some bytes, appends until the store refuses and on, makes room, and
// appends again. What is left decides where it hurts: in the log's write, or in a checkpoint.
TEST_P(FullDiskTest, RefusesThenRecoversAndLosesNothing) {
  SmallDisk disk("size=48m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not permitted here";
  Identities ids;
  StoreOptions options = OptionsFor(disk.path() + "/store");
  std::unique_ptr<Store> store = OpenStore(options, &ids);
  ASSERT_NE(store, nullptr);
  std::set<uint64_t> durable;
  uint64_t next = 1;
  const auto append = [&] {
    constexpr size_t kCount = 500;
    const Status status = AppendAndWait(
        *store, Spans(ids, next, kCount, kMorning + static_cast<Nanos>(next) * kMillisecond,
                      "service " + std::to_string(next)));
    for (uint64_t id = next; status.ok() && id < next + kCount; ++id) durable.insert(id);
    next += kCount;
    return status;
  };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append().ok());

  disk.FillBut(GetParam());
  Status refused;
  for (int i = 0; i < 300 && refused.ok(); ++i) refused = append();
  ASSERT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  EXPECT_THAT(refused.message(), HasSubstr("disk is full"));
  EXPECT_FALSE(store->stats().writable);
  EXPECT_THAT(store->stats().last_error, HasSubstr("disk is full"));
  for (int i = 0; i < 5; ++i) {
    const Status again = append();
    EXPECT_TRUE(again.ok() || again.code() == StatusCode::kUnavailable) << again.ToString();
  }
  static_cast<void>(store->Maintain(kMorning + 10 * kHour));  // may fail, must not lose

  disk.Free();
  ASSERT_TRUE(append().ok());
  EXPECT_TRUE(store->stats().writable);
  const auto expect_all = [&] {
    const std::vector<uint64_t> there = SpanIds(*store);
    EXPECT_EQ(std::set<uint64_t>(there.begin(), there.end()), durable);
  };
  expect_all();
  store.reset();
  store = OpenStore(options, &ids);
  ASSERT_NE(store, nullptr);
  expect_all();
}
INSTANTIATE_TEST_SUITE_P(BytesLeft, FullDiskTest,
                         ::testing::Values(0u, 4096u, 100'000u, 700'000u, 3'000'000u));

// Who waits for it to be writable before sending again would wait for ever otherwise.
TEST(DurabilityTest, NoticesByItselfThatTheDiskHasRoomAgain) {
  SmallDisk disk("size=48m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not permitted here";
  Identities ids;
  StoreOptions options = OptionsFor(disk.path() + "/store");
  options.probe_interval = kMillisecond;
  std::unique_ptr<Store> store = OpenStore(options, &ids);
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(AppendAndWait(*store, Spans(ids, 1, 1000)).ok());
  EXPECT_TRUE(store->stats().writable);

  disk.FillBut(0);
  Status refused;
  for (uint64_t n = 1; refused.ok() && n < 100; ++n)
    refused = AppendAndWait(*store, Spans(ids, n * 10'000, 5000));
  ASSERT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
  const auto wait_for_probes = [&](uint64_t n) {
    const uint64_t enough = store->stats().probes + n;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (store->stats().probes < enough && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    return store->stats().probes >= enough;
  };
  EXPECT_TRUE(wait_for_probes(3));
  EXPECT_FALSE(store->stats().writable);
  EXPECT_THAT(store->stats().last_error, HasSubstr("disk is full"));

  disk.Free();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!store->stats().writable && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_TRUE(store->stats().writable);
  EXPECT_TRUE(AppendAndWait(*store, Spans(ids, 9'000'000, 1000)).ok());
}

TEST(DurabilityTest, OpensAndClosesOnAFullDisk) {
  SmallDisk disk("size=32m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not permitted here";
  Identities ids;
  const StoreOptions options = OptionsFor(disk.path() + "/store");
  std::unique_ptr<Store> store = OpenStore(options, &ids);
  ASSERT_TRUE(AppendAndWait(*store, Spans(ids, 1, 20'000)).ok());
  disk.FillBut(0);
  EXPECT_TRUE(store->Close().ok());  // its checkpoint cannot be made; the log has it all
  disk.Free();
  store = OpenStore(options, &ids);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(SpanIds(*store).size(), 20'000u);
}

TEST(DurabilityTest, AMissingDirectoryOnAFullDiskIsUnavailable) {
  SmallDisk disk("size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not permitted here";
  disk.FillBut(0);
  Identities ids;
  const Result<std::unique_ptr<Store>> store =
      OpenDuckDbStore(OptionsFor(disk.path() + "/store"), &ids);
  ASSERT_FALSE(store.ok());
  EXPECT_TRUE(store.status().code() == StatusCode::kUnavailable ||
              store.status().code() == StatusCode::kIo)
      << store.status().ToString();
}

}  // namespace
}  // namespace tomograph::store
