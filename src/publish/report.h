// Reports of one Picture: for the terminal, as JSON, and as one self-contained HTML file (the page
// with its data inside; opens without network).
#pragma once

#include <string>

#include "base/status.h"
#include "telemetry/picture.h"

namespace tomograph::publish {

/// `width` columns; colour codes only when `colour`.
std::string TerminalReport(const telemetry::Picture& picture, int width, bool colour);
/// The whole picture in the API's shapes:
/// {"entities":..,"topology":..,"estimates":..,"incidents":..,...}
std::string JsonReport(const telemetry::Picture& picture);
std::string HtmlReport(const telemetry::Picture& picture);

}  // namespace tomograph::publish
