// Evidence over a window: learning it from the present owners, and what it says of every candidate.
#pragma once

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

/// Learns evidence for every group of `service`, from requests that end before `until`. `choose`:
/// also which kinds count; owners must not depend on evidence then. Kinds of requests of one
/// service choose together, since a call may have candidates of several.
void LearnEvidence(const LinkWindow& window, int service, double until, bool choose,
                   LinkModel* model);

/// Fills LinkWindow::evidence for the calls of `service`.
void WeighEvidence(int service, const LinkModel& model, LinkWindow* window);

}  // namespace tomograph::correlate::linking
