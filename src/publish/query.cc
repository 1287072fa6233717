#include "publish/query.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "net/percent.h"
#include "publish/json.h"

namespace tomograph::publish {
namespace {

using net::PercentDecode;
using net::PlusMeans;

template <typename Words>
std::string Joined(const Words& words) {
  std::string out;
  for (const auto word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out.empty() ? "none" : out;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Result<Nanos> ParseInstant(std::string_view name, const std::string& text) {
  double millis = 0;
  // 9.2e12 ms is where nanoseconds in 64 bits end.
  if (ParseNumber(text, &millis) && std::abs(millis) < 9.2e12) {
    return static_cast<Nanos>(std::llround(millis * 1e6));
  }
  if (Result<Nanos> time = ParseTime(text); time.ok()) return time;
  return Status::InvalidArgument(std::string(name) + "=" + text +
                                 ": neither RFC 3339 nor milliseconds since the epoch");
}

}  // namespace

Result<Query> Query::Parse(std::string_view query, std::initializer_list<std::string_view> known) {
  Query out;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string name = PercentDecode(pair.substr(0, equals), PlusMeans::kSpace);
    std::string value =
        PercentDecode(pair.substr(std::min(equals + 1, pair.size())), PlusMeans::kSpace);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Status::InvalidArgument("unknown parameter '" + name +
                                     "'; this route knows: " + Joined(known));
    }
    if (out.Text(name)) return Status::InvalidArgument("parameter '" + name + "' given twice");
    out.pairs_.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

std::optional<std::string> Query::Text(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<std::optional<std::string>> Query::Word(std::string_view name,
                                               const std::vector<std::string_view>& words) const {
  auto text = Text(name);
  if (!text || std::find(words.begin(), words.end(), *text) != words.end()) return text;
  return Status::InvalidArgument("unknown " + std::string(name) + " '" + *text +
                                 "'; known: " + Joined(words));
}

Result<telemetry::EntityId> Query::Entity(std::string_view name,
                                          const telemetry::Picture& picture) const {
  const auto text = Text(name);
  if (!text) return telemetry::kNoEntity;
  telemetry::EntityId id = telemetry::kNoEntity;
  const bool is_id = ParseIdText(*text, &id);
  const telemetry::Entity* found = nullptr;
  for (const auto& entity : picture.entities) {
    if (is_id && entity.id == id) return id;
    if (entity.name != *text) continue;
    if (found != nullptr) {
      return Status::InvalidArgument("several entities are named '" + *text +
                                     "': give an id from /api/v1/entities");
    }
    found = &entity;
  }
  if (found == nullptr) return Status::NotFound("no entity '" + *text + "' is known");
  return found->id;
}

Result<TimeRange> Query::Range() const {
  TimeRange range{INT64_MIN, INT64_MAX};
  if (const auto from = Text("from")) {
    Result<Nanos> time = ParseInstant("from", *from);
    if (!time.ok()) return time.status();
    range.from = *time;
  }
  if (const auto to = Text("to")) {
    Result<Nanos> time = ParseInstant("to", *to);
    if (!time.ok()) return time.status();
    range.to = *time;
  }
  if (range.from >= range.to) return Status::InvalidArgument("from must lie before to");
  return range;
}

Result<std::optional<Nanos>> Query::Instant(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return std::optional<Nanos>();
  Result<Nanos> time = ParseInstant(name, *text);
  if (!time.ok()) return time.status();
  return std::optional<Nanos>(*time);
}

Result<size_t> Query::Limit() const {
  const auto text = Text("limit");
  if (!text) return kDefaultLimit;
  size_t limit = 0;
  if (!ParseNumber(*text, &limit) || limit < 1 || limit > kMaxLimit) {
    return Status::InvalidArgument("limit must be a number from 1 to " + std::to_string(kMaxLimit));
  }
  return limit;
}

}  // namespace tomograph::publish
