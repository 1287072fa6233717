#include "engine/incident_history.h"

#include <algorithm>
#include <iterator>

namespace tomograph::engine {

using telemetry::Incident;

namespace {

constexpr Nanos kSlice = 24 * kHour;  // so that a long retention is not read for its newest few

bool Holds(const std::vector<Incident>& incidents, const std::string& id) {
  return std::any_of(incidents.begin(), incidents.end(),
                     [&](const Incident& incident) { return incident.id == id; });
}

void KeepNewest(std::vector<Incident>* incidents) {
  std::stable_sort(incidents->begin(), incidents->end(), [](const Incident& a, const Incident& b) {
    if ((a.closed == 0) != (b.closed == 0)) return a.closed == 0;
    return a.opened > b.opened;
  });
  if (incidents->size() > IncidentHistory::kMost) incidents->resize(IncidentHistory::kMost);
}

}  // namespace

Status IncidentHistory::Load(store::Store* store, Nanos now, Nanos age) {
  past_.clear();
  for (Nanos to = now; to > now - age && past_.size() < kMost; to -= kSlice) {
    auto slice = store->Incidents({std::max(to - kSlice, now - age), to});
    if (!slice.ok()) return slice.status();
    // An incident that reaches over a slice's end is in both.
    std::copy_if(std::make_move_iterator(slice->begin()), std::make_move_iterator(slice->end()),
                 std::back_inserter(past_),
                 [&](const Incident& incident) { return !Holds(past_, incident.id); });
  }
  Status closed;
  for (Incident& incident : past_) {
    if (incident.closed != 0) continue;
    incident.closed = std::max(incident.opened, incident.diagnosis.made_at);
    if (closed.ok()) closed = store->PutIncident(incident);
  }
  KeepNewest(&past_);
  return closed;
}

void IncidentHistory::AddTo(std::vector<Incident>* incidents) const {
  std::vector<Incident> missing;
  std::copy_if(past_.begin(), past_.end(), std::back_inserter(missing),
               [&](const Incident& incident) { return !Holds(*incidents, incident.id); });
  if (missing.empty()) return;
  std::move(missing.begin(), missing.end(), std::back_inserter(*incidents));
  KeepNewest(incidents);
}

}  // namespace tomograph::engine
