// Change events: CDEvents (dev.cdevents.*) in CloudEvents' structured JSON, one object, a JSON
// array or one a line. Other CloudEvents become ChangeKind::kOther. Repeats (same source and id)
// are the store's and the engine's to drop, since a decoder has no memory.
#pragma once

#include <string>
#include <vector>

#include "ingest/decoder.h"

namespace tomograph::ingest::changes {

/// What was made of one event, for its sender.
struct Understood {
  bool kept = false;
  bool repaired = false;
  std::string id;
  telemetry::ChangeKind kind = telemetry::ChangeKind::kOther;
  std::string service, version, environment;
  Nanos time = 0;
  std::string problem;  // what is missing or wrong; empty: nothing
};

/// kInvalidArgument when the body is not JSON at all. `understood` gets one entry an event; may be
/// null.
Status DecodeCdEvents(ByteView body, telemetry::Format format, const DecodeContext& context,
                      telemetry::Batch* batch, std::vector<Understood>* understood = nullptr);
std::unique_ptr<StreamDecoder> NewLinesDecoder(DecodeContext context);

}  // namespace tomograph::ingest::changes
