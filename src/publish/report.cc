#include "publish/report.h"

#include <algorithm>
#include <set>

#include "publish/json.h"
#include "publish/page.h"
#include "publish/request_json.h"

namespace tomograph::publish {
namespace {

using telemetry::EntityId;
using telemetry::Picture;

/// Entities in the order in which a reader will want them: suspects, then members of incidents,
/// then by how busy the picture is with them.
std::vector<EntityId> ByInterest(const Picture& picture) {
  std::vector<EntityId> order;
  std::set<EntityId> seen;
  const auto add = [&](EntityId id) {
    if (id != telemetry::kNoEntity && seen.insert(id).second) order.push_back(id);
  };
  for (const auto& incident : picture.incidents) {
    for (const auto& h : incident.diagnosis.hypotheses) add(h.entity);
    for (const EntityId member : incident.members) add(member);
    add(incident.diagnosis.alert.entity);
  }
  for (const auto& line : picture.lines) add(line.entity);
  for (const auto& estimate : picture.estimates) add(estimate.entity);
  return order;
}

constexpr size_t kMaxRequestBytes = 4u << 20;

/// The picture with rebuilt requests and the history of as many entities as fit into `max_bytes`.
std::string WithDetails(const Picture& picture, size_t max_bytes) {
  const EntityNames names(picture);
  std::string out = Dump(PictureJson(picture));
  out.back() = ',';  // reopens the object
  out += "\"requests\":" + Dump(RequestsJson(picture, kMaxRequestBytes)) + ",";
  out += "\"axes\":{";
  const size_t begin = out.size();
  for (const EntityId id : ByInterest(picture)) {
    if (out.size() > max_bytes) break;
    if (out.size() > begin) out += ",";
    out += "\"" + IdText(id) + "\":" + Dump(AxisJson(picture, id, names));
  }
  return out + "}}";
}

// What a browser still opens without complaint, also from a mail.
constexpr size_t kMaxHtmlBytes = 16u << 20;

}  // namespace

std::string JsonReport(const Picture& picture) { return WithDetails(picture, SIZE_MAX) + "\n"; }

std::string HtmlReport(const Picture& picture) {
  return PageWithData(WithDetails(picture, kMaxHtmlBytes));
}

}  // namespace tomograph::publish
