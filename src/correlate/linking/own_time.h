// Calls that keep a time of their own: made by a timer, and by no request. Where requests come as
// regularly, each seems to be followed by such a call, always as long after it.
//
//   requests  |r        |r        |r        calls after the answer follow by a gap g that hardly
//   calls     |    c    |    c    |    c    varies, and one another by a step d that hardly does
//
// Such a class is a timer's if the steps between its calls are regular (quartiles apart by less
// than half of the median; 1.6 times it where calls come by chance), and its gaps, each against the
// request that it was given to, are not the more exact by half a nat in the mean log density. Then
// times cannot tell. Wrong where several timers of one service call the same: their steps together
// are not regular.
#pragma once

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// Of the calls as they are owned at present.
bool KeepsOwnTime(const LinkWindow& window, int service, int call_class, TimeGrain grain);

}  // namespace tomograph::correlate::linking
