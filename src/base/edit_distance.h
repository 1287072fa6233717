// For "did you mean": how near two words are.
#pragma once

#include <cstddef>
#include <string_view>

namespace tomograph {

/// Letters to insert, remove or replace to get from one to the other (Levenshtein).
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace tomograph
