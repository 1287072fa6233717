// Change events: CDEvents (dev.cdevents.*) in CloudEvents' structured JSON, one object, a JSON
// array or one a line. Other CloudEvents become ChangeKind::kOther. Repeats (same source and id)
// are the store's and the engine's to drop, since a decoder has no memory.
#pragma once

#include "ingest/decoder.h"

namespace tomograph::ingest::changes {

/// kInvalidArgument when the body is not JSON at all.
Status DecodeCdEvents(ByteView body, telemetry::Format format, const DecodeContext& context,
                      telemetry::Batch* batch);
std::unique_ptr<StreamDecoder> NewLinesDecoder(DecodeContext context);

}  // namespace tomograph::ingest::changes
