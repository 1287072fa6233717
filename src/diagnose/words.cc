#include "diagnose/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "telemetry/batch.h"

namespace tomograph::diagnose {
namespace {

using telemetry::Quantity;

std::string Number(double value, const char* unit) {
  char text[64];
  const double size = std::abs(value);
  const int decimals = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f%s", decimals, value, unit);
  return text;
}

std::string TellSeconds(double s) {
  const double size = std::abs(s);
  if (size >= 1) return Number(s, " s");
  if (size >= 1e-3 || size == 0) return Number(s * 1e3, " ms");
  return Number(s * 1e6, " us");
}

std::string TellBytes(double b) {
  if (std::abs(b) >= 1e9) return Number(b / 1e9, " GB");
  if (std::abs(b) >= 1e6) return Number(b / 1e6, " MB");
  return Number(b / 1e3, " kB");
}

}  // namespace

std::string TellValue(Quantity quantity, double value) {
  if (!std::isfinite(value)) return "unknown";
  const std::string_view unit = telemetry::QuantityUnit(quantity);
  if (unit == "s") return TellSeconds(value);
  if (unit == "By") return TellBytes(value);
  if (unit == "1/s") return Number(value, "/s");
  switch (quantity) {
    case Quantity::kInFlight:
    case Quantity::kQueueDepth:
    case Quantity::kConnectionsInUse:
    case Quantity::kConnectionsMax:
    case Quantity::kConnectionsPending:
    case Quantity::kRestarts:
    case Quantity::kActivity:
    case Quantity::kOther:
      return Number(value, "");
    default:
      return unit == "1" ? TellShare(value) : Number(value, "");
  }
}

std::string TellProbability(double p) {
  return std::to_string(std::clamp(static_cast<int>(std::lround(p * 100)), 1, 99)) + " %";
}

std::string TellTimeOfDay(Nanos t) {
  const std::string text = FormatTime(t);  // 2026-11-21T10:31:05...
  const size_t from = text.find('T');
  return from == std::string::npos ? text : text.substr(from + 1, 8);
}

std::string TellQuantity(Quantity quantity) {
  switch (quantity) {
    case Quantity::kErrorRatio:
      return "failed share";
    case Quantity::kClientErrorRatio:
      return "failed share as its callers see it";
    case Quantity::kClientLatency:
      return "latency as its callers see it";
    case Quantity::kCpuUtilization:
      return "processor use";
    case Quantity::kHostCpuUtilization:
      return "host's processor use";
    case Quantity::kConnectionsInUse:
      return "connections in use";
    case Quantity::kConnectionsPending:
      return "requests waiting for a connection";
    case Quantity::kSchedulingDelay:
      return "scheduling delay";
    case Quantity::kCpuWait:
      return "time a second without a core";
    case Quantity::kMemoryBytes:
      return "memory";
    default:
      break;
  }
  std::string name(telemetry::QuantityName(quantity));
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string TellQuantity(Quantity quantity, telemetry::Statistic statistic) {
  const std::string_view of = telemetry::StatisticName(statistic);
  return of.empty() ? TellQuantity(quantity) : std::string(of) + " " + TellQuantity(quantity);
}

std::string TellShare(double share) {
  if (!std::isfinite(share)) return "unknown";
  char text[32];
  const double percent = share * 100;
  // Whole percents, but for what would read as nothing.
  std::snprintf(text, sizeof text, percent > 0 && percent < 0.95 ? "%.1f %%" : "%.0f %%", percent);
  return text;
}

std::string JoinWords(const std::vector<std::string>& words, size_t most) {
  const size_t told = std::min(words.size(), most), rest = words.size() - told;
  std::string text;
  for (size_t i = 0; i < told; ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return rest == 0 ? text : text + " and " + std::to_string(rest) + " more";
}

telemetry::EvidenceId SeriesEvidence(telemetry::EntityId entity, Quantity quantity,
                                     TimeRange range) {
  return "series:" + telemetry::SpanIdToHex(static_cast<uint64_t>(entity)) + ":" +
         std::string(telemetry::QuantityName(quantity)) + ":" + std::to_string(range.from) + ":" +
         std::to_string(range.to);
}

telemetry::EvidenceId EventEvidence(const telemetry::ChangeEvent& change) {
  return "event:" + change.source + ":" + change.id;
}

}  // namespace tomograph::diagnose
