#include "correlate/linking/tied_calls.h"

#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

constexpr int kStates = 200;

}  // namespace

TiedCalls::TiedCalls(const std::vector<Sampler::Shares>& shares, const std::vector<int>& open,
                     double until, const LinkWindow& window, const ServiceRange& range)
    : first_call_(range.first_call),
      first_request_(range.first_request),
      call_(range.end_call - range.first_call, false),
      request_(range.end_request - range.first_request, false) {
  std::vector<size_t> tied_to(open.size() + request_.size());  // open calls, then requests
  std::iota(tied_to.begin(), tied_to.end(), size_t{0});
  const auto root = [&](size_t x) {
    while (tied_to[x] != x) x = tied_to[x] = tied_to[tied_to[x]];
    return x;
  };
  std::vector<bool> unfit_call(open.size(), false);
  for (size_t x = 0; x < open.size(); ++x) {
    const Call& call = window.calls[open[x]];
    unfit_call[x] = call.limited || call.time.end > until;
    const std::span<const int> candidates = window.CandidatesOf(call);
    for (size_t k = 0; k < candidates.size(); ++k) {
      const int i = candidates[k];
      if (shares[x].of[k] < kMay) continue;
      if (i < range.first_request || i >= range.end_request ||
          window.requests[i].time.end > until) {
        unfit_call[x] = true;
      } else {
        tied_to[root(x)] = root(open.size() + static_cast<size_t>(i - range.first_request));
      }
    }
  }
  std::vector<std::vector<int>> calls(tied_to.size());
  std::vector<bool> unfit(tied_to.size(), false);
  for (size_t x = 0; x < open.size(); ++x) {
    calls[root(x)].push_back(open[x]);
    if (unfit_call[x]) unfit[root(x)] = true;
  }
  const auto fit = [&](size_t r) {
    return !unfit[r] && calls[r].size() >= 2 && calls[r].size() <= kMost;
  };
  for (size_t x = 0; x < tied_to.size(); ++x) {
    if (!fit(root(x))) continue;
    if (x < open.size()) {
      call_[open[x] - first_call_] = true;
    } else {
      request_[x - open.size()] = true;
    }
    if (root(x) == x) groups_.push_back(calls[x]);
  }
}

double TiedCalls::Entropy(const LinkWindow& window, Sampler* sampler) const {
  std::vector<int> all;
  for (const std::vector<int>& group : groups_) all.insert(all.end(), group.begin(), group.end());
  if (all.empty()) return 0;
  std::vector<std::unordered_map<uint64_t, int>> seen(groups_.size());
  for (int state = 0; state < kStates; ++state) {
    sampler->Sweep(all, 1);
    for (size_t g = 0; g < groups_.size(); ++g) {
      uint64_t key = 0;
      for (const int c : groups_[g])
        key = MixBits(key ^ static_cast<uint64_t>(window.calls[c].owner + 1));
      ++seen[g][key];
    }
  }
  double entropy = 0;
  for (const auto& states : seen) {
    for (const auto& [key, times] : states) {
      const double p = times / double{kStates};
      entropy -= p * std::log(p);
    }
    // What a sample misses of it (Miller and Madow 1955).
    entropy += (static_cast<double>(states.size()) - 1) / (2 * kStates);
  }
  return entropy;
}

}  // namespace tomograph::correlate::linking
