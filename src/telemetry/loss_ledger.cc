#include "telemetry/loss_ledger.h"

#include <cctype>
#include <string>

namespace tomograph::telemetry {
namespace {

enum class Outcome { kRepaired, kDropped };

struct ReasonWords {
  std::string name;
  Outcome outcome;
  std::string_view sentence;
};

// "kNegativeDuration" -> "negative_duration"
std::string SnakeCase(std::string_view constant) {
  std::string out;
  for (const char c : constant.substr(1)) {
    if (std::isupper(static_cast<unsigned char>(c)) && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

const ReasonWords& Words(Reason r) {
  static const ReasonWords kWords[kReasonCount] = {
#define X(name, outcome, sentence) {SnakeCase(#name), Outcome::outcome, sentence},
      TOMOGRAPH_LOSS_REASONS(X)
#undef X
  };
  return kWords[static_cast<size_t>(r)];
}

}  // namespace

std::string_view ReasonName(Reason r) { return Words(r).name; }
std::string_view ReasonSentence(Reason r) { return Words(r).sentence; }
bool IsRepair(Reason r) { return Words(r).outcome == Outcome::kRepaired; }

void LossLedger::Lost(Format f, Signal s, Reason r, uint64_t n) {
  Cell(reasons_[static_cast<size_t>(r)], f, s).fetch_add(n, std::memory_order_relaxed);
}

void LossLedger::AcceptedThenLost(Format f, Signal s, Reason r, uint64_t n) {
  Cell(accepted_, f, s).fetch_sub(n, std::memory_order_relaxed);
  Lost(f, s, r, n);
}

std::vector<LossLedger::Row> LossLedger::Rows() const {
  std::vector<Row> rows;
  for (size_t cell = 0; cell < received_.size(); ++cell) {
    Row row{};
    row.format = static_cast<Format>(cell / kSignalCount);
    row.signal = static_cast<Signal>(cell % kSignalCount);
    row.received = received_[cell].load(std::memory_order_relaxed);
    row.accepted = accepted_[cell].load(std::memory_order_relaxed);
    for (int r = 0; r < kReasonCount; ++r) {
      const uint64_t n = reasons_[static_cast<size_t>(r)][cell].load(std::memory_order_relaxed);
      if (n == 0) continue;
      const Reason reason = static_cast<Reason>(r);
      (IsRepair(reason) ? row.repaired : row.dropped) += n;
      row.reasons.emplace_back(reason, n);
    }
    if (row.received + row.accepted + row.repaired + row.dropped > 0)
      rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tomograph::telemetry
