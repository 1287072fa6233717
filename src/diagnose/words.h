// The words of a diagnosis: numbers as people read them, and the ids that lead back to raw
// evidence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"
#include "telemetry/estimate.h"
#include "telemetry/picture.h"
#include "telemetry/quantity.h"

namespace tomograph::diagnose {

/// "480 ms", "81 %", "12.5/s", "310 MB": as the quantity is usually told.
std::string TellValue(telemetry::Quantity quantity, double value);
/// "81 %" of 0.81; never "100 %" or "0 %" of something that is not certain.
std::string TellProbability(double p);
/// "10:31:05"
std::string TellTimeOfDay(Nanos t);
/// "latency", "failed share", "connections in use"
std::string TellQuantity(telemetry::Quantity quantity);
/// "mean latency", "p90 latency": what one number stands for many, where it is known.
std::string TellQuantity(telemetry::Quantity quantity, telemetry::Statistic statistic);
/// "81 %", "0.4 %", "100 %" of a share that is measured (of a probability: TellProbability).
std::string TellShare(double share);
/// "a", "a and b", "a, b and c"; of more than `most`: "a, b and 4 more".
std::string JoinWords(const std::vector<std::string>& words, size_t most = SIZE_MAX);

telemetry::EvidenceId SeriesEvidence(telemetry::EntityId entity, telemetry::Quantity quantity,
                                     TimeRange range);
telemetry::EvidenceId EventEvidence(const telemetry::ChangeEvent& change);

}  // namespace tomograph::diagnose
