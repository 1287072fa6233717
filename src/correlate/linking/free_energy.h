// Free energy: how likely a service's records are under a model, whoever owns whom.
//
//   log P(records) = E[log P(records, owners)] + H(owners)     owners as the model finds them
//   likely
//
// What one choice of owners is worth says little of a model: among many requests that are open at
// once there is one at any gap, so that gaps as sharp as one likes can be found for some choice.
// It is one of few then, where a model that tells nothing allows all of them.
//
// E is a mean over states of the sampler, H is Bethe's approximation (Yedidia, Freeman & Weiss
// 2005) from the posteriors p of each pair:
//
//   H = sum over calls of H(p of its owners)
//     - sum over requests and classes of KL(number of calls || that of coins with these p)
//
// which is exact where links are sure, and log N! within a half log N for N that tell nothing.
// Where few calls hang together that is much for each: their states are counted (tied_calls.h).
#pragma once

#include <cstdint>

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// Of requests that end before `until`, with the parts of calls without owner and of chains;
/// without the order of arrival. Owners move about as the model has them: they are a draw from it
/// afterwards.
double FreeEnergy(int service, double until, uint64_t seed, LinkWindow* window,
                  const LinkModel& model);

}  // namespace tomograph::correlate::linking
