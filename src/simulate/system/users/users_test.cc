#include "simulate/system/users/users.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

std::string Yaml(const std::string& users, const std::string& more = "") {
  return "name: users\nlength: 200s\nservices:\n"
         "- {name: s, operations: [{name: a, steps: []}, {name: b, steps: []}]}\n"
         "users: [{name: u, operations: [{to: s, operation: a, share: 3}, {to: s, operation: "
         "b}], " +
         users + "}]\n" + more;
}

TEST(UsersTest, ArriveAsAPoissonProcessInTheirMix) {
  Played played(Yaml("rate: 100"));
  const std::vector<double>& calls = played.truth.Of("call_volume", "s");
  double mean = 0, square = 0;
  for (const double n : calls) mean += n / 200, square += n * n / 200;
  EXPECT_NEAR(mean, 100, 2.5);
  EXPECT_NEAR((square - mean * mean) / mean, 1, 0.3);
  const auto a = std::count_if(played.seen.spans.begin(), played.seen.spans.end(),
                               [](const SpanRecord& span) { return span.name == "a"; });
  EXPECT_NEAR(static_cast<double>(a) / static_cast<double>(played.seen.spans.size()), 0.75, 0.015);
}

TEST(UsersTest, ComeInAWave) {
  Played played(Yaml("rate: 100, wave: {depth: 0.8, period: 200s}"));
  EXPECT_NEAR(played.truth.Mean("call_volume", "s", 30, 70), 176, 10);
  EXPECT_NEAR(played.truth.Mean("call_volume", "s", 130, 170), 24, 5);
}

TEST(UsersTest, AnOverloadAddsToThoseWhoComeAnyway) {
  Scenario scenario = MustRead(
      Yaml("rate: 50", "faults: [{kind: overload, target: u, from: 100s, until: 150s, by: 3}]\n"));
  Played with(scenario);
  const Played without(scenario.WithoutFaults());
  EXPECT_NEAR(with.truth.Mean("call_volume", "s", 100, 150), 150, 8);
  EXPECT_NEAR(with.truth.Mean("call_volume", "s", 150, 200), 50, 5);
  std::set<uint64_t> spans;
  for (const SpanRecord& span : with.seen.spans) spans.insert(span.span);
  for (const SpanRecord& span : without.seen.spans) EXPECT_EQ(spans.count(span.span), 1u);
}

TEST(UsersTest, FewerWhenTheFactorIsBelowOne) {
  Played played(Yaml("rate: 50", "faults: [{kind: overload, target: u, from: 100s, by: 0.2}]\n"));
  EXPECT_NEAR(played.truth.Mean("call_volume", "s", 100, 200), 10, 2);
}

TEST(UsersTest, SessionsAreOneUsersPagesWithTimeToThink) {
  const Played played(
      Yaml("rate: 5, sessions: {pages: 4, think: {mean: 2s, exponential: true}, population: 50}"));
  std::map<std::string, std::vector<const SpanRecord*>> sessions;
  std::set<std::string> users;
  for (const SpanRecord& span : played.seen.spans) {
    ASSERT_EQ(span.more.size(), 3u);
    sessions[span.more[0].second].push_back(&span);
    users.insert(span.more[1].second);
  }
  EXPECT_EQ(users.size(), 50u);
  EXPECT_NEAR(static_cast<double>(sessions.size()), 1000, 100);
  EXPECT_NEAR(static_cast<double>(played.seen.spans.size()) / static_cast<double>(sessions.size()),
              4, 0.4);
  double think = 0;
  size_t gaps = 0;
  for (const auto& [session, pages] : sessions) {
    for (size_t i = 1; i < pages.size(); ++i, ++gaps) {
      think += ToSeconds(pages[i]->start - pages[i - 1]->start);
      EXPECT_EQ(pages[i]->more[1].second, pages[0]->more[1].second) << "one user";
    }
  }
  EXPECT_NEAR(think / static_cast<double>(gaps), 2, 0.15);
}

}  // namespace
}  // namespace tomograph::simulate
