// The parts of HttpRequest that need no socket.
#include "net/http_server.h"
#include "net/percent.h"

namespace tomograph::net {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view HttpRequest::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

std::string HttpRequest::Param(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    if (PercentDecode(pair.substr(0, equals), PlusMeans::kSpace) == name) {
      if (equals == std::string_view::npos) return {};
      return PercentDecode(pair.substr(equals + 1), PlusMeans::kSpace);
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace tomograph::net
