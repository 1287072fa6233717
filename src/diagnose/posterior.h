// From blame to probability: who did it, with an explicit share for "none of these".
#pragma once

#include <vector>

#include "diagnose/excess_flow.h"

namespace tomograph::diagnose {

struct EntityPosterior {
  std::vector<double> entity;  // by entity number
  double unknown = 1;          // all sum to 1
};

/// P(e) = a s_e^2 / (sum s^2 + u^2), a the probability that the alarm is about something real
/// (prior odds 3: an alert has fired); a tenth of the rest is spread evenly, since blame may have
/// missed its man.
/// All masses are then sharpened by one temperature, which was fitted for calibration.
EntityPosterior PosteriorOf(const ExcessFlow& flow);

}  // namespace tomograph::diagnose
