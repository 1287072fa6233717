// LinkModel: all that was learned about how requests make calls.
//
// Numbering: services get small numbers in the order in which their records come into the window;
// kinds of requests and classes of calls when their service is learned, classes within it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/linking/request_model.h"

namespace tomograph::correlate::linking {

/// Calls without request that are held to be possible where none was seen.
inline constexpr double kOrphanPrior = .1;

struct ServiceModel {
  std::vector<int> kinds;  // of requests
  int classes = 0;         // of calls
  bool learned = false;
  /// The discipline under which the service was learned: calls in order of arrival, or any order.
  bool first_come = false;
  /// Was it learned with the order of arrival?
  bool learns_order = false;
  TimeGrain grain;
  /// Does any order_weight count?
  bool ordered = false;
  /// Per class: log-odds of one inversion of the order of arrival (0: order says nothing).
  std::vector<float> order_weight;
  /// Are there calls whose request is not there? Without, each is held to be one in a great many.
  bool loses_requests = false;
  /// Per class: do requests make more of them than there are slots for (call_chains.h)?
  std::vector<bool> chained;
  bool Chained(int call_class) const {
    return call_class < static_cast<int>(chained.size()) && chained[call_class];
  }
  /// Per class: are they made without waiting for the answer, so that they may begin and end after
  /// their request has?
  std::vector<bool> outlives;
  bool Outlives(int call_class) const {
    return call_class < static_cast<int>(outlives.size()) && outlives[call_class];
  }
  bool AnyOutlives() const {
    return std::find(outlives.begin(), outlives.end(), true) != outlives.end();
  }
  /// Per class: log of the calls per microsecond whose request is not there, or of the density of
  /// their steps if they keep a time of their own.
  std::vector<float> log_orphan_rate;
  /// What that was learned from: calls per class, in so much time.
  std::vector<double> learned_calls;
  double learned_time_us = 1;
};

struct LinkModel {
  std::vector<ServiceModel> services;
  std::vector<RequestModel> kinds;
  size_t bytes() const;
};

/// What a record is one of, within its service: of the requests of one kind or the calls of one
/// class.
struct RecordName {
  telemetry::EntityId peer = telemetry::kNoEntity;
  telemetry::StringId operation = telemetry::kEmptyString;
  bool outgoing = false;
  bool operator==(const RecordName&) const = default;
};

/// Numbers for services, and for the kinds and classes of a service. A name has a number of its own
/// if it was seen often enough to be learned from, or if its service has few; all others of one
/// peer share a number ("the others"), so that a service whose names contain ids is learned like
/// any. The numbers of a service are dealt all at once, when it is to be learned from scratch, and
/// stay as they are until then. What is not seen for long is forgotten. Bounded.
class Vocabulary {
 public:
  static constexpr size_t kMaxServices = 10'000;
  /// Names that are counted and have no number of their own.
  static constexpr size_t kMaxCounted = 20'000;
  /// Kinds of a service, or its classes: so many have numbers at once, and so many at most.
  static constexpr size_t kAtOnce = 16, kMost = 64;
  /// Numbers that others share, one per peer; one more is for the peers beyond.
  static constexpr size_t kMostShared = 16;
  /// Sightings from which a name can be learned by itself.
  static constexpr uint32_t kEnough = 100;
  /// All services together; beyond, a service has numbers that are shared alone.
  static constexpr size_t kMaxOwn = 20'000;
  static constexpr int kNone = -1;

  /// Counts one record more; the number of its service, or kNone when there are too many of these.
  int Count(telemetry::EntityId service, const RecordName& name, LinkModel* model);
  /// Its kind or class as it was dealt; kNone: the service must be dealt anew first.
  int NumberOf(int service, const RecordName& name) const;
  /// Records of names without a number of their own: now, and when numbers were last dealt.
  uint64_t shared(int service) const { return services_[service].shared; }
  uint64_t shared_when_dealt(int service) const { return services_[service].shared_when_dealt; }
  /// Would a name get a number of its own that has none?
  bool Due(int service) const { return services_[service].due; }
  /// Deals the numbers of the service anew; the model of it is empty then.
  void Deal(int service, LinkModel* model);
  /// Halves all that was counted: who is not seen any more has no number at the next dealing.
  void Fade();
  size_t bytes() const;

 private:
  struct NameHash {
    size_t operator()(const RecordName& name) const;
  };
  struct Entry {
    uint64_t first = 0;  // its place in the order in which names were seen
    uint32_t seen = 0;
    int number = kNone;  // of its own
  };
  struct Shared {
    telemetry::EntityId peer;
    int number;
  };
  struct Service {
    std::unordered_map<RecordName, Entry, NameHash> names;
    std::vector<Shared> of_peer[2];  // of requests, of calls
    int of_others[2] = {kNone, kNone};
    size_t own = 0;
    uint64_t shared = 0, shared_when_dealt = 0;
    bool due = false;
  };

  void DealSide(bool outgoing, Service* of, const std::function<int()>& next);

  std::unordered_map<uint64_t, int> numbers_;  // of services
  std::vector<Service> services_;
  std::vector<int> free_kinds_;  // in the model, of no service at present
  uint64_t names_seen_ = 0;
  size_t counted_ = 0, own_ = 0;
};

}  // namespace tomograph::correlate::linking
