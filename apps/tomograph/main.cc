#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/edit_distance.h"
#include "commands.h"

namespace {

/// The name that `word` was meant to be, most likely; empty when none is near.
std::string Nearest(const std::string& word, const std::vector<std::string>& names) {
  std::string nearest;
  size_t least = word.size() / 3 + 2;
  for (const std::string& name : names) {
    const bool part = word.size() >= 3 && name.find(word) != std::string::npos;
    const size_t distance = part ? 1 : tomograph::EditDistance(word, name);
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string DidYouMean(const std::string& dashes, const std::string& nearest) {
  return nearest.empty() ? "" : "; did you mean " + dashes + nearest + "?";
}

/// CLI11 says of an unknown word neither which one it is nor what would be near. Empty: its own
/// message will do.
std::string WhatIsUnknown(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::vector<std::string> words = app.remaining(true);
  const auto word = std::find_if(words.begin(), words.end(),
                                 [](const std::string& w) { return w.rfind("--", 0) == 0; });
  if (word != words.end()) {
    const std::string name = word->substr(2, word->find('=') - 2);
    std::vector<std::string> names;
    for (const CLI::Option* option : command->get_options({})) {
      for (const std::string& n : option->get_lnames()) names.push_back(n);
    }
    return "there is no option --" + name + DidYouMean("--", Nearest(name, names));
  }
  std::vector<std::string> names;
  for (const CLI::App* sub : command->get_subcommands({})) names.push_back(sub->get_name());
  if (words.empty() || names.empty()) return "";
  return "there is no command '" + words[0] + "'" + DidYouMean("", Nearest(words[0], names));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Tomograph reconstructs the hidden state of a running distributed system from its telemetry.",
      "tomograph");
  app.set_version_flag("--version", TOMOGRAPH_VERSION);
  app.require_subcommand(1);
  tomograph::app::Run run;
  tomograph::app::AddServe(app, &run);
  tomograph::app::AddReconstruct(app, &run);
  tomograph::app::AddEvaluate(app, &run);
  tomograph::app::AddSimulate(app, &run);
  tomograph::app::AddCheck(app, &run);
  app.failure_message([&](const CLI::App* of, const CLI::Error& error) {
    const std::string unknown = WhatIsUnknown(app);
    const std::string what = unknown.empty() ? error.what() : unknown;
    return "tomograph: " + what + "\n" + of->get_name() + " --help says what there is\n";
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 1;
  }
  return run();
}
