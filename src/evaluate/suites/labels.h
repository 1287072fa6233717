// The labels of the public suites: read by the scorer, after the predictions are on disk, and by
// nothing else.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "evaluate/scores.h"

namespace tomograph::evaluate {

/// By case name, as Suite::ReadCases names them. Empty when the labels were taken out of the data.
Result<std::map<std::string, Label>> ReadLabels(std::string_view suite,
                                                const std::string& data_dir);

}  // namespace tomograph::evaluate
