// Query: the parameters of one API request, checked. A parameter that a route does not know, or a
// value that cannot be meant, is kInvalidArgument with a sentence: a filter that is silently
// ignored lies.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "telemetry/picture.h"

namespace tomograph::publish {

class Query {
 public:
  static constexpr size_t kDefaultLimit = 1000;
  static constexpr size_t kMaxLimit = 10'000;

  static Result<Query> Parse(std::string_view query, std::initializer_list<std::string_view> known);

  std::optional<std::string> Text(std::string_view name) const;
  /// One of a closed list of words: another one is an error that names them, since an empty answer
  /// would say that there is nothing of it.
  Result<std::optional<std::string>> Word(std::string_view name,
                                          const std::vector<std::string_view>& words) const;
  /// An entity's id (16 hex digits) or its exact name. kNotFound when the Picture has none such,
  /// kInvalidArgument when several bear the name; kNoEntity when the parameter is absent.
  Result<telemetry::EntityId> Entity(std::string_view name,
                                     const telemetry::Picture& picture) const;
  /// `from` and `to`: RFC 3339, or milliseconds since the epoch.
  Result<TimeRange> Range() const;
  /// An instant, written likewise; nothing when the parameter is absent.
  Result<std::optional<Nanos>> Instant(std::string_view name) const;
  /// 1..kMaxLimit.
  Result<size_t> Limit() const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace tomograph::publish
