// The engine's options as flags of a subcommand, and the order in which they win.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "engine/config.h"

namespace tomograph::app {

struct ConfigFlags {
  std::string file;
  std::map<std::string, std::string> values;  // option name -> text
};

/// Adds --config and one flag an option; `flags` outlives the parsing.
void AddConfigFlags(CLI::App* command, const std::shared_ptr<ConfigFlags>& flags);
/// Defaults, then file, environment, flags.
Result<engine::Config> ReadConfig(const ConfigFlags& flags);

}  // namespace tomograph::app
