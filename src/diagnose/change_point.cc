#include "diagnose/change_point.h"

#include <cmath>

#include "diagnose/baseline/robust.h"
#include "diagnose/case_view.h"

namespace tomograph::diagnose {
namespace {

constexpr double kOutside = 3;
constexpr Nanos kChangeReach = 30 * kMinute;
constexpr double kFloor = 0.05;

double FloorOf(Harm harm, double level) {
  return harm == Harm::kLatency ? kFloor * std::abs(level) : 0.005;
}

Onset FirstOfLongestRun(const CaseView& view, const Flow& flow, Harm harm) {
  const double level = Median(flow.normal), scale = RobustScale(flow.normal, FloorOf(harm, level));
  size_t best = 0, longest = 0, run = 0;
  for (size_t i = 0; i < flow.value.size(); ++i) {
    run = (flow.value[i] - level) / scale > kOutside ? run + 1 : 0;
    if (run > longest) {
      longest = run;
      best = i + 1 - run;
    }
  }
  Onset onset;
  if (longest == 0) return onset;
  onset.found = true;
  onset.step = best;
  onset.time = view.incident().times[best];
  onset.error = view.incident().step;
  onset.z = (flow.value[best] - level) / scale;
  return onset;
}

}  // namespace

Onset InferOnset(const Case& incident) {
  const CaseView view(incident);
  Onset best;
  best.time = incident.alert.time;
  best.error = incident.step;
  if (view.alerting() == CaseView::kNone) return best;
  for (const Harm harm : view.harms()) {
    const Flow flow = view.ServerFlow(view.alerting(), harm);
    if (!flow.known()) continue;
    const double floor = FloorOf(harm, Median(flow.value));
    const Onset onset = view.has_reference()
                            ? FirstOfLongestRun(view, flow, harm)
                            : FindOnset(flow.value, incident.times, incident.step, floor);
    if (onset.found && (!best.found || std::abs(onset.z) > std::abs(best.z))) best = onset;
  }
  return best;
}

const telemetry::ChangeEvent* SuspectChange(const std::vector<telemetry::ChangeEvent>& changes,
                                            telemetry::EntityId entity, Nanos onset,
                                            Nanos onset_error) {
  const telemetry::ChangeEvent* suspect = nullptr;
  for (const telemetry::ChangeEvent& c : changes) {
    if (entity != telemetry::kNoEntity && c.entity != entity) continue;
    if (c.time < onset - kChangeReach || c.time > onset + onset_error) continue;
    if (suspect == nullptr || c.time >= suspect->time) suspect = &c;
  }
  return suspect;
}

}  // namespace tomograph::diagnose
