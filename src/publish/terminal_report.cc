#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "publish/clock_notes.h"
#include "publish/figures.h"
#include "publish/json.h"
#include "publish/report.h"

namespace tomograph::publish {
namespace {

using telemetry::Basis;
using telemetry::Hypothesis;
using telemetry::Incident;
using telemetry::Picture;

constexpr size_t kCards = 3;
// Probabilities from which on a hypothesis is told one by one; the page has the same.
constexpr double kLeastMeasured = 0.01;
constexpr double kLeastOutweighed = 0.1;
constexpr size_t kEvidence = 4;
constexpr size_t kServices = 8;
constexpr size_t kMovements = 5;
constexpr size_t kReasons = 5;
constexpr size_t kClocks = 5;
constexpr size_t kAddresses = 3;
constexpr int kMinWidth = 80;
constexpr int kBarWidth = 20;

/// Terminal columns of UTF-8: one per code point, near enough for names.
size_t Columns(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// Telemetry must not drive the terminal: control characters become spaces.
std::string Plain(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

std::string Cut(std::string_view text, size_t columns) {
  if (Columns(text) <= columns) return std::string(text);
  size_t end = 0, used = 0;
  while (end < text.size()) {
    if ((text[end] & 0xC0) != 0x80 && ++used == columns) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "~";
}

std::string Pad(std::string text, size_t columns) {
  text = Cut(text, columns);
  text.append(columns - Columns(text), ' ');
  return text;
}

std::string PadLeft(std::string text, size_t columns) {
  return Columns(text) >= columns ? text : std::string(columns - Columns(text), ' ') + text;
}

std::string Percent(double share) {
  if (!std::isfinite(share)) return "-";
  char text[16];
  // 0.3 % must not read as 0 %, nor 99.7 % as 100 %.
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  const bool fine = share > 0 && (share < 0.0095 || share > 0.9905) && share < 1;
  std::snprintf(text, sizeof(text), fine ? "%.1f %%" : "%.0f %%", share * 100);
  return text;
}

std::string Digits(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.*g", digits, value);
  return text;
}

std::string Short(double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), std::abs(value) >= 100 ? "%.0f" : "%.3g", value);
  return text;
}

std::string Millis(double seconds) {
  return std::isfinite(seconds) ? Short(seconds * 1000) + " ms" : "-";
}

std::string Bar(double share) {
  const int full = std::isfinite(share)
                       ? static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth))
                       : 0;
  return std::string(static_cast<size_t>(full), '#') +
         std::string(static_cast<size_t>(kBarWidth - full), '.');
}

class Terminal {
 public:
  Terminal(const Picture& picture, int width, bool colour)
      : picture_(picture),
        names_(picture),
        width_(static_cast<size_t>(std::max(width, kMinWidth))),
        colour_(colour) {}

  std::string Render() {
    const Incident* incident = FocusIncident(picture_);
    if (incident != nullptr) {
      ShowIncident(*incident);
    } else {
      ShowQuiet();
    }
    if (!picture_.entities.empty()) ShowServices(incident);
    ShowClocks();
    ShowUnplaced();
    ShowQuality();
    return std::move(out_);
  }

 private:
  // Paragraph text: wrapped, with `indent` blanks before every line but the first.
  void Text(std::string_view raw, size_t indent = 0, std::string_view first = "") {
    const std::string text = Plain(raw);
    std::string line(first);
    size_t at = 0;
    while (at < text.size()) {
      size_t end = std::min(text.find(' ', at), text.size());
      const std::string word = text.substr(at, end - at);
      if (Columns(line) + Columns(word) + 1 > width_ && Columns(line) > indent) {
        Line(line);
        line.assign(indent, ' ');
      }
      if (!line.empty() && line.back() != ' ') line += ' ';
      line += word;
      at = end + 1;
    }
    Line(line);
  }

  void Line(std::string_view text) { out_.append(text).append("\n"); }

  std::string Bold(std::string text) const { return Coded("1", std::move(text)); }
  std::string Coded(const char* code, std::string text) const {
    return colour_ ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
  }

  void ShowQuiet() {
    if (picture_.entities.empty()) {
      Text("No telemetry yet: nothing was received that names a service.");
      return;
    }
    const Watched w = CountWatched();
    for (const std::string& failing : w.failing) Text(failing);
    if (w.unjudged > 0 && w.unjudged == w.services) {
      Text("Not judged: no service tells its calls, failures or latency.");
      return;
    }
    if (w.learning > 0 && w.known == 0) {
      Text("Normal is not known: " + std::to_string(w.most_told) + " of " +
           std::to_string(picture_.windows_to_learn) + " windows.");
    } else if (w.failing.empty()) {
      Text("Nothing is out of its normal range.");
    } else {
      Text("No incident is open for it: it may have been so from the start.");
    }
    const std::string of = " of " + std::to_string(w.services) + " services ";
    if (w.learning > 0 && w.known > 0) {
      Text(std::to_string(w.learning) + of + "too new to say what is normal.");
    }
    if (w.unjudged > 0) {
      Text(std::to_string(w.unjudged) + of +
           "not judged: they tell neither calls nor failures nor latency.");
    }
  }

  struct Watched {
    size_t services = 0;               // that speak; of these:
    size_t unjudged = 0;               // tell nothing that has a normal range
    size_t learning = 0;               // have told it in too few windows
    size_t known = 0;                  // in enough
    size_t most_told = 0;              // windows, of those that are learned
    std::vector<std::string> failing;  // sentences
  };

  Watched CountWatched() const {
    const FigureTable figures(picture_);
    Watched w;
    for (const auto& entity : picture_.entities) {
      if (entity.kind != telemetry::EntityKind::kService) continue;
      const Figures& f = figures.Of({entity.id, telemetry::kNoEntity});
      if (f.silent) continue;
      ++w.services;
      w.most_told = std::max(w.most_told, f.windows_told);
      w.unjudged += !f.only_callers && !f.judged ? 1 : 0;
      w.learning += f.judged && !f.normal_known ? 1 : 0;
      w.known += f.normal_known ? 1 : 0;
      if (f.failing) {
        w.failing.push_back(entity.name + " fails " + Percent(f.error_ratio.value) +
                            " of its calls.");
      }
    }
    for (const auto& edge : picture_.edges) {
      const Figures& f = figures.Of({edge.callee, edge.caller});
      if (!f.failing || figures.Of({edge.callee, telemetry::kNoEntity}).failing) continue;
      w.failing.push_back("Of the calls of " + names_.Name(edge.caller) + " to " +
                          names_.Name(edge.callee) + " " + Percent(f.error_ratio.value) + " fail.");
    }
    return w;
  }

  void ShowIncident(const Incident& incident) {
    const telemetry::Diagnosis& d = incident.diagnosis;
    const std::string opened = FormatTime(incident.opened);
    const std::string state = incident.closed == 0
                                  ? "OPEN since " + opened
                                  : "CLOSED: from " + opened + " to " + FormatTime(incident.closed);
    Line(Bold(state + "  " + std::string(CertaintyName(d.certainty))));
    Text(d.summary.empty() ? d.alert.text : d.summary);
    size_t cards = 0;
    double rest = 0, rest_unmeasured = 0;
    for (const Hypothesis& h : d.hypotheses) {
      if (cards < kCards && IsFinding(h)) {
        ShowHypothesis(h, cards++);
      } else {
        rest += h.posterior;
        if (SupportOf(h) == telemetry::Support::kNone) rest_unmeasured += h.posterior;
      }
    }
    if (rest > 0) {
      std::string text = "also possible";
      if (rest_unmeasured > 0)
        text += "; for " + Percent(rest_unmeasured) + " nothing measured speaks";
      Line("   " + Bar(rest) + " " + PadLeft(Percent(rest), 6) + "  " + text);
    }
    Line("   " + Bar(d.unknown) + " " + PadLeft(Percent(d.unknown), 6) +
         "  none of these (unknown)");
    if (!d.missing.empty()) Text(d.missing, 6, "   ? ");
    std::string ruled_out;
    for (const auto& r : d.ruled_out) ruled_out += (ruled_out.empty() ? "" : "; ") + r;
    if (!ruled_out.empty()) Text(ruled_out, 3, "Ruled out: ");
    if (cards > 0 && !d.hypotheses[0].next_check.empty()) {
      Text(d.hypotheses[0].next_check, 3, "Check next: ");
    }
    ShowPropagation(incident);
    Line("");
  }

  // The first change of each entity, in order of time; the rest is in the API.
  void ShowPropagation(const Incident& incident) {
    std::vector<telemetry::EntityId> told;
    for (const telemetry::Movement& m : incident.propagation) {
      if (told.size() == kMovements) break;
      if (std::find(told.begin(), told.end(), m.entity) != told.end()) continue;
      Text(Told(m), 17, told.empty() ? "First changed: " : "               ");
      told.push_back(m.entity);
    }
  }

  std::string Told(const telemetry::Movement& m) const {
    std::string text = FormatTime(m.onset / kSecond * kSecond) + " [-" +
                       Short(ToSeconds(m.onset - m.lower)) + ", +" +
                       Short(ToSeconds(m.upper - m.onset)) + " s] " + Plain(names_.Name(m.entity)) +
                       " " + std::string(QuantityName(m.quantity)) + (m.up ? " up" : " down");
    if (m.from == telemetry::kNoEntity) return text;
    const std::string from = Plain(names_.Name(m.from));
    if (m.order == telemetry::Order::kUnclear) return text + ", order against " + from + " unclear";
    text += ", " + Short(m.lag_s) + " s after " + from;
    if (m.order == telemetry::Order::kContradicted) text += " (against the calls)";
    return text;
  }

  /// A kind with no evidence of its own has its probability from a prior.
  static bool IsFinding(const Hypothesis& h) {
    const telemetry::Support support = SupportOf(h);
    return (support == telemetry::Support::kMeasured && h.posterior >= kLeastMeasured) ||
           (support == telemetry::Support::kOutweighed && h.posterior >= kLeastOutweighed);
  }

  void ShowHypothesis(const Hypothesis& h, size_t index) {
    const std::string place =
        h.entity == telemetry::kNoEntity ? "" : " in " + Plain(names_.Name(h.entity));
    const std::string head = std::to_string(index + 1) + ". " + Bar(h.posterior) + " " +
                             PadLeft(Percent(h.posterior), 6) + "  " + Plain(h.cause) + place;
    Line(index == 0 ? Bold(Cut(head, width_)) : Cut(head, width_));
    Text(h.why, 6, "     ");
    // The leader's evidence only: a report is read in one look, the rest is on the page.
    if (index > 0) return;
    for (size_t i = 0; i < std::min(kEvidence, h.evidence_for.size()); ++i) {
      Text(h.evidence_for[i].text, 7, "     + ");
    }
    for (size_t i = 0; i < std::min(kEvidence, h.evidence_against.size()); ++i) {
      Text(h.evidence_against[i].text, 7, "     - ");
    }
  }

  void ShowServices(const Incident* incident) {
    const FigureTable figures(picture_);
    const size_t name_width = std::min<size_t>(width_ - 66, 30);
    if (const Nanos newest = NewestWholeWindow(picture_); newest > 0) {
      Line("In the " + Short(ToSeconds(picture_.window_length)) + " s from " + FormatTime(newest) +
           ", the newest window that is whole:");
    }
    Line(Bold(Pad("service", name_width) +
              "   calls/s   errors       p50       p99  in flight [90 %]"));
    size_t missing = 0, silent = 0, trouble_left = 0;
    const std::vector<Row> rows = Rows(figures, incident);
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      const Figures& f = *row.figures;
      if (f.silent && SendsItself(row.entity->kind)) ++silent;
      const bool serves = !f.only_callers && f.replica_lag.basis == Basis::kMissing;
      if (!f.silent && serves && f.in_flight.basis == Basis::kMissing) ++missing;
      if (i >= kServices) {
        trouble_left += row.trouble ? 1 : 0;
        continue;
      }
      const std::string name = std::string(row.trouble ? "! " : "  ") + Plain(row.entity->name);
      Line(Cut(Pad(name, name_width) + Numbers(row), width_));
    }
    if (rows.size() > kServices) {
      const std::string rest = std::to_string(rows.size() - kServices);
      Line("  and " + rest + " more, " +
           (trouble_left > 0 ? std::to_string(trouble_left) + " of them in trouble"
                             : "less busy, none of them in trouble") +
           ": --report FILE.html has all");
    }
    if (silent > 0) {
      Text(
          std::to_string(silent) + " of them silent in the newest window: up or down is not known.",
          2, "  ");
    }
    if (missing > 0) {
      Text("No estimate of requests in flight for " + std::to_string(missing) +
               ": the telemetry does not reach.",
           2, "  ");
    }
  }

  struct Row {
    const telemetry::Entity* entity;
    const Figures* figures;
    bool trouble;  // of the incident, or failing
    double rate;   // calls/s; of who tells of none, what its callers tell
  };

  /// Trouble first, then the busiest.
  std::vector<Row> Rows(const FigureTable& figures, const Incident* incident) const {
    std::map<telemetry::EntityId, double> told;
    for (const auto& edge : picture_.edges) {
      const double rate = figures.Of({edge.callee, edge.caller}).call_rate.value;
      if (std::isfinite(rate)) told[edge.callee] += rate;
    }
    std::vector<Row> rows;
    for (const auto& entity : picture_.entities) {
      if (!IsPlace(entity.kind)) continue;
      const Figures& f = figures.Of({entity.id, telemetry::kNoEntity});
      const double rate = std::isfinite(f.call_rate.value) ? f.call_rate.value : told[entity.id];
      const bool member = incident != nullptr && IsMember(*incident, entity.id);
      rows.push_back({&entity, &f, member || f.failing, rate});
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return a.trouble != b.trouble ? a.trouble : a.rate > b.rate;
    });
    return rows;
  }

  static std::string Numbers(const Row& row) {
    const Figures& f = *row.figures;
    if (f.silent && !SendsItself(row.entity->kind))
      return "  sends no telemetry itself; no client tells of it in the newest window";
    if (f.silent) return "  silent: no telemetry in the newest window";
    if (f.only_callers && row.rate > 0)
      return "  sends no telemetry itself; its clients tell of " + Short(row.rate) + " calls/s";
    if (f.only_callers) return "  sends no telemetry itself; its clients do";
    if (f.replica_lag.basis != Basis::kMissing) return "  replica, " + Behind(f.replica_lag);
    if (!f.judged && f.record_rate.basis != Basis::kMissing &&
        f.in_flight.basis == Basis::kMissing && f.queue_depth.basis == Basis::kMissing)
      return "  tells of no calls; sends " + Short(f.record_rate.value) + " records/s";
    return PadLeft(Short(f.call_rate.value), 10) + PadLeft(Percent(f.error_ratio.value), 9) +
           PadLeft(Millis(f.latency_p50.value), 10) + PadLeft(Millis(f.latency_p99.value), 10) +
           "  " + InFlight(f.in_flight);
  }

  static std::string Behind(const Figure& f) {
    const std::string by = Millis(f.value) + " behind";
    if (f.basis == Basis::kObserved) return by;
    return by + " [" + Millis(f.i90.lower) + ", " + Millis(f.i90.upper) + "]";
  }

  static std::string InFlight(const Figure& f) {
    if (f.basis == Basis::kMissing) return "missing";
    if (!f.has_interval()) return Short(f.value);
    // Every call was seen: nothing is estimated.
    if (f.i90.lower == f.i90.upper) return Short(f.value) + " counted";
    return Short(f.value) + " [" + Ends(f.i90) + "]";
  }

  /// With as many digits as tell them apart.
  static std::string Ends(const telemetry::Interval& i) {
    std::string lower = Short(i.lower), upper = Short(i.upper);
    for (int digits = 4; lower == upper && digits < 12; ++digits) {
      lower = Digits(i.lower, digits);
      upper = Digits(i.upper, digits);
    }
    return lower + ", " + upper;
  }

  static bool IsMember(const Incident& incident, telemetry::EntityId id) {
    const auto& hypotheses = incident.diagnosis.hypotheses;
    if (!hypotheses.empty() && hypotheses.front().entity == id) return true;
    return std::find(incident.members.begin(), incident.members.end(), id) !=
           incident.members.end();
  }

  void ShowClocks() {
    const std::vector<std::string> notes = ClockNotes(picture_);
    if (notes.empty()) return;
    Line("Clocks:");
    for (size_t i = 0; i < std::min(notes.size(), kClocks); ++i) Text(notes[i], 4, "  ");
    if (notes.size() > kClocks)
      Line("  and " + std::to_string(notes.size() - kClocks) + " more: --report FILE.html has all");
  }

  /// Calls that are laid to nobody who is known.
  void ShowUnplaced() {
    const FigureTable figures(picture_);
    std::map<telemetry::EntityId, double> calls;
    double all = std::nan("");
    for (const auto& edge : picture_.edges) {
      if (picture_.owner_unknown.count(edge.callee) == 0) continue;
      const double rate = figures.Of({edge.callee, edge.caller}).call_rate.value;
      calls[edge.callee] += std::isfinite(rate) ? rate : 0;
      if (std::isfinite(rate)) all = std::isfinite(all) ? all + rate : rate;
    }
    if (!calls.empty()) {
      std::vector<std::pair<telemetry::EntityId, double>> most(calls.begin(), calls.end());
      std::stable_sort(most.begin(), most.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
      std::string text = "Calls to nobody known: ";
      text += std::isfinite(all) ? Short(all) + "/s" : "how many is not known";
      text += " in the newest window, to ";
      for (size_t i = 0; i < std::min(most.size(), kAddresses); ++i)
        text += (i > 0 ? ", " : "") + names_.Name(most[i].first);
      if (most.size() > kAddresses)
        text += " and " + std::to_string(most.size() - kAddresses) + " more";
      Text(text + ". No service was seen to answer there.");
    }
    const auto unplaced = picture_.self.find("unplaced_calls_total");
    if (unplaced == picture_.self.end() || unplaced->second < 1) return;
    const auto count = static_cast<uint64_t>(unplaced->second);
    std::string text = std::to_string(count) + (count == 1 ? " call is" : " calls are") +
                       " in no edge: whose address they went to is not known for sure";
    const auto& at = picture_.unplaced_calls;
    for (size_t i = 0; i < std::min(at.size(), kAddresses); ++i)
      text += (i > 0 ? ", " : " (") + at[i].first + ": " + std::to_string(at[i].second);
    if (at.size() > kAddresses) text += ", and " + std::to_string(at.size() - kAddresses) + " more";
    Text(text + (at.empty() ? "." : ")."));
  }

  void ShowQuality() {
    uint64_t received = 0, repaired = 0, dropped = 0, set_aside = 0;
    for (const auto& row : picture_.loss) {
      received += row.received;
      repaired += row.repaired;
      dropped += row.dropped;
      set_aside += row.set_aside;
    }
    Text("Records: " + std::to_string(received) + " received, " + std::to_string(repaired) +
         " repaired, " + std::to_string(dropped) + " dropped." +
         (set_aside > 0 ? " Kept, but in no window: " + std::to_string(set_aside) + "." : "") +
         " Up to " + FormatTime(picture_.watermark) + ".");
    // No system has told of itself since then; seconds, milli- and microseconds of today look so.
    constexpr Nanos kFirst = 100'000'000 * kSecond;
    if (picture_.watermark > 0 && picture_.watermark < kFirst)
      Text(
          "These times are before 1973: are they in the unit of their format (OTLP: nanoseconds)?");
    ShowReasons();
    ShowJoins();
  }

  // Why records were repaired, dropped or set aside: the most frequent reasons.
  void ShowReasons() {
    std::map<telemetry::Reason, uint64_t> counts;
    for (const auto& row : picture_.loss) {
      for (const auto& [reason, n] : row.reasons) counts[reason] += n;
    }
    std::vector<std::pair<telemetry::Reason, uint64_t>> reasons(counts.begin(), counts.end());
    std::stable_sort(reasons.begin(), reasons.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    if (reasons.size() > kReasons) reasons.resize(kReasons);
    for (const auto& [reason, n] : reasons) {
      const telemetry::Outcome outcome = telemetry::OutcomeOf(reason);
      const bool set_aside = outcome == telemetry::Outcome::kSetAside;
      Text(std::to_string(n) + " " +
               (set_aside ? "in no window" : std::string(telemetry::OutcomeName(outcome))) + ": " +
               std::string(telemetry::ReasonSentence(reason)) + ".",
           4, "  ");
    }
  }

  void ShowJoins() {
    const telemetry::RebuildStats& r = picture_.rebuilding;
    const telemetry::ParentStats& p = picture_.parents;
    const auto share = [&](uint64_t n) {
      return Percent(static_cast<double>(n) / static_cast<double>(p.all()));
    };
    if (p.all() + r.refused == 0) return;
    std::string text = "Requests by what called them: " + share(p.by_id) + " by id";
    if (p.inferred > 0)
      text +=
          ", " + share(p.inferred) + " inferred (mean posterior " + Percent(r.mean_posterior) + ")";
    if (p.root > 0) text += ", " + share(p.root) + " begin there";
    if (p.from_queue > 0)
      text += ", " + share(p.from_queue) + " taken from a queue, as which message is not told";
    std::string why;
    const std::pair<uint64_t, const char*> unknown[] = {
        {p.lost, " named and never came"},
        {p.not_found, " not found"},
        {p.not_looked_for, " that may answer a call whose callee is not known"},
        {p.sender_unknown, " whose sender the clocks do not tell"},
        {p.waiting, " still looked for"}};
    for (const auto& [n, what] : unknown) {
      if (n > 0) why += (why.empty() ? "" : ", ") + std::to_string(n) + what;
    }
    if (!why.empty()) text += ", " + share(p.unknown()) + " unknown (" + why + ")";
    text += ".";
    if (r.refused > 0)
      text += " " + std::to_string(r.refused) + " beyond the limits: not answered.";
    Text(text);
  }

  const Picture& picture_;
  const EntityNames names_;
  const size_t width_;
  const bool colour_;
  std::string out_;
};

}  // namespace

std::string TerminalReport(const Picture& picture, int width, bool colour) {
  return Terminal(picture, width, colour).Render();
}

}  // namespace tomograph::publish
