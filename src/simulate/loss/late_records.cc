#include "simulate/loss/late_records.h"

#include <algorithm>
#include <utility>

namespace tomograph::simulate {
namespace {

constexpr auto kLaterFirst = [](const auto& a, const auto& b) {
  return a.due != b.due ? a.due > b.due : a.order > b.order;
};

}  // namespace

void LateRecords::Pass(Nanos now) {
  while (!heap_.empty() && heap_.front().due <= now) PassFirst();
}

void LateRecords::Push(Late late) {
  heap_.push_back(std::move(late));
  std::push_heap(heap_.begin(), heap_.end(), kLaterFirst);
}

void LateRecords::PassFirst() {
  std::pop_heap(heap_.begin(), heap_.end(), kLaterFirst);
  const Late late = std::move(heap_.back());
  heap_.pop_back();
  std::visit([this](const auto& record) { next_->See(record); }, late.record);
}

}  // namespace tomograph::simulate
