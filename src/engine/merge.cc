#include "engine/merge.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"

namespace tomograph::engine {

using telemetry::Batch;

namespace {

constexpr size_t kMaxOpenFiles = 32;
constexpr size_t kBatchesAhead = 2;
constexpr size_t kNeighbours = 9;         // batches whose median says where a file is
constexpr Nanos kLeap = 30 * 24 * kHour;  // ahead of its file: a wrong clock, no progress

template <typename Take>
void ForEachTime(const Batch& batch, const Take& take) {
  for (const auto* times : {&batch.spans.start_ns, &batch.spans.end_ns, &batch.samples.time_ns,
                            &batch.samples.histograms.time_ns, &batch.logs.time_ns,
                            &batch.flows.start_ns, &batch.events.time_ns}) {
    for (const Nanos t : *times) take(t);
  }
}

/// The one below which a share `q` of them lies; of two middle ones the lower.
Nanos Quantile(std::vector<Nanos> times, double q) {
  const auto at =
      times.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

/// a + b for b >= 0, at most the end of time.
Nanos After(Nanos a, Nanos b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

}  // namespace

TimeRange EventTimes(const Batch& batch) {
  TimeRange range{INT64_MAX, INT64_MIN};
  ForEachTime(batch, [&](Nanos t) {
    range.from = std::min(range.from, t);
    range.to = std::max(range.to, t);
  });
  return range;
}

namespace {

// One file being decoded ahead of its consumer.
class Lane {
 public:
  Lane(const ingest::RecordingFile& file, const ingest::DecodeContext& context,
       std::atomic<uint64_t>* bytes_read)
      : queue_(kBatchesAhead), thread_([this, file, context, bytes_read] {
          uint64_t before = 0;
          status_ = ingest::ReadRecording(
              {file}, context, [this](Batch&& batch) { queue_.Push(std::move(batch)); },
              [&](uint64_t bytes) {
                bytes_read->fetch_add(bytes - before);
                before = bytes;
              });
          queue_.Close();
        }) {
    Step();
  }
  ~Lane() {
    queue_.Close();
    thread_.join();
  }

  bool ended() const { return !head_.has_value(); }
  Nanos earliest() const { return earliest_; }
  /// INT64_MIN before the first batch was taken.
  Nanos reached() const { return reached_; }
  Batch Take(Nanos* believable_until) {
    Batch batch = std::move(*head_);
    const Nanos spread = spread_;
    Step();  // the next batch has a say in where this one is
    if (!medians_.empty()) {
      const Nanos here = Quantile({medians_.begin(), medians_.end()}, 0.5);
      reached_ = std::max(reached_, here);
      *believable_until = After(reached_, std::max(kLeap, spread));
    }
    return batch;
  }
  /// Only after it ended.
  const Status& status() const { return status_; }

 private:
  void Step() {
    head_ = queue_.Pop();
    if (!head_.has_value()) return;
    std::vector<Nanos> times;
    ForEachTime(*head_, [&](Nanos t) { times.push_back(t); });
    if (times.empty()) return;
    earliest_ = *std::min_element(times.begin(), times.end());
    const Nanos median = Quantile(times, 0.5);
    // What is spread evenly ends 1.25 of this after its median.
    const Nanos below = static_cast<Nanos>(std::min<uint64_t>(
        static_cast<uint64_t>(median) - static_cast<uint64_t>(Quantile(times, 0.1)),
        INT64_MAX / 4));
    spread_ = 4 * below;
    medians_.push_back(median);
    if (medians_.size() > kNeighbours) medians_.pop_front();
  }

  BoundedQueue<Batch> queue_;
  Status status_;
  std::optional<Batch> head_;
  Nanos earliest_ = INT64_MAX;  // of the head
  Nanos spread_ = 0;            // of the head
  Nanos reached_ = INT64_MIN;
  std::deque<Nanos> medians_;  // of the last batches, the head's among them
  std::thread thread_;         // last: it uses the others
};

}  // namespace

Status MergeRecording(const std::vector<ingest::RecordingFile>& files,
                      const ingest::DecodeContext& context,
                      const std::function<void(Batch&&, Progress)>& sink,
                      const std::function<void(uint64_t bytes)>& progress) {
  std::atomic<uint64_t> bytes_read{0};
  std::vector<std::unique_ptr<Lane>> lanes;
  size_t next_file = 0;
  Status result;
  for (;;) {
    while (lanes.size() < kMaxOpenFiles && next_file < files.size())
      lanes.push_back(std::make_unique<Lane>(files[next_file++], context, &bytes_read));
    std::erase_if(lanes, [&](const std::unique_ptr<Lane>& lane) {
      if (lane->ended() && result.ok() && !lane->status().ok()) result = lane->status();
      return lane->ended();
    });
    if (lanes.empty()) {
      if (next_file < files.size()) continue;
      return result;
    }
    Lane& lane = **std::min_element(lanes.begin(), lanes.end(), [](const auto& a, const auto& b) {
      return a->earliest() < b->earliest();
    });
    Progress at{INT64_MAX, INT64_MAX};
    Batch batch = lane.Take(&at.believable_until);
    // A lane that has handed out nothing yet is known to start at its head.
    for (const auto& l : lanes)
      at.watermark =
          std::min(at.watermark, l->reached() == INT64_MIN ? l->earliest() : l->reached());
    sink(std::move(batch), at);
    if (progress) progress(bytes_read.load());
  }
}

}  // namespace tomograph::engine
