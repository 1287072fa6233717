#include "ingest/changes/artifact.h"

namespace tomograph::ingest::changes {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    if (escape) {
      plain += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// The value of `tag` in "tag=1&repository_url=...".
std::string_view TagIn(std::string_view qualifiers) {
  while (!qualifiers.empty()) {
    const std::string_view pair = qualifiers.substr(0, qualifiers.find('&'));
    if (pair.starts_with("tag=")) return pair.substr(4);
    qualifiers.remove_prefix(pair.size());
    if (!qualifiers.empty()) qualifiers.remove_prefix(1);
  }
  return {};
}

}  // namespace

std::string VersionOfArtifact(std::string_view artifact) {
  if (artifact.starts_with("pkg:")) {
    const std::string_view whole = artifact.substr(0, artifact.find('#'));
    const size_t query = whole.find('?');
    if (query != std::string_view::npos) {
      if (const std::string_view tag = TagIn(whole.substr(query + 1)); !tag.empty())
        return PercentDecoded(tag);
    }
    const std::string_view path = whole.substr(0, query);
    const size_t at = path.rfind('@');
    if (at != std::string_view::npos && at + 1 < path.size())
      return PercentDecoded(path.substr(at + 1));
    return std::string(artifact);
  }
  const size_t digest = artifact.find('@');
  const std::string_view name = artifact.substr(0, digest);
  const size_t colon = name.rfind(':');
  const bool tagged = colon != std::string_view::npos && colon + 1 < name.size() &&
                      name.find('/', colon) == std::string_view::npos;
  if (tagged) return std::string(name.substr(colon + 1));
  return std::string(digest == std::string_view::npos ? artifact : artifact.substr(digest + 1));
}

}  // namespace tomograph::ingest::changes
