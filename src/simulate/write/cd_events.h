// A change as one line of JSON: a CDEvent in CloudEvents' structured form where CDEvents knows such
// a thing (service.deployed, .rolledback, .removed; pipelinerun.finished), else a CloudEvent of our
// own type ("org.tomograph.simulated.flag.changed"; config, scale, other likewise).
#pragma once

#include <string>

#include "simulate/show/records.h"

namespace tomograph::simulate {

/// Appends the line with its line feed. `number` tells changes of one moment apart: the event's id
/// comes from it, the time and the service, so that another run of the scenario has other ids.
void AppendCdEvent(const ChangeRecord& change, uint64_t number, std::string* out);

}  // namespace tomograph::simulate
