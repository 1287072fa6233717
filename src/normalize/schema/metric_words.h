// A metric's name taken apart into words, so that rules speak of words and not of spellings:
// "PodServerLatencyP90(ms)" -> {pod, server, latency, p90} with unit "ms"; "http_errors %" ->
// {http, errors} with unit "%".
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tomograph::normalize {

struct MetricWords {
  std::vector<std::string> words;  // lower case
  std::string unit;  // of a trailing (...) or [...], or a '%'; as written, may be empty

  bool Has(std::initializer_list<std::string_view> any) const;
  /// A word that starts so: "error" finds "errors".
  bool HasStem(std::initializer_list<std::string_view> any) const;
  bool StartsWith(std::string_view word) const { return words.size() > 1 && words[0] == word; }
};

MetricWords SplitMetricName(std::string_view name);

}  // namespace tomograph::normalize
