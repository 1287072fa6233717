// Sampler: Metropolis over who owns whom. A proposal hands a call to another request that may hold
// it; the call of that class which was there, if any, comes back (alone, or with all or some of the
// other classes), or the call is given to nobody. At temperature 1 states are visited as often as
// the model finds them likely; cooling down ends in a likely answer.
//
// Posteriors count probabilities and not visits: a proposal that is taken with probability p adds p
// to the request proposed and 1 - p to the present one (Frenkel's waste recycling), so that a
// choice of one in a thousand shows after a few dozen sweeps. The same seed gives the same states.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "base/random.h"
#include "correlate/linking/join_model.h"
#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// xorshift64*: proposals need many numbers, not good ones.
class ProposalRandom {
 public:
  explicit ProposalRandom(uint64_t seed) : state_(MixBits(seed) | 1) {}
  uint32_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>((state_ * 2685821657736338717ull) >> 32);
  }
  uint32_t Below(uint32_t n) {
    return static_cast<uint32_t>((static_cast<uint64_t>(Next()) * n) >> 32);
  }
  float Uniform() { return (static_cast<float>(Next() >> 8) + 0.5f) * 0x1p-24f; }

 private:
  uint64_t state_;
};

class Sampler {
 public:
  /// Shares of the candidates of one call, in their order, and last that of nobody.
  struct Shares {
    std::vector<float> of;
    /// Per candidate, of the times when the call was nobody's: how much likelier the candidate
    /// would be with it than without, though it has no room for it, but for the chance of that; per
    /// microsecond. Empty: the call always had a request.
    std::vector<float> one_more;
    int nobodys = 0;  // turns
    /// Of nobody's share what was given to requests that would have made one call more.
    float given = 0;
  };

  Sampler(LinkWindow* window, const LinkModel& model, const JoinModel* joins, uint64_t seed);

  /// The model or owners changed.
  void Refresh();
  void Reseed(uint64_t seed) { random_ = ProposalRandom(seed); }
  /// As many proposals as there are calls, each for one of them drawn at random.
  void Sweep(std::span<const int> calls, double temperature);
  /// Sweeps that are counted: `shares[x]` is of `calls[x]`. In rounds of so many sweeps, two or
  /// more until the last one says what those before it have said, `most_rounds` at most.
  void Count(std::span<const int> calls, int sweeps, int most_rounds, double temperature,
             std::vector<Shares>* shares);
  /// Could this call end up elsewhere? Those that could not need no sampling.
  bool Open(int call);
  /// No sampling can move it.
  bool Fixed(int call) const;
  float LogLikelihood(int request);

 private:
  /// A request with the calls it would own.
  struct Draft {
    int request = kNobody;
    int slots[RequestModel::kMaxSlots];
    float likelihood = 0;
  };

  void CountRound(std::span<const int> calls, int sweeps, double temperature,
                  std::vector<Shares>* shares);
  void WeighOneMore(int call, Shares* shares);
  /// Between what was counted before the last round and in it: the sum of the calls' total
  /// variation distances.
  static double Difference(const std::vector<float>& before, const std::vector<Shares>& after);
  /// Returns the option that was proposed: a candidate's place, or their number for nobody.
  int Propose(int call, double temperature);
  void ProposeNobody(int call, double temperature);
  void ProposeFromNobody(int call, int request, double temperature);
  void ProposeSwap(int call, int request, double temperature);
  void Load(int request, Draft* draft) const;
  /// `more`: it also owns this call, for which it has no room; `again`: it is the one in the last
  /// slot of its class, tried again.
  float Evaluate(const Draft& draft, int more = kNobody, bool again = false) const;
  /// Inversions in both drafts together, for classes that keep an order, times their weights.
  double Order(const Draft& a, const Draft* b, bool drafted) const;
  /// `call` goes from `a` to `b`, and other calls with it or in return. False: it cannot.
  bool Swap(int call, Draft* a, Draft* b, double* log_ratio);
  /// `call` alone, for one of the other's calls of its class or for a free place there.
  bool SwapOne(int call, const CallGroup& ga, const CallGroup& gb, Draft* a, Draft* b,
               double* log_ratio);
  /// The whole group for the other's, where both have room: back and forth alike.
  bool SwapAll(const CallGroup& ga, const CallGroup& gb, Draft* a, Draft* b) const;
  bool Movable(int call, int to) const;
  /// Log of how many more states the drafted one stands for than the present one, where candidates
  /// stand for others. A number of states, so no temperature changes it.
  double Alike(const Draft& draft) const;
  void InsertInto(const CallGroup& group, int call, Draft* draft) const;
  void RemoveFrom(const CallGroup& group, int call, Draft* draft) const;
  /// Takes the drafts if chance will have it. `freed`: loses its owner by that.
  void Decide(const Draft& a, const Draft* b, int freed, double gain, double log_ratio,
              double temperature);
  /// What a change does to the joins.
  struct JoinChange {
    int root_a = kNobody, root_b = kNobody;
    float new_a = 0, new_b = 0;
    double gain = 0;
    int taken = kNobody;  // was nobody's
  };
  JoinChange TryJoins(const Draft& a, const Draft* b, int freed);
  double JoinLikelihood(int root);
  void Write(const Draft& draft, int freed);
  int OptionOf(const Call& call, int owner) const;

  LinkWindow& w_;
  const LinkModel& model_;
  const JoinModel* joins_;
  ProposalRandom random_;
  std::vector<float> likelihood_;       // per request; NaN: to be computed
  std::vector<float> join_likelihood_;  // per root; NaN: to be computed
  float accepted_ = 0;                  // probability with which the last proposal was taken
};

}  // namespace tomograph::correlate::linking
