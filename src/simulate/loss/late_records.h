// LateRecords: what is on its way for longer than the rest, in the order in which it is due (of
// equals the first to leave). Bounded: when kMost are on their way, the one that is due first
// arrives early. O(log n) a record.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/nanotime.h"
#include "simulate/show/records.h"

namespace tomograph::simulate {

class LateRecords {
 public:
  static constexpr size_t kMost = 200'000;

  explicit LateRecords(Audience* next) : next_(next) {}
  template <typename Record>
  void Add(Nanos due, const Record& record) {
    if (heap_.size() >= kMost) PassFirst();
    Push({due, order_++, record});
  }
  void Pass(Nanos now);

 private:
  struct Late {
    Nanos due = 0;
    uint64_t order = 0;
    std::variant<SpanRecord, SampleRecord, LogRecord> record;
  };
  void Push(Late late);
  void PassFirst();

  Audience* const next_;
  std::vector<Late> heap_;
  uint64_t order_ = 0;
};

}  // namespace tomograph::simulate
