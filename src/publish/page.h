// The web page (ui/, built into ui/dist/index.html) as it lies in the binary: one file with its
// script and style inside, and a content security policy that allows no other.
#pragma once

#include <string>
#include <string_view>

#include "base/byte_view.h"

namespace tomograph::publish {

ByteView PageHtml();

/// The page with `json` inside, so that it shows that and asks no server. Whatever the JSON's
/// strings hold, they cannot end the script element that they lie in.
std::string PageWithData(std::string_view json);

}  // namespace tomograph::publish
