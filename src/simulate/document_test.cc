// docs/simulator.md: its example is read, runs, and is all keys and faults that there are.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "simulate/seen_test.h"

namespace tomograph::simulate {
namespace {

std::string Document() {
  std::ifstream in(std::string(TOMOGRAPH_SOURCE_DIR) + "/docs/simulator.md");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Example() {
  const std::string text = Document();
  const std::string opening = "```yaml\n";
  const size_t from = text.find(opening) + opening.size();
  return text.substr(from, text.find("```", from) - from);
}

TEST(DocumentTest, TheExampleIsReadAndRuns) {
  Scenario scenario = MustRead(Example());
  scenario.length = 30 * kSecond;
  Played played(scenario);
  EXPECT_GT(played.seen.spans.size(), 1000u);
}

TEST(DocumentTest, EveryFaultOfTheTableIsTaken) {
  std::istringstream lines(Document());
  std::string line;
  size_t faults = 0;
  while (std::getline(lines, line) && line != "| fault | target | `by` |") {
  }
  std::getline(lines, line);
  while (std::getline(lines, line) && line.rfind("| ", 0) == 0) {
    const size_t end = line.find(" |", 2);
    const std::string targets = line.substr(end, line.find(" |", end + 2) - end);
    const std::string target = targets.find("service") != std::string::npos   ? "orders"
                               : targets.find("->") != std::string::npos      ? "gateway->catalog"
                               : targets.find("replica") != std::string::npos ? "ledger/copy"
                               : targets.find("users") != std::string::npos   ? "shoppers"
                                                                              : "h1";
    std::istringstream kinds(line.substr(2, end - 2));
    std::string kind;
    while (std::getline(kinds >> std::ws, kind, ',')) {
      std::string yaml = Example();
      const std::string was = "kind: slow, target: orders";
      yaml.replace(yaml.find(was), was.size(), "kind: " + kind + ", target: " + target);
      EXPECT_TRUE(ReadScenario(yaml).ok()) << kind << " of " << target;
      ++faults;
    }
  }
  EXPECT_EQ(faults, 14u);
}

}  // namespace
}  // namespace tomograph::simulate
