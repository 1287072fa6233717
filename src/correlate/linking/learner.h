// Learner: a model from records that nobody labelled. From a first guess, rounds of (learn from the
// present owners, sample owners under what was learned). What a round ends in depends on where it
// starts, so a service is learned from several starts and keeps the one with the greatest free
// energy (free_energy.h). A freer model has to bring more; so has one in which calls are nobody's
// that some request may have made:
//   any order      the first guess by gaps
//   first come     each call to the request that came first, as one thread with a queue would
//   lost requests  where many calls find no request at all: from sure links only, which finds many
//                  that are lost, and from all links, which finds few and is right in a crowd
//   several calls  more slots per class, where many calls find all their requests taken, from the
//                  first guess and from what one slot had found; chains where no number is enough
//   hand-offs      calls may come after the answer, of classes whose calls lie in no request or
//                  in any, and that keep no time of their own (own_time.h). Those that lie in
//                  their requests for the most part are left out next: more slots may do for
//                  them. Of several classes each is also tried alone
// Several calls are tried without hand-offs and with the likeliest of these: a service may need
// both. Joins are looked for afterwards, over all services; what was learned from what is in view
// is learned once more under them.
#pragma once

#include <cstdint>
#include <vector>

#include "correlate/linking/join_model.h"
#include "correlate/linking/link_window.h"
#include "correlate/linking/recent_records.h"

namespace tomograph::correlate::linking {

/// Learns `services` from the window's calls and the recent ones; those in the window that are not
/// decided keep the last state as their owners. Requests that end after `until` may still lack
/// calls: nothing is learned from them. `hand_offs`: calls may come after the answer.
void LearnFromScratch(const std::vector<int>& services, double until, uint64_t seed, bool hand_offs,
                      const RecentRecords& recent, const Vocabulary& numbers, LinkWindow* window,
                      LinkModel* model, JoinModel* joins);

/// Takes the links of the service's recent records for granted and learns from them what the model
/// says of gaps, patterns and orders; slots stay as they are.
void Refresh(int service, uint64_t seed, const RecentRecords& recent, const Vocabulary& numbers,
             const LinkWindow& window, LinkModel* model);

}  // namespace tomograph::correlate::linking
