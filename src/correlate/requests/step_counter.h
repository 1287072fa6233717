// StepCounter: the hidden stretches of requests, between two calls that a request was seen to make
// (telemetry::StepStats).
//
//   request  |=======================================|
//   calls        |=payment=|        |=catalog=|
//                                     |=cart=====|
//   steps     ^^^           ^^^^^^^^              ^^^
//      (start) -> payment   payment -> catalog    cart -> (end)
//
// A step begins when the last call that runs has returned, and ends with the start of the next
// call: what overlaps gives none. Calls that outlast the request are none that it waits for. A call
// goes by the name of whom the client's span calls and its operation, and by who answered if it has
// neither. Requests that began so long
// ago that their calls may be forgotten are left out.
//
// An entity has at most telemetry::kMaxSteps in a window; what passes others is counted. Of an
// entity that had more than kManyRequests in the last window a sample is looked at, by a hash of
// the span's id, with the weight that this gives: quantiles need no more. A hash probe and an
// append for each step. Not thread-safe.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "correlate/entities/address_book.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/windows/window_builder.h"
#include "telemetry/identities.h"

namespace tomograph::correlate {

class StepCounter {
 public:
  static constexpr uint64_t kManyRequests = 1000;

  explicit StepCounter(const telemetry::Identities* identities) : identities_(identities) {}

  /// Begins an interval; of what ended before `kept_from` nothing is there any more.
  void Begin(Nanos kept_from);
  /// The steps of the request at `i`, which ended in the interval.
  void Count(const JoinedTrace& trace, size_t i, const AddressBook& addresses);
  /// Puts the steps into the windows of their entities.
  void Finish(WindowBuilder* windows);

 private:
  struct Point {
    telemetry::EntityId peer = telemetry::kNoEntity;
    telemetry::StringId operation = telemetry::kEmptyString;
    bool operator==(const Point&) const = default;
  };
  struct Key {
    telemetry::EntityId service = telemetry::kNoEntity;
    telemetry::StringId operation = telemetry::kEmptyString;
    Point after, before;
    bool operator==(const Key&) const = default;
  };
  struct Passed {
    float weight;
    float duration_s;
  };
  struct Step {
    Key key;
    std::vector<Passed> passed;
    uint64_t failed = 0;
  };
  struct Call {
    Nanos start, end;
    Point point;
  };
  struct Load {  // of an entity
    size_t steps = 0;
    uint64_t refused = 0;
    uint64_t requests = 0;  // in this interval
    uint64_t one_of = 1;    // requests that is looked at, by how many there were in the one before
  };
  static const Point kStart, kEnd;

  void CollectCalls(const JoinedTrace& trace, size_t parent, const OpenSpan& request,
                    const AddressBook& addresses);
  static uint64_t HashOf(const Key& key);
  Step* At(const Key& key);
  void Grow();  // so that half of the table is free
  struct Passing {
    const OpenSpan& request;
    float weight;
  };
  void Pass(const Passing& passing, const Point& after, const Point& before, Nanos duration);
  std::string NameOf(const Point& point) const;

  const telemetry::Identities* const identities_;
  Nanos kept_from_ = INT64_MIN;
  std::vector<Step> steps_;
  std::vector<uint32_t> table_;  // open addressing: index + 1, 0 empty
  std::unordered_map<telemetry::EntityId, Load> loads_;
  std::vector<Call> calls_;  // of the request at hand
};

}  // namespace tomograph::correlate
