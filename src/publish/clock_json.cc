#include "publish/clock_json.h"

#include <algorithm>

namespace tomograph::publish {
namespace {

using telemetry::ClockSegment;
using telemetry::HostClock;
using telemetry::kUnbounded;

Json Side(Nanos offset, Nanos reach, int sign) {
  return reach == kUnbounded ? Json(nullptr) : Number(ToMillis(offset + sign * reach));
}

Json StepJson(const telemetry::ClockStep& step) {
  return {{"from_ms", ToMillis(step.from)},
          {"to_ms", ToMillis(step.to)},
          {"size_ms", Number(ToMillis(step.size))}};
}

}  // namespace

std::string_view ClockState(const HostClock& clock, Nanos watermark) {
  if (clock.segments.empty()) return "unknown";
  const ClockSegment& last = clock.segments.back();
  if (watermark - clock.last_contact > telemetry::kClockMemory || last.says_nothing())
    return "unknown";
  if (!last.measured) return "one_sided";
  if (last.applied) return "corrected";  // a reference that jumped too
  return clock.is_reference() ? "reference" : "raw";
}

Json ClockJson(const HostClock& clock, Nanos watermark) {
  const std::string_view state = ClockState(clock, watermark);
  Json out = {{"host", clock.host},
              {"id", IdText(clock.id)},
              {"state", state},
              {"times", state == "corrected" ? "corrected" : "raw"},
              {"reference", clock.reference == telemetry::kNoEntity ? Json(nullptr)
                                                                    : Json(clock.reference_host)},
              {"calls", clock.calls}};
  const bool known = state != "unknown";
  const ClockSegment s = known ? clock.segments.back() : ClockSegment{};
  const bool measured = known && s.measured;
  const Nanos middle = s.from + (s.to - s.from) / 2;
  const Nanos bound = measured ? s.BoundAt(middle) : telemetry::kUnknownBound;
  out["offset_ms"] = measured ? Number(ToMillis(s.offset)) : Json(nullptr);
  out["bound_ms"] = bound == telemetry::kUnknownBound ? Json(nullptr) : Number(ToMillis(bound));
  out["least_ms"] = known ? Side(s.offset, s.below[1], -1) : Json(nullptr);
  out["most_ms"] = known ? Side(s.offset, s.above[1], 1) : Json(nullptr);
  out["error_ms"] = measured ? Number(ToMillis(s.error)) : Json(nullptr);
  out["drift_ppm"] = measured ? Number(s.drift * 1e6) : Json(nullptr);
  out["as_of_ms"] = known ? Json(ToMillis(middle)) : Json(nullptr);
  out["last_contact_ms"] =
      clock.last_contact == 0 ? Json(nullptr) : Json(ToMillis(clock.last_contact));
  out["loop_residual_ms"] = Number(clock.loop_residual * 1e3);
  out["last_step"] = clock.steps.empty() ? Json(nullptr) : StepJson(clock.steps.back());
  return out;
}

bool KnownByTimes(const HostClock& clock, const telemetry::Picture& picture) {
  if (ClockState(clock, picture.watermark) != "unknown") return false;
  return std::any_of(
      picture.hop_clocks.begin(), picture.hop_clocks.end(), [&](const telemetry::HopClock& hop) {
        return (hop.caller == clock.id || hop.callee == clock.id) &&
               HopClockState(hop, picture.watermark) == telemetry::HopClock::State::kFollowed;
      });
}

telemetry::HopClock::State HopClockState(const telemetry::HopClock& clock, Nanos watermark) {
  return watermark - clock.last_call > telemetry::kClockMemory
             ? telemetry::HopClock::State::kUnknown
             : clock.state;
}

Json HopClockJson(const telemetry::HopClock& clock, Nanos watermark, const EntityNames& names) {
  const auto state = HopClockState(clock, watermark);
  const bool known = state != telemetry::HopClock::State::kUnknown;
  const auto name = [](const std::string& host) {
    return host.empty() ? Json(nullptr) : Json(host);
  };
  const auto number = [&](double x) { return known ? Number(x) : Json(nullptr); };
  return {{"service", names.Name(clock.service)},
          {"service_id", IdText(clock.service)},
          {"caller_host", name(clock.caller_host)},
          {"callee_host", name(clock.callee_host)},
          {"state", telemetry::HopClockStateName(state)},
          {"offset_ms", number(clock.offset * 1e3)},
          {"error_ms", number(clock.error * 1e3)},
          {"drift_ppm", number(clock.drift * 1e6)},
          {"as_of_ms", known ? Json(ToMillis(clock.as_of)) : Json(nullptr)},
          {"calls", clock.calls},
          {"last_call_ms", clock.last_call == 0 ? Json(nullptr) : Json(ToMillis(clock.last_call))},
          {"steps", clock.steps},
          {"last_step", clock.steps == 0 ? Json(nullptr) : StepJson(clock.last_step)}};
}

Json ClockFindingJson(const telemetry::ClockFinding& f) {
  Json out = {{"kind", telemetry::ClockFindingName(f.kind)},
              {"host", f.host},
              {"other", f.other.empty() ? Json(nullptr) : Json(f.other)},
              {"from_ms", ToMillis(f.from)},
              {"to_ms", ToMillis(f.to)}};
  if (f.kind == telemetry::ClockFinding::Kind::kRateChange) {
    out["drift_before_ppm"] = Number(f.drift_before * 1e6);
    out["drift_after_ppm"] = Number(f.drift_after * 1e6);
  } else {
    out["size_ms"] = Number(ToMillis(f.size));
  }
  out["calls"] = f.calls;
  return out;
}

Json ClocksJson(const telemetry::Picture& picture, size_t limit,
                const std::optional<std::string>& host) {
  const auto asked = [&](const std::string& one, const std::string& other) {
    return !host || one == *host || other == *host;
  };
  Json clocks = Json::array(), hops = Json::array(), findings = Json::array();
  size_t total = 0, hops_total = 0;
  for (const auto& clock : picture.clocks)
    if (asked(clock.host, clock.host) && ++total <= limit)
      clocks.push_back(ClockJson(clock, picture.watermark));
  const EntityNames names(picture);
  for (const auto& hop : picture.hop_clocks)
    if (asked(hop.caller_host, hop.callee_host) && ++hops_total <= limit)
      hops.push_back(HopClockJson(hop, picture.watermark, names));
  for (const auto& finding : picture.clock_findings)
    if (asked(finding.host, finding.other)) findings.push_back(ClockFindingJson(finding));
  return {{"span_times", TimesShown(picture)},
          {"clocks", std::move(clocks)},
          {"total", total},
          {"limit", limit},
          {"hops", std::move(hops)},
          {"hops_total", hops_total},
          {"findings", std::move(findings)}};
}

std::string_view TimesShown(const telemetry::Picture& picture) {
  const bool some = std::any_of(
      picture.clocks.begin(), picture.clocks.end(),
      [&](const HostClock& c) { return ClockState(c, picture.watermark) == "corrected"; });
  return some ? "corrected" : "raw";
}

}  // namespace tomograph::publish
