#include "correlate/clocks/late_ends.h"

#include <cmath>

namespace tomograph::correlate {
namespace {

constexpr double kLeastCalls = 2.5;    // three, of which some have faded
constexpr uint64_t kEndsEarned = 300;  // in fewer, what proves lateness can hardly have shown
constexpr uint64_t kWorkEarned = 50;   // calls that are not waited for are rarer
constexpr double kLeastShare = 0.01;
constexpr Nanos kRecent = 5 * kMinute;
constexpr Nanos kHolds = kHour;

}  // namespace

void AnswersSeen::Add(Nanos waited, Nanos served, Nanos worked) {
  ++calls_;
  worked_ += worked > 0;
  Count(served - waited, &late_ends_);
  Count(worked - waited, &late_work_);
}

void AnswersSeen::Count(Nanos excess, Excesses* counts) {
  Nanos noise = 2;
  for (uint32_t& count : *counts) {
    if (excess <= noise) return;
    ++count;
    noise *= 10;
  }
}

uint32_t AnswersSeen::Beyond(const Excesses& counts, Nanos quantum) {
  size_t i = 0;
  for (; quantum > 1 && i + 1 < counts.size(); quantum /= 10) ++i;
  return counts[i];
}

void LateEnds::Add(const AnswersSeen& answers, Nanos quantum) {
  seen_ += answers.calls_;
  seen_worked_ += answers.worked_;
  window_.all += static_cast<double>(answers.calls_);
  window_.late_ends += AnswersSeen::Beyond(answers.late_ends_, quantum);
  window_.late_work += AnswersSeen::Beyond(answers.late_work_, quantum);
}

void LateEnds::Close(Nanos end, Nanos length) {
  const double kept = std::exp(-ToSeconds(length) / ToSeconds(kRecent));
  recent_.all = kept * recent_.all + window_.all;
  recent_.late_ends = kept * recent_.late_ends + window_.late_ends;
  recent_.late_work = kept * recent_.late_work + window_.late_work;
  if (Prove(window_.late_ends, window_.all) || Prove(recent_.late_ends, recent_.all))
    ends_late_until_ = end + kHolds;
  if (Prove(window_.late_work, window_.all) || Prove(recent_.late_work, recent_.all))
    work_late_until_ = end + kHolds;
  window_ = {};
  ends_disproved_ = end <= ends_late_until_;
  told_by_ = !ends_disproved_ && seen_ >= kEndsEarned ? AnswerSign::kEnd
             : end > work_late_until_                 ? AnswerSign::kWork
                                                      : AnswerSign::kStart;
}

AnswerSign LateEnds::sign() const {
  const bool earned = told_by_ == AnswerSign::kEnd || seen_worked_ >= kWorkEarned;
  return earned ? told_by_ : AnswerSign::kStart;
}

bool LateEnds::Prove(double late, double all) {
  return late >= kLeastCalls && late >= kLeastShare * all;
}

}  // namespace tomograph::correlate
