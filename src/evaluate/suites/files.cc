#include "evaluate/suites/files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tomograph::evaluate {
namespace {

Result<std::string> ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("cannot read " + path);
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return Status::Io("reading " + path + " failed");
  return std::move(text).str();
}

// Takes the cell that starts at `at`; leaves `at` on the character that ended it.
std::string TakeCell(const std::string& text, size_t* at) {
  std::string cell;
  if (*at < text.size() && text[*at] == '"') {
    for (++*at; *at < text.size(); ++*at) {
      if (text[*at] != '"') {
        cell += text[*at];
      } else if (*at + 1 < text.size() && text[*at + 1] == '"') {
        cell += text[++*at];
      } else {
        ++*at;
        break;
      }
    }
  }
  const size_t end = std::min(text.find_first_of(",\n", *at), text.size());
  cell.append(text, *at, end - *at);
  *at = end;
  if (!cell.empty() && cell.back() == '\r') cell.pop_back();
  return cell;
}

}  // namespace

Result<std::vector<CsvRow>> ReadCsv(const std::string& path) {
  Result<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  std::vector<CsvRow> rows;
  CsvRow row;
  for (size_t at = 0; at < text->size(); ++at) {
    row.push_back(TakeCell(*text, &at));
    if (at < text->size() && (*text)[at] == ',') {
      if (at + 1 == text->size()) row.emplace_back();
      continue;
    }
    rows.push_back(std::move(row));
    row.clear();
  }
  if (!row.empty()) rows.push_back(std::move(row));
  return rows;
}

Result<nlohmann::json> ReadJson(const std::string& path) {
  Result<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  if (json.is_discarded()) return Status::Corrupt(path + " is not JSON");
  return json;
}

double ToNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : std::nan("");
}

Result<std::vector<std::string>> FoldersWith(const std::string& root, std::string_view file) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> found;
  fs::recursive_directory_iterator it(root, error), end;
  if (error) return Status::NotFound("cannot list " + root + ": " + error.message());
  for (; it != end; it.increment(error)) {
    if (error) return Status::Io("listing " + root + " failed: " + error.message());
    if (it->path().filename() == file) {
      found.push_back(it->path().parent_path().lexically_relative(root).generic_string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  return (std::filesystem::path(folder) / name).string();
}

}  // namespace tomograph::evaluate
