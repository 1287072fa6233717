// LinkWindow: the requests and calls that the linker is busy with, and who owns whom at the moment.
// Arrays in order of (service, start, end, id); everything refers to everything by index.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/linking/link_model.h"
#include "correlate/linking/request_model.h"

namespace tomograph::correlate::linking {

inline constexpr int kNobody = -1;

struct Request {
  Interval time;
  uint64_t id = 0;
  int service = 0;
  int kind = 0;
  RecordName name;
  int first_slot = 0;      // in LinkWindow::slots
  int oldest_overlap = 0;  // the first request of the service that may overlap this one
  int caller = kNobody;    // the call that this request is the other side of
  float slack = 0;         // of its own, in microseconds
  uint8_t thinned = 0;     // it was kept as one of 2^thinned that are alike
  Attributes shows;
  uint64_t counterpart = 0;  // its id
  uint64_t sequence = 0;     // place in the order of all records
};

struct Call {
  Interval time;
  uint64_t id = 0;
  int service = 0;
  int call_class = 0;
  RecordName name;
  int owner = kNobody;           // a request, or none of those seen
  int callee = kNobody;          // the request that is the other side of this call
  uint32_t first_candidate = 0;  // in LinkWindow::candidates, ascending
  uint16_t candidates = 0;
  bool pinned = false;       // the owner is a fact
  bool decided = false;      // the link has left
  bool fresh = true;         // not guessed yet
  float share = 0;           // of the owner, by the first guess
  uint64_t parent_id = 0;    // of the owner, where it is a fact
  uint64_t counterpart = 0;  // id of the callee's record
  uint64_t sequence = 0;
  static constexpr uint64_t kNoSequence = UINT64_MAX;
  uint64_t drawn = kNoSequence;  // of an owner as the model draws it, once it is decided
  float slack = 0;               // of its own
  Attributes shows;
  bool limited = false;  // there were more candidates than may be looked at: some stand for others
  bool chosen = false;   // candidates are not all that would hold it
  bool no_room = false;  // the first guess saw that all who may have made it have their calls
};

struct ServiceRange {
  int first_request = 0, end_request = 0;
  int first_call = 0, end_call = 0;
  double slack = 0;  // most that a call may lie outside of a request, by both's own slack
};

class LinkWindow {
 public:
  std::vector<Request> requests;
  std::vector<Call> calls;
  std::vector<ServiceRange> services;
  std::vector<int> slots;
  std::vector<int> candidates;
  /// What each candidate's evidence beyond timing says (log odds); empty: there is none.
  std::vector<float> evidence;
  /// Per candidate, the log of how many requests it stands for: it was drawn from among so many
  /// that nothing tells apart. Empty: each for itself alone.
  std::vector<float> stands_for;
  double slack = 1;  // of every pair, beside their own

  bool Holds(const Request& request, const Call& call) const {
    const double within = slack + request.slack + call.slack;
    return request.time.start - within <= call.time.start &&
           call.time.end <= request.time.end + within;
  }
  std::span<const int> CandidatesOf(const Call& call) const {
    return {candidates.data() + call.first_candidate, call.candidates};
  }
  float EvidenceAt(const Call& call, size_t place) const {
    return evidence.empty() ? 0 : evidence[call.first_candidate + place];
  }
  /// Of `request` being the one that made `call`; 0 where that is no candidate.
  float EvidenceOf(const Call& call, int request) const;

  /// Ranges and overlaps; to be called once the arrays are in order.
  void Index(size_t services_known);
  /// Candidates of every call that is neither decided nor pinned, at most `limit` each: requests
  /// that hold it; of calls that may outlive theirs also those that ended up to kHandOff_us before.
  void FindCandidates(size_t limit, const LinkModel* model = nullptr);
  /// The same again, when the model has learned which calls outlive their requests.
  void FindCandidatesAgain(const LinkModel& model) { FindCandidates(limit_, &model); }
  static constexpr double kHandOff_us = static_cast<double>(kHandOff) / kMicrosecond;
  /// For one call so many requests are looked at, the latest to start first. Where there are more,
  /// or more than `limit` of them hold it, a quarter of the candidates is drawn from those that
  /// began before the others; each stands for all of its part of them, so that what is not looked
  /// at has its share.
  static size_t LookedAt(size_t limit) { return 4 * limit; }
  float StandsForAt(const Call& call, size_t place) const {
    return stands_for.empty() ? 0 : stands_for[call.first_candidate + place];
  }
  /// 0 where `request` is no candidate.
  float StandsFor(const Call& call, int request) const;
  /// Lays slots out by the model's groups and puts every owned call into one; a call for which
  /// there is none loses its owner, unless it is pinned or one of a chain.
  void LayOut(const LinkModel& model);

  /// Most candidates of a call, as they were last looked for.
  size_t limit() const { return limit_; }
  /// The owners of the service's undecided calls are those that `part`, which holds the service by
  /// itself, has found.
  void TakeOwners(const LinkWindow& part, int service);

  /// First free slot for a call of this class in `request`, or kNobody.
  int FreeSlot(const LinkModel& model, int request, int call_class) const;
  /// Gives `call` to `request`, in which there must be a free slot.
  void Give(const LinkModel& model, int call, int request);
  /// Takes it away from its owner.
  void Take(const LinkModel& model, int call);

 private:
  void FindCandidatesOf(const ServiceRange& range, size_t limit, const ServiceModel* of);
  /// The candidates among n requests, the latest last: request_at(place) if it may have made the
  /// call; at most `most`, of `looked_at`.
  template <typename RequestAt, typename May>
  void Choose(size_t n, size_t most, size_t looked_at, const RequestAt& request_at, const May& may,
              Call* call);

  size_t limit_ = 0;
  std::vector<std::pair<int, float>> found_;  // with what it stands for
};

}  // namespace tomograph::correlate::linking
