// Small files of the public layouts: CSV tables, JSON documents, folders of cases.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tomograph::evaluate {

using CsvRow = std::vector<std::string>;

/// RFC 4180; short rows stay short. Suites are files of a few megabytes: all of it at once.
Result<std::vector<CsvRow>> ReadCsv(const std::string& path);
Result<nlohmann::json> ReadJson(const std::string& path);
/// NaN for what is not a number, an empty cell above all.
double ToNumber(std::string_view text);
/// Folders below `root` that hold `file`, as paths relative to it, ascending.
Result<std::vector<std::string>> FoldersWith(const std::string& root, std::string_view file);
std::string JoinPath(std::string_view folder, std::string_view name);

}  // namespace tomograph::evaluate
