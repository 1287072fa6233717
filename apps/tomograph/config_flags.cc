#include "config_flags.h"

#include <algorithm>
#include <cstdlib>

namespace tomograph::app {

void AddConfigFlags(CLI::App* command, const std::shared_ptr<ConfigFlags>& flags) {
  command->add_option("--config", flags->file, "YAML file with any of these options");
  const engine::Config defaults;
  for (const engine::Option& option : engine::Options()) {
    std::string flag = "--" + std::string(option.name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    command
        ->add_option_function<std::string>(
            flag,
            [flags, name = std::string(option.name)](const std::string& text) {
              flags->values[name] = text;
            },
            std::string(option.help))
        ->type_name("TEXT")
        ->default_str(option.get(defaults));
  }
}

Result<engine::Config> ReadConfig(const ConfigFlags& flags) {
  engine::Config config;
  if (!flags.file.empty()) TG_RETURN_IF_ERROR(engine::ApplyYaml(flags.file, &config));
  TG_RETURN_IF_ERROR(engine::ApplyEnvironment(
      [](const char* name) -> const char* { return std::getenv(name); }, &config));
  TG_RETURN_IF_ERROR(engine::ApplyFlags(flags.values, &config));
  TG_RETURN_IF_ERROR(engine::Validate(config));
  return config;
}

}  // namespace tomograph::app
