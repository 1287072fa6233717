#include "telemetry/loss_ledger.h"

#include <cctype>
#include <string>

#include "base/check.h"

namespace tomograph::telemetry {
namespace {

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
Outcome OutcomeOf(Reason r) { return Words(r).outcome; }

std::string_view OutcomeName(Outcome o) {
  switch (o) {
    case Outcome::kRepaired:
      return "repaired";
    case Outcome::kDropped:
      return "dropped";
    case Outcome::kSetAside:
      return "set_aside";
  }
  return "";
}

void LossLedger::Lost(Format f, Signal s, Reason r, uint64_t n) {
  Cell(reasons_[static_cast<size_t>(r)], f, s).fetch_add(n, std::memory_order_relaxed);
}

void LossLedger::AcceptedThenLost(Format f, Signal s, Reason r, uint64_t n) {
  Cell(accepted_, f, s).fetch_sub(n, std::memory_order_relaxed);
  Lost(f, s, r, n);
}

void LossLedger::SetAside(Format f, Signal s, Reason r, uint64_t n) {
  TG_CHECK(OutcomeOf(r) == Outcome::kSetAside);
  Lost(f, s, r, n);
}

void LossLedger::Add(const LossLedger& request, std::optional<Reason> refused) {
  for (const Row& row : request.Rows()) {
    Received(row.format, row.signal, row.received);
    if (row.accepted > 0 && !refused) Accepted(row.format, row.signal, row.accepted);
    for (const auto& [reason, n] : row.reasons) {
      if (!refused || OutcomeOf(reason) == Outcome::kDropped)
        Lost(row.format, row.signal, reason, n);
    }
    if (refused && row.kept() > 0) Lost(row.format, row.signal, *refused, row.kept());
  }
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
      switch (OutcomeOf(reason)) {
        case Outcome::kRepaired:
          row.repaired += n;
          break;
        case Outcome::kDropped:
          row.dropped += n;
          break;
        case Outcome::kSetAside:
          row.set_aside += n;
          break;
      }
      row.reasons.emplace_back(reason, n);
    }
    if (row.received + row.accepted + row.repaired + row.dropped + row.set_aside > 0)
      rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tomograph::telemetry
