#include "simulate/loss/loss.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "simulate/kernel/draws.h"
#include "simulate/loss/late_records.h"
#include "simulate/loss/trace_sampling.h"

namespace tomograph::simulate {
namespace {

using Skew = LossSettings::Skew;

constexpr char kTraceId[] = "trace_id";

/// What is known of a sender once for all of its records.
struct Known {
  std::string service;
  uint64_t key = 0;
  bool spans = true, metrics = true, logs = true;  // does it show any?
  std::optional<Skew> clock;
};

uint64_t KeyOf(const Known& sender, const SpanRecord& span) {
  return MixBits(MixBits(MixBits(span.trace.hi) ^ span.trace.lo) ^ span.span) ^ sender.key;
}

uint64_t KeyOf(const Known& sender, const SampleRecord& sample) {
  uint64_t key = sender.key ^ NameKey(sample.metric);
  for (const auto& [name, value] : sample.labels)
    key = MixBits(MixBits(key ^ NameKey(name)) ^ NameKey(value));
  return MixBits(key ^ static_cast<uint64_t>(sample.time));
}

uint64_t KeyOf(const Known& sender, const LogRecord& log) {
  const uint64_t key = MixBits(sender.key ^ NameKey(log.body)) ^ NameKey(log.event_name);
  return MixBits(MixBits(key ^ log.span) ^ static_cast<uint64_t>(log.time));
}

Nanos SentAt(const SpanRecord& span) { return span.end; }
Nanos SentAt(const SampleRecord& sample) { return sample.time; }
Nanos SentAt(const LogRecord& log) { return log.time; }

/// What a clock shows, that ran right until `start`.
class SkewedTime {
 public:
  SkewedTime(const Skew& skew, Nanos start) : skew_(skew), start_(start) {}

  Nanos At(Nanos t) const {
    const Nanos step = t >= skew_.step_at ? skew_.step : 0;
    return t + skew_.offset + step + Drift(std::max<Nanos>(0, t - start_));
  }
  Nanos Length(Nanos d) const { return d + Drift(d); }

 private:
  Nanos Drift(Nanos d) const {
    return static_cast<Nanos>(std::llround(static_cast<double>(d) * skew_.drift_ppm * 1e-6));
  }
  const Skew& skew_;
  const Nanos start_;
};

void ShowTimes(const SkewedTime& clock, SpanRecord* span) {
  const Nanos length = span->end - span->start;
  span->start = clock.At(span->start);
  span->end = span->start + clock.Length(length);
}
void ShowTimes(const SkewedTime& clock, SampleRecord* sample) {
  if (sample->start != 0) sample->start = clock.At(sample->start);
  sample->time = clock.At(sample->time);
}
void ShowTimes(const SkewedTime& clock, LogRecord* log) { log->time = clock.At(log->time); }

Labels* MoreOf(SpanRecord* span) { return &span->more; }
Labels* MoreOf(SampleRecord* sample) { return &sample->labels; }
Labels* MoreOf(LogRecord* log) { return &log->more; }

}  // namespace

struct Loss::Impl {
  Impl(const LossSettings& s, uint64_t seed, Nanos from, Audience* to)
      : settings(s),
        draws(MixBits(seed ^ NameKey("loss"))),
        start(from),
        next(to),
        sampling(s.keep_traces),
        hides_ids(s.redact.count(kTraceId) > 0),
        late(to) {}

  double Draw(std::string_view what, uint64_t key) const {
    return draws.For(NameKey(what), key).Uniform();
  }
  bool Happens(double share, std::string_view what, uint64_t key) const {
    return share > 0 && (share >= 1 || Draw(what, key) < share);
  }

  bool InGap(const Known& sender, Nanos sent) const {
    return std::any_of(settings.gaps.begin(), settings.gaps.end(), [&](const auto& gap) {
      return sent >= gap.from && sent < gap.until &&
             (gap.service == "*" || gap.service == sender.service);
    });
  }

  /// The share of the metric's points that is shown.
  double ShareOf(std::string_view metric) {
    const auto [it, is_new] = share_of.try_emplace(std::string(metric), 1.0);
    if (!is_new) return it->second;
    size_t longest = 0;
    for (const auto& [name, share] : settings.keep_metric) {
      const bool prefix = !name.empty() && name.back() == '*';
      const std::string_view stem =
          std::string_view(name).substr(0, name.size() - (prefix ? 1 : 0));
      const bool fits = prefix ? metric.starts_with(stem) : metric == stem;
      const size_t rank = prefix ? stem.size() + 1 : metric.size() + 2;  // the exact name wins
      if (!fits || rank <= longest) continue;
      longest = rank;
      it->second = share;
    }
    return it->second;
  }

  /// Whether the record gets through so far; counts it.
  template <typename Record>
  bool Leaves(const Known& sender, bool shows, double lose, uint64_t key, const Record& record) {
    ++count.shown;
    uint64_t* what = nullptr;
    if (!shows) {
      what = &count.withheld;
    } else if (InGap(sender, SentAt(record))) {
      what = &count.lost;
    } else if (!Sampled(record)) {
      what = &count.sampled_out;
    } else if (!Measured(record, key)) {
      what = &count.withheld;
    } else if (Happens(lose, "lose", key)) {
      what = &count.lost;
    }
    if (what != nullptr) ++*what;
    return what == nullptr;
  }
  template <typename Record>
  bool Sampled(const Record&) const {
    return true;
  }
  bool Sampled(const SpanRecord& span) const { return sampling.Keeps(span.trace); }
  template <typename Record>
  bool Measured(const Record&, uint64_t) {
    return true;
  }
  bool Measured(const SampleRecord& sample, uint64_t key) {
    if (settings.keep_metric.empty()) return true;
    return !Happens(1 - ShareOf(sample.metric), "withhold", key);
  }

  template <typename Record>
  void HandOn(const Known& sender, uint64_t key, Record record) {
    const Nanos sent = SentAt(record);
    if (sender.clock) ShowTimes(SkewedTime(*sender.clock, start), &record);
    Redact(key, &record);
    const bool twice = Happens(settings.duplicate, "duplicate", key);
    if (twice) ++count.duplicated;
    for (uint64_t copy = 0; copy < (twice ? 2 : 1); ++copy) {
      if (settings.late_by > 0 && Happens(settings.late, "late", MixBits(key) ^ copy)) {
        ++count.delayed;
        const double by = Draw("late by", MixBits(key) ^ copy);
        late.Add(sent + FromSeconds(by * ToSeconds(settings.late_by)), record);
      } else {
        next->See(record);
      }
    }
  }

  bool Redacts(const std::string& name) const { return settings.redact.count(name) > 0; }
  void RemoveFrom(Labels* labels) const {
    labels->erase(std::remove_if(labels->begin(), labels->end(),
                                 [this](const auto& pair) { return Redacts(pair.first); }),
                  labels->end());
  }
  template <typename Record>
  void Redact(uint64_t key, Record* record) const {
    if (settings.redact.empty()) return;
    RemoveFrom(MoreOf(record));
    RedactOwn(key, record);
  }
  void RedactOwn(uint64_t key, SpanRecord* span) const {
    if (Redacts("server.address")) span->peer = {};
    if (!hides_ids) return;
    Random made_up = draws.For(NameKey("made-up id"), key);
    span->trace = {made_up.Next() | 1, made_up.Next()};
    span->parent = 0;
  }
  void RedactOwn(uint64_t, LogRecord* log) const {
    if (!hides_ids) return;
    log->trace = {};
    log->span = 0;
  }
  void RedactOwn(uint64_t, SampleRecord*) const {}

  const LossSettings settings;
  const Draws draws;
  const Nanos start;
  Audience* const next;
  const TraceSampling sampling;
  const bool hides_ids;
  LateRecords late;
  LossCount count;
  std::vector<Known> senders;
  std::unordered_map<std::string, double> share_of;
};

Loss::Loss(const LossSettings& settings, uint64_t seed, Nanos start, Audience* next)
    : impl_(std::make_unique<Impl>(settings, seed, start, next)) {}
Loss::~Loss() = default;

SenderId Loss::Enter(const Sender& sender) {
  const LossSettings& s = impl_->settings;
  Known known;
  known.service = sender.service;
  known.key = MixBits(NameKey(sender.service) ^ MixBits(NameKey(sender.instance)));
  const bool silent = s.silent.count(sender.service) > 0;
  known.spans = !silent && s.without_spans.count(sender.service) == 0;
  known.metrics = !silent && s.without_metrics.count(sender.service) == 0;
  known.logs = !silent;
  if (const auto clock = s.clocks.find(sender.host); clock != s.clocks.end())
    known.clock = clock->second;
  Sender shown = sender;
  impl_->RemoveFrom(&shown.more);
  if (impl_->Redacts("service.instance.id")) shown.instance.clear();
  if (impl_->Redacts("service.version")) shown.version.clear();
  if (impl_->Redacts("host.name")) shown.host.clear();
  const SenderId id = impl_->next->Enter(shown);
  if (impl_->senders.size() <= static_cast<size_t>(id))
    impl_->senders.resize(static_cast<size_t>(id) + 1);
  impl_->senders[static_cast<size_t>(id)] = std::move(known);
  return id;
}

void Loss::See(const SpanRecord& span) {
  const Known& sender = impl_->senders[static_cast<size_t>(span.sender)];
  const uint64_t key = KeyOf(sender, span);
  if (!impl_->Leaves(sender, sender.spans, impl_->settings.lose_spans, key, span)) return;
  SpanRecord left = span;
  if (impl_->settings.tell_sampling && !impl_->sampling.trace_state().empty())
    left.trace_state = impl_->sampling.trace_state();
  impl_->HandOn(sender, key, std::move(left));
}

void Loss::See(const SampleRecord& sample) {
  const Known& sender = impl_->senders[static_cast<size_t>(sample.sender)];
  const uint64_t key = KeyOf(sender, sample);
  if (impl_->Leaves(sender, sender.metrics, impl_->settings.lose_samples, key, sample))
    impl_->HandOn(sender, key, sample);
}

void Loss::See(const LogRecord& log) {
  const Known& sender = impl_->senders[static_cast<size_t>(log.sender)];
  const uint64_t key = KeyOf(sender, log);
  if (impl_->Leaves(sender, sender.logs, impl_->settings.lose_logs, key, log))
    impl_->HandOn(sender, key, log);
}

void Loss::See(const ChangeRecord& change) {
  ++impl_->count.shown;
  impl_->next->See(change);
}

void Loss::Pass(Nanos now) { impl_->late.Pass(now); }
const LossCount& Loss::count() const { return impl_->count; }

}  // namespace tomograph::simulate
