#include "diagnose/diagnoser.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "diagnose/detector.h"
#include "diagnose/history.h"
#include "diagnose/propagation.h"
#include "diagnose/ranker.h"
#include "diagnose/words.h"
#include "telemetry/batch.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Edge;
using telemetry::EntityId;
using telemetry::Incident;
using telemetry::Quantity;

constexpr size_t kMostIncidents = 100;
constexpr size_t kMostChanges = 1000;
constexpr Nanos kLookBack = 10 * kMinute;   // before the onset
constexpr Nanos kFindingOut = 2 * kMinute;  // while the alert may still move to another entity
constexpr int kQuietWindows = 6;            // until an incident is closed
constexpr Nanos kNewNormal = 30 * kMinute;  // an incident this old is how things are now

}  // namespace

struct Diagnoser::Impl {
  Impl(DiagnoserOptions o, const telemetry::Identities* ids)
      : options(o), identities(ids), history(o.history), detector(o.warm_up) {}

  Incident* open() {
    return !incidents.empty() && incidents.front().closed == 0 ? &incidents.front() : nullptr;
  }

  void Update(const telemetry::WindowSet& windows, const std::vector<Edge>& edges) {
    history.Add(windows);
    const bool learn = open() == nullptr || windows.start - open()->opened > kNewNormal;
    detector.Update(history, windows, edges, learn);
    const std::vector<Illness>& ill = detector.ill();
    if (IsAnother(ill)) Close(windows.start);
    if (open() == nullptr) {
      if (ill.empty()) return;
      Open(ill, edges, windows.end());
    }
    Follow(open(), ill, edges, windows);
  }

  // While the open one has calmed down and only waits to be closed, something else fell ill: that
  // is not its story. The same symptoms again are.
  bool IsAnother(const std::vector<Illness>& ill) {
    return open() != nullptr && quiet > 0 && !ill.empty() &&
           std::none_of(ill.begin(), ill.end(), [&](const Illness& i) {
             return symptoms.count({i.entity, i.quantity}) > 0;
           });
  }

  void Close(Nanos now) {
    troubled.push_front({open()->opened, well_since});
    while (!troubled.empty() && troubled.back().to < history.first()) troubled.pop_back();
    open()->closed = now;
    symptoms.clear();
  }

  // The time before an incident without those of earlier incidents: how they began and ended is
  // their own story, and no measure of what is normal.
  Case WithWhatIsNormal(const Incident& incident, Nanos now) const {
    Nanos from = incident.opened - kLookBack;
    for (const TimeRange& trouble : troubled) {
      if (trouble.to > from) from -= trouble.to - trouble.from;
    }
    return history.ToCase(from, now, troubled);
  }

  void Open(const std::vector<Illness>& ill, const std::vector<Edge>& edges, Nanos now) {
    const EntityId entity = MostUpstream(ill, edges);
    Incident incident;
    incident.opened = now;
    for (const Illness& i : ill) {
      if (i.entity == entity) incident.opened = std::min(incident.opened, i.since);
    }
    incident.id = "inc-" + telemetry::SpanIdToHex(static_cast<uint64_t>(entity)) + "-" +
                  std::to_string(incident.opened / kSecond);
    incident.diagnosis.alert.entity = entity;
    incident.diagnosis.alert.time = incident.opened;
    incidents.insert(incidents.begin(), std::move(incident));
    if (incidents.size() > kMostIncidents) incidents.pop_back();
    quiet = 0;
  }

  // The ill one that no ill one calls, through however many well ones: what users meet first. Among
  // several, or where nobody knows who calls whom, the slowest: a caller's time holds its callees'.
  EntityId MostUpstream(const std::vector<Illness>& ill, const std::vector<Edge>& edges) const {
    std::set<EntityId> sick;
    for (const Illness& i : ill) sick.insert(i.entity);
    std::map<EntityId, std::vector<EntityId>> callees;
    for (const Edge& e : edges) callees[e.caller].push_back(e.callee);
    std::map<EntityId, int> above;  // how many ill ones call it, directly or not
    for (const EntityId source : sick) {
      std::set<EntityId> seen{source};
      std::vector<EntityId> todo{source};
      while (!todo.empty()) {
        const EntityId at = todo.back();
        todo.pop_back();
        for (const EntityId callee : callees[at]) {
          if (!seen.insert(callee).second) continue;
          todo.push_back(callee);
          above[callee] += sick.count(callee) > 0 ? 1 : 0;
        }
      }
    }
    const auto latency = [&](EntityId e) {
      const double v = history.Latest({e, telemetry::kNoEntity}, Quantity::kLatency);
      return v >= 0 ? v : 0;
    };
    EntityId best = *sick.begin();
    for (const EntityId e : sick) {
      if (above[e] < above[best] || (above[e] == above[best] && latency(e) > latency(best)))
        best = e;
    }
    return best;
  }

  // Those who suffer most are not always the first to be seen ill.
  void MoveUpstream(Incident* incident, const std::vector<Illness>& ill,
                    const std::vector<Edge>& edges, Nanos now) const {
    telemetry::Alert& alert = incident->diagnosis.alert;
    if (ill.empty() || now - incident->opened > kFindingOut) return;
    const EntityId upstream = MostUpstream(ill, edges);
    if (upstream == alert.entity) return;
    const Nanos time = alert.time;
    alert = {};
    alert.entity = upstream;
    alert.time = time;
  }

  // Has anything been heard of those who were ill? Silence is no recovery.
  static bool Heard(const Incident& incident, const telemetry::WindowSet& windows) {
    return std::any_of(
        windows.windows.begin(), windows.windows.end(), [&](const telemetry::Window& w) {
          const auto& members = incident.members;
          return w.key.caller == telemetry::kNoEntity && w.spans.seen + w.metrics.seen > 0 &&
                 std::find(members.begin(), members.end(), w.key.entity) != members.end();
        });
  }

  void Follow(Incident* incident, const std::vector<Illness>& ill, const std::vector<Edge>& edges,
              const telemetry::WindowSet& windows) {
    const Nanos now = windows.end();
    MoveUpstream(incident, ill, edges, now);
    bool alerting_is_ill = false;
    for (const Illness& i : ill) {
      symptoms.insert({i.entity, i.quantity});
      if (std::find(incident->members.begin(), incident->members.end(), i.entity) ==
          incident->members.end()) {
        incident->members.push_back(i.entity);
      }
      alerting_is_ill =
          alerting_is_ill || (i.entity == incident->diagnosis.alert.entity && i.strength > 0);
    }
    if (!ill.empty()) {
      quiet = 0;
    } else if (Heard(*incident, windows)) {
      if (quiet == 0) well_since = windows.start;
      ++quiet;
    }
    if (quiet >= kQuietWindows) {
      Close(now);
      return;
    }
    // While it recovers the windows tell of health, and less and less of what happened.
    if (alerting_is_ill || incident->diagnosis.hypotheses.empty())
      Diagnose(incident, ill, edges, now);
  }

  void Diagnose(Incident* incident, const std::vector<Illness>& ill, const std::vector<Edge>& edges,
                Nanos now) {
    telemetry::Alert alert = incident->diagnosis.alert;
    bool first = true;
    for (const Illness& i : ill) {
      if (i.entity != alert.entity || i.strength <= 0) continue;
      // Ill in two ways, now or earlier: both are to be explained.
      alert.quantity = first && alert.text.empty()    ? i.quantity
                       : alert.quantity == i.quantity ? i.quantity
                                                      : Quantity::kOther;
      if (first) {
        alert.observed = i.observed;
        alert.expected = i.expected;
        const telemetry::WindowKey key{alert.entity, telemetry::kNoEntity};
        alert.text = TellQuantity(i.quantity, history.StatisticOf(key, i.quantity)) + " of " +
                     NameOf(alert.entity) + " is " + TellValue(i.quantity, i.observed) +
                     ", usually " + TellValue(i.quantity, i.expected);
      }
      first = false;
    }
    Case c = WithWhatIsNormal(*incident, now);
    c.alert = alert;
    const Nanos oldest = now - options.history;
    for (const Edge& e : edges) {
      if (e.last_seen == 0 || e.last_seen >= oldest) c.edges.push_back(e);
    }
    for (telemetry::ChangeEvent& change : changes) {
      // A deploy may be told before its service has said a word.
      if (change.entity == telemetry::kNoEntity && !change.service.empty())
        change.entity = identities->entities.ServiceNamed(change.service);
    }
    c.changes.assign(changes.begin(), changes.end());
    incident->diagnosis = Rank(c, [this](EntityId id) { return NameOf(id); });
    incident->diagnosis.made_at = now;
    // What moved before the last incident's end belongs to that one.
    if (!troubled.empty() && troubled.front().to > incident->opened - kLookBack) {
      Case since = history.ToCase(troubled.front().to, now);
      since.alert = c.alert;
      since.edges = std::move(c.edges);
      c = std::move(since);
    }
    c.clock_bounds = clock_bounds;
    incident->propagation = TracePropagation(c, incident->members);
  }

  std::string NameOf(EntityId id) const {
    std::string name = identities->entities.Name(id);
    return name.empty() ? "unknown" : name;
  }

  const DiagnoserOptions options;
  const telemetry::Identities* identities;
  History history;
  Detector detector;
  std::deque<telemetry::ChangeEvent> changes;
  std::map<EntityId, Nanos> clock_bounds;
  std::vector<Incident> incidents;  // newest first; at most the first is open
  // Of the open one.
  std::set<std::pair<EntityId, Quantity>> symptoms;
  int quiet = 0;         // windows since anything was ill
  Nanos well_since = 0;  // start of the first of these
  // When earlier ones were ill, newest first; as far as the history reaches.
  std::deque<TimeRange> troubled;
};

Diagnoser::Diagnoser(DiagnoserOptions options, const telemetry::Identities* identities)
    : impl_(std::make_unique<Impl>(options, identities)) {}
Diagnoser::~Diagnoser() = default;

void Diagnoser::AddChange(const telemetry::ChangeEvent& change) {
  impl_->changes.push_back(change);
  if (impl_->changes.size() > kMostChanges) impl_->changes.pop_front();
}

void Diagnoser::SetClockBounds(std::map<telemetry::EntityId, Nanos> bounds) {
  impl_->clock_bounds = std::move(bounds);
}

// Estimates are made of the same windows: taking them as evidence too would count it twice.
void Diagnoser::Update(const telemetry::WindowSet& windows, const std::vector<telemetry::Estimate>&,
                       const std::vector<telemetry::Edge>& edges) {
  impl_->Update(windows, edges);
}

const std::vector<telemetry::Incident>& Diagnoser::incidents() const { return impl_->incidents; }

}  // namespace tomograph::diagnose
