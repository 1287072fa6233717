#include "publish/metrics.h"

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <unordered_map>
#include <unordered_set>

#include "publish/clock_json.h"
#include "publish/json.h"
#include "telemetry/attributes.h"
#include "telemetry/step_name.h"

namespace tomograph::publish {
namespace {

using telemetry::Estimate;
using telemetry::Picture;

struct Label {
  std::string_view name;
  std::string_view value;
};

/// One family at a time: header, then its samples.
class Exposition {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    seen_.clear();
    text_.append("# HELP ").append(name).append(" ").append(help);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  }

  void Sample(std::initializer_list<Label> labels, double value) {
    std::string series = name_;
    char separator = '{';
    for (const Label& label : labels) {
      if (label.value.empty()) continue;  // the same as an absent label, and shorter
      series.append(1, separator).append(label.name).append("=\"");
      AppendEscaped(label.value, &series);
      series.append("\"");
      separator = ',';
    }
    if (separator == ',') series.append("}");
    if (!seen_.insert(series).second) return;  // a repeat would void the whole scrape
    text_.append(series).append(" ").append(NumberText(value)).append("\n");
  }

  std::string Take() { return std::move(text_); }

 private:
  static void AppendEscaped(std::string_view value, std::string* out) {
    std::string quoted;
    telemetry::AppendJsonString(value, &quoted);  // makes the UTF-8 valid
    const Json valid = Json::parse(quoted, nullptr, false);
    const std::string text = valid.is_string() ? valid.get<std::string>() : "";
    for (const char c : text) {
      if (c == '\\')
        out->append("\\\\");
      else if (c == '"')
        out->append("\\\"");
      else if (c == '\n')
        out->append("\\n");
      else
        out->push_back(c);
    }
  }

  static std::string NumberText(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value);
    return std::string(digits, end.ptr);
  }

  std::string text_;
  std::string name_;
  std::unordered_set<std::string> seen_;
};

/// Entity names as label values: the bare name where it is the only one of its kind in the picture,
/// else with what tells it apart, since two entities must not share a series.
class LabelNames {
 public:
  explicit LabelNames(const Picture& picture) : names_(picture) {
    for (const auto& entity : picture.entities) ++uses_[entity.name];
  }

  std::string Of(telemetry::EntityId id) const {
    if (id == telemetry::kNoEntity) return {};
    const telemetry::Entity* entity = names_.Find(id);
    if (entity == nullptr) return IdText(id);
    if (uses_.at(entity->name) == 1) return entity->name;
    std::string name = entity->service_namespace;
    if (!name.empty()) name += "/";
    return name + entity->name + " (" + std::string(telemetry::EntityKindName(entity->kind)) + ")";
  }

 private:
  const EntityNames names_;
  std::unordered_map<std::string, int> uses_;
};

constexpr size_t kMostStepEstimates = 2000;  // in /metrics

void Steps(const std::vector<const Estimate*>& newest, const LabelNames& names, Exposition* out) {
  const auto sample = [&](const Estimate& e, std::string_view quantile) {
    const std::string service = names.Of(e.entity);
    const telemetry::StepName step = telemetry::ParseStep(e.detail);
    out->Sample({{"service", service},
                 {"operation", step.operation},
                 {"after", step.after},
                 {"before", step.before},
                 {"quantile", quantile}},
                e.value);
  };
  const auto family = [&](std::string_view state, std::string_view quantile) {
    size_t samples = 0;
    for (const Estimate* e : newest) {
      if (e->state != state || e->basis == telemetry::Basis::kMissing) continue;
      if (++samples > kMostStepEstimates) return;
      sample(*e, quantile);
    }
  };
  out->Family("tomograph_step_duration_seconds", "gauge",
              "Time that requests spend between two of their calls, in the newest window.");
  family("step_duration_p50", "0.5");
  family("step_duration_p95", "0.95");
  out->Family("tomograph_step_completion_ratio", "gauge",
              "Share of the requests for which the call `after` returned that went on as usual.");
  family("step_completion", "");
}

void Estimates(const Picture& picture, const LabelNames& names, Exposition* out) {
  std::vector<const Estimate*> newest, steps;
  for (const auto& e : picture.estimates) {
    if (!picture.window_starts.empty() && e.start == picture.window_starts.back()) {
      // What there are several of has families of its own.
      (e.detail.empty() ? newest : steps).push_back(&e);
    }
  }
  Steps(steps, names, out);
  out->Family("tomograph_estimate", "summary",
              "Posterior quantiles of a hidden state in the newest window; absent when missing.");
  for (const Estimate* e : newest) {
    if (e->basis == telemetry::Basis::kMissing) continue;
    const std::string entity = names.Of(e->entity), caller = names.Of(e->caller);
    const std::pair<std::string_view, double> quantiles[] = {{"0.05", e->i90.lower},
                                                             {"0.25", e->i50.lower},
                                                             {"0.5", e->value},
                                                             {"0.75", e->i50.upper},
                                                             {"0.95", e->i90.upper}};
    for (const auto& [quantile, value] : quantiles) {
      out->Sample({{"state", e->state},
                   {"entity", entity},
                   {"caller", caller},
                   {"unit", e->unit},
                   {"quantile", quantile}},
                  value);
    }
  }
  out->Family("tomograph_estimate_confidence", "gauge",
              "Probability that the basis of the estimate holds up.");
  for (const Estimate* e : newest) {
    const std::string entity = names.Of(e->entity), caller = names.Of(e->caller);
    out->Sample({{"state", e->state}, {"entity", entity}, {"caller", caller}}, e->confidence);
  }
  out->Family("tomograph_estimate_basis", "gauge",
              "1 for how the estimate came about: observed, inferred or missing.");
  for (const Estimate* e : newest) {
    const std::string entity = names.Of(e->entity), caller = names.Of(e->caller);
    out->Sample({{"state", e->state},
                 {"entity", entity},
                 {"caller", caller},
                 {"basis", telemetry::BasisName(e->basis)}},
                1);
  }
}

void Incidents(const Picture& picture, const LabelNames& names, Exposition* out) {
  int open = 0;
  for (const auto& incident : picture.incidents) open += incident.closed == 0 ? 1 : 0;
  out->Family("tomograph_incidents_open", "gauge", "Incidents that are open.");
  out->Sample({}, open);
  out->Family("tomograph_hypothesis_posterior", "gauge",
              "Probability of each cause of each open incident; cause=unknown is none of these.");
  for (const auto& incident : picture.incidents) {
    if (incident.closed != 0) continue;
    for (const auto& h : incident.diagnosis.hypotheses) {
      const std::string entity = names.Of(h.entity);
      out->Sample({{"incident", incident.id}, {"cause", h.cause}, {"entity", entity}}, h.posterior);
    }
    out->Sample({{"incident", incident.id}, {"cause", "unknown"}}, incident.diagnosis.unknown);
  }
}

void Clocks(const Picture& picture, Exposition* out) {
  const auto each = [&](std::string_view name, std::string_view help, const auto& value) {
    out->Family(name, "gauge", help);
    for (const auto& clock : picture.clocks) {
      const std::string_view state = ClockState(clock, picture.watermark);
      if (state == "unknown" || state == "one_sided") continue;
      const telemetry::ClockSegment& s = clock.segments.back();
      const double v = value(s, s.from + (s.to - s.from) / 2, state);
      if (std::isfinite(v)) out->Sample({{"host", clock.host}}, v);
    }
  };
  each("tomograph_clock_offset_seconds",
       "What a host's clock shows beyond its reference's; absent when not measured.",
       [](const auto& s, Nanos, std::string_view) { return ToSeconds(s.offset); });
  each("tomograph_clock_bound_seconds", "Hard bound of the error of the offset.",
       [](const auto& s, Nanos middle, std::string_view) {
         const Nanos bound = s.BoundAt(middle);
         return bound == telemetry::kUnknownBound ? std::nan("") : ToSeconds(bound);
       });
  each("tomograph_clock_drift_ratio", "Seconds that a host's clock gains a second.",
       [](const auto& s, Nanos, std::string_view) { return s.drift; });
  each("tomograph_clock_corrected", "1 when the times of a host's spans are corrected.",
       [](const auto&, Nanos, std::string_view state) { return state == "corrected" ? 1.0 : 0.0; });
}

void HopClocks(const Picture& picture, const LabelNames& names, Exposition* out) {
  using State = telemetry::HopClock::State;
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        const auto& value) {
    out->Family(name, type, help);
    for (const telemetry::HopClock& clock : picture.hop_clocks) {
      const double v = value(clock, HopClockState(clock, picture.watermark));
      if (!std::isfinite(v)) continue;
      const std::string service = names.Of(clock.service);
      out->Sample({{"service", service},
                   {"caller_host", clock.caller_host},
                   {"callee_host", clock.callee_host}},
                  v);
    }
  };
  each("tomograph_hop_clock_offset_seconds", "gauge",
       "What the callee's host's clock is held to show beyond the caller's, where no id joins "
       "calls.",
       [](const auto& clock, State s) {
         return s == State::kUnknown ? std::nan("") : clock.offset;
       });
  each(
      "tomograph_hop_clock_error_seconds", "gauge", "Standard error of that offset; not a bound.",
      [](const auto& clock, State s) { return s == State::kUnknown ? std::nan("") : clock.error; });
  each("tomograph_hop_clock_followed", "gauge",
       "1: that offset was found from the calls; 0: held to be in sync, or unknown.",
       [](const auto&, State s) { return s == State::kFollowed ? 1.0 : 0.0; });
  each("tomograph_hop_clock_steps_total", "counter",
       "Jumps of one of the two clocks, as calls tell.",
       [](const auto& clock, State) { return static_cast<double>(clock.steps); });
  each(
      "tomograph_hop_clock_last_step_seconds", "gauge",
      "The last of them: by how much the callee's host's clock jumped ahead, or the caller's back.",
      [](const auto& clock, State) {
        return clock.steps == 0 ? std::nan("") : ToSeconds(clock.last_step.size);
      });
  each("tomograph_hop_clock_calls_total", "counter", "Calls that the offset explained.",
       [](const auto& clock, State) { return static_cast<double>(clock.calls); });
}

void Holdout(const Picture& picture, Exposition* out) {
  using telemetry::Accuracy;
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        const auto& value) {
    out->Family(name, type, help);
    for (const Accuracy& a : picture.accuracy) {
      if (a.entity != telemetry::kNoEntity) continue;  // those are in the API
      const double v = value(a);
      if (std::isfinite(v)) out->Sample({{"state", a.state}}, v);
    }
  };
  each("tomograph_holdout_scored_total", "counter",
       "Measurements that were hidden, and reconstructed.",
       [](const Accuracy& a) { return static_cast<double>(a.scored); });
  out->Family("tomograph_holdout_coverage_ratio", "gauge",
              "Share of the hidden measurements that intervals of this level held.");
  for (const Accuracy& a : picture.accuracy) {
    if (a.entity != telemetry::kNoEntity || a.scored == 0) continue;
    out->Sample({{"state", a.state}, {"level", "0.5"}}, a.in50);
    out->Sample({{"state", a.state}, {"level", "0.9"}}, a.in90);
  }
  each("tomograph_holdout_interval_width_ratio", "gauge",
       "Mean width of the 90 % intervals over the mean of what was hidden.",
       [](const Accuracy& a) { return a.mean > 0 ? a.width / a.mean : std::nan(""); });
  each("tomograph_holdout_crps_ratio", "gauge",
       "Continuous ranked probability score over that of the last value measured; below 1: better.",
       [](const Accuracy& a) {
         return a.last_value_crps > 0 ? a.crps / a.last_value_crps : std::nan("");
       });
}

void Requests(const Picture& picture, Exposition* out) {
  const telemetry::RebuildStats& r = picture.rebuilding;
  out->Family(
      "tomograph_links_total", "counter",
      "Spans by what joins them to what is above them: an id, inference, or nothing found.");
  out->Sample({{"basis", "id"}}, static_cast<double>(r.by_id));
  out->Sample({{"basis", "inferred"}}, static_cast<double>(r.inferred));
  out->Sample({{"basis", "unknown"}}, static_cast<double>(r.not_found));
  const telemetry::ParentStats& p = picture.parents;
  out->Family("tomograph_request_parents", "gauge",
              "Received requests so far by how it is known what called them.");
  const std::pair<const char*, uint64_t> known[] = {{"id", p.by_id},
                                                    {"inferred", p.inferred},
                                                    {"root", p.root},
                                                    {"queue", p.from_queue},
                                                    {"unknown", p.unknown()}};
  for (const auto& [basis, n] : known) out->Sample({{"basis", basis}}, static_cast<double>(n));
  out->Family("tomograph_linking_records_total", "counter",
              "Sides of calls that inference of joins has looked at.");
  out->Sample({}, static_cast<double>(r.records));
  out->Family("tomograph_linking_refused_total", "counter", "Of these, refused by limits.");
  out->Sample({}, static_cast<double>(r.refused));
  out->Family("tomograph_lost_spans_total", "counter",
              "Spans that others name as their parent and that never came, in rebuilt requests.");
  out->Sample({}, static_cast<double>(r.lost_spans));
  out->Family("tomograph_link_posterior_mean", "gauge", "Mean posterior of the inferred joins.");
  if (std::isfinite(r.mean_posterior)) out->Sample({}, r.mean_posterior);
  out->Family("tomograph_rebuilt_requests", "gauge", "Rebuilt requests that are kept to look at.");
  out->Sample({}, static_cast<double>(picture.requests.size()));
}

void Ledger(const Picture& picture, Exposition* out) {
  out->Family("tomograph_records_received_total", "counter", "Records found in the input.");
  for (const auto& row : picture.loss) {
    out->Sample({{"format", telemetry::FormatName(row.format)},
                 {"signal", telemetry::SignalName(row.signal)}},
                static_cast<double>(row.received));
  }
  out->Family("tomograph_records_total", "counter",
              "What became of each record: accepted, repaired or dropped, and why.");
  for (const auto& row : picture.loss) {
    const auto format = telemetry::FormatName(row.format);
    const auto signal = telemetry::SignalName(row.signal);
    out->Sample({{"format", format}, {"signal", signal}, {"outcome", "accepted"}},
                static_cast<double>(row.accepted));
    for (const auto& [reason, count] : row.reasons) {
      const telemetry::Outcome outcome = telemetry::OutcomeOf(reason);
      if (outcome == telemetry::Outcome::kSetAside) continue;  // accepted or repaired, so it is in
      out->Sample({{"format", format},
                   {"signal", signal},
                   {"outcome", telemetry::OutcomeName(outcome)},
                   {"reason", telemetry::ReasonName(reason)}},
                  static_cast<double>(count));
    }
  }
  out->Family("tomograph_records_set_aside_total", "counter",
              "Records that were kept, but are in no window, and why.");
  for (const auto& row : picture.loss) {
    for (const auto& [reason, count] : row.reasons) {
      if (telemetry::OutcomeOf(reason) != telemetry::Outcome::kSetAside) continue;
      out->Sample({{"format", telemetry::FormatName(row.format)},
                   {"signal", telemetry::SignalName(row.signal)},
                   {"reason", telemetry::ReasonName(reason)}},
                  static_cast<double>(count));
    }
  }
}

void Scrapes(const Picture& picture, Exposition* out) {
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value_of) {
    out->Family(name, type, help);
    for (const telemetry::ScrapeState& s : picture.scrapes) {
      if (s.last != 0)
        out->Sample({{"job", s.job}, {"instance", s.instance}, {"url", s.url}}, value_of(s));
    }
  };
  if (picture.scrapes.empty()) return;
  using State = telemetry::ScrapeState;
  family("tomograph_scrape_up", "gauge",
         "1: the target's last answer could be read. 0: see status.",
         [](const State& s) { return s.up ? 1.0 : 0.0; });
  family("tomograph_scrape_duration_seconds", "gauge", "How long the target's last answer took.",
         [](const State& s) { return s.duration_s; });
  family("tomograph_scrapes_total", "counter", "How often the target was asked.",
         [](const State& s) { return static_cast<double>(s.scrapes); });
  family("tomograph_scrape_failures_total", "counter",
         "How often it did not answer, its answer could not be read, or was not kept.",
         [](const State& s) { return static_cast<double>(s.failures); });
}

/// "store bytes" -> "tomograph_store_bytes".
std::string MetricName(std::string_view own) {
  std::string name = "tomograph_";
  for (const char c : own) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    const bool upper = c >= 'A' && c <= 'Z';
    name.push_back(good ? c : upper ? static_cast<char>(c - 'A' + 'a') : '_');
  }
  return name;
}

void Own(const Picture& picture, Exposition* out) {
  out->Family("tomograph_join_match_ratio", "gauge",
              "Non-root spans whose parent was found, over all non-root spans.");
  if (std::isfinite(picture.join_match_rate)) out->Sample({}, picture.join_match_rate);
  out->Family("tomograph_watermark_timestamp_seconds", "gauge",
              "Event time up to which all is final.");
  out->Sample({}, ToSeconds(picture.watermark));
  out->Family("tomograph_entities", "gauge", "Entities that are known.");
  out->Sample({}, static_cast<double>(picture.entities.size()));

  static const std::unordered_set<std::string> kTaken = {
      "tomograph_join_match_ratio", "tomograph_watermark_timestamp_seconds", "tomograph_entities",
      "tomograph_incidents_open"};
  std::unordered_set<std::string> named;
  for (const auto& [own, value] : picture.self) {
    const std::string name = MetricName(own);
    if (kTaken.count(name) != 0 || !named.insert(name).second) continue;
    const bool counter = name.size() > 6 && name.compare(name.size() - 6, 6, "_total") == 0;
    out->Family(name, counter ? "counter" : "gauge", "Own figure of the engine.");
    out->Sample({}, value);
  }
}

}  // namespace

std::string MetricsText(const Picture& picture) {
  const LabelNames names(picture);
  Exposition out;
  Estimates(picture, names, &out);
  Incidents(picture, names, &out);
  Clocks(picture, &out);
  HopClocks(picture, names, &out);
  Holdout(picture, &out);
  Requests(picture, &out);
  Ledger(picture, &out);
  Scrapes(picture, &out);
  Own(picture, &out);
  return out.Take();
}

}  // namespace tomograph::publish
