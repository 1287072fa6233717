#include "correlate/windows/window_builder.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

constexpr size_t kExamples = 5;

size_t HashOf(telemetry::WindowKey key) {
  return MixBits(static_cast<uint64_t>(key.entity) ^ MixBits(static_cast<uint64_t>(key.caller)));
}

/// Failed before slow before fast; the id decides between equals.
bool MoreTelling(const WindowBuilder::Example& a, const WindowBuilder::Example& b) {
  return std::tuple(a.failed, a.duration, a.span) > std::tuple(b.failed, b.duration, b.span);
}

void KeepExample(std::vector<WindowBuilder::Example>* kept, const WindowBuilder::Example& one) {
  if (kept->size() == kExamples) {
    if (!MoreTelling(one, kept->back())) return;
    kept->pop_back();
  }
  kept->insert(std::upper_bound(kept->begin(), kept->end(), one, MoreTelling), one);
}

double Square(double x) { return x * x; }

}  // namespace

WindowBuilder::WindowBuilder(Nanos start, Nanos length, size_t max_windows)
    : start_(start), length_(length), max_windows_(max_windows), table_(256, 0) {}

WindowBuilder::Cell* WindowBuilder::At(telemetry::WindowKey key) {
  Cell* cell = AtIfRoom(key);
  if (cell == nullptr) ++refused_;
  return cell;
}

WindowBuilder::Cell* WindowBuilder::AtIfRoom(telemetry::WindowKey key) {
  size_t mask = table_.size() - 1;
  size_t at = HashOf(key) & mask;
  for (; table_[at] != 0; at = (at + 1) & mask) {
    Cell& cell = cells_[table_[at] - 1];
    if (cell.window.key == key) return &cell;
  }
  if (cells_.size() >= max_windows_) return nullptr;
  cells_.emplace_back();
  cells_.back().window.key = key;
  table_[at] = static_cast<uint32_t>(cells_.size());
  if (cells_.size() * 2 > table_.size()) {
    table_.assign(table_.size() * 2, 0);
    mask = table_.size() - 1;
    for (uint32_t i = 0; i < cells_.size(); ++i) {
      for (at = HashOf(cells_[i].window.key) & mask; table_[at] != 0;) at = (at + 1) & mask;
      table_[at] = i + 1;
    }
  }
  return &cells_.back();
}

WindowBuilder::Cell* WindowBuilder::Find(telemetry::WindowKey key) {
  const size_t mask = table_.size() - 1;
  for (size_t at = HashOf(key) & mask; table_[at] != 0; at = (at + 1) & mask) {
    Cell& cell = cells_[table_[at] - 1];
    if (cell.window.key == key) return &cell;
  }
  return nullptr;
}

bool WindowBuilder::Has(telemetry::WindowKey key) const {
  const size_t mask = table_.size() - 1;
  for (size_t at = HashOf(key) & mask; table_[at] != 0; at = (at + 1) & mask) {
    if (cells_[table_[at] - 1].window.key == key) return true;
  }
  return false;
}

void WindowBuilder::OpenTrace(Cell* cell) {
  if (cell->trace == trace_) return;
  CloseTrace(cell);
  cell->trace = trace_;
}

void WindowBuilder::CloseTrace(Cell* cell) {
  telemetry::CallStats& spans = cell->window.spans;
  spans.calls_variance += Square(cell->calls);
  spans.failed_variance += Square(cell->failed);
  spans.busy_variance += Square(cell->busy);
  spans.taking_square += Square(cell->taking);
  cell->calls = cell->failed = cell->busy = cell->taking = 0;
}

void WindowBuilder::AddCall(Cell* cell, const OpenSpan& call) {
  OpenTrace(cell);
  telemetry::CallStats& spans = cell->window.spans;
  const double weight = call.weight;
  const double spread = weight * std::sqrt(1 - 1 / weight);
  const Nanos overlap = std::min(call.end, end()) - std::max(call.start, start_);
  if (overlap > 0) {
    spans.busy_s += weight * ToSeconds(overlap);
    cell->busy += spread * ToSeconds(overlap);
  }
  if (!Ended(call)) return;
  ++spans.seen;
  spans.calls += weight;
  cell->calls += spread;
  if (call.failed) {
    ++spans.failed_seen;
    spans.failed += weight;
    cell->failed += spread;
  }
  if (!call.weight_known) ++spans.weight_unknown;
  spans.latency.Add(ToSeconds(call.end - call.start), weight);
  KeepExample(&cell->examples, Example{call.id, call.end - call.start, call.failed});
}

void WindowBuilder::AddWait(Cell* cell, const OpenSpan& call, Nanos wait) {
  cell->window.spans.wait_s += call.weight * ToSeconds(wait);
  ++cell->window.spans.waits;
}

void WindowBuilder::AddExclusive(Cell* cell, const OpenSpan& span, Nanos exclusive) {
  cell->window.spans.exclusive_s += span.weight * ToSeconds(exclusive);
}

void WindowBuilder::AddTaking(Cell* cell, const OpenSpan& span, Nanos waited) {
  OpenTrace(cell);
  cell->window.spans.taking_s += span.weight * ToSeconds(waited);
  cell->taking += span.weight * ToSeconds(waited);
  ++cell->window.spans.takings;
}

telemetry::WindowSet WindowBuilder::Finish(std::vector<EdgeSeen>* edges) {
  telemetry::WindowSet set;
  set.start = start_;
  set.length = length_;
  std::vector<Cell*> ordered;
  ordered.reserve(cells_.size());
  for (Cell& cell : cells_) ordered.push_back(&cell);
  std::sort(ordered.begin(), ordered.end(),
            [](const Cell* a, const Cell* b) { return a->window.key < b->window.key; });
  set.windows.reserve(ordered.size());
  for (Cell* cell : ordered) {
    CloseTrace(cell);
    for (const Example& e : cell->examples) cell->window.examples.push_back(e.span);
    for (size_t by = 0; by < cell->sights.size(); ++by) {
      if (cell->sights[by].confidence > 0)
        edges->push_back(
            EdgeSeen{cell->window.key, static_cast<EdgeWitness>(by), cell->sights[by]});
    }
    set.windows.push_back(std::move(cell->window));
  }
  return set;
}

}  // namespace tomograph::correlate
