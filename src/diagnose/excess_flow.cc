#include "diagnose/excess_flow.h"

#include <algorithm>
#include <cmath>

#include "diagnose/baseline/robust.h"
#include "diagnose/link_gap.h"
#include "diagnose/saturation.h"
#include "diagnose/silence.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

constexpr double kUnreached =
    0.05;  // an entity that the alerting one does not call, even indirectly
constexpr double kBlindTarget =
    0.5;  // share of its own errors it gives up when its callees report none
constexpr double kHandedDown =
    0.5;  // the network, or a silent callee, against one that shows something
constexpr double kLeastUnasked =
    0.25;  // a harm in which the alerting entity is well, unless it was named

size_t At(int number) { return static_cast<size_t>(number); }

// One harm's accounts. Members are by entity number.
class Accounts {
 public:
  Accounts(const CaseView& view, Harm harm) : view_(view), harm_(harm) {
    CollectExcess();
    gaps_ = ComputeLinkGaps(view_, harm_, server_);
    const Excess& target = excess_[At(view_.alerting())];
    target_z_ = target.z();
    // At least one noise unit, so that a well target does not make everybody guilty.
    total_ = std::max({target.amount, target.scale, 1e-12});
    explained_ = target.amount / total_;
    Attribute();
    if (harm_ == Harm::kLatency && !view_.has_graph()) HandDown();
    if (harm_ == Harm::kErrors) AddSilence();
  }

  double target_belief() const { return Belief(target_z_); }
  const std::vector<double>& own() const { return own_; }
  const std::vector<double>& outside() const { return outside_; }
  Suffering SufferingOf(int e) const { return {excess_[At(e)], HandedUp(e)}; }

 private:
  void CollectExcess() {
    const size_t n = At(view_.size());
    server_.resize(n);
    excess_.resize(n);
    has_server_.resize(n);
    newborn_.resize(n);
    for (int e = 0; e < view_.size(); ++e) {
      const Flow flow = view_.ServerFlow(e, harm_);
      has_server_[At(e)] = flow.known();
      newborn_[At(e)] = e != view_.alerting() && IsNewborn(e);
      if (newborn_[At(e)]) continue;
      if (flow.known()) {
        excess_[At(e)] = server_[At(e)] = ExcessOf(view_, flow, harm_);
      } else {
        excess_[At(e)] = ExcessOf(view_, FlowSeenByCallers(view_, e, harm_), harm_);
      }
    }
  }

  // Nobody called it before: it is what its caller now does differently, a symptom and no cause.
  bool IsNewborn(int e) const {
    if (!view_.has_reference()) return false;
    const std::vector<double> calls = view_.Calls(e);
    for (int i = 0; i < view_.steps() && !calls.empty(); ++i) {
      if (view_.IsBefore(i) && calls[At(i)] > 0) return false;
    }
    const CaseSeries* latency = view_.Find(e, Quantity::kLatency);
    if (latency == nullptr || latency->reference.empty()) return true;
    const CaseSeries* rate = view_.Find(e, Quantity::kCallRate);
    if (rate == nullptr || rate->reference.empty()) return false;
    return std::none_of(rate->reference.begin(), rate->reference.end(),
                        [](double v) { return v > 0; });
  }

  // What the callees of `e` hand up to it.
  double HandedUp(int e) const {
    double sum = 0;
    if (!view_
             .has_graph()) {  // who calls whom is unknown: only the alerting entity is above others
      for (int q = 0; e == view_.alerting() && q < view_.size(); ++q) {
        if (q != e) sum += excess_[At(q)].positive();
      }
      return sum;
    }
    for (const int link : view_.out(e)) {
      const int callee = view_.links()[At(link)].callee;
      if (newborn_[At(callee)]) continue;
      const bool seen = view_.LinkFlow(link, harm_).known();
      sum += seen ? gaps_.excess[At(link)].positive() : excess_[At(callee)].positive();
    }
    return sum;
  }

  void Attribute() {
    const std::vector<bool> reached = Reached();
    own_.assign(At(view_.size()), 0.0);
    outside_.assign(At(view_.size()), 0.0);
    for (int e = 0; e < view_.size(); ++e) {
      const Excess& x = excess_[At(e)];
      const double weight = reached[At(e)] ? 1.0 : kUnreached;
      const double gap = gaps_.at_callee[At(e)] + gaps_.at_caller[At(e)];
      double inside = 0;
      if (x.amount > 0 && (has_server_[At(e)] || !gaps_.measured)) {
        inside = std::max(0.0, x.amount - HandedUp(e)) * Belief(x.z());
        if (harm_ == Harm::kLatency) inside *= 1 - PassedOn(e);
      }
      own_[At(e)] = std::min(1.0, (inside + gap) / total_) * weight;
      // Of a callee without telemetry of its own nobody can tell whether it or the way to it is
      // slow.
      if (has_server_[At(e)]) outside_[At(e)] = std::min(own_[At(e)], gap / total_ * weight);
    }
  }

  std::vector<bool> Reached() const {
    std::vector<bool> reached(At(view_.size()), !view_.has_graph());
    std::vector<int> todo{view_.alerting()};
    reached[At(view_.alerting())] = true;
    while (!todo.empty()) {
      const int e = todo.back();
      todo.pop_back();
      for (const int link : view_.out(e)) {
        const int callee = view_.links()[At(link)].callee;
        if (reached[At(callee)]) continue;
        reached[At(callee)] = true;
        todo.push_back(callee);
      }
    }
    return reached;
  }

  // No graph, but the entity reports the latency of its own outgoing calls: the share of its
  // slowdown that they explain.
  double PassedOn(int e) const {
    const CaseSeries* out = view_.Find(e, Quantity::kClientLatency);
    const CaseSeries* own = view_.Find(e, Quantity::kLatency);
    if (out == nullptr || own == nullptr) return 0;
    const auto growth = [&](const CaseSeries& s) {
      const double before = Median(view_.BeforeOnly(s.values));
      return std::max(
          0.0, view_.During(s.values) / std::max(std::isfinite(before) ? before : 0.0, 1e-9) - 1);
    };
    const double slower = growth(*own);
    return slower > 0 ? std::min(1.0, growth(*out) / slower) : 0;
  }

  // A slowdown that callers hand on to their calls and that no callee shows is the network's, or
  // that of a callee which does not see it: shared over the entities that are not slow, by how
  // often each is called.
  void HandDown() {
    double handed = 0, blamed = 0, calls = 0;
    for (int e = 0; e < view_.size(); ++e) {
      const Excess& x = excess_[At(e)];
      if (x.amount > 0)
        handed = std::max(handed, PassedOn(e) * Belief(x.z()) * std::min(1.0, explained_));
      blamed += own_[At(e)];
    }
    const double left = kHandedDown * handed * std::max(0.0, 1 - blamed);
    if (left <= 0) return;
    std::vector<double> rate(own_.size(), 0.0);
    for (int e = 0; e < view_.size(); ++e) {
      if (e == view_.alerting() || newborn_[At(e)] || Belief(excess_[At(e)].z()) >= 0.5) continue;
      if (const std::vector<double> c = view_.Calls(e); !c.empty()) rate[At(e)] = view_.Before(c);
      calls += rate[At(e)];
    }
    for (size_t e = 0; e < own_.size(); ++e) {
      own_[e] = std::min(1.0, own_[e] + left * rate[e] / std::max(calls, 1e-12));
    }
  }

  // A failed share that is missing, or a success rate that never left 0, says nothing.
  bool SeesErrors(int e) const {
    if (const CaseSeries* errors = view_.Find(e, Quantity::kErrorRatio)) {
      return std::any_of(errors->values.begin(), errors->values.end(),
                         [](double v) { return v >= 0; });
    }
    const CaseSeries* success = view_.Find(e, Quantity::kSuccessRatio);
    return success != nullptr && std::any_of(success->values.begin(), success->values.end(),
                                             [](double v) { return v > 0; });
  }

  void AddSilence() {
    std::vector<bool> blind(own_.size(), false);
    int blind_callees = 0;
    for (int e = 0; e < view_.size(); ++e) {
      blind[At(e)] = e != view_.alerting() && !SeesErrors(e);
      blind_callees += blind[At(e)] ? 1 : 0;
    }
    if (blind_callees > (view_.size() - 1) / 2.0) own_[At(view_.alerting())] *= 1 - kBlindTarget;
    const std::vector<double> shares = SilenceShares(view_, blind, target_belief());
    for (size_t e = 0; e < own_.size(); ++e) own_[e] = 1 - (1 - own_[e]) * (1 - shares[e]);
  }

  const CaseView& view_;
  const Harm harm_;
  std::vector<Excess> server_;  // of the entity's own server side
  std::vector<Excess> excess_;  // the same, or, where it has none, as its callers see it
  std::vector<bool> has_server_, newborn_;
  LinkGaps gaps_;
  double target_z_ = 0;
  double total_ = 1;  // what shares are shares of
  double explained_ = 0;
  std::vector<double> own_, outside_;
};

}  // namespace

double Blame::score() const {
  double well = 1;
  for (const double part : {latency, errors, saturation}) well *= 1 - std::min(part, 0.999);
  return 1 - well;
}

ExcessFlow ComputeExcessFlow(const CaseView& view) {
  ExcessFlow flow;
  flow.blame.resize(At(view.size()));
  for (std::vector<Suffering>& of_harm : flow.suffering) of_harm.resize(At(view.size()));
  if (view.alerting() != CaseView::kNone) {
    for (const Harm harm : view.harms()) {
      const Accounts accounts(view, harm);
      const double belief = accounts.target_belief();
      flow.alarm = std::max(flow.alarm, belief);
      const double weight = view.harm_is_given() ? 1 : std::max(belief, kLeastUnasked);
      for (int e = 0; e < view.size(); ++e) {
        Blame& blame = flow.blame[At(e)];
        (harm == Harm::kLatency ? blame.latency : blame.errors) = weight * accounts.own()[At(e)];
        (harm == Harm::kLatency ? blame.network : blame.refused) =
            weight * accounts.outside()[At(e)];
        flow.suffering[static_cast<size_t>(harm)][At(e)] = accounts.SufferingOf(e);
      }
    }
  }
  for (int e = 0; e < view.size(); ++e) {
    Blame& blame = flow.blame[At(e)];
    blame.saturation = SaturationShare(view, e);
    flow.alarm = std::max(flow.alarm, blame.saturation);
  }
  return flow;
}

}  // namespace tomograph::diagnose
