// CaseView: a Case as the estimators read it: entities as small numbers, the series that stands for
// a quantity, who calls whom, and how much each step weighs as "during the incident" or "before
// it". Refers to the Case, which must outlive it. Cost: linear in series and edges.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "diagnose/case.h"

namespace tomograph::diagnose {

enum class Harm : uint8_t { kLatency, kErrors };
inline constexpr size_t kHarms = 2;

/// Calls and what they cost, step by step: seconds a call, or failed share.
struct Flow {
  std::vector<double> calls, value;          // one a step; calls are counts per step
  std::vector<double> normal_calls, normal;  // the same where all was well
  bool known() const { return !value.empty(); }
};

class CaseView {
 public:
  static constexpr int kNone = -1;

  struct Link {
    int caller = kNone;
    int callee = kNone;
    std::array<const CaseSeries*, telemetry::kQuantityCount> series{};  // as the caller sees it
  };

  explicit CaseView(const Case& incident);

  const Case& incident() const { return case_; }
  int size() const { return static_cast<int>(ids_.size()); }
  int steps() const { return static_cast<int>(case_.times.size()); }
  telemetry::EntityId id(int entity) const { return ids_[static_cast<size_t>(entity)]; }
  int alerting() const { return alerting_; }
  /// Which harms the alert speaks of; both when it does not say.
  const std::vector<Harm>& harms() const { return harms_; }
  bool harm_is_given() const { return harms_.size() == 1; }
  /// A normal period from elsewhere is known for at least one series.
  bool has_reference() const { return has_reference_; }
  bool has_graph() const { return !links_.empty(); }

  /// The series that stands for the quantity: means before quantiles. nullptr: not measured.
  const CaseSeries* Find(int entity, telemetry::Quantity quantity) const;
  std::span<const CaseSeries* const> All(int entity) const {
    return all_[static_cast<size_t>(entity)];
  }
  const std::vector<Link>& links() const { return links_; }
  std::span<const int> out(int entity) const {
    return out_[static_cast<size_t>(entity)];
  }  // link numbers
  std::span<const int> in(int entity) const { return in_[static_cast<size_t>(entity)]; }

  Flow ServerFlow(int entity, Harm harm) const;
  Flow LinkFlow(int link, Harm harm) const;
  /// Calls per step of the entity (or, where it is silent itself, as its callers see them); empty
  /// if unknown.
  std::vector<double> Calls(int entity) const;

  bool IsBefore(int step) const { return before_[static_cast<size_t>(step)]; }
  bool IsDuring(int step) const { return during_[static_cast<size_t>(step)]; }
  /// Weighted mean over the steps of the incident (of those before it); missing steps count as 0.
  double During(std::span<const double> values) const { return Weigh(values, during_weight_); }
  double Before(std::span<const double> values) const { return Weigh(values, before_weight_); }
  std::vector<double> BeforeOnly(std::span<const double> values) const;
  std::vector<double> DuringOnly(std::span<const double> values) const;
  bool any_before() const { return any_before_; }

 private:
  int Number(telemetry::EntityId id);
  void IndexSeries();
  void IndexLinks();
  void SplitSteps();
  void WeighSteps();
  Flow MakeFlow(const CaseSeries* rate, const CaseSeries* value, bool complement) const;
  static double Weigh(std::span<const double> values, std::span<const double> weights);

  const Case& case_;
  std::vector<telemetry::EntityId> ids_;
  std::unordered_map<uint64_t, int> numbers_;
  std::vector<std::array<const CaseSeries*, telemetry::kQuantityCount>> best_;
  std::vector<std::vector<const CaseSeries*>> all_;
  std::vector<Link> links_;
  std::vector<std::vector<int>> out_, in_;
  int alerting_ = kNone;
  std::vector<Harm> harms_;
  bool has_reference_ = false;
  bool any_before_ = false;
  std::vector<bool> before_, during_;
  std::vector<double> before_weight_, during_weight_;
};

}  // namespace tomograph::diagnose
