#include "correlate/clocks/pair_calls.h"

#include <algorithm>

namespace tomograph::correlate {

void PairCalls::Add(const Contact& call, const LateEnds& ends, Nanos start, Nanos length) {
  ++count_;
  const bool forward = call.client < call.server;
  const double window = static_cast<double>(length);
  if (call.started >= start) {
    const Nanos request = call.server_start - call.client_start;
    const double share = static_cast<double>(call.started - start) / window;
    // The client read its clock before, by less than it waited in all.
    const double there = call.awaited ? static_cast<double>(call.waited()) / window : 0;
    if (forward)
      requests_.AtMost(share, request, there);
    else
      requests_.AtLeast(share, -request, there);
  }
  if (!call.awaited) return;
  AddAnswer(call, ends, static_cast<double>(call.ended - start) / window,
            static_cast<double>(call.ended - call.started) / window, &ways_[forward ? 0 : 1],
            forward);
}

void PairCalls::AddAnswer(const Contact& call, const LateEnds& ends, double share, double lasted,
                          Way* way, bool forward) {
  way->seen.Add(call.waited(), call.served(), call.busy());
  const auto add = [&](Nanos at_it_for, Nanos likely, OffsetBand* band) {
    const Nanos answer = call.server_start + at_it_for - call.client_end;
    if (forward)
      band->AtLeast(share, answer, lasted, likely);
    else
      band->AtMost(share, -answer, lasted, likely);
  };
  // A server that worked for longer than its client waited was not waited for.
  const bool by_end = ends.told_by() == AnswerSign::kEnd;
  const Nanos at_it_for = by_end ? call.served() : call.busy();
  const bool known = (by_end || call.busy() > 0) && at_it_for <= call.waited();
  const Nanos ended_after = std::min(call.served(), call.waited());
  const Nanos sent_after =
      ends.ends_disproved() && call.busy() > 0
          ? (std::min(ended_after, std::max(call.busy(), call.seems_busy())) + ended_after) / 2
          : ended_after;
  const Nanos middle = call.server_start - call.client_start - (call.waited() - sent_after) / 2;
  const Nanos likely = forward ? middle : -middle;
  if (known) add(at_it_for, by_end ? OffsetBand::kTight : likely, &way->told);
  add(0, likely, &way->sure);
}

OffsetBand PairCalls::Band(const Signs& told, const Signs& now, Signs* used) const {
  OffsetBand band = requests_;
  for (size_t i = 0; i < ways_.size(); ++i) {
    const Way& way = ways_[i];
    if (way.seen.calls() == 0) continue;
    // What was told by a sign that the window itself disproved is not believed.
    AnswerSign sign = now[i] <= told[i] ? told[i] : AnswerSign::kStart;
    if (sign == AnswerSign::kWork && !way.seen.most_worked()) sign = AnswerSign::kStart;
    band.Merge(sign == AnswerSign::kStart ? way.sure : way.told);
    (*used)[i] = sign;
  }
  return band;
}

}  // namespace tomograph::correlate
