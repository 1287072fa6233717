// Jaeger's JSON of traces: the query API's answer ({"data":[{traceID, spans, processes}...]}), one
// such trace, or one span a line (the ES/file form). Tags become attributes; span.kind, error and
// the process's service name land where OTLP has them; references CHILD_OF gives the parent, others
// links.
#pragma once

#include "ingest/decoder.h"

namespace tomograph::ingest::jaeger {
std::unique_ptr<StreamDecoder> NewJaegerDecoder(DecodeContext context);
}
