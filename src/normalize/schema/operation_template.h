// Makes span names with ids in them comparable.
#pragma once

#include <string>
#include <string_view>

namespace tomograph::normalize {

/// Path segments and words that are numbers, UUIDs or long hexadecimal or mixed ids become "{id}",
/// a query is cut off: "GET /cart/42?x=1" -> "GET /cart/{id}". Short numbers outside of a path stay
/// ("step 2").
std::string OperationTemplate(std::string_view name);

}  // namespace tomograph::normalize
