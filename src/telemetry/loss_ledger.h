// LossLedger: what became of every record. For each format and signal
//     received = accepted + repaired + dropped
// at any quiet moment, and each repair and drop has a named reason with a sentence for a person.
// Thread-safe, lock-free counting.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tomograph::telemetry {

enum class Format : uint8_t {
  kOtlpGrpc,
  kOtlpHttp,
  kOtlpFile,
  kRemoteWrite,
  kScrape,
  kOpenMetrics,
  kJaeger,
  kCsv,
  kCdEvents,
};
inline constexpr int kFormatCount = 9;
std::string_view FormatName(Format f);

/// kMessage: a whole request or line that could not be read, so that nobody knows what it held.
enum class Signal : uint8_t { kMessage, kSpan, kSample, kLog, kFlow, kEvent };
inline constexpr int kSignalCount = 6;
std::string_view SignalName(Signal s);

// name, repaired or dropped, sentence
#define TOMOGRAPH_LOSS_REASONS(X)                                                              \
  X(kMalformed, kDropped, "the bytes are not what the format allows")                          \
  X(kWrongType, kDropped, "a value, or one of its resource's, is not of the field's type")     \
  X(kTooLarge, kDropped, "larger than the limit for one message or record")                    \
  X(kTooDeep, kDropped, "nested deeper than the limit")                                        \
  X(kMissingId, kDropped, "a span without trace or span id cannot be joined to anything")      \
  X(kBadTime, kDropped, "no usable time, or one outside of 1678-2261")                         \
  X(kTooOld, kDropped, "older than what is kept")                                              \
  X(kUnsupported, kDropped, "a kind of record that is not read yet")                           \
  X(kNonFinite, kDropped, "neither a number nor a stale marker")                               \
  X(kSeriesLimit, kDropped, "more distinct series than the limit")                             \
  X(kResourceLimit, kDropped, "more distinct resources than the limit")                        \
  X(kDuplicate, kDropped, "the same record was there already")                                 \
  X(kBackPressure, kDropped, "refused because a queue was full; the sender was told to retry") \
  X(kStoreFailed, kDropped, "the store could not write it; the sender was told to retry")      \
  X(kStoreRefused, kDropped, "the store cannot keep it, now or later; the sender was told so") \
  X(kFromTheFuture, kDropped, "later than the clock or the recording can be: not analysed")    \
  X(kNegativeDuration, kRepaired, "end before start: end set to start")                        \
  X(kTimeFromObserved, kRepaired, "no time of its own: time of observation or arrival taken")  \
  X(kTruncatedValue, kRepaired, "a text beyond the limit was cut")                             \
  X(kTooManyAttributes, kRepaired, "attributes beyond the limit were left out")                \
  X(kBadText, kRepaired, "invalid UTF-8 was replaced")                                         \
  X(kNoService, kRepaired, "nothing names the service: unknown_service taken")                 \
  X(kNoSubject, kRepaired, "a change that names no service: kept, evidence against none")      \
  X(kUnknownService, kRepaired,                                                                \
    "a change of a service that was not known then: kept, matched when its telemetry comes")   \
  X(kBucketsRepaired, kRepaired, "histogram buckets that disagree with the count were put right")

enum class Reason : uint8_t {
#define X(name, outcome, sentence) name,
  TOMOGRAPH_LOSS_REASONS(X)
#undef X
};
#define X(name, outcome, sentence) +1
inline constexpr int kReasonCount = 0 TOMOGRAPH_LOSS_REASONS(X);
#undef X
std::string_view ReasonName(Reason r);  // "negative_duration"
std::string_view ReasonSentence(Reason r);
bool IsRepair(Reason r);

class LossLedger {
 public:
  /// `n` records were found in the input. Each must be counted once more by one of the next three.
  void Received(Format f, Signal s, uint64_t n = 1) {
    Cell(received_, f, s).fetch_add(n, std::memory_order_relaxed);
  }
  void Accepted(Format f, Signal s, uint64_t n = 1) {
    Cell(accepted_, f, s).fetch_add(n, std::memory_order_relaxed);
  }
  /// A drop, or a repair of a record that was then kept (one reason a record: the first that
  /// applied).
  void Lost(Format f, Signal s, Reason r, uint64_t n = 1);
  /// Takes back an acceptance, e.g. when the store refused the batch afterwards.
  void AcceptedThenLost(Format f, Signal s, Reason r, uint64_t n = 1);

  struct Row {
    Format format;
    Signal signal;
    uint64_t received, accepted, repaired, dropped;
    std::vector<std::pair<Reason, uint64_t>> reasons;  // those that are not zero
    bool balanced() const { return received == accepted + repaired + dropped; }
  };
  /// The rows with anything in them, ordered by format, then signal.
  std::vector<Row> Rows() const;

 private:
  using Counts = std::array<std::atomic<uint64_t>, kFormatCount * kSignalCount>;
  static std::atomic<uint64_t>& Cell(Counts& c, Format f, Signal s) {
    return c[static_cast<size_t>(f) * kSignalCount + static_cast<size_t>(s)];
  }
  Counts received_{};
  Counts accepted_{};
  std::array<Counts, kReasonCount> reasons_{};
};

}  // namespace tomograph::telemetry
