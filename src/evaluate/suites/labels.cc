#include "evaluate/suites/labels.h"

#include <nlohmann/json.hpp>

#include "evaluate/suites/files.h"

namespace tomograph::evaluate {
namespace {

using nlohmann::json;

// Where a suite keeps its labels: the file, and the pointers to answer and fault in it.
struct Layout {
  std::string_view suite, file;
  const char* answer;
  const char* fault;
};

constexpr Layout kLayouts[] = {
    {"petshop", "target.json", "/root_cause/node", "/target/metric"},
    {"nezha", "label.json", "/root_cause_service", "/fault_type"},
    {"rootcausebench", "ground_truth.json", "/root_cause_commit", "/first_failing_service"},
};

std::string TextAt(const json& document, const char* pointer) {
  const json::json_pointer at(pointer);
  return document.contains(at) && document[at].is_string() ? document[at].get<std::string>() : "";
}

}  // namespace

Result<std::map<std::string, Label>> ReadLabels(std::string_view suite,
                                                const std::string& data_dir) {
  std::map<std::string, Label> labels;
  for (const Layout& layout : kLayouts) {
    if (layout.suite != suite) continue;
    Result<std::vector<std::string>> folders = FoldersWith(data_dir, layout.file);
    if (!folders.ok()) return folders.status();
    for (const std::string& name : *folders) {
      Result<json> document = ReadJson(JoinPath(JoinPath(data_dir, name), layout.file));
      if (!document.ok()) return document.status();
      const std::string answer = TextAt(*document, layout.answer);
      if (!answer.empty()) labels[name] = {answer, TextAt(*document, layout.fault)};
    }
  }
  return labels;
}

}  // namespace tomograph::evaluate
