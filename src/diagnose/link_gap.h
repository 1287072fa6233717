// LinkGap: what callers see on a call beyond what the callee's own server side tells: the network,
// the wait for a connection, or (for a callee that sends no telemetry, such as a database) the
// callee itself. Whose doing it is, the pattern tells: a slow host is slow on all of its links, a
// slow link on one.
#pragma once

#include <vector>

#include "diagnose/case_view.h"
#include "diagnose/excess.h"

namespace tomograph::diagnose {

struct LinkGaps {
  std::vector<Excess> excess;     // by link: all that the caller sees
  std::vector<double> at_callee;  // by entity: unexplained excess laid to it as the one called
  std::vector<double> at_caller;  // by entity: ... as the one that calls (its host, its pool)
  bool measured = false;          // any link has client-side figures
};

/// `server` is the excess of each entity's server side (0 amount where it has none).
LinkGaps ComputeLinkGaps(const CaseView& view, Harm harm, const std::vector<Excess>& server);

/// All the calls that this entity receives, as its callers see them.
Flow FlowSeenByCallers(const CaseView& view, int entity, Harm harm);

}  // namespace tomograph::diagnose
