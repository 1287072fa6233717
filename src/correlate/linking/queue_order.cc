#include "correlate/linking/queue_order.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/random.h"
namespace tomograph::correlate::linking {
namespace {

// Order weight below which calls come in order but for accidents: owners that allow for no other
// are few then, as they are where each call is told by the one before it.
constexpr float kStrict = -3;

/// How the gaps from the start of a request to its call are distributed.
/// What is equal on a coarse clock counts half: it was longer as often as not.
class Gaps {
 public:
  Gaps(std::vector<double> gaps, uint64_t seed) : sorted_(std::move(gaps)) {
    Random random(seed);
    differences_.resize(2'048);
    for (double& d : differences_) {
      d = sorted_[random.Below(sorted_.size())] - sorted_[random.Below(sorted_.size())];
    }
    std::sort(differences_.begin(), differences_.end());
    std::sort(sorted_.begin(), sorted_.end());
  }
  /// Probability that a gap is longer than this.
  double Exceeds(double gap) const { return Above(sorted_, gap, .5); }
  /// Probability that the gap of an earlier request is more than `lead` longer than that of a
  /// later.
  double ExceedsAnother(double lead) const { return Above(differences_, lead, 4); }

 private:
  static double Above(const std::vector<double>& of, double x, double prior) {
    const auto [from, to] = std::equal_range(of.begin(), of.end(), x);
    const auto above = static_cast<double>(of.end() - to) + static_cast<double>(to - from) / 2;
    return (above + prior) / (static_cast<double>(of.size()) + 2 * prior);
  }

  std::vector<double> sorted_, differences_;
};

/// The calls of one class, one of each request, in order of the requests.
struct Turn {
  int request;
  double start;  // of the request
  double end;
  double call;  // its start
};

/// Log of how much likelier calls are that come in order than each by itself is: every gap is drawn
/// from those with `w` for each earlier request's call that it overtakes.
double LogOfOvertaking(const std::vector<Turn>& turns, const Gaps& gaps, double log_w) {
  const double w = std::exp(log_w);
  std::vector<double> later;
  double sum = 0;
  for (size_t i = 0; i < turns.size(); ++i) {
    later.clear();
    for (size_t j = i; j-- > 0 && j + kNeighbours >= i;) {
      if (turns[j].end <= turns[i].start || turns[j].call <= turns[i].start) continue;
      later.push_back(turns[j].call - turns[i].start);
      if (turns[i].call < turns[j].call) sum += log_w;
    }
    std::sort(later.begin(), later.end(), std::greater<>());
    double norm = 0, chance = 1, before = 0;
    for (size_t n = 0; n <= later.size(); ++n, chance *= w) {
      const double beyond = n < later.size() ? gaps.Exceeds(later[n]) : 1;
      norm += chance * (beyond - before);
      before = beyond;
    }
    sum -= std::log(norm);
  }
  return sum;
}

/// The same where calls are told by the one before them: how long after it, or after the request's
/// start if that is later, each is made.
double LogOfTaking(const std::vector<Turn>& turns, TimeGrain grain) {
  std::vector<double> alone, behind;
  double last = -std::numeric_limits<double>::infinity();
  for (const Turn& turn : turns) {
    alone.push_back(turn.call - turn.start);
    behind.push_back(turn.call - std::max(turn.start, last));
    last = std::max(last, turn.call);
  }
  GapDensity by_itself, in_turn;
  by_itself.Fit(alone, grain, true);
  in_turn.Fit(behind, grain, true);
  return (in_turn.mean_log() - by_itself.mean_log()) * static_cast<double>(turns.size());
}

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
  std::vector<Turn> turns;
  for (int k = 0; k < of.classes; ++k) {
    gaps.clear();
    turns.clear();
    for (int i = range.first_request; i < range.end_request; ++i) {
      const Request& r = window.requests[i];
      if (r.time.end > until) continue;
      const int slot = OnlySlot(window, *model, i, k);
      if (slot == kNobody || window.slots[slot] == kNobody) continue;
      const double call = window.calls[window.slots[slot]].time.start;
      turns.push_back({i, r.time.start, r.time.end, call});
      gaps.push_back(call - r.time.start);
    }
    if (gaps.size() < 20) continue;
    const Gaps gap(gaps, MixBits(seed ^ static_cast<uint64_t>(k)));
    double order = 0;
    if (of.order_weight[k] < 0) order = LogOfOvertaking(turns, gap, of.order_weight[k]);
    if (of.order_weight[k] < kStrict) order = std::max(order, LogOfTaking(turns, of.grain));
    weight += order;
    double seen = 0, expected = 0;
    const double w = std::exp(static_cast<double>(of.order_weight[k]));
    for (size_t i = 0; i < turns.size(); ++i) {
      for (size_t j = i + 1; j < turns.size() && turns[j].start < turns[i].end; ++j) {
        if (turns[j].request > turns[i].request + kNeighbours) break;
        if (turns[j].start <= turns[i].start) continue;
        seen += turns[j].call < turns[i].call ? 1 : turns[j].call == turns[i].call ? .5 : 0;
        const double p = gap.ExceedsAnother(turns[j].start - turns[i].start);
        expected += w * p / (1 - p + w * p);
      }
    }
    const double step = 0.7 * std::log((seen + .3) / (expected + .3));
    of.order_weight[k] = static_cast<float>(std::clamp(of.order_weight[k] + step, -8.0, 0.0));
  }
  return weight;
}

}  // namespace tomograph::correlate::linking
