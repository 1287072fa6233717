// Evidence: what a request and a call say about belonging together by other things than their
// times.
//
//   log p(what the call shows | what the request shows) - log p(what the call shows)
//
// and 0 for a call of nobody. Learned from the present owners, so without labels:
//
//   ids (connection, worker)  p(y | x) = share * [y = x] + (1 - share) * (n(x,y) + a q(y)) / (n(x)
//   + a):
//       the same id, as of one thread, or an id that goes with another, as in a pool that is
//       pinned. q: shares of all calls. n: counted among other requests than the one that is judged
//       (two halves, each judged by the other), else what was seen once would prove itself. a: by
//       the likelihood of the half that was not counted.
//   sizes   Gaussian copula between (bytes in, bytes out) of both; of differences between requests
//       that are neighbours, so that a drift that all share says nothing.
//   status  p(the call failed | the request failed), a table of four.
//
// A kind of evidence counts only where it proves to tell something: TellsApart.
//
// Wrong when: sizes hang together in a way that neither rises nor falls; ids are reused for
// something else (until the model is refreshed).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "correlate/linking/gap_density.h"

namespace tomograph::correlate::linking {

/// What a record shows beside its times; 0: not known.
struct Attributes {
  uint64_t connection = 0;
  uint64_t worker = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  bool failed = false;
  bool any() const {
    return connection != 0 || worker != 0 || bytes_in != 0 || bytes_out != 0 || failed;
  }
};

/// A request and a call of it. `half`: of the requests, drawn by their ids.
struct EvidencePair {
  const Attributes* request = nullptr;
  const Attributes* call = nullptr;
  int half = 0;
};

class IdEvidence {
 public:
  void Learn(std::span<const EvidencePair> pairs, uint64_t Attributes::*id);
  float Log(uint64_t of_request, uint64_t of_call, int half) const;
  size_t bytes() const;

 private:
  static constexpr size_t kMostPairs = 16'384;  // of ids that go with each other; more: no table
  struct Half {
    std::unordered_map<uint64_t, double> together, of_request;  // counts
  };
  double Ratio(uint64_t of_request, uint64_t of_call, int half, double a) const;

  std::unordered_map<uint64_t, double> share_;  // of the calls, by their id
  std::array<Half, 2> counted_;
  double equal_ = 0;
  double a_ = 0;  // 0: the table is not used
  double calls_ = 0;
};

class SizeEvidence {
 public:
  void Learn(std::span<const EvidencePair> pairs);
  float Log(const Attributes& request, const Attributes& call) const;
  size_t bytes() const;

 private:
  static constexpr int kSizes = 4;  // in and out of the request, in and out of the call
  using Scores = std::array<double, kSizes>;
  /// False unless all sizes that count are known.
  bool ScoresOf(const Attributes& request, const Attributes& call, Scores* z) const;

  std::array<GapDensity, kSizes> density_;
  std::array<bool, kSizes> counts_{};
  std::array<double, kSizes * kSizes> form_{};
  double constant_ = 0;
  bool learned_ = false;
};

class StatusEvidence {
 public:
  void Learn(std::span<const EvidencePair> pairs);
  float Log(bool request_failed, bool call_failed) const {
    return log_[request_failed][call_failed];
  }

 private:
  float log_[2][2] = {{0, 0}, {0, 0}};
};

class Evidence {
 public:
  enum Kind { kConnection, kWorker, kSize, kStatus, kKinds };

  /// Keeps which kinds count.
  void Learn(std::span<const EvidencePair> pairs);
  float Log(Kind kind, const EvidencePair& pair) const;
  /// Of all kinds that count.
  float Log(const EvidencePair& pair) const;
  void Use(Kind kind, bool use) { used_[kind] = use; }
  bool any() const { return used_[0] || used_[1] || used_[2] || used_[3]; }
  size_t bytes() const { return connection_.bytes() + worker_.bytes() + size_.bytes(); }

 private:
  IdEvidence connection_, worker_;
  SizeEvidence size_;
  StatusEvidence status_;
  std::array<bool, kKinds> used_{};
};

/// Does evidence tell owners from the other candidates? To be fed one call after the other, while
/// owners do not depend on it: were it chance, exp(gain) would be 1 on average, so that it exceeds
/// exp(kEnough) once in 22,000 times (a test by e-value, Vovk & Wang 2021). The bet on each owner
/// is half of the stake: owners by times alone are often wrong where there is a choice, and the
/// surer the evidence, the more it would be held against it that it knows better.
class TellsApart {
 public:
  void Add(float owner, std::span<const float> candidates);
  explicit operator bool() const { return gain_ > kEnough; }

 private:
  static constexpr double kEnough = 10;
  static constexpr double kDoubt = 0.5;  // the other half
  double gain_ = 0;
};

}  // namespace tomograph::correlate::linking
