#include "correlate/clocks/told_line.h"

#include <algorithm>
#include <cmath>

#include "correlate/clocks/segments.h"

namespace tomograph::correlate {

using telemetry::ClockSegment;
using telemetry::kUnbounded;

namespace {

constexpr double kTailWander = 1e-4;  // s a second: off the drift measured a window later

}  // namespace

void ToldLine::Append(ClockSegment segment, Nanos most_corrected) {
  if (segment.to <= segment.from) return;
  const Nanos below = segment.below[1], above = segment.above[1];
  const bool wrong = (below != kUnbounded && segment.offset - below > 0) ||
                     (above != kUnbounded && segment.offset + above < 0);
  if (segment.measured && wrong) corrected_ = true;
  segment.applied = segment.measured && corrected_ && std::abs(segment.offset) <= most_corrected;
  segments_.push_back(segment);
}

void ToldLine::CoverTail(const ClockSegment& next, Nanos start, bool stepped) {
  if (!next.measured) return;
  if (next.below[0] == kUnbounded || next.above[0] == kUnbounded) return;  // it tells nothing
  Nanos to = start;
  for (size_t i = segments_.size(); i-- > 0;) {
    const ClockSegment& s = segments_[i];
    if (s.to != to || s.to <= covered_until_ || !s.measured || s.reference != next.reference) break;
    to = s.from;
    CoverIn(i, next, start, stepped);
  }
}

void ToldLine::CoverIn(size_t at, ClockSegment next, Nanos start, bool stepped) {
  ClockSegment& segment = segments_[at];
  const Nanos from = std::max(covered_until_, segment.from);
  const Nanos wander =
      static_cast<Nanos>(std::ceil(kTailWander * static_cast<double>(start - from)));
  for (auto* side : {&next.below, &next.above}) side->fill((*side)[0] + wander);
  const ClockSegment tail = Part(segment, from, segment.to), wider = Widened(tail, next);
  if (stepped && from == segment.from) {
    segment = wider;
    return;
  }
  if (stepped) {
    segment = Part(segment, segment.from, from);
    segments_.insert(segments_.begin() + static_cast<std::ptrdiff_t>(at) + 1, wider);
    return;
  }
  const size_t first = from < segment.from + (segment.to - segment.from) / 2 ? 0 : 1;
  for (const auto side : {&ClockSegment::below, &ClockSegment::above}) {
    if ((tail.*side)[2] == kUnbounded || (tail.*side)[0] == kUnbounded) continue;
    Nanos more = 0;
    for (size_t k = 0; k < 3; ++k) more = std::max(more, (wider.*side)[k] - (tail.*side)[k]);
    for (size_t k = first; k < 3; ++k)
      if ((segment.*side)[k] != kUnbounded) (segment.*side)[k] += more;
  }
}

/// A clock that was on the line before the change is on the line after it from then on: on the
/// greater of both where it drifts up, on the lesser where it drifts down.
void ToldLine::CoverRateChange(double drift, const ClockSegment& after) {
  const bool up = after.drift > drift;
  const auto side = up ? &ClockSegment::above : &ClockSegment::below;
  for (const auto& bound : {after.below, after.above})
    if (bound[0] == kUnbounded || bound[2] == kUnbounded) return;
  const Nanos start = after.from, length = after.to - after.from;
  // As steep as its own bounds let the line after it be.
  const double steeper =
      (static_cast<double>(after.above[0]) + static_cast<double>(after.above[2]) +
       static_cast<double>(after.below[0]) + static_cast<double>(after.below[2])) /
      2 / static_cast<double>(length);
  for (size_t i = segments_.size(); i-- > 0 && segments_[i].from >= start - length;) {
    ClockSegment& s = segments_[i];
    if (!s.measured || s.reference != after.reference) continue;
    for (size_t k = 0; k < 3; ++k) {
      const Nanos at = s.from + static_cast<Nanos>(k) * (s.to - s.from) / 2;
      const double reach =
          static_cast<double>((after.*side)[0]) + steeper * static_cast<double>(start - at);
      const double off = after.OffsetAt(at) - s.OffsetAt(at);
      if ((s.*side)[k] != kUnbounded)
        (s.*side)[k] = std::max((s.*side)[k], Outward(reach + (up ? off : -off)));
    }
  }
}

void ToldLine::Forgo(Nanos from, Nanos end) {
  from = std::max(from, covered_until_);
  if (segments_.empty() || segments_.back().says_nothing()) return;
  ClockSegment nothing = segments_.back();  // of which the line tells where it lies in time
  nothing.measured = nothing.applied = false;
  nothing.below.fill(kUnbounded);
  nothing.above.fill(kUnbounded);
  while (!segments_.empty() && segments_.back().from >= from) segments_.pop_back();
  if (!segments_.empty() && segments_.back().to > from)
    segments_.back() = Part(segments_.back(), segments_.back().from, from);
  nothing.from = from;
  nothing.to = end;
  Append(nothing, 0);
}

void ToldLine::Keep(size_t newest) {
  if (segments_.size() <= newest) return;
  segments_.erase(segments_.begin(), segments_.end() - static_cast<std::ptrdiff_t>(newest));
}

}  // namespace tomograph::correlate
