#include "normalize/schema/metric_words.h"

#include <algorithm>
#include <cctype>

namespace tomograph::normalize {
namespace {

bool IsUpper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
bool IsLower(char c) { return std::islower(static_cast<unsigned char>(c)) != 0; }
bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Does a new word start at `i`? Between aB, and before the last capital of ABc (HTTPRequest).
bool StartsWord(std::string_view name, size_t i) {
  if (!IsUpper(name[i])) return false;
  return !IsUpper(name[i - 1]) || (i + 1 < name.size() && IsLower(name[i + 1]));
}

}  // namespace

bool MetricWords::Has(std::initializer_list<std::string_view> any) const {
  return std::any_of(any.begin(), any.end(), [&](std::string_view w) {
    return std::find(words.begin(), words.end(), w) != words.end();
  });
}

bool MetricWords::HasStem(std::initializer_list<std::string_view> any) const {
  return std::any_of(any.begin(), any.end(), [&](std::string_view stem) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& w) { return w.compare(0, stem.size(), stem) == 0; });
  });
}

MetricWords SplitMetricName(std::string_view name) {
  MetricWords out;
  const size_t open = name.find_first_of("([");
  if (open != std::string_view::npos) {
    const size_t close = std::min(name.find_first_of(")]", open), name.size());
    out.unit = name.substr(open + 1, close - open - 1);
    name = name.substr(0, open);
  }
  if (out.unit.empty() && name.find('%') != std::string_view::npos) out.unit = "%";

  bool in_word = false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (!IsWordChar(name[i])) {
      in_word = false;
      continue;
    }
    if (!in_word || StartsWord(name, i)) out.words.emplace_back();
    out.words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    in_word = true;
  }
  return out;
}

}  // namespace tomograph::normalize
