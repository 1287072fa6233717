// The values of CSV cells: times, durations, ids and the words for kinds and severities. Every
// function says false, or the value for "unknown", when the text is none.
#pragma once

#include <string_view>

#include "base/nanotime.h"
#include "telemetry/batch.h"

namespace tomograph::ingest::csv {

bool ParseDouble(std::string_view text, double* value);
/// A whole number from 0 on, nothing else around it.
bool ParseWhole(std::string_view text, uint16_t* number);
bool ParseWhole(std::string_view text, uint64_t* number);
/// "tcp", "UDP", "6"; 0 when it is none of these.
uint8_t ParseProtocol(std::string_view text);
/// `unit`: s ms us ns (a number since the epoch, not 0) or rfc3339, where "2024-01-02 03:04:05"
/// (UTC) is also read.
bool ParseTimeIn(std::string_view text, std::string_view unit, Nanos* time);
/// A number of `unit`s, negative ones too; with an exponent it is as exact as a double.
bool ParseLengthIn(std::string_view text, std::string_view unit, Nanos* length);
/// Up to 32 or 16 hexadecimal digits, not all 0.
bool ParseTraceHex(std::string_view text, telemetry::TraceId* id);
bool ParseSpanHex(std::string_view text, uint64_t* id);
/// "server", "SPAN_KIND_SERVER", "Server"
telemetry::SpanKind ParseSpanKind(std::string_view text);
/// "error", "ok", "STATUS_CODE_ERROR", "2"; an HTTP status of 500 or more is an error.
telemetry::SpanStatus ParseSpanStatus(std::string_view text);
/// "WARN", "warning", "err", or OpenTelemetry's number
telemetry::Severity ParseSeverity(std::string_view text);

}  // namespace tomograph::ingest::csv
