#include "correlate/requests/step_counter.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "base/random.h"
#include "telemetry/attributes.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using telemetry::StringId;

constexpr size_t kLongestName = 120;  // bytes

EntityId AnswererOf(const JoinedTrace& trace, size_t call) {
  for (const int32_t c : trace.children(call)) {
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    if (child.incoming()) return child.service;
  }
  return kNoEntity;
}

uint64_t Word(EntityId id) { return static_cast<uint64_t>(id); }
uint64_t Word(StringId id) { return static_cast<uint64_t>(id); }

}  // namespace

// No call: its peer is nobody, and its operation a number that no string has.
const StepCounter::Point StepCounter::kStart{kNoEntity, StringId{UINT32_MAX}};
const StepCounter::Point StepCounter::kEnd{kNoEntity, StringId{UINT32_MAX - 1}};

void StepCounter::Begin(Nanos kept_from) {
  kept_from_ = kept_from;
  steps_.clear();
  for (auto at = loads_.begin(); at != loads_.end();) {
    const uint64_t requests = at->second.requests;
    at->second = Load{0, 0, 0, 1 + requests / kManyRequests};
    at = requests == 0 ? loads_.erase(at) : std::next(at);
  }
  table_.assign(256, 0);
}

void StepCounter::CollectCalls(const JoinedTrace& trace, size_t parent, const OpenSpan& request,
                               const AddressBook& addresses) {
  for (const int32_t c : trace.children(parent)) {
    const OpenSpan& child = trace.spans()[static_cast<size_t>(c)];
    if (child.takes_connection) continue;
    const bool call = child.outgoing() || child.service != request.service;
    if (!call) {
      if (!child.incoming()) CollectCalls(trace, static_cast<size_t>(c), request, addresses);
      continue;
    }
    if (child.end > request.end) continue;
    Point point{child.outgoing() ? child.peer : child.service, child.operation};
    if (child.outgoing() && point.peer != kNoEntity) {
      const telemetry::EntityId owner = addresses.OwnerOrSelf(point.peer, child.start);
      const bool only_key = child.peer_is_address && owner == child.peer;
      point.peer = only_key ? kNoEntity : owner;
    }
    if (point.peer == kNoEntity && point.operation == telemetry::kEmptyString)
      point.peer = AnswererOf(trace, static_cast<size_t>(c));
    calls_.push_back(Call{child.start, child.end, point});
  }
}

void StepCounter::Count(const JoinedTrace& trace, size_t i, const AddressBook& addresses) {
  const OpenSpan& request = trace.spans()[i];
  if (request.start < kept_from_) return;
  Load& load = loads_[request.service];
  ++load.requests;
  if (load.one_of > 1 && MixBits(request.id) % load.one_of != 0) return;
  const Passing passing{request, request.weight * static_cast<float>(load.one_of)};
  calls_.clear();
  CollectCalls(trace, i, request, addresses);
  const auto by_start = [](const Call& a, const Call& b) {
    return std::tie(a.start, a.end, a.point.peer, a.point.operation) <
           std::tie(b.start, b.end, b.point.peer, b.point.operation);
  };
  if (calls_.size() > 1) std::sort(calls_.begin(), calls_.end(), by_start);
  Nanos busy_until = request.start;
  Point last = kStart;
  for (const Call& call : calls_) {
    if (call.start >= busy_until) Pass(passing, last, call.point, call.start - busy_until);
    if (call.end < busy_until) continue;
    busy_until = call.end;
    last = call.point;
  }
  Pass(passing, last, kEnd, request.end - busy_until);
}

void StepCounter::Pass(const Passing& passing, const Point& after, const Point& before,
                       Nanos duration) {
  const OpenSpan& request = passing.request;
  Step* step = At(Key{request.service, request.operation, after, before});
  if (step == nullptr) return;
  step->passed.push_back(Passed{passing.weight, static_cast<float>(ToSeconds(duration))});
  if (before == kEnd && request.failed) ++step->failed;
}

uint64_t StepCounter::HashOf(const Key& key) {
  const uint64_t operations = Word(key.after.operation) << 32 | Word(key.before.operation);
  return MixBits(Word(key.service) + 3 * Word(key.after.peer) + 5 * Word(key.before.peer) +
                 MixBits(operations + (Word(key.operation) << 20)));
}

void StepCounter::Grow() {
  table_.assign(table_.size() * 2, 0);
  const size_t mask = table_.size() - 1;
  for (uint32_t i = 0; i < steps_.size(); ++i) {
    size_t at = HashOf(steps_[i].key) & mask;
    while (table_[at] != 0) at = (at + 1) & mask;
    table_[at] = i + 1;
  }
}

StepCounter::Step* StepCounter::At(const Key& key) {
  if (steps_.size() * 2 >= table_.size()) Grow();
  const size_t mask = table_.size() - 1;
  size_t at = HashOf(key) & mask;
  for (; table_[at] != 0; at = (at + 1) & mask) {
    if (steps_[table_[at] - 1].key == key) return &steps_[table_[at] - 1];
  }
  Load& load = loads_[key.service];
  if (load.steps >= telemetry::kMaxSteps) {
    ++load.refused;
    return nullptr;
  }
  ++load.steps;
  steps_.push_back(Step{key, {}, 0});
  table_[at] = static_cast<uint32_t>(steps_.size());
  return &steps_.back();
}

std::string StepCounter::NameOf(const Point& point) const {
  if (point == kStart) return std::string(telemetry::kStepStart);
  if (point == kEnd) return std::string(telemetry::kStepEnd);
  std::string name = point.peer == kNoEntity ? "" : identities_->entities.Name(point.peer);
  const std::string_view operation = identities_->strings.Get(point.operation);
  if (!name.empty() && !operation.empty()) name += ' ';
  name += operation;
  return name.empty() ? "(call)" : std::string(telemetry::CutText(name, kLongestName));
}

void StepCounter::Finish(WindowBuilder* windows) {
  for (const Step& step : steps_) {
    WindowBuilder::Cell* cell =
        windows->Find(telemetry::WindowKey{step.key.service, telemetry::kNoEntity});
    if (cell == nullptr) continue;
    telemetry::Window one;
    telemetry::StepStats& stats = one.steps.emplace_back();
    stats.operation =
        telemetry::CutText(identities_->strings.Get(step.key.operation), kLongestName);
    stats.after = NameOf(step.key.after);
    stats.before = NameOf(step.key.before);
    stats.seen = step.passed.size();
    stats.failed_seen = step.failed;
    for (const Passed& p : step.passed) {
      stats.calls += p.weight;
      stats.duration.Add(p.duration_s, p.weight);
    }
    cell->window.Merge(one);
  }
  for (const auto& [service, load] : loads_) {
    if (load.refused == 0) continue;
    if (WindowBuilder::Cell* cell = windows->Find(telemetry::WindowKey{service, kNoEntity}))
      cell->window.steps_refused += load.refused;
  }
}

}  // namespace tomograph::correlate
