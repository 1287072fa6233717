#include <CLI/CLI.hpp>

#include "commands.h"

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
  tomograph::app::AddCheck(app, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 1;
  }
  return run();
}
