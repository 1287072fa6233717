// LateEnds: what of a callee's spans tells when it sent its answers.
//
// The bound from an answer takes the end of the server span for its sending. Many tracers end the
// span later: when the connection is closed, when the event loop comes round to it, after what is
// still done once the answer is gone. No clock is needed to see that: a server span (one clock)
// cannot last longer than the client span around it (another one) unless it ended late,
//
//   excess = server's duration - client's duration = lateness - both ways through the network.
//
// (Within one host, both spans by one clock, what the server's end is after the client's is as much
// proof, and less is hidden.) The excess understates the lateness by an unknown amount, and an end
// can be late and its span still be the shorter one. So nothing repairs such an end, nor tells
// which ends are good: once a callee is proven late, none is believed, and its answers count as
// sent no earlier than
//
//   kEnd    the span's end, as long as nothing disproves it
//   kWork   the start of the last call that the callee made for the answer and that ended within
//           its span: it had not answered before it asked. (Nor before that call had ended, but
//           the same tracer ends that span, and may do so late as well.) Where most answers have
//           one. Disproved in the same way (calls not waited for)
//   kStart  the start of its span: a request is received before it is answered, whatever the tracer
//
// Proof: the excess shows in at least 3 calls and at least 1 % of them, of one window or of the
// last five minutes or so; fewer may be clients that gave up. It holds for an hour from the last
// window that had it. And belief is earned, ends by 300 answers: in fewer the proof can hardly have
// come. Until then calls of its own are gone by, if 50 answers with such were seen, else the start.
//
// Wrong when: all lateness is shorter than the network's ways, so that no span outlasts its call
// (the bound from ends then misses by less than that); or, at kWork, calls that are not waited for
// end within the span and always before the client has its answer. When lateness begins, it is not
// known before the third such call. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "base/nanotime.h"

namespace tomograph::correlate {

/// In order of how little they assume.
enum class AnswerSign : uint8_t { kEnd, kWork, kStart };

/// The answers of one window between two clocks; the same for any order of them.
class AnswersSeen {
 public:
  /// How long the client waited (within one host: since the server's span began), and by the
  /// server's clock how long until its span ended and until the last of its own calls began; 0:
  /// none is known.
  void Add(Nanos waited, Nanos served, Nanos worked);
  uint64_t calls() const { return calls_; }
  bool most_worked() const { return 2 * worked_ > calls_; }

 private:
  friend class LateEnds;
  /// By size: how many are longer than 2 * 10^i ns, which is what two clocks that are read to 10^i
  /// ns can make of nothing.
  using Excesses = std::array<uint32_t, 10>;
  static void Count(Nanos excess, Excesses* counts);
  static uint32_t Beyond(const Excesses& counts, Nanos quantum);

  uint64_t calls_ = 0, worked_ = 0;
  Excesses late_ends_{}, late_work_{};
};

class LateEnds {
 public:
  /// Answers of the window at hand; `quantum`: how coarsely their durations are known, a power of
  /// ten ns.
  void Add(const AnswersSeen& answers, Nanos quantum);
  /// The window, [end - length, end), has all of them.
  void Close(Nanos end, Nanos length);
  /// What is believed, as of the newest window that was closed.
  AnswerSign sign() const;
  /// What nothing disproves, and may be believed by the end of the next window.
  AnswerSign told_by() const { return told_by_; }
  bool ends_disproved() const { return ends_disproved_; }

 private:
  /// Calls of a stretch of time, and those among them that disprove a sign.
  struct Calls {
    double all = 0, late_ends = 0, late_work = 0;
  };
  static bool Prove(double late, double all);

  Calls window_, recent_;  // `recent_` fades, and has the window too once that is closed
  uint64_t seen_ = 0, seen_worked_ = 0;
  Nanos ends_late_until_ = INT64_MIN, work_late_until_ = INT64_MIN;
  bool ends_disproved_ = false;
  AnswerSign told_by_ = AnswerSign::kWork;
};

}  // namespace tomograph::correlate
