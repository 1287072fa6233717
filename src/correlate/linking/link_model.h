// LinkModel: all that was learned about how requests make calls.
//
// Numbering: services, kinds of requests and classes of calls get small numbers in the order in
// which their records come into the window; classes are numbered within their service.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "correlate/linking/call_record.h"
#include "correlate/linking/request_model.h"

namespace tomograph::correlate::linking {

struct ServiceModel {
  std::vector<int> kinds;  // of requests
  int classes = 0;         // of calls
  bool learned = false;
  /// The discipline under which the service was learned: calls in order of arrival, or any order.
  bool first_come = false;
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
};

struct LinkModel {
  std::vector<ServiceModel> services;
  std::vector<RequestModel> kinds;
  size_t bytes() const;
};

/// Numbers for services, kinds and classes. Bounded.
class Vocabulary {
 public:
  static constexpr size_t kMaxClasses = 20'000;

  /// False when there are too many; new ones are also entered into `model`.
  bool Find(const CallRecord& record, LinkModel* model, int* service, int* kind_or_class);

 private:
  struct Key {
    uint64_t service, peer;
    uint32_t operation;
    bool outgoing;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Entry {
    int service, number;
  };
  std::unordered_map<uint64_t, int> services_;
  std::unordered_map<Key, Entry, Hash> classes_;
};

}  // namespace tomograph::correlate::linking
