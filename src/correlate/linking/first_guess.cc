#include "correlate/linking/first_guess.h"

#include <algorithm>
#include <cmath>

namespace tomograph::correlate::linking {
namespace {

constexpr int kRounds = 6;        // of the soft EM
constexpr int kMostVisits = 400;  // of requests, in search of one augmenting path

// Log odds against the best candidate beyond which another is none.
constexpr float kHopeless = 16;

struct Pair {
  int request, call;
  float weight;
  float evidence;
  float stands_for = 0;
};

double StartGap(const LinkWindow& w, const Pair& p) {
  return w.calls[p.call].time.start - w.requests[p.request].time.start;
}
double EndGap(const LinkWindow& w, const Pair& p) {
  return w.requests[p.request].time.end - w.calls[p.call].time.end;
}

/// Fresh calls of one class with the requests that may have made them.
class Guess {
 public:
  Guess(const std::vector<int>& calls, LinkWindow* window, LinkModel* model, int service)
      : w_(*window),
        model_(*model),
        service_(service),
        calls_(calls),
        first_request_(w_.services[service].first_request),
        sum_(w_.services[service].end_request - first_request_) {
    for (const int c : calls_) {
      const std::span<const int> candidates = w_.CandidatesOf(w_.calls[c]);
      for (size_t x = 0; x < candidates.size(); ++x) {
        if (w_.FreeSlot(model_, candidates[x], w_.calls[c].call_class) == kNobody) continue;
        pairs_.push_back(
            {candidates[x], c, 0, w_.EvidenceAt(w_.calls[c], x), w_.StandsForAt(w_.calls[c], x)});
      }
    }
  }

  void LearnGaps() {
    for (Pair& p : pairs_) p.weight = std::exp(p.stands_for);
    PerCall();
    for (int round = 0; round < kRounds; ++round) {
      FitGaps();
      Weigh();
    }
  }
  void Weigh() {
    for (Pair& p : pairs_) {
      const CallGroup* group = GroupOf(p);
      p.weight = std::exp(group->start_gap.Log(StartGap(w_, p)) +
                          group->end_gap.Log(EndGap(w_, p)) + p.evidence + p.stands_for + 24);
    }
    for (int round = 0; round < 2; ++round) {
      PerCall();
      PerRequest();
    }
    PerCall();
  }
  /// Best pairs first.
  void Take() {
    std::sort(pairs_.begin(), pairs_.end(), [](const Pair& a, const Pair& b) {
      if (a.weight != b.weight) return a.weight > b.weight;
      return a.call != b.call ? a.call < b.call : a.request < b.request;
    });
    for (const Pair& p : pairs_) {
      Call& call = w_.calls[p.call];
      if (call.owner != kNobody) continue;
      if (w_.FreeSlot(model_, p.request, call.call_class) == kNobody) continue;
      w_.Give(model_, p.call, p.request);
      call.share = p.weight;
    }
  }

 private:
  const CallGroup* GroupOf(const Pair& p) const {
    return model_.kinds[w_.requests[p.request].kind].GroupOf(w_.calls[p.call].call_class);
  }
  void FitGaps() {
    std::vector<double> start, end, weight;
    for (const int kind : model_.services[service_].kinds) {
      start.clear(), end.clear(), weight.clear();
      for (const Pair& p : pairs_) {
        if (w_.requests[p.request].kind != kind) continue;
        start.push_back(StartGap(w_, p));
        end.push_back(EndGap(w_, p));
        weight.push_back(p.weight);
      }
      for (CallGroup& group : model_.kinds[kind].groups()) {
        if (group.call_class != w_.calls[calls_.front()].call_class) continue;
        group.start_gap.Fit(start, model_.services[service_].grain, false, weight);
        group.end_gap.Fit(end, model_.services[service_].grain, false, weight);
      }
    }
  }
  void PerCall() {
    // Pairs of one call are neighbours.
    for (size_t at = 0; at < pairs_.size();) {
      size_t end = at;
      float sum = 0;
      for (; end < pairs_.size() && pairs_[end].call == pairs_[at].call; ++end) {
        sum += pairs_[end].weight;
      }
      if (sum > 0) {
        for (size_t x = at; x < end; ++x) pairs_[x].weight /= sum;
      }
      at = end;
    }
  }
  void PerRequest() {
    std::fill(sum_.begin(), sum_.end(), 0.0f);
    for (const Pair& p : pairs_) sum_[p.request - first_request_] += p.weight;
    for (Pair& p : pairs_) {
      const auto room = static_cast<float>(GroupOf(p)->count);
      p.weight /= std::max(1.0f, sum_[p.request - first_request_] / room);
    }
  }

  LinkWindow& w_;
  LinkModel& model_;
  const int service_;
  const std::vector<int>& calls_;
  const int first_request_;
  std::vector<Pair> pairs_;
  std::vector<float> sum_;
};

/// Augmenting paths for calls that are left over.
class Completion {
 public:
  Completion(LinkWindow* window, const LinkModel& model, int service)
      : w_(*window),
        model_(model),
        first_request_(w_.services[service].first_request),
        seen_(w_.services[service].end_request - first_request_, kNobody) {}

  void Run(const std::vector<int>& calls) {
    for (const int c : calls) {
      if (w_.calls[c].owner != kNobody) continue;
      visits_ = 0;
      w_.calls[c].no_room = !Augment(c, c) && visits_ <= kMostVisits && !w_.calls[c].limited;
    }
  }

 private:
  bool Augment(int call, int tag) {
    const int call_class = w_.calls[call].call_class;
    for (const int i : w_.CandidatesOf(w_.calls[call])) {
      if (seen_[i - first_request_] == tag) continue;
      seen_[i - first_request_] = tag;
      if (++visits_ > kMostVisits) return false;
      const CallGroup* group = model_.kinds[w_.requests[i].kind].GroupOf(call_class);
      if (group == nullptr) continue;
      if (w_.FreeSlot(model_, i, call_class) != kNobody) {
        w_.Give(model_, call, i);
        return true;
      }
      const int first = w_.requests[i].first_slot + group->first;
      for (int s = first; s < first + group->count; ++s) {
        const int other = w_.slots[s];
        if (w_.calls[other].pinned || w_.calls[other].decided) continue;
        if (!Augment(other, tag)) {
          if (visits_ > kMostVisits) return false;
          continue;
        }
        // `other` was given elsewhere, but its old slot still holds it.
        const int owner = w_.calls[other].owner;
        w_.calls[other].owner = i;
        w_.Take(model_, other);
        w_.calls[other].owner = owner;
        w_.Give(model_, call, i);
        return true;
      }
    }
    return false;
  }

  LinkWindow& w_;
  const LinkModel& model_;
  const int first_request_;
  std::vector<int> seen_;
  int visits_ = 0;
};

std::vector<std::vector<int>> FreshByClass(const LinkWindow& window, const LinkModel& model,
                                           int service) {
  std::vector<std::vector<int>> by_class(model.services[service].classes);
  const ServiceRange& range = window.services[service];
  for (int c = range.first_call; c < range.end_call; ++c) {
    const Call& call = window.calls[c];
    if (!call.fresh || call.pinned || call.decided || call.owner != kNobody) continue;
    if (model.services[service].Chained(call.call_class)) continue;
    by_class[call.call_class].push_back(c);
  }
  return by_class;
}

void MarkGuessed(const std::vector<int>& calls, LinkWindow* window) {
  for (const int c : calls) window->calls[c].fresh = false;
}

}  // namespace

void GuessAny(int service, bool learn, LinkWindow* window, LinkModel* model) {
  for (const std::vector<int>& calls : FreshByClass(*window, *model, service)) {
    if (calls.empty()) continue;
    Guess guess(calls, window, model, service);
    if (learn) {
      guess.LearnGaps();
    } else {
      guess.Weigh();
    }
    guess.Take();
    Completion(window, *model, service).Run(calls);
    MarkGuessed(calls, window);
  }
}

void GuessFirstCome(int service, LinkWindow* window, const LinkModel& model) {
  for (const std::vector<int>& calls : FreshByClass(*window, model, service)) {
    for (const int c : calls) {
      for (const int i : window->CandidatesOf(window->calls[c])) {
        if (window->FreeSlot(model, i, window->calls[c].call_class) == kNobody) continue;
        window->Give(model, c, i);
        break;
      }
    }
    Completion(window, model, service).Run(calls);
    MarkGuessed(calls, window);
  }
}

void DropHopeless(int service, LinkWindow* window, const LinkModel& model) {
  const ServiceRange& range = window->services[service];
  std::vector<float> weight;
  for (int c = range.first_call; c < range.end_call; ++c) {
    Call& call = window->calls[c];
    if (call.candidates < 2) continue;
    int* candidates = window->candidates.data() + call.first_candidate;
    weight.clear();
    for (int x = 0; x < call.candidates; ++x) {
      const Pair pair{candidates[x], c, 0, window->EvidenceAt(call, x)};
      const CallGroup* group =
          model.kinds[window->requests[pair.request].kind].GroupOf(call.call_class);
      weight.push_back(group == nullptr
                           ? -INFINITY
                           : group->start_gap.Log(StartGap(*window, pair)) +
                                 group->end_gap.Log(EndGap(*window, pair)) + pair.evidence);
    }
    const float least = *std::max_element(weight.begin(), weight.end()) - kHopeless;
    int kept = 0;
    for (int x = 0; x < call.candidates; ++x) {
      if (weight[x] < least && candidates[x] != call.owner) continue;
      if (!window->evidence.empty()) {
        window->evidence[call.first_candidate + kept] = window->EvidenceAt(call, x);
      }
      if (!window->stands_for.empty()) {
        window->stands_for[call.first_candidate + kept] = window->StandsForAt(call, x);
      }
      candidates[kept++] = candidates[x];
    }
    call.chosen |= kept < call.candidates;
    call.candidates = static_cast<uint16_t>(kept);
  }
}

}  // namespace tomograph::correlate::linking
