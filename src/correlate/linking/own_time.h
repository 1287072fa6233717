// Calls that keep a time of their own: made by a timer, and by no request. The steps between such
// calls hardly vary. Wrong where several timers of one service call the same: their steps together
// do.
//
// Such calls fall into requests by chance, of those that are open. That no request made one of them
// is as likely as its step is, which is far more than of one call among so many in all that time.
// Nearly all steps have to be regular for that (but for 2 % at each end within a fifth of the
// median): requests that call in a loop pause between one loop and the next. Calls of requests that
// come regularly may pass; then their gaps to both ends of the requests are as exact and tell.
//
// Where requests come as regularly, each seems to be followed by such a call, as if handed off:
//
//   requests  |r        |r        |r        calls after the answer follow by a gap g that hardly
//   calls     |    c    |    c    |    c    varies, and one another by a step d that hardly does
//
// Such a class is a timer's if its steps are regular for the most part (quartiles apart by less
// than half of the median; 1.6 times it where calls come by chance), and its gaps, each against the
// request that it was given to, are not the more exact by half a nat in the mean log density. Then
// times cannot tell.
#pragma once

#include <vector>

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// Per class: mean log density of the steps between its calls, per microsecond, if these are
/// regular; else -infinity. Calls with a given request don't count.
std::vector<double> OwnTimes(const LinkWindow& window, int service, int classes, TimeGrain grain);

/// Would calls after the answer be a timer's? Of the calls as they are owned at present.
bool KeepsOwnTime(const LinkWindow& window, int service, int call_class, TimeGrain grain);

}  // namespace tomograph::correlate::linking
