// When it began, from the alerting entity's own series, and which change was made just before.
#pragma once

#include "diagnose/baseline/onset.h"
#include "diagnose/case.h"

namespace tomograph::diagnose {

/// Onset of the harm at the alerting entity: the first step of the longest run outside of the
/// normal range where one is known from elsewhere, else the best split of the series. Falls back to
/// the alert's time (found = false) when no change is seen.
Onset InferOnset(const Case& incident);

/// The last change of `entity` that was made at most half an hour before the onset (or within its
/// error after it); nullptr when there is none. kNoEntity stands for any entity.
const telemetry::ChangeEvent* SuspectChange(const std::vector<telemetry::ChangeEvent>& changes,
                                            telemetry::EntityId entity, Nanos onset,
                                            Nanos onset_error);

}  // namespace tomograph::diagnose
