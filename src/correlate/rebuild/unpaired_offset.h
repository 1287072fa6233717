// UnpairedOffset: by how much a callee's clock is ahead of its callers', from what they sent and
// what it received, without knowing which call is which.
//
//   sent        |------------------|           If the two are one call, the clock is ahead by
//   received        |---------|                something in [end - end, start - start]; if not, the
//                <-->          <-->            same says nothing. So at the true offset nearly all
//                                              that was received has a sent call around it, and at
//                                              any other one only so many by chance.
//
// Only pairs whose lengths differ by at most `room` are looked at: the time that calls spend
// between the two. The less there is, the less meets by chance.
//
// Bayesian: near what was expected, or anywhere within reach, or none of it; a received call has
// its sent one around it with some share at the true offset, and with that of chance elsewhere.
#pragma once

#include <span>
#include <vector>

#include "base/nanotime.h"

namespace tomograph::correlate {

/// Seconds since some origin.
struct CallTime {
  double start = 0, end = 0;
  double length() const { return end - start; }
};

/// May `received` be the other side of a call in `sent` (in order of start), were its clock ahead
/// by `offset`, give or take?
bool HasSentAround(std::span<const CallTime> sent, CallTime received, double room, double offset,
                   double tolerance);

class UnpairedOffset {
 public:
  /// What was known before; seconds.
  struct Prior {
    double offset = 0;
    double sigma = 0;   // <= 0: nothing is known of it
    double share = -1;  // of the received calls that have a sent one around them; < 0: not known
    double doubt = 0;   // log odds of other evidence against `offset`
  };
  struct Posterior {
    bool found = false;  // one offset, and no other, explains the calls
    double offset = 0, sigma = 0;
    double expected = 0;  // probability that the clock is near what was expected
    double share = 0;     // at the offset found
    double chance = 0;    // of a received call to have a sent one around it by chance
    double evidence = 0;  // log odds of that offset against none, priors and all
  };

  /// `sent` in order of start: all that lie within `reach` of what was received, since a received
  /// call without one counts against an offset. Offsets within `reach` of `around` are looked at;
  /// fewer, and not all of `received`, where there would be too many pairs.
  UnpairedOffset(std::span<const CallTime> sent, std::span<const CallTime> received, double around,
                 double reach, double room);
  Posterior Given(const Prior& prior) const;

 private:
  static constexpr double kLeastChance = .002;
  /// Between these offsets so many received calls have a sent one around them.
  struct Level {
    double from, to;
    int hits;
  };
  std::vector<Level> levels_;
  int received_ = 0;
  double reach_ = 0;
  double width_ = 0;  // mean length of what one pair allows
  double chance_ = kLeastChance;
};

}  // namespace tomograph::correlate
