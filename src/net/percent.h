// Percent-encoding of URLs (RFC 3986). What is not a valid escape is kept as it stands.
#pragma once

#include <string>
#include <string_view>

namespace tomograph::net {

enum class PlusMeans { kPlus, kSpace };  // kSpace in queries, as forms send them

std::string PercentDecode(std::string_view text, PlusMeans plus);

}  // namespace tomograph::net
