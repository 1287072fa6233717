#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

#include "ingest/csv/csv_decoder.h"

namespace tomograph::ingest::csv {
namespace {

using telemetry::Signal;

constexpr std::array<std::string_view, 5> kTimeUnits = {"s", "ms", "us", "ns", "rfc3339"};
constexpr std::array<std::string_view, 31> kFields = {"service",
                                                      "instance",
                                                      "pod",
                                                      "host",
                                                      "namespace",
                                                      "version",
                                                      "environment",
                                                      "metric",
                                                      "value",
                                                      "unit",
                                                      "name",
                                                      "trace_id",
                                                      "span_id",
                                                      "parent_span_id",
                                                      "start",
                                                      "end",
                                                      "duration",
                                                      "kind",
                                                      "status",
                                                      "severity",
                                                      "body",
                                                      "time",
                                                      "client_address",
                                                      "source_address",
                                                      "source_port",
                                                      "destination_address",
                                                      "destination_port",
                                                      "protocol",
                                                      "bytes",
                                                      "packets",
                                                      "sampling"};

constexpr char kResourcePrefix[] = "resource.";

template <typename List>
bool Contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Status Wrong(const std::string& what) { return Status::InvalidArgument("CSV mapping: " + what); }

Status ReadSignal(const std::string& text, Signal* signal) {
  if (text == "samples")
    *signal = Signal::kSample;
  else if (text == "spans")
    *signal = Signal::kSpan;
  else if (text == "logs")
    *signal = Signal::kLog;
  else if (text == "flows")
    *signal = Signal::kFlow;
  else
    return Wrong("signal is samples, spans, logs or flows, not '" + text + "'");
  return Status::Ok();
}

/// `field: column`, `field: {column: c, unit: u}` or `field: {constant: text}`.
Status ReadField(const std::string& field, const YAML::Node& node, Mapping* mapping) {
  if (!Contains(kFields, field) && field.rfind(kResourcePrefix, 0) != 0)
    return Wrong("no such field: '" + field + "'");
  if (node.IsScalar()) {
    mapping->columns[field] = node.as<std::string>();
    return Status::Ok();
  }
  if (!node.IsMap()) return Wrong("'" + field + "' needs a column");
  for (const auto& entry : node) {
    const std::string key = entry.first.as<std::string>();
    const std::string text = entry.second.as<std::string>();
    if (key == "column") {
      mapping->columns[field] = text;
    } else if (key == "constant") {
      mapping->constants[field] = text;
    } else if (key == "unit" && Contains(kTimeUnits, text) &&
               (field == "time" || (field == "duration" && text != "rfc3339"))) {
      (field == "time" ? mapping->time_unit : mapping->duration_unit) = text;
    } else {
      return Wrong("'" + field + "' has a wrong '" + key + "': '" + text + "'");
    }
  }
  return Status::Ok();
}

Status ReadEntry(const std::string& key, const YAML::Node& value, Mapping* mapping) {
  if (key == "signal") return ReadSignal(value.as<std::string>(), &mapping->signal);
  if (key == "values") {
    mapping->wide = value.as<std::string>() == "all";
    return mapping->wide ? Status::Ok() : Wrong("values can only be 'all'");
  }
  if (key == "labels") {
    mapping->labels = value.as<std::vector<std::string>>();
    return Status::Ok();
  }
  return ReadField(key, value, mapping);
}

Status Check(const Mapping& m) {
  const auto has = [&](const char* field) {
    return m.columns.count(field) > 0 || m.constants.count(field) > 0;
  };
  if (m.time_column.empty()) return Wrong("time needs a column");
  switch (m.signal) {
    case Signal::kSample:
      if (!m.wide && !(has("metric") && m.columns.count("value") > 0))
        return Wrong("samples need metric and value columns, or 'values: all'");
      return Status::Ok();
    case Signal::kSpan:
      if (has("trace_id") != has("span_id"))
        return Wrong("spans need trace_id and span_id, or neither");
      if (!has("end") && !has("duration")) return Wrong("spans need end or duration");
      return Status::Ok();
    case Signal::kFlow:
      for (const char* field :
           {"source_address", "source_port", "destination_address", "destination_port"})
        if (!has(field)) return Wrong(std::string("flows need ") + field);
      return Status::Ok();
    default:
      return has("body") ? Status::Ok() : Wrong("logs need a body column");
  }
}

}  // namespace

Result<Mapping> Mapping::FromYaml(const std::string& text) {
  Mapping mapping;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return Wrong("not a YAML map");
    for (const auto& entry : root)
      TG_RETURN_IF_ERROR(ReadEntry(entry.first.as<std::string>(), entry.second, &mapping));
    const YAML::Node duration = root["duration"];
    const bool has_unit = duration && duration.IsMap() && duration["unit"];
    if (!has_unit && mapping.time_unit != "rfc3339") mapping.duration_unit = mapping.time_unit;
  } catch (const YAML::Exception& e) {
    return Wrong(e.what());
  }
  // A span's time is its start; both names are good.
  for (const char* name : {"start", "time"}) {
    const auto it = mapping.columns.find(name);
    if (it == mapping.columns.end()) continue;
    mapping.time_column = it->second;
    mapping.columns.erase(it);
  }
  TG_RETURN_IF_ERROR(Check(mapping));
  return mapping;
}

}  // namespace tomograph::ingest::csv
