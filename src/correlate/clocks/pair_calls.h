// PairCalls: the calls between two hosts in one window, as the band of offsets that they allow.
//
// A request bounds the offset by the starts of its two spans. An answer does by the end of the
// client's span and the last moment at which the server is known to have been at it: which one that
// is depends on what the server's spans tell (late_ends.h). Both readings are kept, that of the
// sign that held when the window was opened and that of the start, which always does: whether the
// ends of a window are good is known only once it has all its calls. By a start an answer bounds
// from further off than it could, by the time the server or its last call took; its `likely` offset
// takes both ways as equally long, and the answer as sent when the span ended; of a server that was
// proven to end its spans late, half-way between the end of its last call and that.
//
// The same for any order of the calls. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/nanotime.h"
#include "correlate/clocks/contact.h"
#include "correlate/clocks/late_ends.h"
#include "correlate/clocks/offset_band.h"

namespace tomograph::correlate {

class PairCalls {
 public:
  /// By way: of the second host's answers to the first one (0), and of the first one's (1). Of two
  /// hosts the one of the lesser id is the first.
  using Signs = std::array<AnswerSign, 2>;
  static constexpr size_t kMostBytes = 6 * OffsetBand::kSideBytes;

  /// A call that ended in [start, start + length); `ends`: its server's, as of the windows before.
  void Add(const Contact& call, const LateEnds& ends, Nanos start, Nanos length);
  uint64_t count() const { return count_; }
  const AnswersSeen& answers(size_t way) const { return ways_[way].seen; }
  /// theta = clock of the second host minus clock of the first. `told`: by the ends given to Add;
  /// `now`: what they are, all calls seen. `used`, of the ways that had answers: what was gone by.
  OffsetBand Band(const Signs& told, const Signs& now, Signs* used) const;

 private:
  struct Way {
    AnswersSeen seen;
    OffsetBand told;  // by LateEnds::told_by at Add
    OffsetBand sure;  // by AnswerSign::kStart
  };
  static void AddAnswer(const Contact& call, const LateEnds& ends, double share, double lasted,
                        Way* way, bool forward);

  uint64_t count_ = 0;
  OffsetBand requests_;
  std::array<Way, 2> ways_;
};

}  // namespace tomograph::correlate
