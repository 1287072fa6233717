#include "simulate/write/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "simulate/write/output_file.h"
#include "simulate/write/truth_file.h"

namespace tomograph::simulate {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class RecordingTest : public testing::Test {
 protected:
  RecordingTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("tomograph_out_" + std::string(test->name()) + "_" + std::to_string(getpid()));
  }
  ~RecordingTest() override { fs::remove_all(folder_); }

  std::string Read(const std::string& name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder_).string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  fs::path folder_;
};

TEST_F(RecordingTest, WritesFilesOfALimitedSize) {
  auto recording = Recording::Create(folder_ / "deep", "name: x\n", 10);
  ASSERT_TRUE(recording.ok()) << recording.status().message();
  folder_ /= "deep";
  ASSERT_TRUE((*recording)->Write({"0123456\n", "m\n", "", ""}).ok());
  ASSERT_TRUE((*recording)->Write({"789\n", "", "", "c\n"}).ok());
  ASSERT_TRUE((*recording)->Write({"next\n", "n\n", "", ""}).ok());
  (*recording)->truth()->Say({kSecond, "up", "cart", "", "", 1});
  ASSERT_TRUE((*recording)->Finish({}, true).ok());
  EXPECT_EQ((*recording)->bytes(), 23u);
  EXPECT_THAT(Files(), ElementsAre("changes.jsonl", "metrics-000.jsonl", "traces-000.jsonl",
                                   "traces-001.jsonl", "truth/faults.json", "truth/scenario.yaml",
                                   "truth/truth.csv"));
  EXPECT_EQ(Read("traces-000.jsonl"), "0123456\n789\n");
  EXPECT_EQ(Read("traces-001.jsonl"), "next\n");
  EXPECT_EQ(Read("metrics-000.jsonl"), "m\nn\n");
  EXPECT_THAT(Read("truth/scenario.yaml"), AllOf(StartsWith("# "), HasSubstr("\nname: x\n")));
  EXPECT_NE(ReadTruth(folder_ / "truth")->Find("up", "cart"), nullptr);
  folder_ = folder_.parent_path();
}

TEST_F(RecordingTest, WantsAFolderOfItsOwn) {
  fs::create_directories(folder_);
  ASSERT_TRUE(Recording::Create(folder_, "").ok());  // empty is good
  const Status again = Recording::Create(folder_, "").status();
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(again.message(), HasSubstr("is not empty"));
}

TEST_F(RecordingTest, SaysWhereItCannotWrite) {
  std::ofstream(folder_) << "a file";
  const Status status = Recording::Create(folder_ / "sub", "").status();
  EXPECT_EQ(status.code(), StatusCode::kIo);
  EXPECT_THAT(status.message(), HasSubstr("Not a directory"));
  EXPECT_THAT(Recording::Create(folder_, "").status().message(), HasSubstr("directory"));
}

TEST_F(RecordingTest, SaysThatTheDiskIsFull) {
  Result<OutputFile> full = OutputFile::Open("/dev/full");
  ASSERT_TRUE(full.ok());
  ASSERT_TRUE(full->Append("small").ok());  // is still in the buffer
  const Status closed = full->Close();
  EXPECT_EQ(closed.code(), StatusCode::kUnavailable);
  EXPECT_EQ(closed.message(), "cannot write /dev/full: No space left on device");
  EXPECT_EQ(full->Close().message(), closed.message());

  Result<OutputFile> more = OutputFile::Open("/dev/full");
  EXPECT_FALSE(more->Append(std::string(1 << 20, 'x')).ok());
  EXPECT_FALSE(more->Append("y").ok());
  EXPECT_FALSE(more->Close().ok());
}

/// As long as it lives no file may become larger.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(RecordingTest, AFullDiskStopsTheRecordingWithItsFilesName) {
  auto recording = Recording::Create(folder_, "");
  ASSERT_TRUE(recording.ok());
  Status written;
  {
    const FileSizeLimit limit(100'000);
    OtlpJson::Lines lines;
    lines.traces = std::string(60'000, 'x') + "\n";
    written = (*recording)->Write(lines);
    if (written.ok()) written = (*recording)->Write(lines);
    if (written.ok()) written = (*recording)->Finish({}, true);
  }
  EXPECT_EQ(written.code(), StatusCode::kUnavailable);
  EXPECT_THAT(written.message(), HasSubstr("traces-000.jsonl: File too large"));
}

}  // namespace
}  // namespace tomograph::simulate
