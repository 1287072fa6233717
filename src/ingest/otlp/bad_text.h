// JSON whose text no parser takes: bytes that are no UTF-8, and halves of surrogate pairs, which
// JavaScript's JSON.stringify writes for a string that was cut through a character.
#pragma once

#include <string>

#include "base/byte_view.h"

namespace tomograph::ingest::otlp {

/// Stands for what could not be read: a noncharacter of Unicode, which no text holds.
inline constexpr std::string_view kUnreadable = "\xEF\xB7\x90";

/// The same with kUnreadable in place of each.
std::string MarkUnreadable(ByteView json);

}  // namespace tomograph::ingest::otlp
