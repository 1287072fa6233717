// RequestModel: how likely it is that one request, of a kind (service, peer, operation), made just
// these calls at just these times.
//
//   log P = log P(which calls) + sum over calls of log f(start - reference)
//           + log f(end of the request - last end) + copula
//
// A call's reference is learned: of the start of the request, the start or end of another call, and
// the latest end of the calls that always come before, the one under which its gaps are likeliest;
// for calls that may outlive the request, its end too.
//
// A kind has slots for its calls: one per class of calls, several where requests make several calls
// of one class (retries, loops); these are in order of start and filled from the front.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "correlate/linking/call_pattern.h"
#include "correlate/linking/copula.h"
#include "correlate/linking/evidence.h"
#include "correlate/linking/gap_density.h"

namespace tomograph::correlate::linking {

/// Microseconds since the linker's origin.
struct Interval {
  double start = 0;
  double end = 0;
};

/// Requests of one kind with their calls, in order of start.
struct RequestExamples {
  int slots = 0;
  std::vector<Interval> requests;
  std::vector<Interval> calls;  // `slots` per request
  std::vector<uint64_t> used;   // which of them are there
  size_t size() const { return requests.size(); }
  void Clear(int slots_of_kind);
};

/// The slots of one class of calls.
struct CallGroup {
  int call_class = 0;
  int first = 0;
  int count = 1;
  bool outlives = false;  // may begin and end after the request: its end says nothing of them
  /// From the request's start to the call's, and from the call's end to the request's, whatever the
  /// other calls do: what a first guess goes by.
  GapDensity start_gap, end_gap;
  /// What else tells that such a call is one of such a request.
  Evidence evidence;
};

/// The calls of one class of which requests make more than there may be slots (call_chains.h). Gaps
/// in microseconds.
struct ChainModel {
  int call_class = 0;
  GapDensity first;       // from the request's start to its first call's
  GapDensity step;        // from the call before to the start of the next
  bool from_end = false;  // `step` counts from the end of the call before, else from its start
  GapDensity rest;        // from the latest end to the request's
  float log_more = 0;     // log of the chance of one call more
};

class RequestModel {
 public:
  static constexpr int kMaxSlots = 48;

  /// Forgets what was learned about the order of calls. `groups` have class and count set, of at
  /// most kMaxSlots slots in all.
  void SetGroups(std::vector<CallGroup> groups, int classes);
  /// Classes of calls without slots.
  void SetChains(std::vector<ChainModel> chains) { chains_ = std::move(chains); }
  std::span<const ChainModel> chains() const { return chains_; }
  std::span<ChainModel> chains() { return chains_; }
  const ChainModel* ChainOf(int call_class) const {
    for (const ChainModel& chain : chains_) {
      if (chain.call_class == call_class) return &chain;
    }
    return nullptr;
  }
  std::span<const CallGroup> groups() const { return groups_; }
  std::span<CallGroup> groups() { return groups_; }
  /// nullptr: requests of this kind don't make such calls.
  const CallGroup* GroupOf(int call_class) const {
    if (call_class >= static_cast<int>(group_of_.size()) || group_of_[call_class] < 0) {
      return nullptr;
    }
    return &groups_[group_of_[call_class]];
  }
  int slots() const { return static_cast<int>(slots_.size()); }

  void Learn(const RequestExamples& examples, TimeGrain grain);
  bool learned() const { return learned_; }
  /// Only calls in `used` are looked at.
  float LogLikelihood(Interval request, const Interval* calls, uint64_t used) const {
    return Evaluate(request, calls, used, kNoMore, nullptr);
  }
  /// Where the request has made one call more of a class than there are slots for it, the last of
  /// which is `slot` (or -1, if there is none): to the others it looks as if the call in that slot
  /// had gone on until the one more had ended. That there is one more, and when it began, is not
  /// weighed.
  float LogWithOneMore(Interval request, const Interval* calls, uint64_t used, int slot,
                       double more_end) const;
  /// Does a call's gap count from the start of its request?
  bool StartsFromRequest(int slot) const { return slots_[slot].reference.what == From::kRequest; }
  const GapDensity& Gap(int slot) const { return slots_[slot].gap; }
  size_t bytes() const;

 private:
  static constexpr double kNoMore = -std::numeric_limits<double>::infinity();
  enum class From : uint8_t { kRequest, kRequestEnd, kLatestEnd, kStart, kEnd };
  struct Reference {
    From what = From::kRequest;
    uint8_t slot = 0;
  };
  struct Slot {
    Reference reference;
    uint64_t predecessors = 0;
    GapDensity gap;
    GapDensity duration;  // for the copula alone
  };

  double ReferenceTime(Reference reference, uint64_t predecessors, Interval request,
                       const Interval* calls, uint64_t used) const;
  double EndReferenceTime(Reference reference, const Interval* calls, uint64_t used) const;
  /// `scores`: also writes the copula's, 2 * slots + 1 of them, when all of `full_` are used.
  float Evaluate(Interval request, const Interval* calls, uint64_t used, double more_end,
                 float* scores) const;
  void LearnSlot(int k, const RequestExamples& examples, const std::vector<double>& typical,
                 TimeGrain grain);
  void LearnEnd(const RequestExamples& examples, TimeGrain grain);
  void LearnCopula(const RequestExamples& examples, TimeGrain grain);

  std::vector<CallGroup> groups_;
  std::vector<int> group_of_;  // call class -> group, or -1
  std::vector<Slot> slots_;
  std::vector<ChainModel> chains_;
  Reference end_reference_{From::kLatestEnd, 0};
  GapDensity end_gap_, childless_;
  CallPattern pattern_;
  uint64_t full_ = 0;
  uint64_t outliving_ = 0;  // slots
  GaussianCopula copula_;
  bool learned_ = false;
};

}  // namespace tomograph::correlate::linking
