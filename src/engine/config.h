// Config: every setting of a running engine, from a flag, else the environment, else a YAML file,
// else the default. One table (config.cc) names each option once: `--store-dir`,
// TOMOGRAPH_STORE_DIR and `store_dir:` are the same option.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"

namespace tomograph::engine {

struct Config {
  std::string otlp_grpc_address = "127.0.0.1:4317";  // empty: not served
  std::string otlp_http_address = "127.0.0.1:4318";  // also remote write and change events
  std::string http_address = "127.0.0.1:7600";       // page, API, /metrics
  std::string store_dir = "tomograph-data";          // empty: nothing is stored
  std::vector<std::string> scrape;                   // "job=http://host:port/metrics"
  Nanos scrape_interval = 15 * kSecond;
  Nanos window = 5 * kSecond;
  Nanos lateness = 10 * kSecond;
  Nanos history = 30 * kMinute;
  Nanos commit_interval = 100 * kMillisecond;
  Nanos retention_age = 14 * 24 * kHour;
  uint64_t retention_bytes = 20ull << 30;
  Nanos cold_after = 2 * kHour;
  uint64_t memory_limit_bytes = 1ull << 30;  // the store's share
  uint64_t queue_batches = 256;
  uint64_t max_request_bytes = 16ull << 20;
  uint64_t max_inflight_bytes = 256ull << 20;  // of requests, over all listeners
  uint64_t io_threads = 2;
  uint64_t max_connections = 4096;
  std::string log_level = "info";
};

struct Option {
  std::string_view name;  // as in YAML: snake_case
  std::string_view help;
  std::function<Status(Config*, const std::string&)> set;
  std::function<std::string(const Config&)> get;
};
const std::vector<Option>& Options();

/// Reads YAML; unknown keys and wrong types are kInvalidArgument naming file, line and key.
/// `${env:NAME:-default}` in a value is replaced.
Status ApplyYaml(const std::string& path, Config* config);
/// TOMOGRAPH_<OPTION> for each option that is set.
Status ApplyEnvironment(const std::function<const char*(const char*)>& getenv, Config* config);
/// By option name -> text, as given on the command line.
Status ApplyFlags(const std::map<std::string, std::string>& flags, Config* config);
/// Values that make no sense together.
Status Validate(const Config& config);

struct HostPort {
  std::string host;
  uint16_t port = 0;
};
/// "host:port", ":port", "[::1]:port".
Result<HostPort> ParseAddress(const std::string& text);
/// "20GiB", "512MB", "1024".
Result<uint64_t> ParseBytes(const std::string& text);

}  // namespace tomograph::engine
