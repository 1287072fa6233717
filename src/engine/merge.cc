#include "engine/merge.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"
#include "engine/recorded_time.h"

namespace tomograph::engine {

using telemetry::Batch;

namespace {

// So many are open in any case: together they say when the recording was made. More only where they
// begin before the others have ended.
constexpr size_t kOpenFiles = 32;
constexpr size_t kMaxOpenFiles = 256;
constexpr Nanos kOpenAhead = kMinute;  // records come in no strict order
constexpr size_t kBatchesAhead = 2;
constexpr size_t kNeighbours = 9;  // batches whose median says where a file is

void Append(const std::vector<Nanos>& times, std::vector<Nanos>* all) {
  all->insert(all->end(), times.begin(), times.end());
}

/// When each record was complete. Not of changes, which are few and far between by their nature.
std::vector<Nanos> RecordTimes(const Batch& batch) {
  std::vector<Nanos> times = batch.spans.end_ns;
  Append(batch.samples.time_ns, &times);
  Append(batch.samples.histograms.time_ns, &times);
  Append(batch.logs.time_ns, &times);
  Append(batch.flows.end_ns, &times);
  return times;
}

/// The lower one of the two in the middle.
Nanos MedianOf(std::vector<Nanos> times) {
  const auto at = times.begin() + static_cast<std::ptrdiff_t>((times.size() - 1) / 2);
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

std::string OpenedLate(const std::vector<std::string>& files) {
  const std::string others =
      files.size() == 1 ? "" : " and " + std::to_string(files.size() - 1) + " more";
  return files.front() + others + ": begun late, since " + std::to_string(kMaxOpenFiles) +
         " others were open; what of it came too late is in no window";
}

// One file being decoded ahead of its consumer.
class Lane {
 public:
  /// Tells `recorded` of each batch as it becomes the head.
  Lane(const ingest::RecordingFile& file, const ingest::DecodeContext& context,
       std::atomic<uint64_t>* bytes_read, RecordedTime* recorded)
      : queue_(kBatchesAhead), recorded_(recorded), thread_([this, file, context, bytes_read] {
          uint64_t before = 0;
          troubles_ = ingest::ReadRecording(
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
  /// Of the head, among what is believable; INT64_MIN when it holds nothing that is.
  Nanos EarliestIn(TimeRange believable) const {
    const auto from = std::lower_bound(times_.begin(), times_.end(), believable.from);
    return from != times_.end() && believable.Contains(*from) ? *from : INT64_MIN;
  }
  /// Where the file is; INT64_MIN before a first batch with anything believable was taken.
  Nanos reached() const { return reached_; }
  Batch Take() {
    if (medians_.empty()) NoteMedian();  // not sooner: the other files were not heard yet
    Batch batch = std::move(*head_);
    Step();
    NoteMedian();  // the next batch has a say in where this one is
    if (!medians_.empty())
      reached_ = std::max(reached_, MedianOf({medians_.begin(), medians_.end()}));
    return batch;
  }
  /// Only after it ended.
  const ingest::ReadingTroubles& troubles() const { return troubles_; }

 private:
  void Step() {
    head_ = queue_.Pop();
    times_.clear();
    if (!head_.has_value()) return;
    times_ = RecordTimes(*head_);
    recorded_->Count(times_);
    Append(head_->spans.start_ns, &times_);
    Append(head_->events.time_ns, &times_);
    std::sort(times_.begin(), times_.end());
  }

  void NoteMedian() {
    const TimeRange believable = recorded_->Believable();
    const auto from = std::lower_bound(times_.begin(), times_.end(), believable.from);
    const auto to = std::lower_bound(from, times_.end(), believable.to);
    if (from == to) return;
    medians_.push_back(*(from + (to - from - 1) / 2));
    if (medians_.size() > kNeighbours) medians_.pop_front();
  }

  BoundedQueue<Batch> queue_;
  RecordedTime* const recorded_;
  ingest::ReadingTroubles troubles_;
  std::optional<Batch> head_;
  std::vector<Nanos> times_;  // of the head, in order
  Nanos reached_ = INT64_MIN;
  std::deque<Nanos> medians_;  // of the last batches, the head's among them
  std::thread thread_;         // last: it uses the others
};

}  // namespace

ingest::ReadingTroubles MergeRecording(const std::vector<ingest::RecordingFile>& recording,
                                       const ingest::DecodeContext& context,
                                       const std::function<void(Batch&&, Progress)>& sink,
                                       const std::function<void(uint64_t bytes)>& progress) {
  std::atomic<uint64_t> bytes_read{0};
  ingest::ReadingTroubles troubles;
  const auto sorting = [&](uint64_t bytes) {
    bytes_read.store(bytes);
    if (progress) progress(bytes);
  };
  const std::vector<ingest::RecordingFile> files =
      ingest::InOrderOfTime(recording, context.ledger, sorting, &troubles);
  ingest::DecodeContext of_file = context;
  if (files.size() > kOpenFiles) of_file.limits.rows_per_batch /= kMaxOpenFiles / kOpenFiles;
  RecordedTime recorded;
  std::vector<std::unique_ptr<Lane>> lanes;
  size_t next_file = 0;
  Nanos watermark = INT64_MIN / 2;  // before all, with room to reckon
  const auto is_due = [&] {
    if (lanes.size() < kOpenFiles) return true;
    if (lanes.size() == kMaxOpenFiles) return false;
    const TimeRange believable = recorded.Believable();
    Nanos next = INT64_MAX;
    for (const auto& lane : lanes)
      if (const Nanos head = lane->EarliestIn(believable); head != INT64_MIN)
        next = std::min(next, head);
    return files[next_file].first < kOpenAhead || files[next_file].first - kOpenAhead <= next;
  };
  std::vector<std::string> late;  // files that had to wait too long
  bool crowded = false;
  for (;;) {
    while (next_file < files.size() && is_due()) {
      const ingest::RecordingFile& file = files[next_file++];
      lanes.push_back(std::make_unique<Lane>(file, of_file, &bytes_read, &recorded));
      const TimeRange passed{recorded.Believable().from, watermark - kOpenAhead};
      if (crowded && lanes.back()->EarliestIn(passed) != INT64_MIN) late.push_back(file.path);
    }
    crowded |= lanes.size() == kMaxOpenFiles && next_file < files.size();
    std::erase_if(lanes, [&](const std::unique_ptr<Lane>& lane) {
      if (!lane->ended()) return false;
      troubles.Add(lane->troubles());
      return true;
    });
    if (lanes.empty()) {
      if (next_file < files.size()) continue;
      if (!late.empty()) troubles.out_of_order.push_back(OpenedLate(late));
      std::sort(troubles.broken_off.begin(), troubles.broken_off.end());
      return troubles;
    }
    TimeRange believable = recorded.Believable();
    Lane& lane = **std::min_element(lanes.begin(), lanes.end(), [&](const auto& a, const auto& b) {
      return a->EarliestIn(believable) < b->EarliestIn(believable);
    });
    Batch batch = lane.Take();
    believable = recorded.Believable();
    // A lane that has handed out nothing yet is known to start at its head. Where one is whose
    // head nobody believes is not known before the next: the watermark waits.
    Nanos slowest = INT64_MAX;
    for (const auto& l : lanes)
      slowest =
          std::min(slowest, l->reached() == INT64_MIN ? l->EarliestIn(believable) : l->reached());
    watermark = std::max(watermark, slowest);
    sink(std::move(batch), Progress{watermark, believable});
    if (progress) progress(bytes_read.load());
  }
}

}  // namespace tomograph::engine
