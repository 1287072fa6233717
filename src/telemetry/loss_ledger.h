// LossLedger: what became of every record. For each format and signal, at any quiet moment,
//     received = accepted + repaired + dropped          what the door did with it
//     accepted + repaired = analysed + set aside        what the analysis did with what was kept
//
// Accepted: kept as it came. Repaired: kept, but something in it had to be put right. Dropped: not
// kept anywhere. Set aside: kept (in the store, where there is one, and evidence finds it there),
// but in no window: it came after its windows were closed, claims a time that cannot be, or was
// there already. A record is set aside at most once and stays accepted or repaired, so the two
// lines are independent; `analysed` is not counted but is the rest, also where no window takes
// anything from a record (a metric of unknown meaning).
//
// Each repair, drop and setting aside has a named reason with a sentence for a person. A duplicate
// is noticed when its trace is joined, which live is a window later than its arrival. Records that
// are replayed from the store are not counted again. Thread-safe, lock-free counting.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
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

// name, repaired, dropped or set aside, sentence
#define TOMOGRAPH_LOSS_REASONS(X)                                                                 \
  X(kMalformed, kDropped, "the bytes are not what the format allows")                             \
  X(kTooLarge, kDropped, "larger than the limit for one message or record")                       \
  X(kTooDeep, kDropped, "nested deeper than the limit")                                           \
  X(kMissingId, kDropped, "a span without trace or span id cannot be joined to anything")         \
  X(kBadTime, kDropped, "no usable time, or one outside of 1678-2261")                            \
  X(kUnsupported, kDropped, "a kind of record that is not read yet")                              \
  X(kNonFinite, kDropped, "neither a number nor a stale marker")                                  \
  X(kSeriesLimit, kDropped, "more distinct series than the limit, or the sender's share of it")   \
  X(kResourceLimit, kDropped,                                                                     \
    "more distinct resources than the limit, or the sender's share of it")                        \
  X(kBackPressure, kDropped, "refused because a queue was full; the sender was told to retry")    \
  X(kStoreFailed, kDropped, "the store could not write it; the sender was told to retry")         \
  X(kWrongType, kDropped, "a value, or one of its resource's, is not of the field's type")        \
  X(kStoreRefused, kDropped, "the store cannot keep it, now or later; the sender was told so")    \
  X(kNegativeDuration, kRepaired, "end before start: end set to start")                           \
  X(kTimeFromObserved, kRepaired, "no time of its own: time of observation or arrival taken")     \
  X(kTruncatedValue, kRepaired, "a text beyond the limit was cut")                                \
  X(kTooManyAttributes, kRepaired, "attributes beyond the limit were left out")                   \
  X(kTooManyLinks, kRepaired, "links to other spans beyond the limit were left out")              \
  X(kBadText, kRepaired, "invalid UTF-8 was replaced")                                            \
  X(kNoService, kRepaired, "nothing names the service: unknown_service taken")                    \
  X(kBucketsRepaired, kRepaired, "histogram buckets that disagree with the count were put right") \
  X(kNameLimit, kRepaired,                                                                        \
    "more distinct names than the sender's share: (too many distinct values) stands for them")    \
  X(kNoSubject, kRepaired, "a change that names no service: kept, evidence against none")         \
  X(kUnknownService, kRepaired,                                                                   \
    "a change of a service that was not known then: kept, matched when its telemetry comes")      \
  X(kNoIds, kRepaired, "a span without ids, where others have them: made-up ones join nothing")   \
  X(kTooLate, kSetAside, "came after the windows of its time were closed")                        \
  X(kTooOld, kSetAside,                                                                           \
    "older than what is analysed (in 1970: a time in another unit than its format's)")            \
  X(kFromTheFuture, kSetAside, "later than the clock or the recording can be")                    \
  X(kDuplicate, kSetAside, "the same span, point or change was there already")

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
enum class Outcome : uint8_t { kRepaired, kDropped, kSetAside };
Outcome OutcomeOf(Reason r);
std::string_view OutcomeName(Outcome o);  // "repaired", "dropped", "set_aside"
inline bool IsRepair(Reason r) { return OutcomeOf(r) == Outcome::kRepaired; }

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
  /// Takes back acceptances: what was accepted turned out to need a repair.
  void AcceptedThenLost(Format f, Signal s, Reason r, uint64_t n = 1);
  /// The analysis left out `n` records that were counted as accepted or repaired, and stay so.
  void SetAside(Format f, Signal s, Reason r, uint64_t n = 1);
  /// Adds what a ledger of one request counted, once its fate is known. When the batch was refused,
  /// all that was kept of it is dropped for that reason instead.
  void Add(const LossLedger& request, std::optional<Reason> refused);

  struct Row {
    Format format;
    Signal signal;
    uint64_t received, accepted, repaired, dropped, set_aside;
    std::vector<std::pair<Reason, uint64_t>> reasons;  // those that are not zero
    uint64_t kept() const { return accepted + repaired; }
    bool balanced() const { return received == kept() + dropped && set_aside <= kept(); }
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
