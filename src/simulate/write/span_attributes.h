// What an SDK's instrumentation says of a call, by OpenTelemetry's semantic conventions of today:
//
//   a name "GET /items"          http.request.method and http.route (a caller's: url.template)
//   http_status                  http.response.status_code
//   db_system                    db.system.name; db.operation.name and db.query.summary when the
//                                name starts with an operation ("SELECT orders"; "pool.connect"
//                                does not: it asks nothing)
//   failed                       error.type: the status, or "_OTHER"
//   peer of a client             server.address, server.port ("host:port"); peer.service as well
//                                where it is a plain name, neither address nor database
//   peer of a producer, consumer messaging.destination.name (its messaging.system is in `more`)
//   more                         as it is; where it has a key from above it is the one that is used
#pragma once

#include "simulate/show/records.h"
#include "simulate/write/json_text.h"

namespace tomograph::simulate {

void AddSpanAttributes(const SpanRecord& span, AttributeList* list);

}  // namespace tomograph::simulate
