#include "simulate/write/truth_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace tomograph::simulate {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr Nanos kTime = 1'767'225'600 * kSecond;

class TruthFileTest : public testing::Test {
 protected:
  TruthFileTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("tomograph_truth_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  ~TruthFileTest() override { fs::remove_all(folder_); }
  std::string Read(const std::string& name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  void Say(const std::vector<TruthRow>& rows) const {
    auto file = TruthFile::Open((folder_ / "truth.csv").string());
    ASSERT_TRUE(file.ok());
    for (const TruthRow& row : rows) (*file)->Say(row);
    ASSERT_TRUE((*file)->Close().ok());
  }
  fs::path folder_;
};

TEST_F(TruthFileTest, IsReadBackAsItWasSaid) {
  Say({{kTime, "in_flight", "cart", "", "", 0.1},
       {kTime + kSecond + 1, "in_flight", "cart", "", "", 1e-300},
       {kTime, "calls", "a,\"b\"\nc", "web", "v1", 3}});
  ASSERT_TRUE(WriteFaults(folder_ / "faults.json",
                          {{"slow", "a\"b", kTime, kTime + kMillisecond, 2.5, {"cart", "web"}}},
                          true)
                  .ok());
  EXPECT_EQ(Read("truth.csv"),
            "time_s,state,entity,caller,detail,value\n"
            "1767225600,in_flight,cart,,,0.1\n"
            "1767225601.000000001,in_flight,cart,,,1e-300\n"
            "1767225600,calls,\"a,\"\"b\"\"\nc\",web,v1,3\n");
  const Result<MemoryTruth> truth = ReadTruth(folder_);
  ASSERT_TRUE(truth.ok()) << truth.status().message();
  ASSERT_NE(truth->Find("in_flight", "cart"), nullptr);
  EXPECT_THAT(*truth->Find("in_flight", "cart"),
              ElementsAre(Pair(kTime, 0.1), Pair(kTime + kSecond + 1, 1e-300)));
  ASSERT_NE(truth->Find("calls", "a,\"b\"\nc", "web", "v1"), nullptr);
  EXPECT_EQ(truth->Find("calls", "cart"), nullptr);
  EXPECT_EQ(truth->all().size(), 2u);
  ASSERT_EQ(truth->faults.size(), 1u);
  EXPECT_TRUE(truth->impact_known);
  EXPECT_EQ(truth->faults[0].target, "a\"b");
  EXPECT_EQ(truth->faults[0].until, kTime + kMillisecond);
  EXPECT_EQ(truth->faults[0].by, 2.5);
  EXPECT_THAT(truth->faults[0].felt_by, ElementsAre("cart", "web"));
}

TEST_F(TruthFileTest, UnknownImpactIsNotNoImpact) {
  Say({});
  ASSERT_TRUE(WriteFaults(folder_ / "faults.json", {{"slow", "cart", 0, 1, 2, {}}}, false).ok());
  EXPECT_FALSE(ReadTruth(folder_)->impact_known);
  ASSERT_TRUE(WriteFaults(folder_ / "faults.json", {{"slow", "cart", 0, 1, 2, {}}}, true).ok());
  EXPECT_TRUE(ReadTruth(folder_)->impact_known);
}

TEST_F(TruthFileTest, FindsTheSecondThatATimeLiesIn) {
  const MemoryTruth::Series series{{10 * kSecond, 1}, {11 * kSecond, 2}, {13 * kSecond, 3}};
  EXPECT_EQ(MemoryTruth::At(series, 10 * kSecond), 1);
  EXPECT_EQ(MemoryTruth::At(series, 10 * kSecond + 1), 2);
  EXPECT_EQ(MemoryTruth::At(series, 9 * kSecond), std::nullopt);
  EXPECT_EQ(MemoryTruth::At(series, 11 * kSecond + 1), std::nullopt);  // the 12th is not there
  EXPECT_EQ(MemoryTruth::At(series, 14 * kSecond), std::nullopt);
}

TEST_F(TruthFileTest, SaysWhatIsDamaged) {
  const std::string header = "time_s,state,entity,caller,detail,value\n";
  const auto problem = [&](const std::string& csv, const std::string& json) {
    Write("truth.csv", csv);
    Write("faults.json", json);
    return ReadTruth(folder_).status().ToString();
  };
  EXPECT_EQ(ReadTruth(folder_).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(problem("t\n", "{\"faults\":[]}"), HasSubstr("header"));
  for (const char* row : {"1,a,b,c,d,e\n", "1,a,b,c,d\n", "x,a,b,c,d,1\n", "1.,a,b,c,d,1\n",
                          "1.0000000001,a,b,c,d,1\n", "1,\"a,b,c,d,1\n"})
    EXPECT_THAT(problem(header + "1,a,b,c,d,1\n" + row, "{\"faults\":[]}"), HasSubstr("record 3"))
        << row;
  EXPECT_THAT(problem(header, "{\"faults\":[{}]}"), HasSubstr("faults.json"));
  EXPECT_THAT(problem(header, "{"), HasSubstr("faults.json"));
  EXPECT_EQ(problem(header, "{\"faults\":[]}"), Status::Ok().ToString());
}

}  // namespace
}  // namespace tomograph::simulate
