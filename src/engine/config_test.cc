#include "engine/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace tomograph::engine {
namespace {

std::string WriteFile(const std::string& text) {
  const std::string path = testing::TempDir() + "/config_test.yaml";
  std::ofstream(path) << text;
  return path;
}

TEST(Config, FlagBeatsEnvironmentBeatsFile) {
  Config config;
  ASSERT_TRUE(
      ApplyYaml(WriteFile("window: 1s\nlateness: 2s\nstore_dir: from_file\n"), &config).ok());
  const auto environment = [](const char* name) -> const char* {
    if (std::string(name) == "TOMOGRAPH_LATENESS") return "3s";
    if (std::string(name) == "TOMOGRAPH_STORE_DIR") return "from_environment";
    return nullptr;
  };
  ASSERT_TRUE(ApplyEnvironment(environment, &config).ok());
  ASSERT_TRUE(ApplyFlags({{"store_dir", "from_flag"}}, &config).ok());
  EXPECT_EQ(config.window, kSecond);
  EXPECT_EQ(config.lateness, 3 * kSecond);
  EXPECT_EQ(config.store_dir, "from_flag");
}

TEST(Config, NamesFileLineAndKeyOfAMistake) {
  Config config;
  const Status unknown = ApplyYaml(WriteFile("window: 1s\nwidnow: 2s\n"), &config);
  EXPECT_NE(unknown.message().find("config_test.yaml:2"), std::string::npos) << unknown.message();
  EXPECT_NE(unknown.message().find("widnow"), std::string::npos);
  EXPECT_NE(unknown.message().find("did you mean 'window'?"), std::string::npos);
  const Status dashed = ApplyYaml(WriteFile("store-dir: x\n"), &config);
  EXPECT_NE(dashed.message().find("did you mean 'store_dir'?"), std::string::npos)
      << dashed.message();
  const Status far = ApplyYaml(WriteFile("colour_of_the_page: x\n"), &config);
  EXPECT_EQ(far.message().find("did you mean"), std::string::npos) << far.message();
  EXPECT_FALSE(ApplyYaml(WriteFile("window: [1"), &config).ok());
  EXPECT_FALSE(ApplyYaml(WriteFile("- a\n- b\n"), &config).ok());
  EXPECT_FALSE(ApplyYaml(WriteFile("window: 5 parsecs\n"), &config).ok());
  EXPECT_EQ(ApplyYaml("no/such/file.yaml", &config).code(), StatusCode::kNotFound);
  EXPECT_EQ(ApplyYaml(::testing::TempDir(), &config).code(), StatusCode::kInvalidArgument);
  const Status twice = ApplyYaml(WriteFile("window: 1s\nhistory: 1h\nwindow: 2s\n"), &config);
  EXPECT_NE(twice.message().find("config_test.yaml:3: 'window'"), std::string::npos)
      << twice.message();
  EXPECT_FALSE(ApplyYaml(WriteFile("log_level: loud\n"), &config).ok());
  EXPECT_FALSE(ApplyYaml(WriteFile("io_threads: 99999999\n"), &config).ok());
}

TEST(Config, ReadsListsAndEnvironmentReferences) {
  ::setenv("TOMOGRAPH_TEST_HOST", "10.0.0.1", 1);
  Config config;
  ASSERT_TRUE(
      ApplyYaml(
          WriteFile("http_address: ${env:TOMOGRAPH_TEST_HOST}:${env:TOMOGRAPH_TEST_NOPE:-81}\n"
                    "scrape: [a=http://h:1/metrics, b=http://h:2/metrics]\n"),
          &config)
          .ok());
  EXPECT_EQ(config.http_address, "10.0.0.1:81");
  EXPECT_EQ(config.scrape.size(), 2u);
  EXPECT_TRUE(Validate(config).ok());
}

TEST(Config, EveryOptionTakesWhatItPrints) {
  const Config defaults;
  for (const Option& option : Options()) {
    Config config;
    const Status status = option.set(&config, option.get(defaults));
    EXPECT_TRUE(status.ok()) << option.name << ": " << status.message();
    EXPECT_EQ(option.get(config), option.get(defaults)) << option.name;
  }
}

TEST(Config, RefusesWhatMakesNoSense) {
  Config config;
  config.window = kMillisecond;
  EXPECT_FALSE(Validate(config).ok());
  config = Config();
  config.commit_interval = kSecond;
  EXPECT_FALSE(Validate(config).ok());
  config = Config();
  config.http_address = "nonsense";
  EXPECT_FALSE(Validate(config).ok());
  config = Config();
  config.max_request_bytes = config.max_inflight_bytes / 4;
  EXPECT_FALSE(Validate(config).ok());
}

TEST(Config, ParsesAddressesAndSizes) {
  EXPECT_EQ(ParseAddress("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseAddress(":0")->host, "127.0.0.1");
  for (const char* bad : {"", "host", "host:", "host:99999", "::1:80", "h:1x"})
    EXPECT_FALSE(ParseAddress(bad).ok()) << bad;
  EXPECT_EQ(*ParseBytes("1.5GiB"), 1610612736u);
  for (const char* bad : {"", "-1", "5XB", "1e30", "0"}) EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
}

}  // namespace
}  // namespace tomograph::engine
