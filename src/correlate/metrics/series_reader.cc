#include "correlate/metrics/series_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "correlate/metrics/series_meaning.h"

namespace tomograph::correlate {
namespace {

using telemetry::CallStats;
using telemetry::GaugeStats;
using telemetry::Quantity;
using telemetry::Series;

// An export that is this much later than usual has stopped: the process is gone.
constexpr double kMissedExports = 2.5;
// Borders of windows and exports may differ by this share of a window.
constexpr double kSlack = 0.02;
// A first value may be spread from the start of its process on when that is not longer ago.
constexpr Nanos kYoung = 10 * kSecond;
constexpr Nanos kForgetSeries = kHour;
constexpr int kSpreadPerBucket = 4;

struct Point {
  Nanos time = 0;
  Nanos start = 0;
  double value = 0;  // of a histogram: its count
  double sum = 0;
  std::vector<uint64_t> buckets;
};

/// All series of one metric of one process: they are exported together, so that the first value of
/// a new label set (the first error!) counts from the export before.
struct Export {
  std::vector<Nanos> times;  // ordered, distinct
  Nanos covered_from = INT64_MAX;
  Nanos born = 0;  // the start time that the first point told; 0: it did not

  void Add(Nanos time, Nanos start, bool delta) {
    const auto at = std::lower_bound(times.begin(), times.end(), time);
    if (at == times.end() || *at != time) times.insert(at, time);
    const bool from_start = start > 0 && (delta || time - start <= kYoung);
    covered_from = std::min(covered_from, from_start ? start : time);
    if (start > 0) born = born == 0 ? start : std::min(born, start);
  }
  std::optional<Nanos> Before(Nanos time) const {
    const auto at = std::lower_bound(times.begin(), times.end(), time);
    if (at == times.begin()) return std::nullopt;
    return *std::prev(at);
  }
  bool IsAliveAt(Nanos time) const {
    if (times.back() >= time || times.size() < 2) return times.back() >= time;
    const Nanos interval = times.back() - times[times.size() - 2];
    return static_cast<double>(time - times.back()) <
           kMissedExports * static_cast<double>(interval);
  }
  /// Does it say all that there is to say of [from, to)? Silent and not expected counts as yes.
  bool Covers(Nanos from, Nanos to) const {
    const Nanos slack = static_cast<Nanos>(kSlack * static_cast<double>(to - from));
    if (covered_from >= to && born >= to) return true;
    const bool from_start = covered_from <= from + slack || born > from;
    const bool until_end = times.back() >= to - slack || (times.back() < from && !IsAliveAt(to));
    return from_start && until_end;
  }
  /// The part of [from, to) in which the process is known to have lived; of one that was heard of
  /// once, an instant.
  TimeRange Lived(Nanos from, Nanos to) const {
    TimeRange lived{std::clamp(covered_from, from, to), std::clamp(times.back(), from, to)};
    if (times.size() >= 2 && IsAliveAt(to)) lived.to = to;
    return lived;
  }
  void Prune(Nanos before) {
    const auto keep = std::lower_bound(times.begin(), times.end(), before);
    if (keep - times.begin() > 2) times.erase(times.begin(), keep - 2);
  }
};

struct KnownSeries {
  const Series* series = nullptr;
  SeriesMeaning meaning;
  SeriesReader::Subject subject;
  uint32_t exported_with = 0;
  std::vector<Point> points;   // ordered by time, distinct
  std::vector<double> bounds;  // of a histogram
  double highest = 0;          // uptime or start time seen last: what a restart is measured against
  Nanos last_seen = 0;         // of an uptime or start time
  bool replaced = false;       // another process has taken over from this one
};

/// What a series added between two exports.
struct Difference {
  Nanos from = 0;
  Nanos to = 0;
  double value = 0;
  double sum = 0;
  const std::vector<uint64_t>* now = nullptr;
  const std::vector<uint64_t>* before = nullptr;
};

/// False when there was a point of that instant.
bool InsertPoint(std::vector<Point>* points, Point point) {
  const auto by_time = [](const Point& a, const Point& b) { return a.time < b.time; };
  const auto at = std::lower_bound(points->begin(), points->end(), point, by_time);
  if (at == points->end() || at->time != point.time) {
    points->insert(at, std::move(point));
    return true;
  }
  if (std::tuple(point.value, point.sum) > std::tuple(at->value, at->sum)) {
    *at = std::move(point);  // twice the same instant: the larger, whatever the order
  }
  return false;
}

std::optional<Difference> DifferenceTo(const KnownSeries& s, const Export& exported, size_t i) {
  const Point& point = s.points[i];
  Difference d;
  d.to = point.time;
  d.value = point.value;
  d.sum = point.sum;
  d.now = &point.buckets;
  const Point* before = i > 0 ? &s.points[i - 1] : nullptr;
  const std::optional<Nanos> export_before = exported.Before(point.time);
  if (s.meaning.delta) {
    if (point.start > 0 && point.start < point.time) {
      d.from = point.start;
    } else if (export_before) {
      d.from = *export_before;
    } else {
      return std::nullopt;
    }
    return d;
  }
  const bool reset = before != nullptr && (point.value < before->value ||
                                           (point.start > before->time && before->start > 0));
  if (before != nullptr && !reset) {
    d.from = before->time;
    d.value -= before->value;
    d.sum -= before->sum;
    d.before = &before->buckets;
  } else if (before != nullptr) {
    d.from = std::max(before->time, point.start);
  } else if (export_before) {
    d.from = std::max(*export_before, point.start);
  } else if (point.start > 0 && point.start < point.time) {
    d.from = point.start;
  } else {
    return std::nullopt;  // how long it has been counting nobody knows
  }
  return d;
}

/// Calls `take(duration, count)` for what lies in the buckets between the two exports, a bucket
/// spread over a few values.
template <typename Take>
void ForEachDuration(const KnownSeries& s, const Difference& d, const Take& take) {
  const double scale = s.series->scale;
  for (size_t b = 0; b < d.now->size() && b < s.bounds.size(); ++b) {
    const uint64_t earlier = d.before != nullptr && b < d.before->size() ? (*d.before)[b] : 0;
    if ((*d.now)[b] <= earlier) continue;
    const double count = static_cast<double>((*d.now)[b] - earlier);
    double high = s.bounds[b] * scale;
    double low = b > 0 ? s.bounds[b - 1] * scale : high / 8;
    if (!std::isfinite(high)) high = low * 2;
    if (!(low > 0)) low = high / 8;
    if (!(high > low)) {
      take(std::max(high, 0.0), count);
      continue;
    }
    for (int k = 0; k < kSpreadPerBucket; ++k)
      take(low * std::pow(high / low, (k + 0.5) / kSpreadPerBucket), count / kSpreadPerBucket);
  }
}

/// Sum of the squared durations, at least what the exact sum of the durations asks for.
double SumOfSquares(const KnownSeries& s, const Difference& d) {
  if (!(d.value > 0)) return 0;
  const double sum = d.sum * s.series->scale;
  double squares = 0;
  ForEachDuration(s, d,
                  [&](double duration, double count) { squares += duration * duration * count; });
  return std::max(squares, sum * sum / d.value);
}

/// The sums of one subject; from histograms and from plain counters apart, since both count the
/// same calls.
/// What one process tells of an additive level while it lives.
struct Part {
  GaugeStats stats;
  TimeRange lived;
};

struct Sums {
  CallStats from_durations, from_counters;
  bool durations = false, counters = false;
  bool partial = false;
  bool tells_failure = false;
  double errors = 0, errors_variance = 0;  // from counters of errors
  std::map<std::pair<Quantity, telemetry::Statistic>, GaugeStats> levels;
  std::map<std::pair<Quantity, telemetry::Statistic>, std::vector<Part>> additive_levels;
  std::optional<uint32_t> restarts;
  void AddRestarts(uint32_t n) { restarts = restarts.value_or(0) + n; }
};

void AddCalls(double count, double share, bool failed, CallStats* calls) {
  const double part = count * share;
  const double split = count * share * (1 - share);
  calls->calls += part;
  calls->calls_variance += split;
  if (failed) {
    calls->failed += part;
    calls->failed_variance += split;
  }
}

/// Adds what one series' levels (means over the window) say to the entity's.
void Pool(const GaugeStats& one, bool additive, GaugeStats* all) {
  if (one.samples == 0) return;
  if (!additive || all->samples == 0) {
    all->Merge(one);
    return;
  }
  const double mean = all->mean() + one.mean();
  all->samples = std::max(all->samples, one.samples);
  all->sum = mean * all->samples;
  all->min += one.min;
  all->max += one.max;
  all->last += one.last;
  all->last_ns = std::max(all->last_ns, one.last_ns);
}

/// Those that were heard of once lived until the next such one was, the last until `to`: what dies
/// after its first export is followed by its successor.
void EndLives(Nanos to, std::vector<Part>* parts) {
  std::vector<Nanos> heard;
  for (const Part& part : *parts) {
    if (part.lived.from >= part.lived.to) heard.push_back(part.lived.from);
  }
  std::sort(heard.begin(), heard.end());
  for (Part& part : *parts) {
    if (part.lived.from < part.lived.to) continue;
    const auto next = std::upper_bound(heard.begin(), heard.end(), part.lived.from);
    part.lived.to = next == heard.end() ? std::max(to, part.lived.from + 1) : *next;
  }
}

/// Processes that live side by side add up; one that takes over from another does not: each counts
/// for its share of the time in which any is known.
void PoolProcesses(std::vector<Part> parts, Nanos to, GaugeStats* all) {
  EndLives(to, &parts);
  TimeRange any = parts.front().lived;
  for (const Part& part : parts) {
    any.from = std::min(any.from, part.lived.from);
    any.to = std::max(any.to, part.lived.to);
  }
  for (Part part : parts) {
    const double share = static_cast<double>(part.lived.to - part.lived.from) /
                         static_cast<double>(any.to - any.from);
    for (double* value : {&part.stats.sum, &part.stats.min, &part.stats.max, &part.stats.last})
      *value *= share;
    Pool(part.stats, true, all);
  }
}

GaugeStats One(double value, Nanos at) {
  GaugeStats g;
  g.Add(value, at);
  return g;
}

}  // namespace

struct SeriesReader::Impl {
  explicit Impl(telemetry::Identities* ids) : identities(ids) {}

  KnownSeries* Find(telemetry::SeriesId id) {
    if (id == telemetry::kNoSeries) return nullptr;
    const auto index = static_cast<size_t>(id);
    if (index >= known.size()) known.resize(index + 1);
    KnownSeries& s = known[index];
    if (s.series == nullptr) {
      s.series = &identities->series.Get(id);
      s.meaning = MeaningOf(*s.series, identities->strings);
      s.subject = {s.series->entity, s.series->peer, s.series->peer_is_address,
                   s.series->peer_address};
      const auto key = std::pair(s.series->resource, s.series->metric);
      const auto at = export_of.try_emplace(key, static_cast<uint32_t>(exports.size())).first;
      if (at->second == exports.size()) exports.emplace_back();
      s.exported_with = at->second;
    }
    return s.meaning.role == SeriesRole::kNothing ? nullptr : &s;
  }

  bool Insert(KnownSeries* s, Point point) {
    exports[s->exported_with].Add(point.time, point.start, s->meaning.delta);
    oldest = std::min(oldest, point.time);
    return InsertPoint(&s->points, std::move(point));
  }

  void ReadLevel(KnownSeries* s, Nanos from, Nanos to, Sums* sums) {
    GaugeStats stats;
    for (const Point& p : s->points)
      if (p.time >= from && p.time < to) stats.Add(p.value * s->series->scale, p.time);
    if (stats.samples == 0) return;
    const auto key = std::pair(s->series->quantity, s->series->statistic);
    if (s->meaning.additive) {
      sums->additive_levels[key].push_back({stats, exports[s->exported_with].Lived(from, to)});
    } else {
      Pool(stats, false, &sums->levels[key]);
    }
    if (s->meaning.role == SeriesRole::kCallRate || s->meaning.role == SeriesRole::kErrorRate) {
      const double count = stats.mean() * ToSeconds(to - from);
      if (s->meaning.role == SeriesRole::kErrorRate) {
        sums->errors += count;
        sums->tells_failure = true;
      } else {
        sums->counters = true;
        AddCalls(count, 1, s->meaning.failed, &sums->from_counters);
      }
    }
  }

  void ReadDifferences(const KnownSeries& s, Nanos from, Nanos to, Sums* sums) {
    const Export& exported = exports[s.exported_with];
    const bool of_calls = s.meaning.role == SeriesRole::kCalls ||
                          s.meaning.role == SeriesRole::kDurations ||
                          s.meaning.role == SeriesRole::kErrors;
    if (of_calls && !exported.Covers(from, to)) sums->partial = true;
    double work = 0, weight = 0, total = 0;
    bool any = false;
    for (size_t i = 0; i < s.points.size(); ++i) {
      const std::optional<Difference> d = DifferenceTo(s, exported, i);
      if (!d || d->to <= d->from) continue;
      const Nanos overlap = std::min(d->to, to) - std::max(d->from, from);
      if (overlap <= 0) continue;
      const double share = static_cast<double>(overlap) / static_cast<double>(d->to - d->from);
      any = true;
      work += d->value * share;
      total += d->sum * share;
      weight += d->value * share;
      if (of_calls) ReadCalls(s, *d, share, sums);
    }
    if (of_calls) {
      // Exported and idle is a measured zero.
      const bool told = any || (exported.times.back() >= to && exported.covered_from <= from);
      if (told && s.meaning.role == SeriesRole::kDurations) sums->durations = true;
      if (told && s.meaning.role == SeriesRole::kCalls) sums->counters = true;
      sums->tells_failure = sums->tells_failure || (told && s.meaning.tells_failure);
      return;
    }
    if (!any) return;
    if (s.meaning.role == SeriesRole::kRestarts) {
      sums->AddRestarts(static_cast<uint32_t>(std::lround(std::clamp(work, 0.0, 1e6))));
      return;
    }
    const bool histogram = s.series->kind == telemetry::MetricKind::kHistogram;
    if (s.meaning.role == SeriesRole::kMeanOf) {
      if (!(weight > 0) || !std::isfinite(total)) return;
      GaugeStats g = One(total / weight * s.series->scale, to - 1);
      Pool(g, false, &sums->levels[{s.series->quantity, s.series->statistic}]);
      return;
    }
    const double amount = (histogram ? total : work) * s.series->scale;
    if (!std::isfinite(amount)) return;
    Pool(One(amount / ToSeconds(to - from), to - 1), true,
         &sums->levels[{s.series->quantity, s.series->statistic}]);
  }

  void ReadCalls(const KnownSeries& s, const Difference& d, double share, Sums* sums) {
    switch (s.meaning.role) {
      case SeriesRole::kErrors:
        sums->errors += d.value * share;
        sums->errors_variance += d.value * share * (1 - share);
        break;
      case SeriesRole::kCalls:
        AddCalls(d.value, share, s.meaning.failed, &sums->from_counters);
        break;
      default: {
        CallStats& calls = sums->from_durations;
        AddCalls(d.value, share, s.meaning.failed, &calls);
        if (std::isfinite(d.sum)) {
          const double seconds = d.sum * s.series->scale;
          calls.busy_s += seconds * share;
          // Each of n calls lies in the window or not, with its duration: the long ones decide.
          calls.busy_variance += SumOfSquares(s, d) * share * (1 - share);
        }
        ForEachDuration(s, d, [&](double duration, double count) {
          calls.latency.Add(duration, count * share);
        });
      }
    }
  }

  /// A process under a new instance id has a series of its own. It is a restart when another
  /// process of the same entity had fallen silent before it started; each is replaced once.
  bool Replaces(uint32_t newcomer, Nanos started) {
    auto& processes = processes_of[known[newcomer].series->entity];
    std::erase_if(processes, [&](uint32_t i) {
      return known[i].replaced || known[i].last_seen < started - kForgetSeries;
    });
    bool replaces = false;
    for (const uint32_t i : processes) {
      if (known[i].meaning.role != known[newcomer].meaning.role || known[i].last_seen > started)
        continue;
      replaces = known[i].replaced = true;
      break;
    }
    processes.push_back(newcomer);
    return replaces;
  }

  void ReadRestarts(KnownSeries* s, Nanos from, Nanos to, Sums* sums) {
    for (const Point& p : s->points) {
      if (p.time < from || p.time >= to) continue;
      const double value = p.value * s->series->scale;
      const bool first = s->highest == 0;
      const bool uptime = s->meaning.role == SeriesRole::kUptime;
      if (s->last_seen == 0) {
        const Nanos started = uptime ? p.time - FromSeconds(value) : FromSeconds(value);
        sums->AddRestarts(Replaces(static_cast<uint32_t>(s - known.data()), started));
      }
      s->last_seen = p.time;
      const bool restarted = uptime ? value < s->highest : value > s->highest + 1;
      sums->AddRestarts(!first && restarted);
      s->highest = value;
    }
  }

  void Forget(KnownSeries* s, Nanos to) {
    std::vector<Point>& points = s->points;
    // The last point by now stays: the next difference starts there.
    auto keep = std::upper_bound(points.begin(), points.end(), to,
                                 [](Nanos t, const Point& p) { return t < p.time; });
    if (keep == points.begin()) return;
    points.erase(points.begin(), std::prev(keep));
    if (points.back().time < to - kForgetSeries) points = {};
  }

  telemetry::Identities* identities;
  std::vector<KnownSeries> known;  // by SeriesId
  std::unordered_map<telemetry::EntityId, std::vector<uint32_t>>
      processes_of;  // their uptimes, in `known`
  std::map<std::pair<telemetry::ResourceId, telemetry::StringId>, uint32_t> export_of;
  std::vector<Export> exports;
  Nanos oldest = INT64_MAX;
};

namespace {

SeriesReader::Reading ToReading(Sums* sums, bool edge, Nanos from, Nanos to) {
  SeriesReader::Reading reading;
  reading.restarts = sums->restarts;
  for (auto& [key, parts] : sums->additive_levels)
    PoolProcesses(std::move(parts), to, &sums->levels[key]);
  // Of several statistics of one quantity the first: a value or mean before a quantile.
  for (auto& [key, stats] : sums->levels) {
    stats.statistic = key.second;
    reading.gauges.try_emplace(key.first, stats);
  }
  if (sums->partial || !(sums->durations || sums->counters)) return reading;
  reading.covered = true;
  reading.calls = std::move(sums->durations ? sums->from_durations : sums->from_counters);
  CallStats& calls = reading.calls;
  if (calls.failed == 0 && sums->errors > 0) {
    calls.failed = sums->errors;
    calls.failed_variance = sums->errors_variance;
  }
  calls.seen = static_cast<uint64_t>(std::llround(std::max(calls.calls, 0.0)));
  calls.failed_seen = static_cast<uint64_t>(std::llround(std::max(calls.failed, 0.0)));
  const double length_s = ToSeconds(to - from);
  reading.gauges[edge ? Quantity::kClientCallRate : Quantity::kCallRate] =
      One(calls.calls / length_s, to - 1);
  if (sums->tells_failure)
    reading.gauges[Quantity::kErrorRate] = One(calls.failed / length_s, to - 1);
  return reading;
}

}  // namespace

SeriesReader::SeriesReader(telemetry::Identities* identities)
    : impl_(std::make_unique<Impl>(identities)) {}
SeriesReader::~SeriesReader() = default;

uint64_t SeriesReader::Add(const telemetry::SampleBatch& samples, TimeRange believable,
                           Nanos in_time_from) {
  uint64_t repeats = 0;
  const auto insert = [&](KnownSeries* s, Point p) {
    const bool in_time = p.time >= in_time_from;
    if (!impl_->Insert(s, std::move(p)) && in_time) ++repeats;
  };
  for (size_t i = 0; i < samples.rows(); ++i) {
    if (!std::isfinite(samples.value[i])) continue;  // a stale marker: the series says nothing
    if (!believable.Contains(samples.time_ns[i])) continue;
    KnownSeries* s = impl_->Find(samples.series[i]);
    if (s == nullptr) continue;
    Point p;
    p.time = samples.time_ns[i];
    p.start = samples.start_ns[i];
    p.value = samples.value[i];
    insert(s, std::move(p));
  }
  const telemetry::SampleBatch::Histograms& h = samples.histograms;
  for (size_t i = 0; i < h.rows(); ++i) {
    if (!believable.Contains(h.time_ns[i])) continue;
    KnownSeries* s = impl_->Find(h.series[i]);
    if (s == nullptr) continue;
    const size_t begin = i == 0 ? 0 : h.bucket_end[i - 1];
    const auto bounds = std::span(h.upper_bound).subspan(begin, h.bucket_end[i] - begin);
    if (!std::equal(bounds.begin(), bounds.end(), s->bounds.begin(), s->bounds.end())) {
      s->bounds.assign(bounds.begin(), bounds.end());
      for (Point& p : s->points) p.buckets.clear();
    }
    Point p;
    p.time = h.time_ns[i];
    p.start = h.start_ns[i];
    p.value = static_cast<double>(h.count[i]);
    p.sum = h.sum[i];
    p.buckets.assign(h.bucket_count.begin() + static_cast<ptrdiff_t>(begin),
                     h.bucket_count.begin() + h.bucket_end[i]);
    insert(s, std::move(p));
  }
  return repeats;
}

std::map<SeriesReader::Subject, SeriesReader::Reading> SeriesReader::Read(Nanos from, Nanos to) {
  std::map<Subject, Sums> sums;
  impl_->oldest = INT64_MAX;
  for (KnownSeries& s : impl_->known) {
    if (s.points.empty()) continue;
    Sums& of = sums[s.subject];
    switch (s.meaning.role) {
      case SeriesRole::kNothing:
        break;
      case SeriesRole::kLevel:
      case SeriesRole::kCallRate:
      case SeriesRole::kErrorRate:
        impl_->ReadLevel(&s, from, to, &of);
        break;
      case SeriesRole::kUptime:
      case SeriesRole::kStartTime:
        impl_->ReadRestarts(&s, from, to, &of);
        break;
      default:
        impl_->ReadDifferences(s, from, to, &of);
    }
    impl_->Forget(&s, to);
    if (!s.points.empty() && s.points.back().time >= to)
      impl_->oldest = std::min(impl_->oldest, std::max(to, s.points.front().time));
  }
  for (Export& e : impl_->exports) e.Prune(from);
  std::map<Subject, Reading> readings;
  for (auto& [subject, of] : sums)
    readings.emplace(subject, ToReading(&of, subject.peer != telemetry::kNoEntity, from, to));
  return readings;
}

Nanos SeriesReader::oldest() const { return impl_->oldest; }

size_t SeriesReader::bytes() const {
  size_t bytes =
      impl_->known.capacity() * sizeof(KnownSeries) + impl_->exports.size() * sizeof(Export);
  for (const KnownSeries& s : impl_->known) {
    bytes += s.points.capacity() * sizeof(Point) + s.bounds.capacity() * sizeof(double);
    for (const Point& p : s.points) bytes += p.buckets.capacity() * sizeof(uint64_t);
  }
  return bytes;
}

}  // namespace tomograph::correlate
