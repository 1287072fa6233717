#include "evaluate/requests.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/random.h"

namespace tomograph::evaluate {
namespace {

namespace fs = std::filesystem;

/// A small set in the public layout: two services, a call each.
class RequestsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("requests_set_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    std::ofstream observed(folder_ / "observed.csv"), truth(folder_ / "truth.csv");
    observed << "rec,service,dir,peer,op,start_us,end_us\n";
    truth << "rec,parent_rec,trace_rank\n";
    Random random(1);
    double now = 0;
    for (int i = 0; i < 300; ++i) {
      now += random.Exponential(3'000);
      const auto t = static_cast<int>(now);
      const int gap = 200 + static_cast<int>(random.Exponential(100));
      const int id = 4 * i;
      observed << id << ",front,in,,GET /," << t << "," << t + gap + 3'100 + random.Below(100)
               << "\n"
               << id + 1 << ",front,out,back,Find," << t + gap << "," << t + gap + 3'000 << "\n"
               << id + 2 << ",back,in,front,Find," << t + gap + 50 << "," << t + gap + 2'900 << "\n"
               << id + 3 << ",back,out,store,Read," << t + gap + 150 << "," << t + gap + 2'800
               << "\n";
      truth << id << ",," << i << "\n"
            << id + 1 << "," << id << "," << i << "\n"
            << id + 2 << "," << id + 1 << "," << i << "\n"
            << id + 3 << "," << id + 2 << "," << i << "\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  RequestsOptions Options() const {
    RequestsOptions options;
    options.data = folder_.string();
    options.speed = false;
    return options;
  }

  fs::path folder_;
};

TEST_F(RequestsTest, ScoresWithTheKeysOfTheContract) {
  const auto result = RunRequests(Options());
  ASSERT_TRUE(result.ok()) << result.status().message();
  const auto json = nlohmann::json::parse(RequestsJson(*result));
  for (const char* key : {"links", "link_accuracy", "e2e_accuracy", "top5_accuracy", "link_ece",
                          "accuracy_at_80pct_coverage", "records_per_second_assign",
                          "records_per_second_marginals"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["links"], 600);
  EXPECT_GE(json["link_accuracy"], .97);
}

TEST_F(RequestsTest, TheSamePredictionsWithoutTheTruth) {
  const auto with = RunRequests(Options());
  fs::remove(folder_ / "truth.csv");
  const auto without = RunRequests(Options());
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_FALSE(with->predictions.empty());
  EXPECT_EQ(with->predictions, without->predictions);
  EXPECT_FALSE(without->scores.has_value());
  EXPECT_TRUE(nlohmann::json::parse(RequestsJson(*without))["e2e_accuracy"].is_null());
}

TEST_F(RequestsTest, StreamedPredictionsAreTheSame) {
  RequestsOptions options = Options();
  options.linker.horizon = 100 * kMillisecond;
  options.linker.learn_records = 500;
  options.linker.chunk_records = 100;
  const auto batch = RunRequests(options);
  options.stream = true;
  const auto stream = RunRequests(options);
  ASSERT_TRUE(batch.ok() && stream.ok());
  EXPECT_EQ(batch->predictions, stream->predictions);
}

TEST_F(RequestsTest, GivenIdsAreKeptAndMissingRequestsScoredAsNone) {
  RequestsOptions options = Options();
  options.ids = .5;
  const auto given = RunRequests(options);
  ASSERT_TRUE(given.ok());
  EXPECT_NEAR(static_cast<double>(given->stats.by_id), 300, 60);
  options = Options();
  options.drop = .2;
  options.drop_requests = .2;
  const auto dropped = RunRequests(options);
  ASSERT_TRUE(dropped.ok());
  EXPECT_NEAR(dropped->scores->links, 480, 50);
  EXPECT_GT(dropped->stats.without_request, 50u);
  EXPECT_GE(dropped->scores->link_accuracy, .9);
}

TEST_F(RequestsTest, MadeUpEvidenceIsTheSameEachTimeAndHelps) {
  RequestsOptions options = Options();
  const auto without = RunRequests(options);
  options.evidence.Add("worker");
  options.evidence.Add("size");
  const auto with = RunRequests(options), again = RunRequests(options);
  ASSERT_TRUE(without.ok() && with.ok() && again.ok());
  EXPECT_EQ(with->predictions, again->predictions);
  EXPECT_GE(with->scores->link_accuracy, without->scores->link_accuracy);
  options.linker.horizon = 100 * kMillisecond;
  options.linker.learn_records = 500;
  options.linker.chunk_records = 100;
  options.ids = .2;
  options.drop = .1;
  const auto batch = RunRequests(options);
  options.stream = true;
  const auto stream = RunRequests(options);
  ASSERT_TRUE(batch.ok() && stream.ok());
  EXPECT_EQ(batch->predictions, stream->predictions);
}

TEST_F(RequestsTest, SaysWhatIsMissing) {
  RequestsOptions options = Options();
  options.data = (folder_ / "nowhere").string();
  EXPECT_FALSE(RunRequests(options).ok());
  fs::remove(folder_ / "truth.csv");
  options = Options();
  options.ids = .1;
  EXPECT_EQ(RunRequests(options).status().code(), StatusCode::kNotFound);
  options = Options();
  options.evidence.Add("status");
  EXPECT_EQ(RunRequests(options).status().code(), StatusCode::kNotFound);
}

/// Three requests of a trace meet at hub, and each goes on there for itself.
TEST_F(RequestsTest, LinksWhereRequestsMayMeetAreScoredApart) {
  std::ofstream observed(folder_ / "observed.csv"), truth(folder_ / "truth.csv");
  observed << "rec,service,dir,peer,op,start_us,end_us\n";
  truth << "rec,parent_rec,trace_rank\n";
  int id = 0;
  const auto put = [&](const char* record, int start, int end, int parent, int trace) {
    observed << id << "," << record << "," << start << "," << end << "\n";
    truth << id << "," << (parent < 0 ? "" : std::to_string(parent)) << "," << trace << "\n";
    return id++;
  };
  for (int i = 0; i < 200; ++i) {
    const int t = 10'000 * i;  // never two at a time
    const int front = put("front,in,,GET /", t, t + 9'000, -1, i);
    int at = t + 100;
    for (const auto& [out, in, more] :
         {std::tuple("front,out,a,Ask", "a,in,front,Ask", "a,out,hub,Add"),
          std::tuple("front,out,b,Ask", "b,in,front,Ask", "b,out,hub,Put")}) {
      const int sent = put(out, at, at + 3'000, front, i);
      const int asked = put(in, at + 10, at + 2'900, sent, i);
      const int adds = put(more, at + 100, at + 2'800, asked, i);
      const bool of_a = std::string(more) == "a,out,hub,Add";
      const int hub = put(of_a ? "hub,in,a,Add" : "hub,in,b,Put", at + 110, at + 2'700, adds, i);
      put("hub,out,store,Write", at + 300, at + 2'000, hub, i);
      at += 4'000;
    }
  }
  observed.close(), truth.close();
  const auto result = RunRequests(Options());
  ASSERT_TRUE(result.ok() && result->scores.has_value());
  EXPECT_EQ(result->scores->links, 200 * 4);
  EXPECT_EQ(result->scores->joining_links, 200 * 2);
  EXPECT_EQ(result->scores->joining_link_accuracy, 1);
  EXPECT_LT(result->scores->joining_link_ece, .01);
  EXPECT_EQ(result->scores->every_e2e_accuracy, 1);
  const auto json = nlohmann::json::parse(RequestsJson(*result));
  EXPECT_EQ(json["joining_link_accuracy"], 1);
}

TEST_F(RequestsTest, WhereNoRequestsMeetNothingIsSaidOfThem) {
  const auto result = RunRequests(Options());
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(nlohmann::json::parse(RequestsJson(*result))["joining_link_accuracy"].is_null());
}

}  // namespace
}  // namespace tomograph::evaluate
