#include "correlate/linking/request_model.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace tomograph::correlate::linking {

void RequestExamples::Clear(int slots_of_kind) {
  slots = slots_of_kind;
  requests.clear();
  calls.clear();
  used.clear();
}

void RequestModel::SetGroups(std::vector<CallGroup> groups, int classes) {
  groups_ = std::move(groups);
  group_of_.assign(classes, -1);
  int slots = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    groups_[g].first = slots;
    slots += groups_[g].count;
    group_of_[groups_[g].call_class] = static_cast<int>(g);
  }
  outliving_ = 0;
  for (const CallGroup& group : groups_) {
    for (int k = 0; k < group.count && group.outlives; ++k)
      outliving_ |= uint64_t{1} << (group.first + k);
  }
  slots_.assign(slots, {});
  end_reference_ = {From::kLatestEnd, 0};
  copula_ = {};
  full_ = 0;
  learned_ = false;
}

size_t RequestModel::bytes() const {
  size_t total = sizeof(*this) + end_gap_.bytes() + childless_.bytes();
  for (const CallGroup& group : groups_) {
    total += group.start_gap.bytes() + group.end_gap.bytes() + group.evidence.bytes();
  }
  for (const ChainModel& chain : chains_) {
    total += sizeof(chain) + chain.first.bytes() + chain.step.bytes() + chain.rest.bytes();
  }
  for (const Slot& slot : slots_) total += sizeof(slot) + slot.gap.bytes() + slot.duration.bytes();
  return total;
}

double RequestModel::ReferenceTime(Reference reference, uint64_t predecessors, Interval request,
                                   const Interval* calls, uint64_t used) const {
  switch (reference.what) {
    case From::kRequest:
      break;
    case From::kRequestEnd:
      return request.end;
    case From::kLatestEnd: {
      double latest = request.start;
      for (uint64_t rest = predecessors & used; rest != 0; rest &= rest - 1) {
        latest = std::max(latest, calls[std::countr_zero(rest)].end);
      }
      return latest;
    }
    case From::kStart:
      if (used >> reference.slot & 1) return calls[reference.slot].start;
      break;
    case From::kEnd:
      if (used >> reference.slot & 1) return calls[reference.slot].end;
      break;
  }
  return request.start;
}

double RequestModel::EndReferenceTime(Reference reference, const Interval* calls,
                                      uint64_t used) const {
  if (reference.what == From::kEnd && used >> reference.slot & 1) return calls[reference.slot].end;
  double latest = -std::numeric_limits<double>::infinity();
  for (uint64_t rest = used & ~outliving_; rest != 0; rest &= rest - 1) {
    latest = std::max(latest, calls[std::countr_zero(rest)].end);
  }
  return latest;
}

float RequestModel::LogWithOneMore(Interval request, const Interval* calls, uint64_t used, int slot,
                                   double more_end) const {
  Interval longer[kMaxSlots];
  std::copy_n(calls, slots(), longer);
  if (slot >= 0) longer[slot].end = std::max(longer[slot].end, more_end);
  return Evaluate(request, longer, used, more_end, nullptr);
}

float RequestModel::Evaluate(Interval request, const Interval* calls, uint64_t used,
                             double more_end, float* scores) const {
  float total = pattern_.Log(used);
  // But for what may come after.
  const bool childless = (used & ~outliving_) == 0 && more_end == kNoMore;
  if (childless) total += childless_.Log(request.end - request.start);
  const bool correlated =
      used == full_ && more_end == kNoMore && (copula_.learned() || scores != nullptr);
  const int n = slots();
  float own[GaussianCopula::kMaxDimensions];
  float* z = scores != nullptr ? scores : own;
  for (uint64_t rest = used; rest != 0; rest &= rest - 1) {
    const int k = std::countr_zero(rest);
    const Slot& slot = slots_[k];
    const double gap =
        calls[k].start - ReferenceTime(slot.reference, slot.predecessors, request, calls, used);
    total += slot.gap.Log(gap);
    if (correlated) {
      z[k] = slot.gap.Score(gap);
      z[n + k] = slot.duration.Score(calls[k].end - calls[k].start);
    }
  }
  if (childless) return total;
  const double end_gap =
      request.end - std::max(more_end, EndReferenceTime(end_reference_, calls, used));
  total += end_gap_.Log(end_gap);
  if (!correlated) return total;
  z[2 * n] = end_gap_.Score(end_gap);
  return copula_.learned() ? total + copula_.Log(z) : total;
}

void RequestModel::Learn(const RequestExamples& examples, TimeGrain grain) {
  learned_ = true;
  copula_ = {};
  pattern_.Learn(examples.used, slots());
  full_ = pattern_.most_common();
  std::vector<double> childless, gaps;
  for (size_t i = 0; i < examples.size(); ++i) {
    if ((examples.used[i] & ~outliving_) == 0) {
      childless.push_back(examples.requests[i].end - examples.requests[i].start);
    }
  }
  childless_.Fit(childless, grain, true);
  std::vector<double> typical(slots(), std::numeric_limits<double>::infinity());
  for (int k = 0; k < slots(); ++k) {
    gaps.clear();
    for (size_t i = 0; i < examples.size(); ++i) {
      if (examples.used[i] >> k & 1) {
        gaps.push_back(examples.calls[i * slots() + k].start - examples.requests[i].start);
      }
    }
    if (gaps.empty()) continue;
    const auto middle = gaps.begin() + static_cast<ptrdiff_t>(gaps.size() / 2);
    std::nth_element(gaps.begin(), middle, gaps.end());
    typical[k] = *middle;
  }
  for (int k = 0; k < slots(); ++k) LearnSlot(k, examples, typical, grain);
  LearnEnd(examples, grain);
  LearnCopula(examples, grain);
}

void RequestModel::LearnSlot(int k, const RequestExamples& examples,
                             const std::vector<double>& typical, TimeGrain grain) {
  Slot& slot = slots_[k];
  slot.predecessors = 0;
  std::vector<Reference> options = {{From::kRequest, 0}};
  if (outliving_ >> k & 1) options.push_back({From::kRequestEnd, 0});
  for (int q = 0; q < slots(); ++q) {
    if (q == k || !(typical[q] < typical[k] || (typical[q] == typical[k] && q < k))) continue;
    double both = 0, before = 0;
    for (size_t i = 0; i < examples.size(); ++i) {
      if ((examples.used[i] >> k & 1) == 0 || (examples.used[i] >> q & 1) == 0) continue;
      const Interval* calls = &examples.calls[i * slots()];
      ++both;
      before += calls[q].end <= calls[k].start;
    }
    if (both == 0) continue;
    options.push_back({From::kStart, static_cast<uint8_t>(q)});
    if (before > .9 * both) {
      slot.predecessors |= uint64_t{1} << q;
      options.push_back({From::kEnd, static_cast<uint8_t>(q)});
    }
  }
  if (slot.predecessors != 0) options.push_back({From::kLatestEnd, 0});
  double best = -std::numeric_limits<double>::infinity();
  std::vector<double> gaps, best_gaps;
  for (const Reference option : options) {
    gaps.clear();
    for (size_t i = 0; i < examples.size(); ++i) {
      if ((examples.used[i] >> k & 1) == 0) continue;
      const Interval* calls = &examples.calls[i * slots()];
      gaps.push_back(calls[k].start - ReferenceTime(option, slot.predecessors, examples.requests[i],
                                                    calls, examples.used[i]));
    }
    GapDensity density;
    density.Fit(gaps, grain, false);
    if (density.mean_log() > best) {
      best = density.mean_log();
      slot.reference = option;
      best_gaps.swap(gaps);
    }
  }
  slot.gap.Fit(best_gaps, grain, true);
}

void RequestModel::LearnEnd(const RequestExamples& examples, TimeGrain grain) {
  std::vector<Reference> options = {{From::kLatestEnd, 0}};
  for (int k = 0; k < slots() && slots() > 1; ++k) {
    if ((outliving_ >> k & 1) == 0) options.push_back({From::kEnd, static_cast<uint8_t>(k)});
  }
  double best = -std::numeric_limits<double>::infinity();
  std::vector<double> gaps, best_gaps;
  for (const Reference option : options) {
    gaps.clear();
    for (size_t i = 0; i < examples.size(); ++i) {
      if ((examples.used[i] & ~outliving_) == 0) continue;
      gaps.push_back(examples.requests[i].end -
                     EndReferenceTime(option, &examples.calls[i * slots()], examples.used[i]));
    }
    GapDensity density;
    density.Fit(gaps, grain, false);
    if (density.mean_log() > best) {
      best = density.mean_log();
      end_reference_ = option;
      best_gaps.swap(gaps);
    }
  }
  end_gap_.Fit(best_gaps, grain, true);
}

void RequestModel::LearnCopula(const RequestExamples& examples, TimeGrain grain) {
  const int dimensions = 2 * slots() + 1;
  if (full_ == 0 || outliving_ != 0 || dimensions > GaussianCopula::kMaxDimensions) return;
  if (std::popcount(full_) != slots()) return;  // a slot that is mostly empty has no score
  if (examples.size() < 100) return;
  std::vector<double> durations;
  for (int k = 0; k < slots(); ++k) {
    durations.clear();
    for (size_t i = 0; i < examples.size(); ++i) {
      const Interval& call = examples.calls[i * slots() + k];
      if (examples.used[i] >> k & 1) durations.push_back(call.end - call.start);
    }
    slots_[k].duration.Fit(durations, grain, true);
  }
  std::vector<float> scores;
  float z[GaussianCopula::kMaxDimensions];
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples.used[i] != full_) continue;
    Evaluate(examples.requests[i], &examples.calls[i * slots()], examples.used[i], kNoMore, z);
    scores.insert(scores.end(), z, z + dimensions);
  }
  copula_.Learn(scores, dimensions);
}

}  // namespace tomograph::correlate::linking
