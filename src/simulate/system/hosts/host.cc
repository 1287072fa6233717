#include "simulate/system/hosts/host.h"

#include <algorithm>
#include <cmath>

namespace tomograph::simulate {

void Host::Start(EventQueue* events) {
  events_ = events;
  caught_up_ = events->now();
  busy_.Begin(caught_up_);
  for (Process& process : processes_) process.at = caught_up_;
}

uint32_t Host::AddProcess() {
  processes_.emplace_back();
  return static_cast<uint32_t>(processes_.size() - 1);
}

double Host::rate() const {
  const double wanted = static_cast<double>(pieces_.size()) + hog_;
  return cores_ <= 0 || wanted <= cores_ ? 1 : cores_ / wanted;
}

/// Brings the progress up to now at the rate that held until now.
void Host::CatchUp() {
  const Nanos now = events_->now();
  progress_ += static_cast<double>(now - caught_up_) * rate();
  caught_up_ = now;
}

void Host::Change(uint32_t process, int by) {
  Process& p = processes_[process];
  p.used += p.running * (progress_ - p.since);
  p.wanted += p.running * static_cast<double>(caught_up_ - p.at);
  p.since = progress_;
  p.at = caught_up_;
  p.running = static_cast<uint32_t>(static_cast<int>(p.running) + by);
  CountBusy();
}

void Host::CountBusy() {
  const double wanted = static_cast<double>(pieces_.size()) + hog_;
  busy_.Set(cores_ > 0 ? std::min(wanted, cores_) / cores_ : 0, caught_up_);
}

/// While nobody waits for a core an end stays where it was scheduled; only a change makes another
/// event, and the one before is then known by its number as out of date.
void Host::Schedule() {
  if (pieces_.empty()) {
    scheduled_ = INT64_MAX;
    ++generation_;
    return;
  }
  const double left = std::max(0.0, pieces_.front().done_at - progress_);
  const Nanos at = caught_up_ + static_cast<Nanos>(std::ceil(left / rate()));
  if (at == scheduled_) return;
  scheduled_ = at;
  events_->At(at, this, ++generation_);
}

void Host::Work(uint32_t process, double cpu_s, Worker* worker, uint64_t token) {
  CatchUp();
  const double ns = std::round(cpu_s * 1e9 * slowdown_ * slow_);
  pieces_.push_back({progress_ + ns, process, order_++, token, worker});
  std::push_heap(pieces_.begin(), pieces_.end(), Later);
  Change(process, 1);
  Schedule();
}

void Host::Happen(uint32_t a, uint64_t) {
  if (a != generation_) return;
  CatchUp();
  scheduled_ = INT64_MAX;
  // One at a time: a worker may begin the next piece while it is told of this one's end.
  if (!pieces_.empty() && pieces_.front().done_at <= progress_ + 0.5) {
    const Piece piece = pieces_.front();
    std::pop_heap(pieces_.begin(), pieces_.end(), Later);
    pieces_.pop_back();
    Change(piece.process, -1);
    piece.worker->WorkDone(piece.token);
  }
  if (scheduled_ == INT64_MAX) Schedule();
}

void Host::Forget(uint32_t process) {
  CatchUp();
  const size_t before = pieces_.size();
  std::erase_if(pieces_, [process](const Piece& piece) { return piece.process == process; });
  std::make_heap(pieces_.begin(), pieces_.end(), Later);
  Change(process, -static_cast<int>(before - pieces_.size()));
  Schedule();
}

Host::CpuTime Host::TimeOf(uint32_t process) {
  CatchUp();
  Change(process, 0);
  const Process& p = processes_[process];
  return {p.used * 1e-9, p.wanted * 1e-9};
}

void Host::SetDemand(double hog_cores, double slow_factor) {
  CatchUp();
  hog_ = hog_cores;
  slow_ = slow_factor;
  CountBusy();
  Schedule();
}

double Host::TakeUtilisation(Nanos now) { return busy_.TakeMean(now); }

}  // namespace tomograph::simulate
