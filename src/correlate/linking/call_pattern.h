// CallPattern: how likely it is that a request makes just these calls. Patterns that came often
// have their own share; what is left goes to those as likely as if calls came independently.
#pragma once

#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace tomograph::correlate::linking {

class CallPattern {
 public:
  /// `used`: one mask of used slots per request.
  void Learn(const std::vector<uint64_t>& used, int slots);
  float Log(uint64_t used) const {
    if (!table_.empty()) return table_[used];
    const auto it = common_.find(used);
    return it != common_.end() ? it->second : LogUnseen(used);
  }
  uint64_t most_common() const { return most_common_; }

 private:
  float LogUnseen(uint64_t used) const;

  static constexpr int kTableSlots = 12;
  std::vector<float> table_;  // of all patterns, if there are few slots
  std::unordered_map<uint64_t, float> common_;
  std::vector<float> log_with_, log_without_;  // per slot
  double log_unseen_weight_ = 0;
  uint64_t most_common_ = 0;
};

}  // namespace tomograph::correlate::linking
