#include "evaluate/clocks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "correlate/correlator.h"
#include "engine/recorded_run.h"
#include "evaluate/suites/files.h"

namespace tomograph::evaluate {
namespace {

using telemetry::Batch;
using telemetry::ClockFinding;
using telemetry::ClockSegment;
using telemetry::HostClock;
using telemetry::Identities;
using telemetry::ResourceId;
using telemetry::StringId;

constexpr char kFile[] = "jaeger.ndjson";
constexpr char kFirstHost[] = "host-a", kSecondHost[] = "host-b";
constexpr double kTellsApart = 500e3;  // ns: asymmetric delays look like less
constexpr double kMuchMore = 3;        // than clocks of one machine seem to differ by

struct Recording {
  std::unique_ptr<Identities> identities = std::make_unique<Identities>();
  std::vector<Batch> batches;
  Nanos start = INT64_MAX, end = INT64_MIN;
};

Result<Recording> Read(const std::string& path) {
  Recording recording;
  auto batches = engine::ReadNormalised(path, recording.identities.get());
  if (!batches.ok()) return batches.status();
  recording.batches = std::move(batches).value();
  for (const Batch& batch : recording.batches) {
    for (size_t i = 0; i < batch.spans.rows(); ++i) {
      recording.start = std::min(recording.start, batch.spans.start_ns[i]);
      recording.end = std::max(recording.end, batch.spans.end_ns[i]);
    }
  }
  if (recording.end < recording.start) return Status::InvalidArgument(path + " holds no spans");
  return recording;
}

/// Puts every service on the machine that `host_of` names.
template <typename HostOf>
void Place(Recording* recording, const HostOf& host_of) {
  Identities* ids = recording->identities.get();
  const auto placed = [&](ResourceId resource) {
    const telemetry::Resource old = ids->resources.Get(resource);
    const std::string host = host_of(std::string(ids->strings.Get(old.service)));
    const std::string key = std::to_string(static_cast<uint32_t>(resource)) + " on " + host;
    return ids->resources.FindOrAdd(telemetry::FingerprintOf(key), [&] {
      telemetry::Resource moved = old;
      moved.host = ids->strings.Intern(host);
      return moved;
    });
  };
  for (Batch& batch : recording->batches)
    for (ResourceId& resource : batch.spans.resource) resource = placed(resource);
}

/// Least squares through the middles of the segments: ns = offset + slope (t - origin).
struct Line {
  double offset = 0, slope = 0;
  Nanos origin = 0;
  double At(Nanos t) const { return offset + slope * static_cast<double>(t - origin); }
};

/// The injected error as a function of the reference's time.
class Injected {
 public:
  Injected(const ClockInjection& injection, const Recording& recording, std::string host,
           const Line& natural)
      : injection_(injection),
        host_(std::move(host)),
        natural_(natural),
        start_(recording.start),
        step_at_(recording.start +
                 static_cast<Nanos>(injection.step_at *
                                    static_cast<double>(recording.end - recording.start))) {}

  double At(Nanos t) const {
    double ahead =
        injection_.offset_ms * 1e6 + injection_.drift_ppm * 1e-6 * static_cast<double>(t - start_);
    if (t >= step_at_) ahead += injection_.step_ms * 1e6;
    return ahead;
  }
  /// The reference's time when the host's own clock, without injection, shows `raw`.
  Nanos TimeOf(Nanos raw) const { return raw - static_cast<Nanos>(natural_.At(raw)); }
  const std::string& host() const { return host_; }
  Nanos step_at() const { return step_at_; }

 private:
  ClockInjection injection_;
  std::string host_;
  Line natural_;
  Nanos start_, step_at_;
};

/// Durations are measured by a steady clock in the tracers, so only the start is shifted by what
/// the wall clock showed.
void Inject(const Injected& injected, const Identities& ids, Batch* batch) {
  for (size_t i = 0; i < batch->spans.rows(); ++i) {
    const auto& resource = ids.resources.Get(batch->spans.resource[i]);
    if (ids.strings.Get(resource.host) != injected.host()) continue;
    const Nanos length = batch->spans.end_ns[i] - batch->spans.start_ns[i];
    batch->spans.start_ns[i] +=
        static_cast<Nanos>(std::llround(injected.At(injected.TimeOf(batch->spans.start_ns[i]))));
    // The recording is exact to the microsecond.
    batch->spans.start_ns[i] -= batch->spans.start_ns[i] % kMicrosecond;
    batch->spans.end_ns[i] = batch->spans.start_ns[i] + length;
  }
}

/// What the model says of the host that is not the reference.
struct Answer {
  std::string host;
  std::vector<ClockSegment> segments;
  std::vector<ClockFinding> findings;  // oldest first
  std::vector<telemetry::ClockStep> steps;
  std::map<int, size_t> steps_by_window;  // steps known at the end of each window
  uint64_t calls = 0;
  int windows = 0;
  Nanos first_window = 0;

  std::optional<double> Offset(Nanos t) const {
    for (const ClockSegment& s : segments)
      if (t >= s.from && t < s.to && s.measured) return s.OffsetAt(t);
    return std::nullopt;
  }
};

/// Gives out the recording in the order of its time, as a live sender would: not all before the
/// first window. `closed` is called at the end of every window.
template <typename Closed>
void Replay(const Recording& recording, const Injected* injected, correlate::Correlator* correlator,
            const Closed& closed) {
  for (const Batch& batch : recording.batches) {
    Batch copy = batch;
    if (injected != nullptr) Inject(*injected, *recording.identities, &copy);
    correlator->Add(copy);
    Nanos reached = INT64_MAX;
    for (const Nanos t : batch.spans.start_ns) reached = std::min(reached, t);
    if (batch.spans.rows() > 0) correlator->Advance(reached, closed);
  }
  correlator->Finish(closed);
}

correlate::CorrelatorOptions Options() {
  correlate::CorrelatorOptions options;
  options.lateness = 30 * kSecond;
  return options;
}

Answer Ask(const Recording& recording, const Injected* injected) {
  correlate::Correlator correlator(Options(), recording.identities.get());
  Answer answer;
  Replay(recording, injected, &correlator, [&](telemetry::WindowSet&& windows) {
    if (answer.windows == 0) answer.first_window = windows.start;
    size_t steps = 0;
    for (const HostClock& c : correlator.clocks().Clocks()) steps += c.steps.size();
    answer.steps_by_window[answer.windows++] = steps;
  });
  for (const HostClock& c : correlator.clocks().Clocks()) {
    if (c.is_reference()) continue;
    answer.host = c.host;
    answer.segments = c.segments;
    answer.steps = c.steps;
    answer.calls = c.calls;
  }
  answer.findings = correlator.clocks().Findings();
  std::reverse(answer.findings.begin(), answer.findings.end());
  return answer;
}

double QuantileOf(std::vector<double> values, double q) {
  if (values.empty()) return std::nan("");
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(q * static_cast<double>(values.size())))];
}

/// Which services share the second machine, where nobody says so: each is taken for a machine of
/// its own, and those whose clocks agree are one. Empty: the clocks do not fall apart into two.
std::set<std::string> SecondHostByClocks(Recording* recording) {
  Place(recording, [](const std::string& service) { return service; });
  correlate::Correlator correlator(Options(), recording->identities.get());
  Replay(*recording, nullptr, &correlator, [](telemetry::WindowSet&&) {});
  std::vector<std::pair<double, std::string>> clocks;  // ns, of the service
  for (const HostClock& c : correlator.clocks().Clocks()) {
    std::vector<double> offsets;
    for (const ClockSegment& s : c.segments)
      if (s.measured) offsets.push_back(static_cast<double>(s.offset));
    if (!offsets.empty()) clocks.emplace_back(QuantileOf(offsets, 0.5), c.host);
  }
  std::sort(clocks.begin(), clocks.end());
  double apart = 0, together = 0;
  size_t second = 0;
  for (size_t i = 1; i < clocks.size(); ++i) {
    const double gap = clocks[i].first - clocks[i - 1].first;
    together = std::max(together, std::min(gap, apart));
    if (gap > apart) second = i;
    apart = std::max(apart, gap);
  }
  std::set<std::string> services;
  if (apart < kTellsApart || apart < kMuchMore * together) return services;
  for (size_t i = second; i < clocks.size(); ++i) services.insert(clocks[i].second);
  return services;
}

Line LineThrough(const Answer& answer, Nanos origin) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const ClockSegment& s : answer.segments) {
    const Nanos t = s.from + (s.to - s.from) / 2;
    const auto offset = answer.Offset(t);
    if (!offset) continue;
    const double u = static_cast<double>(t - origin);
    n += 1;
    x += u;
    y += *offset;
    xx += u * u;
    xy += u * *offset;
  }
  Line line;
  line.origin = origin;
  const double spread = n * xx - x * x;
  if (n == 0) return line;
  line.slope = spread > 0 ? (n * xy - x * y) / spread : 0;
  line.offset = (y - line.slope * x) / n;
  return line;
}

double RmsOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(1, values.size())));
}

void ScoreErrors(const Recording& recording, const Answer& answer, const Answer& natural,
                 const Line& line, const Injected& injected, ClockScore* score) {
  std::vector<double> at_calls, own, middles, bounds;
  const auto error_at = [&](Nanos t) -> std::optional<double> {
    const auto estimate = answer.Offset(t);
    if (!estimate) return std::nullopt;
    return std::abs(*estimate - line.At(t) - injected.At(t)) * 1e-3;
  };
  for (const Batch& batch : recording.batches) {
    for (size_t i = 0; i < batch.spans.rows(); ++i) {
      const auto& resource = recording.identities->resources.Get(batch.spans.resource[i]);
      if (recording.identities->strings.Get(resource.host) != injected.host()) continue;
      const Nanos t = injected.TimeOf(batch.spans.start_ns[i]);
      if (const auto error = error_at(t)) at_calls.push_back(*error);
      const auto with = answer.Offset(t), without = natural.Offset(t);
      if (with && without) own.push_back(std::abs(*with - *without - injected.At(t)) * 1e-3);
    }
  }
  const Nanos length = correlate::CorrelatorOptions().window_length;
  for (int w = 0; w < answer.windows; ++w)
    if (const auto error = error_at(answer.first_window + w * length + length / 2))
      middles.push_back(*error);
  for (const ClockSegment& s : answer.segments) {
    const Nanos at[] = {s.from, s.from + (s.to - s.from) / 2, s.to - 1};
    for (size_t k = 0; k < 3; ++k) {
      const auto estimate = answer.Offset(at[k]);
      if (!estimate || s.BoundAt(at[k]) == telemetry::kUnknownBound) {
        ++score->unbounded;
        continue;
      }
      const double up = static_cast<double>(s.above[k]), down = static_cast<double>(s.below[k]);
      const auto holds = [&](double t) { return t <= *estimate + up && t >= *estimate - down; };
      const double truth = line.At(at[k]) + injected.At(at[k]);
      const auto without = natural.Offset(at[k]);
      bounds.push_back(std::max(up, down) * 1e-3);
      ++score->checked;
      score->inside +=
          holds(truth) && holds(without ? *without + injected.At(at[k]) : truth) ? 1 : 0;
    }
    if (s.measured) score->drift_error_ppm = (s.drift - line.slope) * 1e6;  // the last one stays
  }
  score->rms_us = RmsOf(at_calls);
  score->p95_us = QuantileOf(at_calls, 0.95);
  score->rms_own_us = RmsOf(own);
  score->rms_middle_us = RmsOf(middles);
  score->median_bound_us = QuantileOf(bounds, 0.5);
  score->p95_bound_us = QuantileOf(bounds, 0.95);
}

ClockScore ScoreOf(const std::string& set, const Recording& recording, const Answer& natural,
                   const ClockInjection& injection) {
  ClockScore score;
  score.set = set;
  score.start = recording.start;
  score.seconds = ToSeconds(recording.end - recording.start);
  const Line line = LineThrough(natural, recording.start);
  score.natural_offset_ms = line.At(recording.start + (recording.end - recording.start) / 2) * 1e-6;
  score.natural_drift_ppm = line.slope * 1e6;
  score.natural_findings = natural.findings;

  const Injected injected(injection, recording, natural.host, line);
  const Answer answer = Ask(recording, &injected);
  score.windows = answer.windows;
  score.calls = answer.calls;
  score.findings = answer.findings;
  ScoreErrors(recording, answer, natural, line, injected, &score);
  score.drift_error_ppm -= injection.drift_ppm;
  if (injection.step_ms == 0) return score;
  score.step_injected_s = ToSeconds(injected.step_at() - recording.start);
  const Nanos length = correlate::CorrelatorOptions().window_length;
  score.step_window = static_cast<int>((injected.step_at() - answer.first_window) / length);
  for (const auto& step : answer.steps) {
    // The one nearest to what was injected, in time.
    if (score.step_from_s >= 0 && std::abs(ToSeconds(step.to - injected.step_at())) >
                                      std::abs(score.step_to_s - score.step_injected_s))
      continue;
    score.step_from_s = ToSeconds(step.from - recording.start);
    score.step_to_s = ToSeconds(step.to - recording.start);
    score.step_found_ms = ToSeconds(step.size) * 1e3;
  }
  for (const auto& [window, steps] : answer.steps_by_window) {
    if (steps == 0) continue;
    score.step_named_window = window;
    break;
  }
  return score;
}

std::string FindingText(const ClockFinding& f, Nanos start) {
  char text[256], size[64];
  if (f.kind == ClockFinding::Kind::kRateChange)
    std::snprintf(size, sizeof(size), "%+.0f to %+.0f ppm", f.drift_before * 1e6,
                  f.drift_after * 1e6);
  else
    std::snprintf(size, sizeof(size), "%.3f ms", ToSeconds(f.size) * 1e3);
  std::snprintf(text, sizeof(text), "%s of %s%s%s, %.3f to %.3f s, %s, %llu call%s",
                std::string(ClockFindingName(f.kind)).c_str(), f.host.c_str(),
                f.other.empty() ? "" : " against ", f.other.c_str(), ToSeconds(f.from - start),
                ToSeconds(f.to - start), size, static_cast<unsigned long long>(f.calls),
                f.calls == 1 ? "" : "s");
  return text;
}

nlohmann::json FindingsJson(const std::vector<ClockFinding>& findings, Nanos start) {
  nlohmann::json out = nlohmann::json::array();
  for (const ClockFinding& f : findings)
    out.push_back({{"kind", ClockFindingName(f.kind)},
                   {"host", f.host},
                   {"other", f.other},
                   {"from_s", ToSeconds(f.from - start)},
                   {"to_s", ToSeconds(f.to - start)},
                   {"size_ms", ToSeconds(f.size) * 1e3},
                   {"calls", f.calls}});
  return out;
}

}  // namespace

Result<std::vector<ClockScore>> RunClocks(const std::string& data, const ClockInjection& injection,
                                          const std::vector<std::string>& second_host) {
  auto folders = FoldersWith(data, kFile);
  if (!folders.ok()) return folders.status();
  std::vector<ClockScore> scores;
  for (const std::string& folder : *folders) {
    auto recording = Read(JoinPath(JoinPath(data, folder), kFile));
    if (!recording.ok()) return recording.status();
    std::set<std::string> second(second_host.begin(), second_host.end());
    if (second.empty()) second = SecondHostByClocks(&*recording);
    Place(&*recording, [&](const std::string& service) {
      return second.count(service) > 0 ? kSecondHost : kFirstHost;
    });
    const Answer natural = Ask(*recording, nullptr);
    if (natural.segments.empty()) continue;
    scores.push_back(ScoreOf(folder, *recording, natural, injection));
    for (const std::string& service : second) scores.back().second_host.push_back(service);
  }
  if (scores.empty()) return Status::NotFound(data + " holds no set with calls between two hosts");
  return scores;
}

std::string ClocksText(const std::vector<ClockScore>& scores) {
  std::string out;
  char line[512];
  for (const ClockScore& s : scores) {
    std::snprintf(
        line, sizeof(line),
        "%s: %.0f s, %d windows, %llu calls; natural %+.3f ms, %+.2f ppm\n"
        "  rms %.1f us (p95 %.1f; middles of windows %.1f; against its own run without "
        "injection %.1f), drift error %+.2f ppm\n"
        "  inside the hard bounds %d of %d (%.1f %%), median bound %.0f us (95 %%: %.0f), "
        "%d not bounded\n",
        s.set.c_str(), s.seconds, s.windows, static_cast<unsigned long long>(s.calls),
        s.natural_offset_ms, s.natural_drift_ppm, s.rms_us, s.p95_us, s.rms_middle_us, s.rms_own_us,
        s.drift_error_ppm, s.inside, s.checked, 100.0 * s.inside / std::max(1, s.checked),
        s.median_bound_us, s.p95_bound_us, s.unbounded);
    out += line;
    out += "  second host:";
    for (const std::string& service : s.second_host) out += " " + service;
    out += "\n";
    if (s.step_window >= 0) {
      std::snprintf(line, sizeof(line),
                    "  step injected at %.3f s (window %d): %s, named at the end of window %d, "
                    "%.3f to %.3f s, %+.3f ms\n",
                    s.step_injected_s, s.step_window,
                    s.step_named_window < 0 ? "NOT FOUND" : "found", s.step_named_window,
                    s.step_from_s, s.step_to_s, s.step_found_ms);
      out += line;
    }
    for (const ClockFinding& f : s.natural_findings)
      out += "  without injection: " + FindingText(f, s.start) + "\n";
    for (const ClockFinding& f : s.findings)
      out += "  with injection: " + FindingText(f, s.start) + "\n";
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string ClocksJson(const std::vector<ClockScore>& scores) {
  nlohmann::json out = nlohmann::json::array();
  for (const ClockScore& s : scores) {
    nlohmann::json one = {{"set", s.set},
                          {"seconds", s.seconds},
                          {"windows", s.windows},
                          {"calls", s.calls},
                          {"natural_offset_ms", s.natural_offset_ms},
                          {"natural_drift_ppm", s.natural_drift_ppm},
                          {"rms_us", s.rms_us},
                          {"p95_us", s.p95_us},
                          {"rms_middle_us", s.rms_middle_us},
                          {"rms_own_us", s.rms_own_us},
                          {"drift_error_ppm", s.drift_error_ppm},
                          {"inside", s.inside},
                          {"checked", s.checked},
                          {"median_bound_us", s.median_bound_us},
                          {"p95_bound_us", s.p95_bound_us},
                          {"unbounded", s.unbounded},
                          {"second_host", s.second_host},
                          {"natural_findings", FindingsJson(s.natural_findings, s.start)},
                          {"findings", FindingsJson(s.findings, s.start)}};
    if (s.step_window >= 0)
      one["step"] = {{"injected_s", s.step_injected_s},
                     {"window", s.step_window},
                     {"named_window", s.step_named_window},
                     {"from_s", s.step_from_s},
                     {"to_s", s.step_to_s},
                     {"size_ms", s.step_found_ms}};
    out.push_back(std::move(one));
  }
  return out.dump(2);
}

}  // namespace tomograph::evaluate
