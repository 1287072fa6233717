// The subcommands. Each file adds one to the command line and, when chosen, sets what main() then
// runs.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace tomograph::app {

/// Exit codes: 0 ok, 1 failure, 3 findings (check).
using Run = std::function<int()>;

void AddServe(CLI::App& app, Run* run);
void AddReconstruct(CLI::App& app, Run* run);
void AddEvaluate(CLI::App& app, Run* run);
void AddCheck(CLI::App& app, Run* run);
void AddSimulate(CLI::App& app, Run* run);

}  // namespace tomograph::app
