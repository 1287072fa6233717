#include "diagnose/ranker.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "diagnose/cause/cause.h"
#include "diagnose/posterior.h"
#include "diagnose/words.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Certainty;
using telemetry::Diagnosis;
using telemetry::Hypothesis;
using telemetry::Quantity;
using telemetry::Support;

constexpr size_t kMostEntities = 48;  // judged by every cause; the others' mass joins the unknown
constexpr size_t kMostRuledOut = 6;
constexpr size_t kMostPassersTold = 3;
constexpr double kConfirmed = 0.9;
constexpr double kLikely = 0.7;
constexpr double kRuledOut = 0.05;
constexpr double kLeastUnexplained = 0.25;  // of a harm, that another entity must answer for

size_t At(int number) { return static_cast<size_t>(number); }

class Ranking {
 public:
  Ranking(const Case& incident, const NameOf& name_of)
      : incident_(incident),
        name_of_(name_of),
        view_(incident),
        flow_(ComputeExcessFlow(view_)),
        posterior_(PosteriorOf(flow_)) {}

  Diagnosis Diagnose() {
    OrderEntities();
    diagnosis_.alert = incident_.alert;
    diagnosis_.made_at =
        incident_.times.empty() ? incident_.alert.time : incident_.times.back() + incident_.step;
    double named = 0;
    for (const int e : order_) named += posterior_.entity[At(e)];
    diagnosis_.unknown = std::max(0.0, 1 - named);
    for (const int e : order_) JudgeEntity(e);
    std::stable_sort(
        diagnosis_.hypotheses.begin(), diagnosis_.hypotheses.end(),
        [](const Hypothesis& a, const Hypothesis& b) { return a.posterior > b.posterior; });
    SayWhatTellsTheFirstTwoApart();
    SayHowSure();
    SayWhatIsRuledOut();
    return std::move(diagnosis_);
  }

 private:
  void OrderEntities() {
    order_.resize(At(view_.size()));
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) {
      const double pa = posterior_.entity[At(a)], pb = posterior_.entity[At(b)];
      return pa != pb ? pa > pb : view_.id(a) < view_.id(b);
    });
    if (order_.size() > kMostEntities) order_.resize(kMostEntities);
  }

  // P(kind | entity): softmax of what the causes make of the entity's evidence.
  void JudgeEntity(int entity) {
    evidence_.push_back(
        GatherEvidence(view_, entity, flow_.blame[At(entity)], name_of_(view_.id(entity))));
    const EntityEvidence& evidence = evidence_.back();
    std::vector<Judgement> judgements;
    double best = -1e9, total = 0;
    for (const auto& cause : AllCauses()) {
      judgements.push_back(cause->Judge(evidence));
      best = std::max(best, judgements.back().log_odds);
    }
    for (const Judgement& j : judgements) total += std::exp(j.log_odds - best);
    for (size_t k = 0; k < judgements.size(); ++k) {
      const Cause& cause = *AllCauses()[k];
      Hypothesis h;
      h.cause = std::string(cause.name());
      h.entity = evidence.entity;
      h.onset = evidence.onset.time;
      h.onset_error = evidence.onset.error;
      h.posterior = posterior_.entity[At(entity)] * std::exp(judgements[k].log_odds - best) / total;
      h.next_check = cause.NextCheck(evidence.name);
      h.evidence_for = std::move(judgements[k].evidence_for);
      h.evidence_against = std::move(judgements[k].evidence_against);
      h.why = WhyOf(evidence.name, cause, h);
      AddBlame(evidence, &h);
      diagnosis_.hypotheses.push_back(std::move(h));
    }
  }

  // What no evidence carries is not told as if it had been found.
  static std::string WhyOf(const std::string& name, const Cause& cause, const Hypothesis& h) {
    const std::string what = std::string(cause.explains()) + " since " + TellTimeOfDay(h.onset);
    switch (SupportOf(h)) {
      case Support::kMeasured:
        return name + ": " + what;
      case Support::kOutweighed:
        return name + ": possibly " + what + ", but more speaks against it than for it";
      case Support::kNone:
        break;
    }
    return name + ": possibly " + what + ", but nothing measured speaks for it";
  }

  // What speaks for the entity as such.
  void AddBlame(const EntityEvidence& e, Hypothesis* h) const {
    const auto add = [&](double share, const char* what, Quantity quantity) {
      if (share < kRuledOut) return;
      h->evidence_for.push_back({EvidenceOf(e, quantity), TellShare(share) + what + e.name,
                                 std::log((share + 0.01) / (1.01 - share)) + std::log(101.0),
                                 true});
    };
    add(e.blame.latency, " of the added latency arises at ", Quantity::kLatency);
    add(e.blame.errors, " of the failures arise at ", Quantity::kErrorRatio);
    const auto by_weight = [](const telemetry::Evidence& a, const telemetry::Evidence& b) {
      return std::abs(a.weight) > std::abs(b.weight);
    };
    std::stable_sort(h->evidence_for.begin(), h->evidence_for.end(), by_weight);
    std::stable_sort(h->evidence_against.begin(), h->evidence_against.end(), by_weight);
  }

  // The first one's check comes out one way or the other; then the second's is the next.
  void SayWhatTellsTheFirstTwoApart() {
    std::vector<Hypothesis>& ranked = diagnosis_.hypotheses;
    if (ranked.size() < 2 || ranked[1].posterior < kRuledOut) return;
    ranked[0].next_check += "; if that shows nothing, " + ranked[1].next_check;
  }

  void SayHowSure() {
    const double first =
        diagnosis_.hypotheses.empty() ? 0 : diagnosis_.hypotheses.front().posterior;
    diagnosis_.certainty = first >= kConfirmed ? Certainty::kConfirmed
                           : first >= kLikely  ? Certainty::kLikely
                                               : Certainty::kInconclusive;
    if (first <= diagnosis_.unknown || first <= 0) {
      diagnosis_.summary = "Not determined: nothing that is measured explains it (unknown " +
                           TellProbability(diagnosis_.unknown) + ")";
    } else {
      const Hypothesis& h = diagnosis_.hypotheses.front();
      const bool told = SupportOf(h) == Support::kMeasured;
      diagnosis_.summary = name_of_(h.entity) + ": " +
                           (told ? std::string(ExplanationOf(h.cause))
                                 : "the harm arises in it, nothing measured tells how,") +
                           " since " + TellTimeOfDay(h.onset) + PassersOn(h) +
                           WhatItDoesNotExplain(h) + " (" +
                           TellProbability(told ? h.posterior : PosteriorOfPlace(h.entity)) +
                           (told ? " sure)" : " sure of the place)");
    }
    if (diagnosis_.certainty == Certainty::kInconclusive) diagnosis_.missing = WhatWouldHelp();
  }

  double PosteriorOfPlace(telemetry::EntityId entity) const {
    double sum = 0;
    for (const Hypothesis& h : diagnosis_.hypotheses) sum += h.entity == entity ? h.posterior : 0;
    return sum;
  }

  static std::string_view ExplanationOf(const std::string& kind) {
    for (const auto& cause : AllCauses()) {
      if (cause->name() == kind) return cause->explains();
    }
    return "";
  }

  // Entities on the way from the alert to the cause that are ill without doing it.
  std::string PassersOn(const Hypothesis& h) const {
    const int culprit = NumberOf(h.entity);
    if (culprit == CaseView::kNone || !view_.has_graph()) return "";
    std::vector<std::string> names;
    std::vector<int> todo{culprit};
    std::vector<bool> seen(At(view_.size()), false);
    seen[At(culprit)] = true;
    while (!todo.empty()) {
      const int e = todo.front();
      todo.erase(todo.begin());
      for (const int link : view_.in(e)) {
        const int caller = view_.links()[At(link)].caller;
        if (seen[At(caller)]) continue;
        seen[At(caller)] = true;
        if (!IsIll(caller)) continue;
        if (PassesAllOn(caller)) names.push_back(name_of_(view_.id(caller)));
        todo.push_back(caller);
      }
    }
    if (names.empty()) return "";
    const Blame& blame = flow_.blame[At(culprit)];
    const bool slow = blame.latency >= blame.errors;
    return "; " + JoinWords(names, kMostPassersTold) +
           (names.size() == 1 ? " only passes" : " only pass") +
           (slow ? " the slowness on" : " the failures on");
  }

  const Suffering& SufferingOf(int entity, Harm harm) const {
    return flow_.suffering[static_cast<size_t>(harm)][At(entity)];
  }

  bool IsIll(int entity) const {
    return std::any_of(view_.harms().begin(), view_.harms().end(),
                       [&](Harm harm) { return SufferingOf(entity, harm).ill(); });
  }

  bool PassesAllOn(int entity) const {
    return std::all_of(view_.harms().begin(), view_.harms().end(), [&](Harm harm) {
      const Suffering& s = SufferingOf(entity, harm);
      return !s.ill() || s.passed_on();
    });
  }

  // A harm of the alert that arises elsewhere is perhaps another fault, and no less true for it.
  std::string WhatItDoesNotExplain(const Hypothesis& h) const {
    std::string told;
    if (view_.alerting() == CaseView::kNone) return told;
    for (const Harm harm : view_.harms()) {
      if (!SufferingOf(view_.alerting(), harm).ill()) continue;
      const auto part = [&](int e) {
        const Blame& blame = flow_.blame[At(e)];
        return harm == Harm::kLatency ? blame.latency : blame.errors;
      };
      const int culprit = NumberOf(h.entity);
      const int other = *std::max_element(order_.begin(), order_.end(),
                                          [&](int a, int b) { return part(a) < part(b); });
      if (other == culprit || part(other) < kLeastUnexplained || part(culprit) > part(other))
        continue;
      told += "; the " + TellHarm(harm) + " of " + name_of_(view_.id(other)) +
              LevelOf(other, harm) + (harm == Harm::kLatency ? " is" : " are") +
              " not explained by this";
    }
    return told;
  }

  // " (29 %)", where it is measured
  std::string LevelOf(int entity, Harm harm) const {
    const auto at = std::find(order_.begin(), order_.end(), entity) - order_.begin();
    const Shift& shift = evidence_[static_cast<size_t>(at)].of(QuantityOf(harm));
    return shift.known ? " (" + TellValue(QuantityOf(harm), shift.after) + ")" : "";
  }

  static std::string TellHarm(Harm harm) {
    return harm == Harm::kLatency ? "slowness" : "failures";
  }

  static Quantity QuantityOf(Harm harm) {
    return harm == Harm::kLatency ? Quantity::kLatency : Quantity::kErrorRatio;
  }

  int NumberOf(telemetry::EntityId id) const {
    for (const int e : order_) {
      if (view_.id(e) == id) return e;
    }
    return CaseView::kNone;
  }

  std::string WhatWouldHelp() const {
    std::vector<std::string> lacks;
    if (!view_.has_graph())
      lacks.push_back("traces or client-side metrics, which tell who calls whom");
    bool client_side = false, resources = false;
    for (const auto& link : view_.links()) {
      client_side =
          client_side || link.series[static_cast<size_t>(Quantity::kClientLatency)] != nullptr;
    }
    for (const int e : order_) {
      resources = resources || view_.Find(e, Quantity::kCpuUtilization) != nullptr ||
                  view_.Find(e, Quantity::kMemoryBytes) != nullptr;
    }
    if (view_.has_graph() && !client_side)
      lacks.push_back("latency as callers see it, which tells the network apart");
    if (!resources) lacks.push_back("processor, memory and connection pool metrics");
    if (lacks.empty()) return "more time: the evidence does not single one out yet";
    return JoinWords(lacks);
  }

  // Ruled out is who has none of the harms that the alert speaks of, or has them from its callees.
  void SayWhatIsRuledOut() {
    if (view_.alerting() == CaseView::kNone) return;
    for (size_t i = 0; i < order_.size() && diagnosis_.ruled_out.size() < kMostRuledOut; ++i) {
      if (posterior_.entity[At(order_[i])] >= kRuledOut) continue;
      std::vector<std::string> unharmed, explained;
      for (const Harm harm : view_.harms()) {
        const Shift& shift = evidence_[i].of(QuantityOf(harm));
        const Suffering& suffering = SufferingOf(order_[i], harm);
        if (!shift.known) continue;
        if (!suffering.ill() && shift.z < 3) {
          unharmed.push_back(TellUnharmed(QuantityOf(harm), shift));
        } else if (view_.has_graph() && suffering.passed_on()) {
          explained.push_back(TellHarm(harm));
        }
      }
      if (unharmed.size() + explained.size() < view_.harms().size()) continue;
      if (!explained.empty()) unharmed.push_back("its callees explain its " + JoinWords(explained));
      diagnosis_.ruled_out.push_back(evidence_[i].name + ": " + JoinWords(unharmed));
    }
  }

  static std::string TellUnharmed(Quantity quantity, const Shift& shift) {
    const std::string what = "its " + TellQuantity(quantity, shift.statistic);
    const std::string before = TellValue(quantity, shift.before),
                      after = TellValue(quantity, shift.after);
    if (before == after || std::abs(shift.z) < 1) return what + " is what it was (" + after + ")";
    return what + (shift.rise() < 0 ? " fell" : " rose no more than at other times") + " (" +
           before + " before, " + after + " since)";
  }

  const Case& incident_;
  const NameOf& name_of_;
  const CaseView view_;
  const ExcessFlow flow_;
  const EntityPosterior posterior_;
  std::vector<int> order_;                // by falling posterior
  std::vector<EntityEvidence> evidence_;  // in that order
  Diagnosis diagnosis_;
};

}  // namespace

telemetry::Diagnosis Rank(const Case& incident, const NameOf& name_of) {
  return Ranking(incident, name_of).Diagnose();
}

}  // namespace tomograph::diagnose
