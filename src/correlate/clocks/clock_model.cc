#include "correlate/clocks/clock_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "correlate/clocks/host_graph.h"
#include "correlate/clocks/late_ends.h"
#include "correlate/clocks/pair_calls.h"
#include "correlate/clocks/pair_clock.h"
#include "correlate/clocks/segments.h"
#include "correlate/clocks/told_line.h"
#include "correlate/clocks/window_steps.h"

namespace tomograph::correlate {
namespace {

using telemetry::ClockFinding;
using telemetry::ClockSegment;
using telemetry::EntityId;
using telemetry::HostClock;
using telemetry::kUnbounded;

constexpr size_t kMaxSteps = 20;      // kept a host
constexpr size_t kLeastSegments = 8;  // kept a host
constexpr Nanos kForgotten = kHour;   // a host or pair without calls
constexpr Nanos kCoarsest = kSecond;  // that a clock is read
constexpr Nanos kPlausible = INT64_MAX / 4;
constexpr Nanos kNever = INT64_MAX;

using PairKey = std::pair<EntityId, EntityId>;  // first < second

struct Pair {
  PairCalls calls;                                               // of the window at hand
  PairCalls::Signs signs{AnswerSign::kWork, AnswerSign::kWork};  // that were gone by last
  PairClock clock;
  // Windows are few against calls: these live from one Close to the next.
  PairWindow window;
  bool fresh = false;
};

struct Host {
  std::string name;
  Nanos start_quantum = kCoarsest, end_quantum = kCoarsest;  // its times are multiples of it
  LateEnds late_ends;
  AnswerSign told_by = AnswerSign::kWork;  // by which its answers of the window at hand are told
  AnswersSeen inside_answers;
  uint64_t calls = 0;
  bool was_reference = false;
  Nanos jumped = 0;  // as a reference, since it is one: what its own clock is ahead
  EntityId reference = telemetry::kNoEntity;
  double loop_residual = std::nan("");
  Nanos last_contact = 0;
  std::deque<telemetry::ClockStep> steps;
  ToldLine told;
  uint64_t inside_calls = 0;  // of this window: within the host, against its own clock
  Nanos inside_size = 0, inside_from = 0, inside_to = 0;

  /// Many tracers read the clock for the start of a span alone and measure its length exactly: an
  /// end is then as far off as the start, and does not look it.
  Nanos quantum() const { return std::max(start_quantum, end_quantum); }
};

Nanos CoarserStep(Nanos quantum, Nanos t) {
  while (quantum > 1 && t % quantum != 0) quantum /= 10;
  return quantum;
}

bool Plausible(Nanos t) { return t > -kPlausible && t < kPlausible; }

}  // namespace

struct ClockModel::Impl {
  explicit Impl(ClockOptions o) : options(o) {}

  Host* Find(EntityId id) {
    const auto at = hosts.find(id);
    if (at != hosts.end()) return &at->second;
    if (hosts.size() >= options.max_hosts) return nullptr;
    return &hosts[id];
  }

  void Add(const Contact& c) {
    ++stats.contacts;
    if (c.client_end < c.client_start || c.server_end < c.server_start ||
        !Plausible(c.client_start) || !Plausible(c.client_end) || !Plausible(c.server_start) ||
        !Plausible(c.server_end)) {
      ++stats.unusable;
      return;
    }
    Host* client = Find(c.client);
    Host* server = client == nullptr ? nullptr : Find(c.server);
    if (server == nullptr) {
      ++stats.refused;
      return;
    }
    for (const auto& [host, from, to] : {std::tuple(client, c.client_start, c.client_end),
                                         std::tuple(server, c.server_start, c.server_end)}) {
      host->start_quantum = CoarserStep(host->start_quantum, from);
      host->end_quantum = CoarserStep(host->end_quantum, to);
    }
    if (c.client == c.server) {
      AddWithin(client, c);
      return;
    }
    const bool forward = c.client < c.server;
    const PairKey key = forward ? PairKey{c.client, c.server} : PairKey{c.server, c.client};
    auto at = pairs.find(key);
    if (at == pairs.end()) {
      if (pairs.size() >= options.max_pairs) {
        ++stats.refused;
        return;
      }
      at = pairs.try_emplace(key).first;
    }
    ++client->calls;
    ++server->calls;
    at->second.calls.Add(c, server->late_ends, start, length);
  }

  void AddWithin(Host* host, const Contact& c) {
    // One clock for both sides: an end after the client's was late, however long the call was.
    if (c.awaited) host->inside_answers.Add(c.client_end - c.server_start, c.served(), c.busy());
    const bool end_tells =
        c.awaited && c.served() <= c.waited() && !host->late_ends.ends_disproved();
    const Nanos early = c.client_start - c.server_start;
    const Nanos late = end_tells ? c.server_end - c.client_end : 0;
    const Nanos size = std::max(early, late);
    if (size <= 2 * host->quantum()) return;
    if (host->inside_calls++ == 0) host->inside_from = c.started;
    host->inside_from = std::min(host->inside_from, c.started);
    host->inside_to = std::max(host->inside_to, c.ended);
    host->inside_size = std::max(host->inside_size, size);
  }

  /// What of the window tells when a host answered.
  void JudgeEnds() {
    for (auto& [key, pair] : pairs) {
      Host& a = hosts[key.first];
      Host& b = hosts[key.second];
      const Nanos quantum = std::max(a.end_quantum, b.end_quantum);
      b.late_ends.Add(pair.calls.answers(0), quantum);
      a.late_ends.Add(pair.calls.answers(1), quantum);
    }
    for (auto& [id, host] : hosts) {
      host.told_by = host.late_ends.told_by();
      host.late_ends.Add(host.inside_answers, host.quantum());
      host.inside_answers = {};
      host.late_ends.Close(start + length, length);
    }
  }

  void Close() {
    Forget(start);
    JudgeEnds();
    const Nanos end = start + length;
    const double half = ToSeconds(length) / 2;
    std::vector<EntityId> ids;
    std::map<EntityId, size_t> index;
    for (const auto& [id, host] : hosts) {
      index[id] = ids.size();
      ids.push_back(id);
    }
    std::vector<GraphPair> before, after;
    std::vector<Pair*> of_edge;
    WindowSteps steps;
    std::vector<uint8_t> fresh(ids.size(), 0);
    for (auto& [key, pair] : pairs) {
      Host& a = hosts[key.first];
      Host& b = hosts[key.second];
      const size_t ia = index[key.first], ib = index[key.second];
      const PairCalls::Signs last = pair.signs;
      const OffsetBand band = pair.calls.Band(
          {b.told_by, a.told_by}, {b.late_ends.sign(), a.late_ends.sign()}, &pair.signs);
      pair.fresh = !band.empty();
      if (pair.fresh) {
        // A clock shows the last of its ticks, or else the nearest; both clocks the same of it.
        const Nanos slack = std::max(a.quantum(), b.quantum());
        pair.window = pair.clock.Close(band, start, length, slack, pair.signs != last);
        Report(key, pair, end);
        a.last_contact = b.last_contact = end;
        fresh[ia] = fresh[ib] = 1;
        if (pair.window.turned()) steps.Add({ia, ib, &pair.window, pair.calls.count()});
      } else if (const auto predicted = pair.clock.Predict(start, length)) {
        pair.window = *predicted;
      } else {
        continue;
      }
      of_edge.push_back(&pair);
      before.push_back(Edge(ia, ib, pair.window, true));
      after.push_back(Edge(ia, ib, pair.window, false));
    }
    if (!before.empty()) {
      const std::vector<Nanos> outlived = Outlived(ids, before, of_edge);
      for (size_t e = 0; e < after.size(); ++e)
        if (outlived[after[e].a] != kNever) Distrust(steps, of_edge[e], &before[e], &after[e]);
      const std::vector<double> rank = Ranks(ids);
      const auto now = SolveHosts(rank, after, half);
      const auto then = steps.inside.empty() ? now : SolveHosts(rank, before, half);
      for (size_t i = 0; i < ids.size(); ++i)
        if (fresh[i] != 0) fresh[now[i].reference] |= 2;
      Record(ids, then, now, steps, fresh);
      for (size_t i = 0; i < ids.size(); ++i)
        if (outlived[i] != kNever && (fresh[i] & 1) == 0)
          hosts[ids[i]].told.Forgo(outlived[i], end);
      const Nanos until = CoveredUntil();
      for (size_t i = 0; i < ids.size(); ++i)
        if (fresh[i] != 0) hosts[ids[i]].told.CoveredUntil(until);
    }
    // Beside others that have calls, a silent host's line went on as predicted.
    for (auto& [id, host] : hosts)
      if (end - host.last_contact > telemetry::kClockMemory)
        host.told.Forgo(host.last_contact + telemetry::kClockMemory, end);
    ReportWithin(ids);
    for (auto& [key, pair] : pairs) {
      pair.calls = {};
    }
    TrimSegments();
  }

  static bool Jumped(const PairWindow& w) {
    return w.turned() || w.verdict == PairWindow::Verdict::kContradiction;
  }

  /// By host: from when on nothing that was known of it holds without calls, since of its part some
  /// clock stepped then, or did what no step explains. kNever: none did.
  std::vector<Nanos> Outlived(const std::vector<EntityId>& ids, const std::vector<GraphPair>& edges,
                              const std::vector<Pair*>& of_edge) {
    std::vector<Nanos> since(ids.size(), kNever);
    const auto stepped = [](const Pair* p) { return p->fresh && Jumped(p->window); };
    if (std::none_of(of_edge.begin(), of_edge.end(), stepped)) return since;
    std::vector<size_t> part(ids.size());
    for (size_t i = 0; i < part.size(); ++i) part[i] = i;
    const auto root = [&](size_t i) {
      while (part[i] != i) i = part[i] = part[part[i]];
      return i;
    };
    for (const GraphPair& e : edges) part[root(e.a)] = root(e.b);
    for (size_t e = 0; e < edges.size(); ++e) {
      if (!stepped(of_edge[e])) continue;
      const PairWindow& w = of_edge[e]->window;
      const bool inside = w.turned() && !w.at_start;
      Nanos from =
          inside ? start + length / 2 + FromSeconds(std::min(w.step_from, w.may_from)) : start;
      // One that may have been before the window is as old as the calls that say nothing of it.
      if (from <= start)
        from = std::min({start, hosts[ids[edges[e].a]].told.covered_until(),
                         hosts[ids[edges[e].b]].told.covered_until()});
      Nanos* earliest = &since[root(edges[e].a)];
      *earliest = std::min(*earliest, from);
    }
    for (size_t i = 0; i < part.size(); ++i) since[i] = since[root(i)];
    return since;
  }

  /// Beside a pair that stepped, another counts only if it has calls late enough to say that it did
  /// not; and until it has, in this window or a later one. Clocks that one machine keeps step
  /// together, so that beside is all of the part.
  static void Distrust(const WindowSteps& steps, Pair* pair, GraphPair* before, GraphPair* after) {
    const PairWindow& w = pair->window;
    if (w.turned()) return;
    const bool unexplained = steps.inside.empty() && steps.at_start.empty();
    const bool at_start = unexplained || steps.MayHaveMissed(w, /*before=*/true);
    const bool missed = at_start || steps.MayHaveMissed(w, /*before=*/false);
    if (missed) pair->clock.Distrust();
    const bool silent = std::isinf(w.vouched_to);
    if (silent && at_start) Void(before);
    if ((silent && missed) || steps.MayHaveMissedBeside(after->a, after->b, w)) Void(after);
  }

  /// Until when the bounds of the window at hand allow for a step that nobody saw, of the hosts
  /// that have calls in it.
  Nanos CoveredUntil() const {
    Nanos until = start + length;
    for (const auto& [key, pair] : pairs)
      if (pair.fresh && pair.window.measured)
        until =
            std::min(until, start + length / 2 +
                                FromSeconds(std::max(pair.window.covered_to, -ToSeconds(length))));
    return std::max(until, start);
  }

  static GraphPair Edge(size_t a, size_t b, const PairWindow& w, bool before) {
    const PairLevel& level = before ? w.before : w.after;
    return {a,
            b,
            w.measured,
            w.base,
            level.offset,
            std::max(level.variance, 1.0),
            level.drift,
            std::max(level.drift_variance, 1e-6),
            level.bounds};
  }

  /// Stable references first, then the busiest.
  std::vector<double> Ranks(const std::vector<EntityId>& ids) {
    std::vector<double> rank;
    for (const EntityId id : ids) {
      const Host& host = hosts[id];
      rank.push_back(static_cast<double>(host.calls) * (host.was_reference ? 1e6 : 1));
    }
    return rank;
  }

  /// An edge that nothing is known of.
  static void Void(GraphPair* edge) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    edge->measured = false;
    edge->bounds.fill({-kInfinity, kInfinity});
  }

  using Moves = std::vector<Nanos>;  // by host: how much its clock seems to have jumped

  static bool Near(Nanos moved, Nanos jump) { return std::abs(moved - jump) <= std::abs(jump) / 4; }

  /// Did the reference of a part jump? Then most of its hosts seem to have jumped by one amount.
  std::map<size_t, Nanos> Jumps(const Moves& moves, const std::vector<GraphHost>& now) const {
    std::map<size_t, std::vector<Nanos>> moved;
    for (size_t i = 0; i < now.size(); ++i)
      if (now[i].measured && now[i].reference != i) moved[now[i].reference].push_back(moves[i]);
    std::map<size_t, Nanos> jumps;
    for (auto& [reference, by] : moved) {
      if (by.size() < 2) continue;
      std::sort(by.begin(), by.end());
      const Nanos median = by[by.size() / 2];
      const auto agreeing =
          std::count_if(by.begin(), by.end(), [&](Nanos d) { return Near(d, median); });
      if (median != 0 && 2 * static_cast<size_t>(agreeing) > by.size()) jumps[reference] = -median;
    }
    return jumps;
  }

  /// Lays jumps that all others seem to have made to the reference; true when it did any.
  void BlameReferences(const std::vector<EntityId>& ids, const std::vector<GraphHost>& now,
                       Moves* moves) {
    for (const auto& [reference, jump] : Jumps(*moves, now)) {
      for (size_t i = 0; i < now.size(); ++i)
        if (now[i].reference == reference && now[i].measured)
          (*moves)[i] = Near((*moves)[i], -jump) && i != reference ? 0 : (*moves)[i] + jump;
      hosts[ids[reference]].jumped += jump;
    }
  }

  void Record(const std::vector<EntityId>& ids, const std::vector<GraphHost>& then,
              const std::vector<GraphHost>& now, const WindowSteps& steps,
              const std::vector<uint8_t>& fresh) {
    const Nanos end = start + length;
    const size_t n = ids.size();
    std::vector<uint8_t> shown(n, 0);
    for (size_t i = 0; i < n; ++i) {
      const bool known = now[i].reference != i || now[i].measured || then[i].measured;
      shown[i] = known && (fresh[now[i].reference] != 0 || fresh[i] != 0);
      if (!shown[i]) continue;
      Host& host = hosts[ids[i]];
      host.was_reference = now[i].measured && now[i].reference == i;
      if (!host.was_reference) host.jumped = 0;
      host.reference = ids[now[i].reference];
      host.loop_residual = now[i].loop_residual * 1e-9;
    }
    // Jumps between the last window and this one, and then those inside of it.
    Moves at_start(n, 0), inside(n, 0);
    if (!steps.at_start.empty()) {
      for (size_t i = 0; i < n; ++i)
        if (const auto last = LastLine(ids[i], ids, then[i]))
          at_start[i] = Significant(OffsetAtStart(ids, then[i]) - *last, steps.at_start);
      BlameReferences(ids, then, &at_start);
    }
    std::vector<ClockSegment> old(n);
    for (size_t i = 0; i < n; ++i) old[i] = Segment(ids, then[i], end);
    if (!steps.inside.empty()) {
      for (size_t i = 0; i < n; ++i)
        if (then[i].measured && now[i].measured && then[i].reference == now[i].reference)
          inside[i] = Significant(now[i].offset - then[i].offset, steps.inside);
      for (size_t i = 0; i < n; ++i)
        if (ChangedRate(then[i], now[i], steps.inside)) inside[i] = 0;
      BlameReferences(ids, now, &inside);
    }
    for (size_t i = 0; i < n; ++i) {
      if (!shown[i]) continue;
      Host& host = hosts[ids[i]];
      const ClockSegment whole = Segment(ids, now[i], end);
      Nanos settled = start;
      // To some pairs one step may look like one inside, to others like one before: both hold.
      if (!steps.at_start.empty() && !steps.inside.empty()) old[i] = Widened(old[i], whole);
      if ((fresh[i] & 1) != 0) {
        // The calls may leave it open whether a step inside was not rather before the window.
        const bool before =
            !steps.inside.empty() && steps.WidestInside(start, length).from <= start;
        const ClockSegment next = before ? Widened(old[i], whole) : old[i];
        if (next.reference != ids[i]) host.told.CoverTail(next, start, at_start[i] != 0);
        if (before && ChangedRate(then[i], now[i], steps.inside))
          host.told.CoverRateChange(old[i].drift, whole);
      }
      if (at_start[i] != 0) {
        // Until no call allows for it any more, the clock may still have been what it was.
        settled = steps.LatestAtStart(start, length);
        ClockSegment unmoved = old[i];
        unmoved.offset -= at_start[i];
        const std::vector<ClockSegment>& told = host.told.segments();
        if (!told.empty() && told.back().reference != ids[i]) unmoved = told.back();
        Append(&host, Widened(Part(old[i], start, settled), unmoved));
        TellStep(&host, ids[i], steps.ZoneAtStart(start, length), at_start[i], steps);
      }
      if (steps.inside.empty()) {
        Append(&host, Part(whole, settled, end));
        continue;
      }
      // In the zone either may be true: first the old line, then the new one.
      TimeRange zone = steps.WidestInside(start, length);
      zone.from = std::max(zone.from, settled);
      zone.to = std::max(zone.to, settled);
      const Nanos cut = std::clamp(steps.MostLikely(start, length), zone.from, zone.to);
      Append(&host, Part(old[i], settled, zone.from));
      Append(&host, Widened(Part(old[i], zone.from, cut), whole));
      Append(&host, Widened(Part(whole, cut, zone.to), old[i]));
      Append(&host, Part(whole, zone.to, end));
      if (inside[i] != 0)
        TellStep(&host, ids[i], steps.ZoneInside(start, length), inside[i], steps);
      if (ChangedRate(then[i], now[i], steps.inside))
        TellRateChange(ids[i], then[i], now[i], steps);
    }
  }

  /// Where the host's last line beside this reference puts its offset at the start of the window. A
  /// window in between that told none, since its calls contradicted each other, ends nothing.
  std::optional<Nanos> LastLine(EntityId id, const std::vector<EntityId>& ids,
                                const GraphHost& then) const {
    if (!then.measured) return std::nullopt;
    const std::vector<ClockSegment>& told = hosts.at(id).told.segments();
    for (auto last = told.rbegin(); last != told.rend(); ++last) {
      if (last->to + length < start) break;
      if (last->measured && last->reference == ids[then.reference])
        return static_cast<Nanos>(std::llround(last->OffsetAt(start)));
    }
    return std::nullopt;
  }

  Nanos OffsetAtStart(const std::vector<EntityId>& ids, const GraphHost& host) const {
    return host.offset + hosts.at(ids[host.reference]).jumped -
           static_cast<Nanos>(std::llround(host.drift * ToSeconds(length) / 2));
  }

  /// Less than half of the smallest step is what pooling makes of one for others.
  static Nanos Significant(Nanos moved, const std::vector<SteppedPair>& steps) {
    double least = 9e18;
    for (const SteppedPair& s : steps)
      if (s.window->verdict == PairWindow::Verdict::kStep)
        least = std::min(least, std::abs(s.window->size));
    return std::abs(static_cast<double>(moved)) > least / 2 ? moved : 0;
  }

  static bool ChangedRate(const GraphHost& then, const GraphHost& now,
                          const std::vector<SteppedPair>& changes) {
    if (!then.measured || !now.measured || then.reference != now.reference) return false;
    double least = 9e18;
    for (const SteppedPair& s : changes)
      if (s.window->verdict == PairWindow::Verdict::kRateChange)
        least = std::min(least, std::abs(s.window->after.drift - s.window->before.drift));
    return std::abs(now.drift - then.drift) > least / 2;
  }

  void TellStep(Host* host, EntityId id, TimeRange zone, Nanos size, const WindowSteps& steps) {
    host->steps.push_back({zone.from, zone.to, size});
    if (host->steps.size() > kMaxSteps) host->steps.pop_front();
    ClockFinding finding;
    finding.kind = ClockFinding::Kind::kStep;
    finding.from = zone.from;
    finding.to = zone.to;
    finding.host = NameOf(id);
    if (host->reference != id) finding.other = NameOf(host->reference);
    finding.size = size;
    for (const auto* list : {&steps.at_start, &steps.inside})
      for (const SteppedPair& s : *list) finding.calls += s.calls;
    Tell(std::move(finding));
  }

  void TellRateChange(EntityId id, const GraphHost& then, const GraphHost& now,
                      const WindowSteps& steps) {
    const TimeRange zone = steps.ZoneOfRateChange(start, length);
    ClockFinding finding;
    finding.kind = ClockFinding::Kind::kRateChange;
    finding.from = zone.from;
    finding.to = zone.to;
    finding.host = NameOf(id);
    finding.other = NameOf(hosts.at(id).reference);
    finding.drift_before = then.drift * 1e-9;
    finding.drift_after = now.drift * 1e-9;
    for (const SteppedPair& s : steps.inside) finding.calls += s.calls;
    Tell(std::move(finding));
  }

  /// The whole window as the solution has it.
  ClockSegment Segment(const std::vector<EntityId>& ids, const GraphHost& host, Nanos end) const {
    ClockSegment s;
    s.from = start;
    s.to = end;
    s.reference = ids[host.reference];
    s.offset = host.offset + hosts.at(s.reference).jumped;
    s.drift = host.drift * 1e-9;
    s.error = host.measured ? static_cast<Nanos>(std::llround(host.error)) : 0;
    s.measured = host.measured;
    for (size_t k = 0; k < 3; ++k) {
      s.below[k] = Outward(host.below[k]);
      s.above[k] = Outward(host.above[k]);
    }
    return s;
  }

  void Append(Host* host, const ClockSegment& segment) {
    host->told.Append(segment, options.most_corrected);
    corrects |= host->told.corrected();
  }

  void TrimSegments() {
    const auto count = [&] {
      segment_count = 0;
      for (const auto& [id, host] : hosts) segment_count += host.told.segments().size();
      return segment_count;
    };
    if (count() <= options.max_segments) return;
    const size_t each =
        std::max(kLeastSegments, options.max_segments / std::max<size_t>(1, hosts.size()));
    // Half of it, so that moving the rest up is rare.
    for (auto& [id, host] : hosts)
      if (host.told.segments().size() > each) host.told.Keep(std::max(kLeastSegments, each / 2));
    count();
  }

  void Report(const PairKey& key, const Pair& pair, Nanos end) {
    using Verdict = PairWindow::Verdict;
    const PairWindow& w = pair.window;
    if (w.verdict != Verdict::kOutliers && w.verdict != Verdict::kContradiction) return;
    ClockFinding finding;
    finding.kind = w.verdict == Verdict::kOutliers ? ClockFinding::Kind::kOutliers
                                                   : ClockFinding::Kind::kContradiction;
    finding.from = start;
    finding.to = end;
    finding.host = NameOf(key.first);
    finding.other = NameOf(key.second);
    finding.size = static_cast<Nanos>(std::llround(std::min(w.size, 9e18)));
    finding.calls = w.verdict == Verdict::kOutliers ? w.left_out : pair.calls.count();
    Tell(std::move(finding));
  }

  void ReportWithin(const std::vector<EntityId>& ids) {
    for (const EntityId id : ids) {
      Host& host = hosts[id];
      if (host.inside_calls == 0) continue;
      ClockFinding finding;
      finding.kind = ClockFinding::Kind::kWithinHost;
      finding.from = host.inside_from;
      finding.to = host.inside_to;
      finding.host = NameOf(id);
      finding.size = host.inside_size;
      finding.calls = host.inside_calls;
      Tell(std::move(finding));
      host.inside_calls = 0;
      host.inside_size = host.inside_from = host.inside_to = 0;
    }
  }

  void Tell(ClockFinding finding) {
    findings.push_front(std::move(finding));
    if (findings.size() > options.max_findings) findings.pop_back();
  }

  std::string NameOf(EntityId id) const {
    const auto at = hosts.find(id);
    if (at != hosts.end() && !at->second.name.empty()) return at->second.name;
    return telemetry::SpanIdToHex(static_cast<uint64_t>(id));
  }

  /// What nothing was heard of for long makes room.
  void Forget(Nanos now) {
    for (auto at = pairs.begin(); at != pairs.end();) {
      const bool old =
          at->second.calls.count() == 0 && at->second.clock.last_contact() < now - kForgotten;
      at = old ? pairs.erase(at) : std::next(at);
    }
    if (hosts.size() <= options.max_hosts / 2) return;
    std::set<EntityId> used;
    for (const auto& [key, pair] : pairs) used.insert({key.first, key.second});
    for (auto at = hosts.begin(); at != hosts.end();) {
      const bool old = used.count(at->first) == 0 && at->second.inside_calls == 0 &&
                       at->second.last_contact < now - kForgotten;
      at = old ? hosts.erase(at) : std::next(at);
    }
  }

  const ClockOptions options;
  Nanos start = 0, length = kSecond;  // of the open window
  std::map<EntityId, Host> hosts;
  std::map<PairKey, Pair> pairs;
  std::deque<ClockFinding> findings;
  size_t segment_count = 0;
  bool corrects = false;
  Stats stats;
};

ClockModel::ClockModel(ClockOptions options) : impl_(std::make_unique<Impl>(options)) {}
ClockModel::~ClockModel() = default;

void ClockModel::Name(EntityId host, std::string_view name) {
  if (Host* found = impl_->Find(host); found != nullptr && found->name.empty()) found->name = name;
}

void ClockModel::Open(Nanos start, Nanos length) {
  TG_CHECK(length > 0);
  impl_->start = start;
  impl_->length = length;
}

void ClockModel::Add(const Contact& contact) { impl_->Add(contact); }
void ClockModel::Close() { impl_->Close(); }

telemetry::ClockCorrection ClockModel::CorrectionOf(EntityId host, Nanos raw) const {
  const auto at = impl_->hosts.find(host);
  if (at == impl_->hosts.end()) return {};
  return telemetry::CorrectionAt(at->second.told.segments(), raw);
}

bool ClockModel::needs_work() const {
  return std::any_of(impl_->hosts.begin(), impl_->hosts.end(), [](const auto& host) {
    return host.second.late_ends.told_by() == AnswerSign::kWork;
  });
}

bool ClockModel::corrects() const { return impl_->corrects; }
bool ClockModel::silent() const { return impl_->segment_count == 0; }

std::vector<HostClock> ClockModel::Clocks() const {
  std::vector<HostClock> clocks;
  for (const auto& [id, host] : impl_->hosts) {
    HostClock c;
    c.id = id;
    c.host = impl_->NameOf(id);
    c.reference = host.reference;
    if (host.reference != telemetry::kNoEntity) c.reference_host = impl_->NameOf(host.reference);
    c.calls = host.calls;
    c.last_contact = host.last_contact;
    c.loop_residual = host.loop_residual;
    c.steps.assign(host.steps.begin(), host.steps.end());
    c.segments = host.told.segments();
    clocks.push_back(std::move(c));
  }
  std::sort(clocks.begin(), clocks.end(), [](const HostClock& a, const HostClock& b) {
    return std::tie(a.host, a.id) < std::tie(b.host, b.id);
  });
  return clocks;
}

std::vector<ClockFinding> ClockModel::Findings() const {
  return {impl_->findings.begin(), impl_->findings.end()};
}

const ClockModel::Stats& ClockModel::stats() const { return impl_->stats; }

size_t ClockModel::bytes() const {
  return impl_->pairs.size() * (sizeof(Pair) + PairCalls::kMostBytes) +
         impl_->hosts.size() * sizeof(Host) + impl_->segment_count * sizeof(ClockSegment);
}

}  // namespace tomograph::correlate
