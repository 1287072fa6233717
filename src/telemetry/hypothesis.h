// Hypothesis, Diagnosis, Incident: what may have broken, how sure that is, and why.
#pragma once

#include <string>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/entity.h"
#include "telemetry/estimate.h"
#include "telemetry/quantity.h"

namespace tomograph::telemetry {

struct Evidence {
  EvidenceId id;
  std::string text;       // "latency of payment rose from 12 ms to 480 ms at 10:31:05"
  double weight = 0;      // log-odds it contributes: > 0 for, < 0 against
  bool of_place = false;  // says where the harm arises, and nothing of what broke there
};

struct Hypothesis {
  std::string
      cause;  // kind, e.g. "slow_dependency", "crash_loop"; each has a file in diagnose/cause/
  EntityId entity = kNoEntity;
  Nanos onset = 0;
  Nanos onset_error = 0;  // +- (90 %)
  double posterior = 0;
  std::string why;         // one sentence
  std::string next_check;  // what would show it; of the first also what would show the second
  std::vector<Evidence> evidence_for;
  std::vector<Evidence> evidence_against;
};

/// What is measured of a hypothesis' kind, beyond the place that it shares with other kinds.
enum class Support : uint8_t {
  kNone,        // nothing measured speaks for it: its probability is a prior
  kOutweighed,  // something does, but more speaks against it
  kMeasured,
};
Support SupportOf(const Hypothesis& h);
std::string_view SupportName(Support s);  // "none", "outweighed", "measured"

enum class Certainty : uint8_t { kInconclusive, kLikely, kConfirmed };
std::string_view CertaintyName(Certainty c);

/// What set the diagnosis off: the entity whose quantity left its normal range.
struct Alert {
  EntityId entity = kNoEntity;
  Quantity quantity = Quantity::kOther;  // kOther: not said
  Nanos time = 0;
  double observed = 0;
  double expected = 0;
  std::string text;
};

struct Diagnosis {
  Alert alert;
  Nanos made_at = 0;                   // engine time
  std::vector<Hypothesis> hypotheses;  // by falling posterior
  double unknown = 1;                  // mass of "none of these"; all masses sum to 1
  Certainty certainty = Certainty::kInconclusive;
  std::string summary;                 // one sentence for the top of the page
  std::string missing;                 // what telemetry would help, when inconclusive
  std::vector<std::string> ruled_out;  // "payment: its latency is what it was"
};

/// Whether the times allow one change to have come from another. Order in time is not cause.
enum class Order : uint8_t { kNone, kClear, kUnclear, kContradicted };
std::string_view OrderName(Order o);  // "none", "clear", "unclear", "contradicted"

/// A quantity that left its level during an incident, when, and after which neighbour's.
struct Movement {
  EntityId entity = kNoEntity;
  Quantity quantity = Quantity::kOther;
  bool up = true;
  Nanos onset = 0;                          // median
  Nanos lower = 0, upper = 0;               // 90 %; with the bound of the clock where that is known
  bool clock_known = false;                 // of the entity: else the interval lacks it
  EntityId from = kNoEntity;                // the neighbour whose like change would have moved here
  double lag_s = 0;                         // after that one's onset
  double lag_lower_s = 0, lag_upper_s = 0;  // 90 %
  double p_order = 0;                       // P(that one came first)
  Order order = Order::kNone;               // clear from 0.95 on, contradicted up to 0.05
};

struct Incident {
  std::string id;  // stable: made of the alert's entity and time
  Nanos opened = 0;
  Nanos closed = 0;                   // 0: still open
  std::vector<EntityId> members;      // entities that are out of their normal range
  Diagnosis diagnosis;                // the newest
  std::vector<Movement> propagation;  // by onset; the newest
};

}  // namespace tomograph::telemetry
