#include "engine/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/edit_distance.h"

namespace tomograph::engine {
namespace {

Status SetText(std::string* field, const std::string& text) {
  *field = text;
  return Status::Ok();
}

Status SetDuration(Nanos* field, const std::string& text) {
  const Result<Nanos> parsed = ParseDuration(text);
  if (!parsed.ok()) return parsed.status();
  if (*parsed <= 0) return Status::InvalidArgument("must be longer than 0: '" + text + "'");
  *field = *parsed;
  return Status::Ok();
}

Status SetBytes(uint64_t* field, const std::string& text) {
  const Result<uint64_t> parsed = ParseBytes(text);
  if (!parsed.ok()) return parsed.status();
  *field = *parsed;
  return Status::Ok();
}

Status SetCount(uint64_t* field, uint64_t most, const std::string& text) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *field);
  if (error != std::errc() || end != text.data() + text.size() || *field == 0)
    return Status::InvalidArgument("not a positive whole number: '" + text + "'");
  if (*field > most) return Status::InvalidArgument(text + " is more than " + std::to_string(most));
  return Status::Ok();
}

Status SetLogLevel(std::string* field, const std::string& text) {
  static constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
  if (std::find(std::begin(kLevels), std::end(kLevels), text) == std::end(kLevels))
    return Status::InvalidArgument("there is no level '" + text + "'");
  return SetText(field, text);
}

Status SetList(std::vector<std::string>* field, const std::string& text) {
  field->clear();
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(',', from), text.size());
    if (to > from) field->push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return Status::Ok();
}

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

std::string PrintDuration(Nanos d) {
  if (d % kSecond == 0) return std::to_string(d / kSecond) + "s";
  return std::to_string(d / kMillisecond) + "ms";
}

#define TEXT(field, help)                                                                    \
  {                                                                                          \
#field, help,                                                                            \
        [](Config * c,                                                                       \
           const std::string&                                                                \
               t) { return SetText(&c->field, t); }, [](const Config& c) { return c.field; } \
  }
#define DURATION(field, help)                                                                      \
  {                                                                                                \
#field, help,                                                                                  \
        [](Config * c,                                                                             \
           const std::string&                                                                      \
               t) { return SetDuration(&c->field, t); },                                           \
                                                      [](const Config&                             \
                                                             c) { return PrintDuration(c.field); } \
  }
#define BYTES(field, help)                                                                       \
  {                                                                                              \
#field, help,                                                                                \
        [](Config * c,                                                                           \
           const std::string&                                                                    \
               t) { return SetBytes(&c->field, t); },                                            \
                                                   [](const Config&                              \
                                                          c) { return std::to_string(c.field); } \
  }
#define COUNT(field, most, help)                                                               \
  {                                                                                            \
#field, help,                                                                                \
        [](Config * c,                                                                           \
           const std::string&                                                                    \
               t) { return SetCount(&c->field, most, t); },                                            \
                                                   [](const Config&                              \
                                                          c) { return std::to_string(c.field); } \
  }
#define LEVEL(field, help)                                                                       \
  {                                                                                              \
#field, help,                                                                                \
        [](Config * c,                                                                           \
           const std::string&                                                                    \
               t) { return SetLogLevel(&c->field, t); }, [](const Config& c) { return c.field; } \
  }
#define LIST(field, help)                                                                          \
  {                                                                                                \
#field, help,                                                                                  \
        [](Config * c,                                                                             \
           const std::string&                                                                      \
               t) { return SetList(&c->field, t); }, [](const Config& c) { return Join(c.field); } \
  }

}  // namespace

const std::vector<Option>& Options() {
  static const std::vector<Option> kOptions = {
      TEXT(otlp_grpc_address, "OTLP over gRPC; empty: off"),
      TEXT(otlp_http_address, "OTLP over HTTP, Prometheus remote write, change events; empty: off"),
      TEXT(http_address, "page, API and /metrics"),
      TEXT(store_dir, "where telemetry and results are kept; empty: nowhere"),
      LIST(scrape, "Prometheus targets, comma-separated job=http://host:port/metrics"),
      DURATION(scrape_interval, "between two scrapes of a target"),
      DURATION(window, "length of one interval of the reconstruction"),
      DURATION(lateness, "how long a window waits for late records"),
      DURATION(history, "how far back the page and API show without asking the store"),
      DURATION(commit_interval, "the longest that a sender waits for its commit"),
      DURATION(retention_age, "older telemetry is removed"),
      BYTES(retention_bytes, "the oldest telemetry is removed beyond this size"),
      DURATION(cold_after, "older hours move to Parquet files"),
      BYTES(memory_limit_bytes, "memory that the store may use"),
      COUNT(queue_batches, 1'000'000, "batches that may wait before senders are told to retry"),
      BYTES(max_request_bytes, "largest request that is read"),
      BYTES(max_inflight_bytes,
            "requests in memory, inflated, over all listeners, and batches that wait for the "
            "analysis; beyond, senders are told to retry"),
      COUNT(io_threads, 256, "threads that read and decode requests"),
      COUNT(max_connections, 1'000'000,
            "at once on each HTTP port; beyond, clients are told to come again"),
      LEVEL(log_level, "trace, debug, info, warn, error or off"),
  };
  return kOptions;
}

namespace {

const Option* FindOption(std::string_view name) {
  for (const Option& option : Options())
    if (option.name == name) return &option;
  return nullptr;
}

/// "; did you mean 'window'?", or nothing when no option is near.
std::string Suggestion(std::string_view name) {
  const auto nearest =
      std::min_element(Options().begin(), Options().end(), [&](const Option& a, const Option& b) {
        return EditDistance(name, a.name) < EditDistance(name, b.name);
      });
  if (EditDistance(name, nearest->name) > 1 + nearest->name.size() / 4) return "";
  return "; did you mean '" + std::string(nearest->name) + "'?";
}

Status Set(std::string_view name, const std::string& text, const std::string& where,
           Config* config) {
  const Option* option = FindOption(name);
  if (option == nullptr)
    return Status::InvalidArgument(where + ": there is no option '" + std::string(name) + "'" +
                                   Suggestion(name));
  const Status status = option->set(config, text);
  if (status.ok()) return status;
  return Status(status.code(), where + ": " + std::string(name) + ": " + status.message());
}

// ${env:NAME} and ${env:NAME:-default}.
std::string ReplaceEnvironment(const std::string& text) {
  std::string out;
  size_t from = 0;
  for (;;) {
    const size_t at = text.find("${env:", from);
    const size_t end = at == std::string::npos ? at : text.find('}', at);
    if (end == std::string::npos) return out + text.substr(from);
    out += text.substr(from, at - from);
    std::string name = text.substr(at + 6, end - at - 6), fallback;
    if (const size_t dash = name.find(":-"); dash != std::string::npos) {
      fallback = name.substr(dash + 2);
      name.resize(dash);
    }
    const char* value = std::getenv(name.c_str());
    out += value != nullptr && *value != '\0' ? value : fallback;
    from = end + 1;
  }
}

}  // namespace

Status ApplyYaml(const std::string& path, Config* config) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Status::InvalidArgument(path + ": a folder, not a file");
  try {
    const YAML::Node root = YAML::LoadFile(path);
    if (root.IsNull()) return Status::Ok();
    if (!root.IsMap()) return Status::InvalidArgument(path + ": not a map of options");
    std::set<std::string> given;
    for (const auto& entry : root) {
      const std::string where = path + ":" + std::to_string(entry.first.Mark().line + 1);
      const std::string name = entry.first.as<std::string>();
      if (!given.insert(name).second)
        return Status::InvalidArgument(where + ": '" + name + "' stands here a second time");
      std::string text;
      if (entry.second.IsScalar()) {
        text = entry.second.Scalar();
      } else if (entry.second.IsSequence()) {
        for (const auto& item : entry.second)
          text += (text.empty() ? "" : ",") + item.as<std::string>();
      } else if (!entry.second.IsNull()) {
        return Status::InvalidArgument(where + ": a value or a list is needed");
      }
      TG_RETURN_IF_ERROR(Set(name, ReplaceEnvironment(text), where, config));
    }
    return Status::Ok();
  } catch (const YAML::BadFile&) {
    return Status::NotFound(path + ": cannot be read");
  } catch (const YAML::Exception& e) {
    return Status::InvalidArgument(path + ": " + e.what());
  }
}

Status ApplyEnvironment(const std::function<const char*(const char*)>& getenv, Config* config) {
  for (const Option& option : Options()) {
    std::string variable = "TOMOGRAPH_";
    for (const char c : option.name)
      variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (const char* value = getenv(variable.c_str()))
      TG_RETURN_IF_ERROR(Set(option.name, value, variable, config));
  }
  return Status::Ok();
}

Status ApplyFlags(const std::map<std::string, std::string>& flags, Config* config) {
  for (const auto& [name, text] : flags)
    TG_RETURN_IF_ERROR(Set(name, text, "command line", config));
  return Status::Ok();
}

Status Validate(const Config& c) {
  for (const std::string* address : {&c.otlp_grpc_address, &c.otlp_http_address, &c.http_address})
    if (!address->empty())
      if (const auto parsed = ParseAddress(*address); !parsed.ok()) return parsed.status();
  if (c.window < 100 * kMillisecond || c.window > kHour)
    return Status::InvalidArgument("window: must be from 100ms to 1h");
  if (c.history < c.window)
    return Status::InvalidArgument("history: must not be shorter than window");
  // Else a request that is allowed might never find room: as it came, and inflated to 4 times that.
  if (c.max_inflight_bytes / 5 < c.max_request_bytes)
    return Status::InvalidArgument("max_inflight_bytes: must be 5 times max_request_bytes or more");
  if (c.commit_interval > 200 * kMillisecond)
    return Status::InvalidArgument("commit_interval: senders are promised an answer within 200ms");
  for (const std::string& target : c.scrape)
    if (target.find("=http://") == std::string::npos)
      return Status::InvalidArgument("scrape: job=http://host:port/path is needed, not '" + target +
                                     "'");
  return Status::Ok();
}

Result<HostPort> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  HostPort out;
  if (colon != std::string::npos) {
    out.host = text.substr(0, colon);
    const auto [end, error] =
        std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port);
    const bool bracketed = out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']';
    if (bracketed) out.host = out.host.substr(1, out.host.size() - 2);
    const bool ambiguous = !bracketed && out.host.find(':') != std::string::npos;
    if (error == std::errc() && end == text.data() + text.size() && !ambiguous) {
      if (out.host.empty()) out.host = "127.0.0.1";
      return out;
    }
  }
  return Status::InvalidArgument("not an address like 127.0.0.1:4317: '" + text + "'");
}

Result<uint64_t> ParseBytes(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  static const std::map<std::string, double> kUnits = {{"", 1},
                                                       {"B", 1},
                                                       {"kB", 1e3},
                                                       {"KB", 1e3},
                                                       {"MB", 1e6},
                                                       {"GB", 1e9},
                                                       {"TB", 1e12},
                                                       {"KiB", 1 << 10},
                                                       {"MiB", 1 << 20},
                                                       {"GiB", 1 << 30},
                                                       {"TiB", 1099511627776.0}};
  const auto it = kUnits.find(unit);
  if (error != std::errc() || it == kUnits.end() || !(value * it->second >= 1) ||
      value * it->second > 1e18)
    return Status::InvalidArgument("not a size like 512MiB or 20GiB: '" + text + "'");
  return static_cast<uint64_t>(value * it->second);
}

}  // namespace tomograph::engine
