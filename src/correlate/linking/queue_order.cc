#include "correlate/linking/queue_order.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Probability that the gap of an earlier request is more than `lead` longer than that of a later.
class GapDifference {
 public:
  GapDifference(const std::vector<double>& gaps, uint64_t seed) {
    Random random(seed);
    differences_.resize(2'048);
    for (double& d : differences_) {
      d = gaps[random.Below(gaps.size())] - gaps[random.Below(gaps.size())];
    }
    std::sort(differences_.begin(), differences_.end());
  }
  double Exceeds(double lead) const {
    const auto at = std::upper_bound(differences_.begin(), differences_.end(), lead);
    return (static_cast<double>(differences_.end() - at) + 4) /
           (static_cast<double>(differences_.size()) + 8);
  }

 private:
  std::vector<double> differences_;
};

}  // namespace

int Inversions(const LinkWindow& window, const LinkModel& model, int request, int call,
               int except) {
  const Request& r = window.requests[request];
  const Call& c = window.calls[call];
  const ServiceRange& range = window.services[r.service];
  int count = 0;
  const auto look = [&](int other) {
    if (other == except) return;
    const int slot = OnlySlot(window, model, other, c.call_class);
    if (slot == kNobody || window.slots[slot] == kNobody) return;
    count += Inverted(r, c, window.requests[other], window.calls[window.slots[slot]]);
  };
  // The call of a later request is no inversion if that came after this call, nor is that of an
  // earlier one which had ended by then: most need no look at their calls.
  const double within = window.slack + range.slack;
  const double until = std::min(r.time.end, c.time.start + within);
  const int last = std::min(range.end_request, request + 1 + kNeighbours);
  for (int j = request + 1; j < last && window.requests[j].time.start < until; ++j) look(j);
  const bool outlives = model.services[r.service].Outlives(c.call_class);
  const double since = outlives ? r.time.start : std::max(r.time.start, c.time.start - within);
  const int first = std::max(r.oldest_overlap, request - kNeighbours);
  for (int j = request - 1; j >= first; --j) {
    if (window.requests[j].time.end > since) look(j);
  }
  return count;
}

double LearnQueueOrder(const LinkWindow& window, int service, double until, uint64_t seed,
                       LinkModel* model) {
  ServiceModel& of = model->services[service];
  const ServiceRange& range = window.services[service];
  double weight = 0;
  std::vector<double> gaps;
  std::vector<int> calls(window.requests.empty() ? 0 : range.end_request - range.first_request);
  for (int k = 0; k < of.classes; ++k) {
    gaps.clear();
    for (int i = range.first_request; i < range.end_request; ++i) {
      int& call = calls[i - range.first_request];
      call = kNobody;
      if (window.requests[i].time.end > until) continue;
      const int slot = OnlySlot(window, *model, i, k);
      if (slot == kNobody || window.slots[slot] == kNobody) continue;
      call = window.slots[slot];
      gaps.push_back(window.calls[call].time.start - window.requests[i].time.start);
    }
    if (gaps.size() < 20) continue;
    const GapDifference difference(gaps, MixBits(seed ^ static_cast<uint64_t>(k)));
    double seen = 0, expected = 0, log_norm = 0;
    const double w = std::exp(static_cast<double>(of.order_weight[k]));
    for (int i = range.first_request; i < range.end_request; ++i) {
      const int c = calls[i - range.first_request];
      if (c == kNobody) continue;
      const Request& r = window.requests[i];
      const int last = std::min(range.end_request, i + 1 + kNeighbours);
      for (int j = i + 1; j < last && window.requests[j].time.start < r.time.end; ++j) {
        const int d = calls[j - range.first_request];
        if (d == kNobody || !(r.time.start < window.requests[j].time.start)) continue;
        seen += window.calls[d].time.start < window.calls[c].time.start;
        const double p = difference.Exceeds(window.requests[j].time.start - r.time.start);
        const double z = 1 - p + w * p;
        expected += w * p / z;
        log_norm += std::log(z);
      }
    }
    weight += of.order_weight[k] * seen - log_norm;
    const double step = 0.7 * std::log((seen + .3) / (expected + .3));
    of.order_weight[k] = static_cast<float>(std::clamp(of.order_weight[k] + step, -8.0, 0.0));
  }
  return weight;
}

}  // namespace tomograph::correlate::linking
