#include "normalize/schema/metric_units.h"

namespace tomograph::normalize {
namespace {

using telemetry::Quantity;

enum class Dimension { kNone, kTime, kShare, kBytes };

Dimension DimensionOf(Quantity q) {
  switch (q) {
    case Quantity::kLatency:
    case Quantity::kClientLatency:
    case Quantity::kCpuTime:
    case Quantity::kSchedulingDelay:
    case Quantity::kCpuWait:
    case Quantity::kGcTime:
    case Quantity::kUptime:
    case Quantity::kStartTime:
      return Dimension::kTime;
    case Quantity::kErrorRatio:
    case Quantity::kSuccessRatio:
    case Quantity::kClientErrorRatio:
    case Quantity::kCpuUtilization:
    case Quantity::kHostCpuUtilization:
    case Quantity::kMemoryUtilization:
    case Quantity::kHostMemoryUtilization:
    case Quantity::kDiskUtilization:
      return Dimension::kShare;
    case Quantity::kMemoryBytes:
    case Quantity::kNetworkBytes:
      return Dimension::kBytes;
    default:
      return Dimension::kNone;
  }
}

struct Unit {
  std::string_view name;
  Dimension dimension;
  double scale;
};

constexpr double kKibi = 1024.0;
constexpr Unit kUnits[] = {
    {"s", Dimension::kTime, 1},
    {"sec", Dimension::kTime, 1},
    {"second", Dimension::kTime, 1},
    {"seconds", Dimension::kTime, 1},
    {"ms", Dimension::kTime, 1e-3},
    {"msec", Dimension::kTime, 1e-3},
    {"millis", Dimension::kTime, 1e-3},
    {"milliseconds", Dimension::kTime, 1e-3},
    {"us", Dimension::kTime, 1e-6},
    {"\xC2\xB5s", Dimension::kTime, 1e-6},  // the micro sign
    {"\xCE\xBCs", Dimension::kTime, 1e-6},  // the Greek mu
    {"usec", Dimension::kTime, 1e-6},
    {"micros", Dimension::kTime, 1e-6},
    {"microseconds", Dimension::kTime, 1e-6},
    {"ns", Dimension::kTime, 1e-9},
    {"nanos", Dimension::kTime, 1e-9},
    {"nanoseconds", Dimension::kTime, 1e-9},
    {"min", Dimension::kTime, 60},
    {"minutes", Dimension::kTime, 60},
    {"h", Dimension::kTime, 3600},
    {"hours", Dimension::kTime, 3600},
    {"1", Dimension::kShare, 1},
    {"ratio", Dimension::kShare, 1},
    {"cores", Dimension::kShare, 1},
    {"m", Dimension::kShare, 1e-3},
    {"millicores", Dimension::kShare, 1e-3},
    {"%", Dimension::kShare, 1e-2},
    {"percent", Dimension::kShare, 1e-2},
    {"percentage", Dimension::kShare, 1e-2},
    {"pct", Dimension::kShare, 1e-2},
    {"By", Dimension::kBytes, 1},
    {"B", Dimension::kBytes, 1},
    {"bytes", Dimension::kBytes, 1},
    {"KiBy", Dimension::kBytes, kKibi},
    {"KiB", Dimension::kBytes, kKibi},
    {"Ki", Dimension::kBytes, kKibi},
    {"kib", Dimension::kBytes, kKibi},
    {"MiBy", Dimension::kBytes, kKibi* kKibi},
    {"MiB", Dimension::kBytes, kKibi* kKibi},
    {"Mi", Dimension::kBytes, kKibi* kKibi},
    {"mib", Dimension::kBytes, kKibi* kKibi},
    {"GiBy", Dimension::kBytes, kKibi* kKibi* kKibi},
    {"GiB", Dimension::kBytes, kKibi* kKibi* kKibi},
    {"Gi", Dimension::kBytes, kKibi* kKibi* kKibi},
    {"gib", Dimension::kBytes, kKibi* kKibi* kKibi},
    {"kBy", Dimension::kBytes, 1e3},
    {"kB", Dimension::kBytes, 1e3},
    {"KB", Dimension::kBytes, 1e3},
    {"kb", Dimension::kBytes, 1e3},
    {"MBy", Dimension::kBytes, 1e6},
    {"MB", Dimension::kBytes, 1e6},
    {"mb", Dimension::kBytes, 1e6},
    {"megabytes", Dimension::kBytes, 1e6},
    {"GBy", Dimension::kBytes, 1e9},
    {"GB", Dimension::kBytes, 1e9},
    {"gb", Dimension::kBytes, 1e9},
};

}  // namespace

std::optional<double> UnitScale(Quantity quantity, std::string_view unit) {
  const Dimension dimension = DimensionOf(quantity);
  for (const Unit& u : kUnits) {
    if (u.dimension == dimension && u.name == unit) return u.scale;
  }
  return std::nullopt;
}

std::optional<double> FindScale(Quantity quantity, std::string_view unit, const MetricWords& name) {
  if (const auto scale = UnitScale(quantity, unit)) return scale;
  if (const auto scale = UnitScale(quantity, name.unit)) return scale;
  for (auto word = name.words.rbegin(); word != name.words.rend(); ++word) {
    // One letter, or a word with a second meaning, is a unit only where it is marked as one.
    if (word->size() < 2 || *word == "min") continue;
    if (const auto scale = UnitScale(quantity, *word)) return scale;
  }
  return std::nullopt;
}

}  // namespace tomograph::normalize
