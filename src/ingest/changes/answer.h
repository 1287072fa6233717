// What the sender of changes is told: event by event what was understood, and what is missing for
// it to be of use. A change that nobody could match is silent evidence otherwise.
#pragma once

#include <string>
#include <vector>

#include "ingest/changes/cdevents_decoder.h"

namespace tomograph::ingest::changes {

struct Answer {
  /// 200: all is understood. 202: kept, but something is missing. 400: nothing could be kept.
  int status = 200;
  std::string json;
};

/// Says of each event which known service it is matched with, or which ones are known.
Answer AnswerTo(const std::vector<Understood>& events, const telemetry::EntityRegistry& entities);

/// Counts the events that name a service which is not known (yet), in the ledger of their request.
void CountUnmatched(const std::vector<Understood>& events,
                    const telemetry::EntityRegistry& entities, telemetry::LossLedger* ledger);

}  // namespace tomograph::ingest::changes
