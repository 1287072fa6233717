// JudgeSlot: one slot of one service that is called. Reads the bands' offsets, sets callers apart
// that do not belong to their band, and tells every record of the slot (hop_clocks.h).
#pragma once

#include "correlate/rebuild/hop_place.h"

namespace tomograph::correlate {

/// Tells `place`'s records of the slot that begins at `slot`; there must be some.
void JudgeSlot(Nanos slot, HopPlace* place, const HopSinks& sinks);

}  // namespace tomograph::correlate
