#include "normalize/schema/operation_template.h"

#include <algorithm>
#include <cctype>

namespace tomograph::normalize {
namespace {

constexpr size_t kShortNumber = 3;
constexpr size_t kLongId = 20;
constexpr size_t kHexId = 8;

bool IsId(std::string_view word, bool in_path) {
  size_t digits = 0;
  bool hex = true;
  for (const char c : word) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isdigit(u)) ++digits;
    if (!std::isxdigit(u) && c != '-') hex = false;
    if (!std::isalnum(u) && c != '-' && c != '_') return false;
  }
  if (digits == 0) return false;
  if (digits == word.size()) return in_path || digits > kShortNumber;
  if (hex && word.size() >= kHexId && std::isxdigit(static_cast<unsigned char>(word[0])))
    return true;
  return word.size() >= kLongId && digits * 5 >= word.size();
}

}  // namespace

std::string OperationTemplate(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos) name = name.substr(0, name.find('?', slash));
  std::string out;
  bool in_path = false;
  while (!name.empty()) {
    const size_t end = std::min(name.find_first_of("/ "), name.size());
    const std::string_view word = name.substr(0, end);
    out.append(IsId(word, in_path) ? std::string_view("{id}") : word);
    if (end == name.size()) break;
    out += name[end];
    in_path = name[end] == '/';
    name.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace tomograph::normalize
