// Ranker: a Case in, a Diagnosis out. Pure: the same case gives the same diagnosis.
//
// Who: conservation of excess flow (docs/models/excess_flow.md): seconds and failures per second
// are conserved along calls, so an entity's blame is what it adds beyond its callees. What: each
// cause kind (cause/cause.h) states how likely the entity's evidence is under it; the posterior
// over (kind, entity) is their product, and "unknown" keeps an explicit mass.
#pragma once

#include <functional>
#include <string>

#include "diagnose/case.h"
#include "telemetry/hypothesis.h"

namespace tomograph::diagnose {

/// Turns an entity into the name that sentences use.
using NameOf = std::function<std::string(telemetry::EntityId)>;

telemetry::Diagnosis Rank(const Case& incident, const NameOf& name_of);

}  // namespace tomograph::diagnose
