#include "ingest/tally.h"

namespace tomograph::ingest {

using telemetry::Outcome;
using telemetry::Reason;

uint64_t DroppedOf(const Losses& losses) {
  uint64_t n = 0;
  for (size_t r = 0; r < losses.size(); ++r) {
    if (OutcomeOf(static_cast<Reason>(r)) == Outcome::kDropped) n += losses[r];
  }
  return n;
}

std::string ExplainDrops(const Losses& losses) {
  std::string out;
  for (size_t r = 0; r < losses.size(); ++r) {
    const Reason reason = static_cast<Reason>(r);
    if (losses[r] == 0 || OutcomeOf(reason) != Outcome::kDropped) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(losses[r]) + " " + std::string(ReasonName(reason)) + " (" +
           std::string(ReasonSentence(reason)) + ")";
  }
  return out;
}

}  // namespace tomograph::ingest
