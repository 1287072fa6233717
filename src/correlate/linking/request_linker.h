// RequestLinker: records without ids become links (docs/models/request_linking.md).
//
// What it promises
// - Every outgoing record that is added gets exactly one Link, by the time of Finish.
// - The answer depends on the set of records, the options and nothing else: not on the order of
//   Add within the lateness, not on its chunks, not on when Advance is called. Only a record that
//   comes too late, or the limit `max_records`, breaks this, and both are counted.
// - An exact id (known_parent) is never contradicted.
// - Memory is bounded by the options; so is the time spent on one record.
//
// Assumptions: the calls of a request lie within it, but for `nesting_slack` and the slack of the
// two records, unless an id says otherwise or calls of their class are seen to come after the
// answer (hand_offs); a request's calls behave like those of other requests of its kind (service,
// peer, operation). Nothing is known of the order of calls: it is learned.
//
// Way of the data: records wait until every request that may hold them has been seen (horizon);
// those complete are cut into chunks by count and event time; the first chunks are the prefix, on
// which the model is learned; then chunk after chunk is guessed, sampled and leaves once the next
// one has been guessed as well.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "correlate/linking/call_record.h"

namespace tomograph::correlate::linking {

enum class LinkMode : uint8_t {
  kAssign,      // the answer; its posterior is the first guess's share, which is not calibrated
  kPosteriors,  // the answer with calibrated posteriors and the runner-up
};

struct LinkerOptions {
  LinkMode mode = LinkMode::kPosteriors;
  uint64_t seed = 1;
  /// No request lasts longer; records that do are refused (their calls get no request). Links
  /// leave about this much event time after the call.
  Nanos horizon = kMinute;
  /// The model is learned on the first records: so many, or so much event time.
  size_t learn_records = 50'000;
  Nanos learn_time = 5 * kMinute;
  /// Chunks end at so many records or so much event time.
  size_t chunk_records = 8'192;
  Nanos chunk_time = 10 * kSecond;
  /// Beyond so many records that wait, the oldest are decided early (and counted).
  size_t max_records = 4'000'000;
  /// A call has at most so many requests to choose from: the latest to start, and a draw of the
  /// others, each of which stands for its part of them. Such calls are counted.
  size_t max_candidates = 128;
  /// A call may start or end so much outside of its request, beside the slack of the two records.
  Nanos nesting_slack = kMicrosecond;
  /// May a request make calls after it has answered? No where nesting is a law, as of a server's
  /// span within its client's.
  bool hand_offs = true;
  /// May a request come to make more calls of a class than those did that were learned from? No
  /// where one is all that there is, as of a server's span within its client's. With posteriors
  /// alone.
  bool more_calls = true;
};

struct LinkerStats {
  uint64_t records = 0;
  uint64_t links = 0;
  uint64_t by_id = 0;
  uint64_t without_request = 0;  // links that say "none of those seen"
  uint64_t chunks = 0;
  uint64_t learned = 0;    // times that a model was learned from scratch
  uint64_t refreshed = 0;  // times that a learned model took in what came since
  // Limits and refusals: records that ...
  uint64_t late = 0;                // came after their time was decided; calls get no request
  uint64_t negative = 0;            // end before they start
  uint64_t too_long = 0;            // last longer than the horizon
  uint64_t impossible_time = 0;     // lie more than 146 years (2^62 ns) from 1970
  uint64_t impossible_slack = 0;    // have a slack below 0 or above half of chunk_time
  uint64_t too_many_services = 0;   // are of one service too many
  uint64_t decided_early = 0;       // left because of max_records
  uint64_t candidates_limited = 0;  // calls of which some candidates stand for others
  uint64_t slack_cut = 0;  // calls decided before all that their slack reaches had been seen
};

class RequestLinker {
 public:
  using Sink = std::function<void(const Link&)>;

  explicit RequestLinker(const LinkerOptions& options = {});
  ~RequestLinker();
  RequestLinker(RequestLinker&&) noexcept;

  /// In any order, as long as a record comes before the watermark passes its end.
  void Add(std::span<const CallRecord> records);
  /// Every record that ends before `watermark` has been added. Hands out what is decided.
  void Advance(Nanos watermark, const Sink& sink);
  /// No more records will come: all that is left is decided.
  void Finish(const Sink& sink);

  const LinkerStats& stats() const;
  /// Bytes of records, window and model, give or take allocator overhead.
  size_t bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::correlate::linking
