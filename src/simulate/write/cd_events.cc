#include "simulate/write/cd_events.h"

#include "base/random.h"
#include "simulate/kernel/draws.h"
#include "simulate/write/json_text.h"
#include "telemetry/attributes.h"

namespace tomograph::simulate {
namespace {

using telemetry::AppendJsonString;
using telemetry::ChangeKind;

std::string_view TypeOf(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kDeploy:
      return "dev.cdevents.service.deployed.0.2.0";
    case ChangeKind::kRollback:
      return "dev.cdevents.service.rolledback.0.2.0";
    case ChangeKind::kRemove:
      return "dev.cdevents.service.removed.0.2.0";
    case ChangeKind::kPipeline:
      return "dev.cdevents.pipelinerun.finished.0.2.0";
    case ChangeKind::kFlag:
      return "org.tomograph.simulated.flag.changed";
    case ChangeKind::kConfig:
      return "org.tomograph.simulated.config.changed";
    case ChangeKind::kScale:
      return "org.tomograph.simulated.scale.changed";
    case ChangeKind::kOther:
      break;
  }
  return "org.tomograph.simulated.other.changed";
}

std::string PercentEncoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
  }
  return out;
}

void AppendField(std::string_view key, std::string_view value, std::string* out) {
  out->append(",\"").append(key).append("\":");
  AppendJsonString(value, out);
}

}  // namespace

void AppendCdEvent(const ChangeRecord& change, uint64_t number, std::string* out) {
  out->append("{\"specversion\":\"1.0\",\"id\":\"");
  AppendHex(MixBits(MixBits(static_cast<uint64_t>(change.time) ^ NameKey(change.service)) ^ number),
            out);
  out->push_back('"');
  AppendField("source", "/tomograph/simulate", out);
  AppendField("type", TypeOf(change.kind), out);
  AppendField("time", FormatTime(change.time), out);
  AppendField("datacontenttype", "application/json", out);
  out->append(",\"data\":{\"subject\":{\"type\":\"service\"");
  if (!change.service.empty()) AppendField("id", change.service, out);
  if (!change.version.empty()) {
    out->append(",\"content\":{\"artifactId\":");
    AppendJsonString(
        "pkg:oci/" + PercentEncoded(change.service) + "?tag=" + PercentEncoded(change.version),
        out);
    out->push_back('}');
  }
  out->push_back('}');
  if (!change.text.empty()) AppendField("text", change.text, out);
  out->append("}}\n");
}

}  // namespace tomograph::simulate
