// A first guess of who owns whom, to start from.
//
// GuessAny: the gaps from the request's start to the call's and from the call's end to the
// request's, whatever other calls do; weights normalised per call and per request in turn, so that
// a request that is sure of its call leaves the others alone; best first; augmenting paths for
// calls that found their requests taken. GuessFirstCome: each call to the request that came first
// among those without one.
#pragma once

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// For the service's calls that are fresh (neither guessed, pinned nor decided). `learn`: also
/// learns CallGroup's gaps by soft EM; until then these must have been learned.
void GuessAny(int service, bool learn, LinkWindow* window, LinkModel* model);
void GuessFirstCome(int service, LinkWindow* window, const LinkModel& model);

/// Drops candidates that are out of the question by their gaps, so that proposals go where there is
/// a choice. An owner is never dropped.
void DropHopeless(int service, LinkWindow* window, const LinkModel& model);

}  // namespace tomograph::correlate::linking
