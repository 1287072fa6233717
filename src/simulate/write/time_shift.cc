#include "simulate/write/time_shift.h"

namespace tomograph::simulate {

SenderId TimeShift::Enter(const Sender& sender) { return next_->Enter(sender); }

void TimeShift::See(const SpanRecord& span) {
  if (by_ == 0) return next_->See(span);
  SpanRecord moved = span;
  moved.start += by_;
  moved.end += by_;
  next_->See(moved);
}

void TimeShift::See(const SampleRecord& sample) {
  if (by_ == 0) return next_->See(sample);
  SampleRecord moved = sample;
  if (moved.start != 0) moved.start += by_;
  moved.time += by_;
  next_->See(moved);
}

void TimeShift::See(const LogRecord& log) {
  if (by_ == 0) return next_->See(log);
  LogRecord moved = log;
  moved.time += by_;
  next_->See(moved);
}

void TimeShift::See(const ChangeRecord& change) {
  ChangeRecord moved = change;
  moved.time += by_;
  next_->See(moved);
}

void TimeShift::Say(const TruthRow& row) {
  if (truth_ == nullptr) return;
  TruthRow moved = row;
  moved.time += by_;
  truth_->Say(moved);
}

}  // namespace tomograph::simulate
