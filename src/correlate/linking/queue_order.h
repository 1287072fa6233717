// Queue order: does a service hand its calls out in the order in which requests came?
//
// Each class of calls has lambda, the log-odds of one inversion (an earlier request whose call
// starts later) among overlapping requests: 0 where order says nothing, -6 and less where one
// thread works first come, first served. It is moment-matched: inversions seen against those that
// independent gaps would give under the present lambda.
#pragma once

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// The only slot of `call_class` in `request`, or kNobody where there is none or there are several.
inline int OnlySlot(const LinkWindow& window, const LinkModel& model, int request, int call_class) {
  const Request& r = window.requests[request];
  const CallGroup* group = model.kinds[r.kind].GroupOf(call_class);
  return group == nullptr || group->count != 1 ? kNobody : r.first_slot + group->first;
}

/// Did the later of two requests make its call first?
inline bool Inverted(const Request& a, const Call& of_a, const Request& b, const Call& of_b) {
  return (a.time.start < b.time.start && of_b.time.start < of_a.time.start) ||
         (b.time.start < a.time.start && of_a.time.start < of_b.time.start);
}

/// Inversions of `call`, if it were that of `request`, against the calls of overlapping requests
/// other than `request` and `except`. Looks at the nearest kNeighbours on each side.
inline constexpr int kNeighbours = 32;
int Inversions(const LinkWindow& window, const LinkModel& model, int request, int call, int except);

/// One step of lambda for every class of `service`, from requests that end before `until`; returns
/// the log of the order's weight in the likelihood (with its normaliser) before that step.
double LearnQueueOrder(const LinkWindow& window, int service, double until, uint64_t seed,
                       LinkModel* model);

}  // namespace tomograph::correlate::linking
