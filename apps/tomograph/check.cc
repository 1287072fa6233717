// tomograph check config FILE: is this configuration right?
#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "config_flags.h"

namespace tomograph::app {
namespace {

int CheckConfig(const std::string& path) {
  engine::Config config;
  Status status = engine::ApplyYaml(path, &config);
  const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
  if (status.ok()) status = engine::ApplyEnvironment(environment, &config);
  if (status.ok()) status = engine::Validate(config);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return status.code() == StatusCode::kNotFound ? 1 : 3;
  }
  for (const engine::Option& option : engine::Options())
    std::printf("%s: %s\n", std::string(option.name).c_str(), option.get(config).c_str());
  return 0;
}

}  // namespace

void AddCheck(CLI::App& app, Run* run) {
  CLI::App* check = app.add_subcommand("check", "Check a file before it is used");
  check->require_subcommand(1);
  CLI::App* config =
      check->add_subcommand("config", "Read a configuration and print what would be in force");
  auto path = std::make_shared<std::string>();
  config->add_option("file", *path)->required();
  config->callback([run, path] { *run = [path] { return CheckConfig(*path); }; });
}

}  // namespace tomograph::app
