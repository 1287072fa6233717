#include "correlate/correlator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "correlate/clocks/contacts.h"
#include "correlate/entities/address_book.h"
#include "correlate/entities/sight_buffer.h"
#include "correlate/flows/flow_edges.h"
#include "correlate/metrics/series_reader.h"
#include "correlate/rebuild/missing_joins.h"
#include "correlate/requests/call_counter.h"
#include "correlate/requests/link_book.h"
#include "correlate/requests/side_counter.h"
#include "correlate/requests/trace_assembler.h"
#include "correlate/topology/call_placer.h"
#include "correlate/topology/edge_book.h"
#include "correlate/windows/window_builder.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::Format;
using telemetry::kNoEntity;
using telemetry::LossLedger;
using telemetry::Reason;
using telemetry::Signal;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr Nanos kLongestSilence = kHour;  // that a span may reach back

/// Is it what a scraper says of its target, which may be gone?
bool IsOfScraper(const telemetry::Series& series, const telemetry::Interner& strings) {
  if (series.quantity != telemetry::Quantity::kOther) return false;
  const std::string_view metric = strings.Get(series.metric);
  return metric == "up" || metric.starts_with("scrape_");
}

/// Of one service in one window.
struct Arrived {
  uint64_t records = 0;  // of any kind but spans
  uint64_t logs = 0;
  uint64_t errors = 0;  // of these
};

/// What one batch adds to the ledger.
class LeftOut {
 public:
  void Count(Signal signal, Reason reason, uint64_t n = 1) {
    counts_[static_cast<size_t>(signal)][static_cast<size_t>(reason)] += n;
  }
  void Commit(Format format, LossLedger* ledger) const {
    for (size_t s = 0; s < counts_.size(); ++s) {
      for (size_t r = 0; r < counts_[s].size(); ++r) {
        if (counts_[s][r] > 0)
          ledger->SetAside(format, static_cast<Signal>(s), static_cast<Reason>(r), counts_[s][r]);
      }
    }
  }

 private:
  std::array<std::array<uint64_t, telemetry::kReasonCount>, telemetry::kSignalCount> counts_{};
};

OpenSpan SpanAt(const telemetry::SpanBatch& spans, CallPlacer* placer,
                telemetry::StringId take_connection, size_t i) {
  OpenSpan s;
  s.id = spans.span_id[i];
  s.parent = spans.parent_span_id[i];
  s.raw_start = s.start = spans.start_ns[i];  // corrected when its window closes
  s.end = spans.end_ns[i];
  s.service = spans.service[i];
  s.peer = spans.peer[i];
  // A refused call has no span below it that would say who is called; the address still does.
  if (s.peer == kNoEntity && !spans.peer_address.empty() &&
      spans.peer_address[i] != telemetry::kEmptyString) {
    s.peer = placer->KeyOf(spans.peer_address[i]);
    s.peer_is_address = true;
  }
  s.weight = spans.weight[i] >= 1 ? spans.weight[i] : 1;
  s.kind = spans.kind[i];
  if (s.incoming() && s.peer == kNoEntity && !spans.caller_address.empty()) {
    s.peer = spans.caller_address[i];
    s.peer_is_address = true;
  }
  s.failed = spans.failed[i] != 0;
  s.weight_known = spans.weight_known[i] != 0;
  if (spans.operation.empty()) return s;
  s.operation = spans.operation[i];
  s.takes_connection = s.operation == take_connection;
  if (spans.connection.empty()) return s;
  s.connection = spans.connection[i];
  s.worker = spans.worker[i];
  s.bytes_in = spans.bytes_in[i];
  s.bytes_out = spans.bytes_out[i];
  return s;
}

/// `next`: the first link that is not of an earlier row.
std::vector<SpanRef> LinksOf(const telemetry::SpanBatch::Links& links, size_t row, size_t* next) {
  std::vector<SpanRef> targets;
  for (; *next < links.span.size() && links.span[*next] <= row; ++*next) {
    if (links.span[*next] == row) targets.push_back({links.trace_id[*next], links.span_id[*next]});
  }
  return targets;
}

}  // namespace

struct Correlator::Impl {
  using Sink = std::function<void(WindowSet&&)>;

  /// Times that are moved by more than a window would lie in windows that are closed.
  static ClockOptions WithinWindows(ClockOptions clocks, Nanos window_length) {
    clocks.most_corrected = std::min(clocks.most_corrected, window_length);
    return clocks;
  }

  Impl(CorrelatorOptions o, telemetry::Identities* ids, LossLedger* l)
      : options(o),
        identities(ids),
        ledger(l),
        take_connection(ids->strings.Intern(telemetry::kTakeConnection)),
        links(&traces),
        calls(ids),
        series(ids),
        edges(4 * o.max_windows),
        placer(&addresses, &edges, ids),
        flow_edges(ids, &addresses, &edges),
        clocks(WithinWindows(o.clocks, o.window_length)),
        requests(o.rebuilder, &ids->strings) {
    TG_CHECK(options.window_length > 0 && options.lateness >= 0);
  }

  Nanos StartOfWindow(Nanos t) const {
    const Nanos into = t % options.window_length;
    return t - (into < 0 ? into + options.window_length : into);
  }

  /// Takes note of a record; the reason why it cannot add to any window, if there is one.
  std::optional<Reason> TakeTime(Nanos t, TimeRange believable) {
    if (t >= believable.to) return Reason::kFromTheFuture;
    if (t < believable.from) return Reason::kTooOld;
    newest = std::max(newest, t);
    if (closed_until && t < *closed_until) return t < begun ? Reason::kTooOld : Reason::kTooLate;
    if (!closed_until) oldest = std::min(oldest, t);
    return std::nullopt;
  }

  void Add(const telemetry::Batch& batch, TimeRange believable, LossLedger* counted_in) {
    LeftOut left_out;
    const uint8_t counted_as =
        counted_in != nullptr ? OpenSpan::CountedAs(batch.origin.format) : OpenSpan::kNotCounted;
    AddSpans(batch.spans, batch.origin.format, counted_as, believable, &left_out);
    AddSamples(batch.samples, believable, &left_out);
    AddLogs(batch.logs, believable, &left_out);
    AddFlows(batch.flows, believable, &left_out);
    if (counted_in != nullptr) left_out.Commit(batch.origin.format, counted_in);
  }

  void AddSpans(const telemetry::SpanBatch& spans, telemetry::Format format, uint8_t counted_as,
                TimeRange believable, LeftOut* left_out) {
    TG_CHECK(spans.service.size() == spans.rows() && spans.weight.size() == spans.rows());
    size_t next_link = 0;
    for (size_t i = 0; i < spans.rows(); ++i) {
      const std::vector<SpanRef> targets = LinksOf(spans.links, i, &next_link);
      OpenSpan span = SpanAt(spans, &placer, take_connection, i);
      if (span.service == kNoEntity) continue;
      span.counted_as = counted_as;
      span.logged = format == telemetry::Format::kCsv;
      if (const std::optional<Reason> reason = TakeTime(span.end, believable)) {
        left_out->Count(Signal::kSpan, *reason);
        if (!believable.Contains(span.end)) continue;
        ++late;
        ++limits.late_spans;
        continue;
      }
      if (!closed_until)
        oldest = std::min(oldest, std::max(span.start, span.end - kLongestSilence));
      if (!spans.resource.empty()) {
        const Sender& sender = SenderOf(spans.resource[i]);
        span.host = sender.host;
        span.network = sender.network;
      }
      SeeAddresses(spans, i, span);
      if (!targets.empty()) span.links = links.Add({spans.trace_id[i], span.id}, span, targets);
      traces.Add(spans.trace_id[i], span);
      if (traces.open_spans() > options.max_open_spans) CloseOldest();
    }
  }

  /// The span was sent from the addresses of its resource, and answered at its own.
  void SeeAddresses(const telemetry::SpanBatch& spans, size_t i, const OpenSpan& span) {
    const Nanos window = StartOfWindow(span.end);
    if (!spans.resource.empty()) SeeHomes(spans.resource[i], span.host, window, span.start);
    if (!spans.own_address.empty() && spans.own_address[i] != kNoEntity)
      sights.Add(window, spans.own_address[i], span.service, span.host, span.start);
  }

  void SeeHomes(telemetry::ResourceId resource, EntityId host, Nanos window, Nanos at) {
    if (resource == telemetry::kNoResource) return;
    auto known = homes.find(resource);
    if (known == homes.end()) {
      const telemetry::Resource& said = identities->resources.Get(resource);
      known = homes.emplace(resource, telemetry::HomesOf(said, identities->strings)).first;
    }
    if (known->second.empty()) return;
    const EntityId service = identities->resources.Get(resource).service_entity;
    if (service == kNoEntity) return;
    for (const EntityId home : known->second) sights.Add(window, home, service, host, at, true);
  }

  /// Where a resource is: whose clock it has, and the network (OpenSpan).
  struct Sender {
    EntityId host = kNoEntity;
    uint32_t network = 0;
  };
  const Sender& SenderOf(telemetry::ResourceId resource) {
    const auto [at, fresh] = senders.try_emplace(resource);
    if (!fresh) return at->second;
    const telemetry::Resource& said = identities->resources.Get(resource);
    const std::string name = telemetry::ClockHostOf(said, identities->strings);
    at->second.host = telemetry::ClockHostId(name);
    if (!name.empty()) clocks.Name(at->second.host, name);
    if (const std::string network = telemetry::NetworkOf(said, identities->strings);
        !network.empty())
      at->second.network = static_cast<uint32_t>(telemetry::FingerprintOf(network).lo) | 1;
    return at->second;
  }

  /// What the calls of this window say of the clocks, and its spans moved by it. A span keeps the
  /// correction of the window in which it was counted.
  void CorrectClocks(Nanos start) {
    ForgetBounds(start);
    if (clocks.corrects()) Revise(start);  // what came since the last window
    clocks.Open(start, options.window_length);
    AddContacts(start, start + options.window_length, &traces, &clocks);
    AddLinkContacts(start, start + options.window_length, links, &traces, &clocks);
    clocks.Close();
    if (!clocks.silent()) Revise(start);
  }

  void Revise(Nanos start) {
    traces.Revise(start, [&](OpenSpan* span) {
      if (span->host == kNoEntity) return;
      const Nanos length = span->end - span->start;
      telemetry::ClockCorrection c = clocks.CorrectionOf(span->host, span->raw_start);
      // So far off, the bound of a raw time is of no use.
      if (!c.corrected && c.bound > options.window_length) c = {};
      NoteBound(span->service, span->host, {c.bound, start});
      span->start = span->raw_start - c.offset;
      span->end = span->start + length;
      span->clock_bound_s =
          c.bound == telemetry::kUnknownBound ? -1 : static_cast<float>(ToSeconds(c.bound));
    });
  }

  /// The newest bound of the clock of a host that a service runs on.
  struct NewestBound {
    Nanos bound = telemetry::kUnknownBound;
    Nanos at = 0;  // start of the window whose spans it is of
  };
  /// Hosts that no span came from for a while are not the service's any more.
  void ForgetBounds(Nanos start) {
    for (auto it = bounds.begin(); it != bounds.end();)
      it = it->second.at < start - telemetry::kClockMemory ? bounds.erase(it) : std::next(it);
  }

  void NoteBound(EntityId service, EntityId host, NewestBound bound) {
    const auto key = std::make_pair(service, host);
    if (bounds.size() < kMostBounds || bounds.count(key) > 0) bounds[key] = bound;
  }

  void AddSamples(const telemetry::SampleBatch& samples, TimeRange believable, LeftOut* left_out) {
    for (const auto* times : {&samples.time_ns, &samples.histograms.time_ns}) {
      for (const Nanos t : *times) {
        if (const std::optional<Reason> reason = TakeTime(t, believable))
          left_out->Count(Signal::kSample, *reason);
      }
    }
    SeeSenders(samples, believable);
    // Late points too: the next difference of a counter starts at the last one known.
    left_out->Count(Signal::kSample, Reason::kDuplicate,
                    series.Add(samples, believable, closed_until.value_or(INT64_MIN)));
  }

  Arrived& ArrivedFrom(EntityId service, Nanos at) {
    const std::pair of(StartOfWindow(at), service);
    if (last_arrived == nullptr || of != last_arrived_of) {
      last_arrived = &arrived[of.first][service];
      last_arrived_of = of;
    }
    return *last_arrived;
  }

  /// Samples say where their senders live, too.
  void SeeSenders(const telemetry::SampleBatch& samples, TimeRange believable) {
    std::pair<telemetry::ResourceId, Nanos> last(telemetry::kNoResource, 0);
    const auto see = [&](telemetry::SeriesId id, Nanos t) {
      const bool closed = closed_until && t < *closed_until;
      if (closed || !believable.Contains(t)) return;
      const telemetry::Series& series_of = identities->series.Get(id);
      const telemetry::ResourceId sender = series_of.resource;
      const EntityId service = identities->resources.Get(sender).service_entity;
      if (service != kNoEntity && !IsOfScraper(series_of, identities->strings))
        ++ArrivedFrom(service, t).records;
      if (std::exchange(last, std::pair(sender, t)) == std::pair(sender, t)) return;
      SeeHomes(sender, kNoEntity, StartOfWindow(t), t);
    };
    for (size_t i = 0; i < samples.rows(); ++i) {
      const bool stale = std::isnan(samples.value[i]);  // a scraper's word for what it misses
      if (!stale) see(samples.series[i], samples.time_ns[i]);
    }
    for (size_t i = 0; i < samples.histograms.rows(); ++i)
      see(samples.histograms.series[i], samples.histograms.time_ns[i]);
  }

  void AddLogs(const telemetry::LogBatch& batch, TimeRange believable, LeftOut* left_out) {
    for (size_t i = 0; i < batch.rows(); ++i) {
      const Nanos t = batch.corrected_ns.empty() ? batch.time_ns[i] : batch.corrected_ns[i];
      if (const std::optional<Reason> reason = TakeTime(t, believable)) {
        left_out->Count(Signal::kLog, *reason);
        continue;
      }
      const EntityId service = identities->resources.Get(batch.resource[i]).service_entity;
      if (service == kNoEntity) continue;
      SeeHomes(batch.resource[i], kNoEntity, StartOfWindow(t), t);
      Arrived& from = ArrivedFrom(service, t);
      ++from.records;
      ++from.logs;
      if (batch.severity[i] >= telemetry::Severity::kError) ++from.errors;
    }
  }

  void AddFlows(const telemetry::FlowBatch& flows, TimeRange believable, LeftOut* left_out) {
    for (size_t i = 0; i < flows.rows(); ++i) {
      if (const std::optional<Reason> reason = TakeTime(flows.end_ns[i], believable)) {
        left_out->Count(Signal::kFlow, *reason);
        continue;
      }
      const EntityId reporter = identities->resources.Get(flows.resource[i]).service_entity;
      if (reporter != kNoEntity) ++ArrivedFrom(reporter, flows.end_ns[i]).records;
      flow_edges.Add(StartOfWindow(flows.end_ns[i]), flows, i);
    }
  }

  /// The oldest window is closed although its time has not come: what is still to come for it will
  /// be late.
  void CloseOldest() {
    while (traces.open_spans() > options.max_open_spans && NextStart() <= newest) {
      ++limits.windows_closed_early;
      ready.push_back(Close(NextStart()));
      // What of these calls came is not known yet, and will not be: they are not counted.
      traces.SettleCalls(
          *closed_until, [](const OpenSpan&, const OpenSpan&) {}, [](const OpenSpan&) {});
      Leave(*closed_until, *closed_until);
    }
  }

  Nanos NextStart() const { return closed_until ? *closed_until : StartOfWindow(oldest); }

  void Advance(Nanos watermark, const Sink& sink) {
    for (WindowSet& set : ready) sink(std::move(set));
    ready.clear();
    if (newest == kNever) return;
    const Nanos until = watermark - options.lateness;
    while (NextStart() + options.window_length <= until) {
      WindowSet set = Close(NextStart());
      const Nanos forgotten = set.end() - options.lateness;
      sides.Count(forgotten, &traces, addresses, calls.senders(), &set);
      Leave(forgotten, set.end());
      silent_windows = set.windows.empty() && set.spans == 0 ? silent_windows + 1 : 0;
      sink(std::move(set));
      if (silent_windows > 0) SkipSilence(until);
    }
  }

  /// What ended before `before` has all that it will be joined to; what ended before `come` is
  /// here.
  void Leave(Nanos before, Nanos come, bool cut_off = false) {
    traces.Evict(before, [&](LeavingTrace t) {
      t.cut_off = cut_off;
      t.come = come;
      KeepSent(t);
      requests.Take(t, missing_joins, open_calls, placer, links, calls.servers());
    });
    // By their own clocks, as they came, spans may have ended earlier.
    links.Forget(before == INT64_MAX ? before : before - 2 * options.window_length);
    cut_off ? requests.Finish() : requests.Advance(before);
    for (const UntoldRequest& r : requests.TakeUntold())
      edges.AddUntold(r.service, StartOfWindow(r.time));
    for (const InferredEdge& e : requests.TakeEdges()) {
      EdgeSight sight;
      sight.Add(e.posterior, 1, false);
      const Nanos window = StartOfWindow(e.time);
      edges.Observe(e.caller, e.callee, EdgeWitness::kInferredJoins, sight, window,
                    window + options.window_length);
      if (e.address != kNoEntity)
        addresses.ObserveFit(e.address, e.callee, e.time, e.time, e.posterior);
    }
  }

  void KeepSent(const LeavingTrace& trace) {
    for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
      const OpenSpan& span = trace.joined.spans()[i];
      const SpanRef ref{trace.id, span.id};
      if (trace.Leaves(i) && (LinkBook::Sends(span) || links.IsTarget(ref)))
        links.KeepSent(ref, span);
    }
  }

  /// Nothing will come any more that could confirm or contradict it.
  void DrawWhatWaits() {
    constexpr Nanos kEndOfTime = INT64_MAX;
    placer.Settle(kEndOfTime);
    flow_edges.Draw(kEndOfTime);
  }

  /// The windows of a long silence are not worth making: one clock set to 1970 would ask for
  /// millions.
  void SkipSilence(Nanos until) {
    Nanos next = std::min(until, traces.NextActivity(*closed_until));
    next = std::min({next, series.oldest(), flow_edges.oldest()});
    if (!arrived.empty()) next = std::min(next, arrived.begin()->first);
    if (next > *closed_until) closed_until = StartOfWindow(next);
  }

  WindowSet Close(Nanos start) {
    if (options.correct_clocks) CorrectClocks(start);
    WindowBuilder windows(start, options.window_length, options.max_windows);
    Hearing hearing;
    SettleSights(windows.end());
    const CallCounter::Joins joins = calls.Count(&traces, &addresses, &placer, links, &windows,
                                                 &hearing, &missing_joins, &open_calls);
    missing_joins.CloseWindow();
    placer.passed_on().CloseWindow();
    open_calls.CloseWindow(windows.start(), windows.end());
    AddMetrics(&windows, &hearing);
    AddArrivedTo(&windows);
    flow_edges.Take(&windows, &hearing);
    std::vector<WindowBuilder::EdgeSeen> seen;
    WindowSet set = windows.Finish(&seen);
    for (const WindowBuilder::EdgeSeen& e : seen) {
      if (!edges.Observe(e.key.caller, e.key.entity, e.by, e.sight, set.start, set.end()))
        ++limits.edges_refused;
    }
    placer.Settle(set.end());
    flow_edges.Draw(set.end());
    edges.Judge(hearing, set.start, set.end());
    set.spans = joins.spans;
    set.spans_joined = joins.joined;
    set.orphans = joins.orphans;
    set.late_spans = late;
    late = 0;
    limits.calls_refused += windows.refused();
    CountDuplicates();
    closed_until = set.end();
    return set;
  }

  /// What this window's records say of where their senders live, in corrected time.
  void SettleSights(Nanos end) {
    sights.Take(end, [&](const SightBuffer::Sight& s) {
      const Nanos offset = s.host == kNoEntity || !options.correct_clocks || clocks.silent()
                               ? 0
                               : clocks.CorrectionOf(s.host, s.first).offset;
      if (s.home) {
        addresses.ObserveHome(s.address, s.owner, s.first - offset, s.last - offset, s.times);
      } else {
        addresses.Observe(s.address, s.owner, s.first - offset, s.last - offset, s.times);
      }
    });
  }

  void CountDuplicates() {
    for (const auto& [format, n] : traces.TakeDuplicates()) {
      if (ledger != nullptr) ledger->SetAside(format, Signal::kSpan, Reason::kDuplicate, n);
    }
  }

  void AddMetrics(WindowBuilder* windows, Hearing* hearing) {
    for (auto& [subject, reading] : series.Read(windows->start(), windows->end())) {
      if (reading.covered) hearing->Add(subject.entity, EdgeWitness::kClientMetrics, 1, 1);
      if (!reading.covered && reading.gauges.empty() && !reading.restarts) continue;
      WindowKey key{subject.entity, kNoEntity};
      double confidence = 0;
      if (subject.peer != kNoEntity) {
        const CallPlacer::Place callee = PlaceOfMetrics(subject, reading, *windows);
        if (callee.entity == kNoEntity || callee.entity == subject.entity) continue;
        key = WindowKey{callee.entity, subject.entity};
        confidence = callee.confidence;
      }
      WindowBuilder::Cell* cell = windows->At(key);
      if (cell == nullptr) continue;
      telemetry::Window& w = cell->window;
      w.metrics.Merge(reading.calls);
      for (const auto& [quantity, stats] : reading.gauges) w.gauges[quantity].Merge(stats);
      if (reading.restarts) w.restarts = w.restarts.value_or(0) + *reading.restarts;
      if (subject.peer != kNoEntity && reading.calls.seen > 0)
        Witness(reading, &WindowBuilder::Sight(cell, EdgeWitness::kClientMetrics), confidence);
    }
  }

  static void Witness(const SeriesReader::Reading& reading, EdgeSight* sight, double confidence) {
    sight->confidence = std::max(sight->confidence, confidence);
    sight->records += reading.calls.calls;  // counters see every call
    sight->calls += reading.calls.calls;
  }

  CallPlacer::Place PlaceOfMetrics(const SeriesReader::Subject& subject,
                                   const SeriesReader::Reading& reading,
                                   const WindowBuilder& windows) {
    CallPlacer::Call call;
    call.teller = subject.entity;
    call.by_address = subject.peer_is_address;
    call.other = call.by_address ? placer.KeyOf(subject.address) : subject.peer;
    call.from = windows.start();
    call.to = windows.end() - 1;
    const CallPlacer::Place place = placer.Find(call, [&](EntityId caller, EntityId callee) {
      return windows.Has(WindowKey{callee, caller});
    });
    if (place.entity != kNoEntity && !place.later) return place;
    if (reading.calls.seen == 0) return {};
    EdgeSight sight;
    Witness(reading, &sight, 0);
    if (place.later) {
      placer.Later(call, EdgeWitness::kClientMetrics, sight, {windows.start(), windows.end()});
    } else {
      placer.CountUnplaced(call, static_cast<uint64_t>(sight.records));
    }
    return {};
  }

  void AddArrivedTo(WindowBuilder* windows) {
    const auto of_window = arrived.find(windows->start());
    if (of_window == arrived.end()) return;
    for (const auto& [service, counts] : of_window->second) {
      WindowBuilder::Cell* cell = windows->At(WindowKey{service, kNoEntity});
      if (cell == nullptr) continue;
      cell->window.records += counts.records;
      cell->window.logs += counts.logs;
      cell->window.error_logs += counts.errors;
    }
    arrived.erase(arrived.begin(), std::next(of_window));
    last_arrived = nullptr;
  }

  static constexpr Nanos kNever = INT64_MIN;

  const CorrelatorOptions options;
  telemetry::Identities* const identities;
  LossLedger* const ledger;
  const telemetry::StringId take_connection;
  TraceAssembler traces;
  LinkBook links;
  CallCounter calls;
  SideCounter sides;
  AddressBook addresses;
  SeriesReader series;
  EdgeBook edges;
  CallPlacer placer;
  FlowEdges flow_edges;
  SightBuffer sights;
  ClockModel clocks;
  MissingJoins missing_joins;
  OpenCalls open_calls;
  RequestRebuilder requests;
  std::unordered_map<telemetry::ResourceId, Sender> senders;  // as many as there are resources
  // At kMostBounds nothing is said of any service: a bound of some of its hosts would be too
  // narrow.
  static constexpr size_t kMostBounds = 50'000;
  std::map<std::pair<EntityId, EntityId>, NewestBound> bounds;
  std::unordered_map<telemetry::ResourceId, std::vector<EntityId>> homes;
  // By start of the window; and the entry that was asked for last.
  std::map<Nanos, std::map<EntityId, Arrived>> arrived;
  std::pair<Nanos, EntityId> last_arrived_of;
  Arrived* last_arrived = nullptr;
  std::vector<WindowSet> ready;       // closed early, to be handed out at the next Advance
  Nanos begun = INT64_MIN;            // what ended before was never looked at
  std::optional<Nanos> closed_until;  // end of the last window that was closed
  int silent_windows = 0;             // in a row
  Nanos oldest = INT64_MAX;
  Nanos newest = kNever;
  uint64_t late = 0;
  Limits limits;
};

Correlator::Correlator(CorrelatorOptions options, telemetry::Identities* identities,
                       telemetry::LossLedger* ledger)
    : impl_(std::make_unique<Impl>(options, identities, ledger)) {}
Correlator::~Correlator() = default;

void Correlator::Begin(Nanos from) {
  impl_->begun = impl_->StartOfWindow(from);
  impl_->closed_until = impl_->begun;
}

void Correlator::Add(const telemetry::Batch& batch, TimeRange believable) {
  impl_->Add(batch, believable, impl_->ledger);
}

void Correlator::Replay(const telemetry::Batch& batch) { impl_->Add(batch, kAnyTime, nullptr); }

void Correlator::Advance(Nanos watermark, const std::function<void(WindowSet&&)>& sink) {
  impl_->Advance(watermark, sink);
}

void Correlator::Finish(const std::function<void(WindowSet&&)>& sink) {
  if (impl_->newest == Impl::kNever) return;
  const Nanos beyond = impl_->options.window_length + impl_->options.lateness;
  impl_->Advance(std::min(impl_->newest, INT64_MAX - beyond) + beyond, sink);
  impl_->Leave(impl_->newest - impl_->options.lateness, INT64_MAX);
  impl_->Leave(INT64_MAX, INT64_MAX, true);
  impl_->DrawWhatWaits();
}

std::vector<telemetry::Edge> Correlator::Edges() const { return impl_->edges.Edges(); }
std::set<EntityId> Correlator::OwnerUnknown() const { return impl_->placer.OwnerUnknown(); }
std::vector<std::pair<std::string, uint64_t>> Correlator::Unplaced() const {
  return impl_->placer.UnplacedAt();
}
Nanos Correlator::newest() const { return impl_->newest == Impl::kNever ? 0 : impl_->newest; }
Correlator::Limits Correlator::limits() const {
  Limits limits = impl_->limits;
  limits.calls_unplaced = impl_->placer.unplaced();
  limits.flows_unplaced = impl_->flow_edges.unplaced();
  limits.links_refused = impl_->links.refused();
  limits.senders_forgotten = impl_->links.forgotten();
  limits.sights_refused = impl_->addresses.refused() + impl_->sights.refused();
  return limits;
}
std::map<EntityId, Nanos> Correlator::ClockBounds() const {
  std::map<EntityId, Nanos> widest;
  if (impl_->bounds.size() >= Impl::kMostBounds) return widest;
  for (const auto& [key, newest] : impl_->bounds) {
    const Nanos bound = newest.bound;
    const auto [at, fresh] = widest.try_emplace(key.first, bound);
    if (fresh || at->second == telemetry::kUnknownBound) continue;
    at->second = bound == telemetry::kUnknownBound ? bound : std::max(at->second, bound);
  }
  for (auto it = widest.begin(); it != widest.end();)
    it = it->second == telemetry::kUnknownBound ? widest.erase(it) : std::next(it);
  return widest;
}

const ClockModel& Correlator::clocks() const { return impl_->clocks; }
const RequestRebuilder& Correlator::requests() const { return impl_->requests; }
void Correlator::OnJoin(RequestRebuilder::JoinSink sink) {
  impl_->requests.OnJoin(std::move(sink));
}
size_t Correlator::bytes() const {
  return impl_->traces.bytes() + impl_->links.bytes() + impl_->series.bytes() +
         impl_->clocks.bytes() + impl_->requests.bytes();
}

}  // namespace tomograph::correlate
