// ByteView: bytes that somebody else owns. string_view already is that, with the searching that
// decoders need; the name says that these are wire bytes and not text.
#pragma once

#include <string_view>

namespace tomograph {
using ByteView = std::string_view;
}
