// WindowSteps: the pairs of hosts whose clocks stepped against each other in one window, or changed
// their rate, which counts as inside of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/nanotime.h"
#include "correlate/clocks/pair_clock.h"

namespace tomograph::correlate {

struct SteppedPair {
  size_t a = 0, b = 0;  // hosts
  const PairWindow* window = nullptr;
  uint64_t calls = 0;
};

struct WindowSteps {
  std::vector<SteppedPair> inside, at_start;

  void Add(const SteppedPair& pair) { (pair.window->at_start ? at_start : inside).push_back(pair); }
  /// No calls of the pair are late enough to say that it did not step as well: inside of the
  /// window, or `before` it.
  bool MayHaveMissed(const PairWindow& window, bool before) const;
  /// The same of a pair beside one that stepped inside of the window.
  bool MayHaveMissedBeside(size_t a, size_t b, const PairWindow& window) const;
  /// When the steps inside of the window [start, start + length) were, as far as the calls make
  /// likely, and where no call contradicts one.
  TimeRange ZoneInside(Nanos start, Nanos length) const;
  TimeRange WidestInside(Nanos start, Nanos length) const;
  /// The same of changes of rate, as early as in the window before.
  TimeRange ZoneOfRateChange(Nanos start, Nanos length) const;
  /// Within that zone: as the pair says that has the most calls to tell it by.
  Nanos MostLikely(Nanos start, Nanos length) const;
  /// When those between the last window and this one were: likely, and until when possible.
  TimeRange ZoneAtStart(Nanos start, Nanos length) const;
  Nanos LatestAtStart(Nanos start, Nanos length) const;
};

}  // namespace tomograph::correlate
