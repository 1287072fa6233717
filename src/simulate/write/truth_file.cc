#include "simulate/write/truth_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "simulate/write/json_text.h"
#include "telemetry/attributes.h"

namespace tomograph::simulate {
namespace {

using telemetry::AppendJsonString;

constexpr std::string_view kHeader = "time_s,state,entity,caller,detail,value\n";
constexpr size_t kColumns = 6;
constexpr size_t kBufferBytes = 1u << 20;
constexpr int kFractionDigits = 9;

void AppendSeconds(Nanos time, std::string* out) {
  if (time < 0) out->push_back('-');
  const uint64_t t = time < 0 ? 0 - static_cast<uint64_t>(time) : static_cast<uint64_t>(time);
  AppendUnsigned(t / kSecond, out);
  uint64_t fraction = t % kSecond;
  if (fraction == 0) return;
  char digits[kFractionDigits];
  for (int i = kFractionDigits - 1; i >= 0; --i, fraction /= 10)
    digits[i] = static_cast<char>('0' + fraction % 10);
  const std::string_view all(digits, sizeof digits);
  out->append(".").append(all.substr(0, all.find_last_not_of('0') + 1));
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stopped == end;
}

bool ParseSeconds(std::string_view text, Nanos* time) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t dot = text.find('.');
  std::string fraction(dot == std::string_view::npos ? "0" : text.substr(dot + 1));
  if (fraction.empty() || fraction.size() > kFractionDigits) return false;
  fraction.resize(kFractionDigits, '0');
  uint64_t seconds = 0, nanos = 0;
  if (!ParseNumber(text.substr(0, dot), &seconds) || !ParseNumber(fraction, &nanos)) return false;
  if (seconds >= static_cast<uint64_t>(INT64_MAX / kSecond)) return false;
  *time = static_cast<Nanos>(seconds * kSecond + nanos) * (negative ? -1 : 1);
  return true;
}

void AppendCell(std::string_view text, std::string* out) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out->append(text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"') out->push_back('"');
    out->push_back(c);
  }
  out->push_back('"');
}

/// Cuts one record of CSV off `rest`, quoted line feeds included. False: a quote is never closed.
bool NextRecord(std::string_view* rest, std::vector<std::string>* cells) {
  cells->assign(1, {});
  bool quoted = false;
  size_t i = 0;
  for (; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (c == '"') {
      const bool escaped = quoted && i + 1 < rest->size() && (*rest)[i + 1] == '"';
      if (escaped) cells->back().push_back((*rest)[++i]);
      if (!escaped) quoted = !quoted;
    } else if (!quoted && c == ',') {
      cells->emplace_back();
    } else if (!quoted && c == '\n') {
      break;
    } else {
      cells->back().push_back(c);
    }
  }
  rest->remove_prefix(std::min(i + 1, rest->size()));
  return !quoted;
}

Result<std::string> ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("cannot open " + path);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return Status::Io("cannot read " + path);
  return text;
}

Status ReadRows(const std::string& path, MemoryTruth* truth) {
  const Result<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  if (!text->starts_with(kHeader))
    return Status::Corrupt(path + ": not the header of a truth file");
  std::string_view rest = std::string_view(*text).substr(kHeader.size());
  std::vector<std::string> cells;
  for (size_t record = 2; !rest.empty(); ++record) {
    TruthRow row;
    const bool good = NextRecord(&rest, &cells) && cells.size() == kColumns &&
                      ParseSeconds(cells[0], &row.time) && ParseNumber(cells[5], &row.value);
    if (!good) return Status::Corrupt(path + ": record " + std::to_string(record) + " is damaged");
    row.state = cells[1];
    row.entity = cells[2];
    row.caller = cells[3];
    row.detail = cells[4];
    truth->Say(row);
  }
  return Status::Ok();
}

Status ReadFaults(const std::string& path, MemoryTruth* truth) {
  const Result<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  try {
    truth->impact_known = true;
    const nlohmann::json file = nlohmann::json::parse(*text);
    for (const nlohmann::json& json : file.at("faults")) {
      TruthFault fault;
      json.at("kind").get_to(fault.kind);
      json.at("target").get_to(fault.target);
      json.at("by").get_to(fault.by);
      const Result<Nanos> from = ParseTime(json.at("from").get<std::string>());
      const Result<Nanos> until = ParseTime(json.at("until").get<std::string>());
      if (!from.ok() || !until.ok()) return Status::Corrupt(path + ": a time is not RFC 3339");
      fault.from = *from;
      fault.until = *until;
      if (json.contains("felt_by")) {
        json.at("felt_by").get_to(fault.felt_by);
      } else {
        truth->impact_known = false;
      }
      truth->faults.push_back(std::move(fault));
    }
  } catch (const nlohmann::json::exception& error) {
    return Status::Corrupt(path + ": " + error.what());
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<TruthFile>> TruthFile::Open(const std::string& path) {
  Result<OutputFile> file = OutputFile::Open(path);
  if (!file.ok()) return file.status();
  TG_RETURN_IF_ERROR(file->Append(kHeader));
  return std::unique_ptr<TruthFile>(new TruthFile(std::move(file).value()));
}

void TruthFile::Say(const TruthRow& row) {
  AppendSeconds(row.time, &lines_);
  for (const std::string_view text : {row.state, row.entity, row.caller, row.detail}) {
    lines_.push_back(',');
    AppendCell(text, &lines_);
  }
  lines_.push_back(',');
  char buffer[40];
  lines_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, row.value).ptr);
  lines_.push_back('\n');
  if (lines_.size() >= kBufferBytes) static_cast<void>(Flush());  // an error stays: Close says it
}

Status TruthFile::Flush() {
  const Status status = file_.Append(lines_);
  lines_.clear();
  return status;
}

Status TruthFile::Close() {
  TG_RETURN_IF_ERROR(Flush());
  return file_.Close();
}

Status WriteFaults(const std::string& path, const std::vector<TruthFault>& faults,
                   bool impact_known) {
  std::string json = "{\"faults\":[";
  for (const TruthFault& fault : faults) {
    json.append(&fault == &faults.front() ? "\n" : ",\n").append("{\"kind\":");
    AppendJsonString(fault.kind, &json);
    json += ",\"target\":";
    AppendJsonString(fault.target, &json);
    json += ",\"from\":\"" + FormatTime(fault.from) + "\",\"until\":\"" + FormatTime(fault.until) +
            "\",\"by\":";
    AppendDouble(fault.by, &json);
    if (impact_known) json += ",\"felt_by\":[";
    for (size_t i = 0; impact_known && i < fault.felt_by.size(); ++i) {
      if (i > 0) json.push_back(',');
      AppendJsonString(fault.felt_by[i], &json);
    }
    json += impact_known ? "]}" : "}";
  }
  return WriteFile(path, json + "\n]}\n");
}

void MemoryTruth::Say(const TruthRow& row) {
  series_[{std::string(row.state), std::string(row.entity), std::string(row.caller),
           std::string(row.detail)}]
      .emplace_back(row.time, row.value);
}

const MemoryTruth::Series* MemoryTruth::Find(const std::string& state, const std::string& entity,
                                             const std::string& caller,
                                             const std::string& detail) const {
  const auto it = series_.find({state, entity, caller, detail});
  return it == series_.end() ? nullptr : &it->second;
}

std::optional<double> MemoryTruth::At(const Series& series, Nanos time) {
  const auto it = std::lower_bound(series.begin(), series.end(), time,
                                   [](const auto& point, Nanos t) { return point.first < t; });
  if (it == series.end() || it->first - time >= kSecond) return std::nullopt;
  return it->second;
}

Result<MemoryTruth> ReadTruth(const std::string& folder) {
  MemoryTruth truth;
  TG_RETURN_IF_ERROR(ReadRows(folder + "/truth.csv", &truth));
  TG_RETURN_IF_ERROR(ReadFaults(folder + "/faults.json", &truth));
  return truth;
}

}  // namespace tomograph::simulate
