#include "correlate/linking/weigh_evidence.h"

#include <array>
#include <vector>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Requests of one half are judged by what the others count.
EvidencePair PairOf(const Request& request, const Call& call) {
  return {&request.shows, &call.shows, static_cast<int>(MixBits(request.id) & 1)};
}

Evidence* EvidenceOf(LinkModel* model, int kind, int call_class) {
  for (CallGroup& group : model->kinds[kind].groups()) {
    if (group.call_class == call_class) return &group.evidence;
  }
  return nullptr;
}

bool AnythingShown(const LinkWindow& window, const ServiceRange& range) {
  for (int c = range.first_call; c < range.end_call; ++c) {
    if (window.calls[c].shows.any()) return true;
  }
  return false;
}

/// Which kinds tell owners from other candidates, for one class of calls.
std::array<TellsApart, Evidence::kKinds> Compare(const LinkWindow& window, int service,
                                                 int call_class, double until,
                                                 const LinkModel& model) {
  std::array<TellsApart, Evidence::kKinds> tells;
  const ServiceRange& range = window.services[service];
  std::vector<float> of_candidates;
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (call.call_class != call_class || call.owner == kNobody || call.time.end > until) continue;
    const std::span<const int> candidates = window.CandidatesOf(call);
    if (candidates.size() < 2) continue;
    for (int k = 0; k < Evidence::kKinds; ++k) {
      of_candidates.clear();
      float of_owner = 0;
      for (const int i : candidates) {
        const Request& request = window.requests[i];
        const CallGroup* group = model.kinds[request.kind].GroupOf(call_class);
        const float log = group == nullptr ? 0
                                           : group->evidence.Log(static_cast<Evidence::Kind>(k),
                                                                 PairOf(request, call));
        of_candidates.push_back(log);
        if (i == call.owner) of_owner = log;
      }
      tells[k].Add(of_owner, of_candidates);
    }
  }
  return tells;
}

}  // namespace

void LearnEvidence(const LinkWindow& window, int service, double until, bool choose,
                   LinkModel* model) {
  const ServiceRange& range = window.services[service];
  const ServiceModel& of = model->services[service];
  if (!AnythingShown(window, range)) return;
  std::vector<EvidencePair> pairs;
  for (const int kind : of.kinds) {
    for (CallGroup& group : model->kinds[kind].groups()) {
      pairs.clear();
      for (int c = range.first_call; c < range.end_call; ++c) {
        const Call& call = window.calls[c];
        if (call.call_class != group.call_class || call.owner == kNobody) continue;
        const Request& owner = window.requests[call.owner];
        if (owner.kind == kind && owner.time.end <= until) pairs.push_back(PairOf(owner, call));
      }
      group.evidence.Learn(pairs);
    }
  }
  if (!choose) return;
  for (int call_class = 0; call_class < of.classes; ++call_class) {
    const auto tells = Compare(window, service, call_class, until, *model);
    for (const int kind : of.kinds) {
      Evidence* evidence = EvidenceOf(model, kind, call_class);
      if (evidence == nullptr) continue;
      for (int k = 0; k < Evidence::kKinds; ++k) {
        evidence->Use(static_cast<Evidence::Kind>(k), static_cast<bool>(tells[k]));
      }
    }
  }
}

void WeighEvidence(int service, const LinkModel& model, LinkWindow* window) {
  const bool any = [&] {
    for (const int kind : model.services[service].kinds) {
      for (const CallGroup& group : model.kinds[kind].groups()) {
        if (group.evidence.any()) return true;
      }
    }
    return false;
  }();
  if (!any && window->evidence.empty()) return;
  window->evidence.resize(window->candidates.size(), 0);
  const ServiceRange& range = window->services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window->calls[c];
    for (int x = 0; x < call.candidates; ++x) {
      const uint32_t at = call.first_candidate + x;
      const Request& request = window->requests[window->candidates[at]];
      const CallGroup* group = model.kinds[request.kind].GroupOf(call.call_class);
      window->evidence[at] = group == nullptr ? 0 : group->evidence.Log(PairOf(request, call));
    }
  }
}

}  // namespace tomograph::correlate::linking
