#include "simulate/kernel/event_queue.h"

#include <algorithm>

namespace tomograph::simulate {
namespace {
constexpr size_t kBranches =
    4;  // half as deep as a binary heap, and four events are two cache lines
}  // namespace

void EventQueue::At(Nanos at, Subject* subject, uint32_t a, uint64_t b) {
  const Event event{std::max(at, now_), next_order_++, a, b, subject};
  heap_.push_back(event);
  size_t hole = heap_.size() - 1;
  while (hole > 0) {
    const size_t parent = (hole - 1) / kBranches;
    if (!Before(event, heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = event;
}

EventQueue::Event EventQueue::TakeFirst() {
  const Event first = heap_.front();
  const Event last = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  if (size == 0) return first;
  size_t hole = 0;
  while (true) {
    const size_t begin = hole * kBranches + 1;
    if (begin >= size) break;
    size_t least = begin;
    for (size_t child = begin + 1; child < std::min(begin + kBranches, size); ++child)
      if (Before(heap_[child], heap_[least])) least = child;
    if (!Before(heap_[least], last)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = last;
  return first;
}

void EventQueue::RunUntil(Nanos end) {
  while (!heap_.empty() && heap_.front().at < end) {
    const Event event = TakeFirst();
    now_ = event.at;
    ++happened_;
    event.subject->Happen(event.a, event.b);
  }
  now_ = std::max(now_, end);
}

}  // namespace tomograph::simulate
