#include "evaluate/incidents.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "evaluate/suites/files.h"
#include "evaluate/suites/labels.h"
#include "evaluate/suites/suite.h"

namespace tomograph::evaluate {
namespace {

namespace fs = std::filesystem;

std::string DataOf(const std::string& set) {
  const char* given = std::getenv("TOMOGRAPH_DATA");
  const fs::path root = given != nullptr
                            ? fs::path(given)
                            : fs::path(TOMOGRAPH_SOURCE_DIR).parent_path() / "shared" / "data";
  const fs::path dir = root / "incidents" / set / "dev";
  return fs::exists(dir) ? dir.string() : "";
}

#define NEED_DATA(dir) \
  if ((dir).empty()) GTEST_SKIP() << "the labelled incidents are not here; set TOMOGRAPH_DATA"

fs::path Scratch(const std::string& name) {
  const fs::path dir =
      fs::temp_directory_path() / ("tomograph_incidents_" + name + "_" + std::to_string(getpid()));
  fs::remove_all(dir);
  fs::create_directories(dir);
  return dir;
}

// A copy without any label, as acceptance makes one.
void CopyWithoutLabels(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    const fs::path out = to / fs::relative(entry.path(), from);
    const std::string name = entry.path().filename();
    if (entry.is_directory()) {
      fs::create_directories(out);
    } else if (name == "target.json") {
      const Result<nlohmann::json> json = ReadJson(entry.path());
      ASSERT_TRUE(json.ok());
      std::ofstream(out) << nlohmann::json{{"target", (*json)["target"]}}.dump();
    } else if (name != "label.json" && name != "ground_truth.json" && name != "task.toml" &&
               name.rfind("logs_", 0) != 0 && name.rfind("traces_", 0) != 0) {
      fs::copy_file(entry.path(), out);
    }
  }
}

struct Mark {
  const char* suite;
  const char* set;
  double ac1, ac3;
};

class Marks : public testing::TestWithParam<Mark> {};

TEST_P(Marks, AreMetOnDevAndNeedNoLabels) {
  const Mark mark = GetParam();
  const std::string dir = DataOf(mark.set);
  NEED_DATA(dir);
  const Result<IncidentsResult> with = RunIncidents(mark.suite, dir, "", ChangePoint::kGiven);
  ASSERT_TRUE(with.ok()) << with.status().ToString();
  ASSERT_TRUE(with->scores.has_value());
  EXPECT_GE(with->scores->ac1, mark.ac1);
  EXPECT_GE(with->scores->ac3, mark.ac3);

  const fs::path stripped = Scratch(mark.set);
  CopyWithoutLabels(dir, stripped);
  const fs::path file = stripped / "predictions.jsonl";
  const Result<IncidentsResult> without =
      RunIncidents(mark.suite, stripped, file, ChangePoint::kGiven);
  ASSERT_TRUE(without.ok()) << without.status().ToString();
  EXPECT_FALSE(without->scores.has_value());
  EXPECT_EQ(without->predictions, with->predictions);
  std::ifstream in(file, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), with->predictions);
  fs::remove_all(stripped);
}
INSTANTIATE_TEST_SUITE_P(Incidents, Marks,
                         testing::Values(Mark{"petshop", "petshop", 0.95, 1.0},
                                         Mark{"nezha", "nezha_onlineboutique_metrics", 0.60, 0.75},
                                         Mark{"nezha", "nezha_trainticket", 0.0, 0.0},
                                         Mark{"rootcausebench", "rootcausebench", 0.2, 0.2}));

TEST(Incidents, ALateOrInferredChangePointCostsLittle) {
  const std::string dir = DataOf("petshop");
  NEED_DATA(dir);
  for (const ChangePoint change_point : {ChangePoint::kGivenPlus60s, ChangePoint::kInferred}) {
    const Result<IncidentsResult> result = RunIncidents("petshop", dir, "", change_point);
    ASSERT_TRUE(result.ok());
    EXPECT_GE(result->scores->ac3, 0.8);
  }
}

TEST(Incidents, JsonHasTheKeysOfTheContract) {
  IncidentsResult result;
  result.predicted = 2;
  const nlohmann::json unlabelled = nlohmann::json::parse(IncidentsJson(result));
  for (const char* key :
       {"cases", "ac1", "ac3", "ac5", "avg5", "mrr", "brier", "ece", "credible90_coverage",
        "specificity", "seconds_per_case", "peak_rss_bytes", "by_fault"}) {
    EXPECT_TRUE(unlabelled.contains(key)) << key;
  }
  EXPECT_TRUE(unlabelled["ac1"].is_null());
  EXPECT_NE(IncidentsText(result).find("nothing was scored"), std::string::npos);
  result.scores = IncidentScores{};
  result.scores->by_fault["delay"] = {1.0, 2};
  EXPECT_EQ(nlohmann::json::parse(IncidentsJson(result))["by_fault"]["delay"]["ac1"], 0.5);
}

TEST(Incidents, WhatIsNotThereIsSaid) {
  EXPECT_EQ(RunIncidents("no such suite", "/", "", ChangePoint::kGiven).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(RunIncidents("petshop", "/no/such/folder", "", ChangePoint::kGiven).status().code(),
            StatusCode::kNotFound);
  EXPECT_FALSE(ParseChangePoint("sometimes").ok());
  EXPECT_EQ(*ParseChangePoint("given+60s"), ChangePoint::kGivenPlus60s);
}

TEST(Incidents, BrokenFilesAreNamed) {
  const fs::path dir = Scratch("broken");
  fs::create_directories(dir / "case");
  std::ofstream(dir / "case" / "alert.json") << "{\"inject_unix\": \"yesterday\"}";
  const Result<IncidentsResult> result = RunIncidents("nezha", dir, "", ChangePoint::kGiven);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("alert.json"), std::string::npos);
  std::ofstream(dir / "case" / "alert.json") << "{";
  EXPECT_EQ(RunIncidents("nezha", dir, "", ChangePoint::kGiven).status().code(),
            StatusCode::kCorrupt);
  fs::remove_all(dir);
}

TEST(Csv, KeepsQuotedCommasAndEmptyCells) {
  const fs::path dir = Scratch("csv");
  std::ofstream(dir / "a.csv") << "a,\"b,\"\"c\"\"\",\r\n,2,x\nlast";
  const Result<std::vector<CsvRow>> rows = ReadCsv(dir / "a.csv");
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(*rows, (std::vector<CsvRow>{{"a", "b,\"c\"", ""}, {"", "2", "x"}, {"last"}}));
  EXPECT_TRUE(std::isnan(ToNumber("")));
  EXPECT_TRUE(std::isnan(ToNumber("1x")));
  EXPECT_DOUBLE_EQ(ToNumber("-1.5e3"), -1500);
  fs::remove_all(dir);
}

}  // namespace
}  // namespace tomograph::evaluate
