// Connections, workers, sizes and statuses for a set that has times alone, made up from its truth
// in the way of a real system, with what blurs them there:
//   connection  8 of them for each pair of services. A call goes out on the one that belongs to the
//               connection its request came on (a pinned pool) with probability .7, else on any.
//   worker      8 per service. A request takes the one that is least busy and longest idle; its
//               calls are the same worker's, but for 5 % that another one makes.
//   size        what comes in is lognormal (sigma 1); log sizes of calls follow it by .7, with
//   noise
//               of sigma .5, and what goes back follows what the calls brought in the same way.
//   status      2 % of the requests that make no calls fail; a call whose callee failed did so, and
//               a request fails with probability .7 for each of its failed calls.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "correlate/linking/call_record.h"

namespace tomograph::evaluate {

struct EvidenceKinds {
  bool connection = false, worker = false, size = false, status = false;
  bool any() const { return connection || worker || size || status; }
  void Add(std::string_view name);
};

/// `causes[id]`: of a call its request, of a request the caller's call; 0: none. Record i has id
/// i + 1.
void MakeUpEvidence(const EvidenceKinds& kinds, uint64_t seed, const std::vector<uint64_t>& causes,
                    std::vector<correlate::linking::CallRecord>* records);

}  // namespace tomograph::evaluate
