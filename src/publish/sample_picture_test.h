// Pictures made by hand for tests and for the page's fixtures (test/system/fixtures): a shop whose
// payment service turns slow, the same shop in good health, nothing at all, and a system of two
// hundred services.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/batch.h"
#include "telemetry/picture.h"

namespace tomograph::publish {

using telemetry::Basis;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::kNoEntity;
using telemetry::Picture;

/// Builds a Picture entity by entity.
class SamplePicture {
 public:
  static constexpr Nanos kStart = 1'760'000'400 * kSecond;
  static constexpr Nanos kWindow = 10 * kSecond;

  explicit SamplePicture(size_t windows) : windows_(windows) {
    for (size_t i = 0; i < windows; ++i) {
      picture_.window_starts.push_back(kStart + static_cast<Nanos>(i) * kWindow);
    }
    picture_.window_length = kWindow;
    picture_.windows_to_learn = 6;
    picture_.watermark = kStart + static_cast<Nanos>(windows) * kWindow;
    picture_.now = picture_.watermark + 2 * kSecond;
    picture_.live = true;
    picture_.source = "live";
  }

  EntityId Add(EntityKind kind, const std::string& name) {
    const EntityId id = telemetry::MakeEntityId(kind, "shop", name);
    picture_.entities.push_back(
        {id, kind, name, "shop", kNoEntity, kStart, picture_.watermark - kSecond});
    return id;
  }

  void Call(EntityId caller, EntityId callee, double confidence = 1,
            const std::string& basis = "spans") {
    const Nanos last = picture_.watermark - kSecond;
    telemetry::Edge edge;
    edge.caller = caller;
    edge.callee = callee;
    edge.confidence = confidence;
    edge.first_seen = edge.since = kStart;
    edge.last_seen = last;
    edge.basis = basis;
    const auto by =
        basis == "spans" ? telemetry::EdgeWitness::kSpans : telemetry::EdgeWitness::kClientSpans;
    edge.sources.push_back(
        {by, confidence, last, 1200, {{kStart, last, 1200, telemetry::EdgeState::kActive}}});
    picture_.edges.push_back(std::move(edge));
  }

  /// A value a window; `value(i)` may be NaN.
  template <typename Value>
  void Line(EntityId entity, EntityId caller, const std::string& name, const std::string& unit,
            Value value) {
    telemetry::TimeLine line{entity, caller, name, unit, {}};
    for (size_t i = 0; i < windows_; ++i) line.values.push_back(value(i));
    picture_.lines.push_back(std::move(line));
  }

  /// An estimate a window from `from` on. `spread` is the half width of the 90 % interval as a
  /// share of the value; `basis(i)` says how it came about.
  template <typename Value, typename BasisOf>
  void Track(EntityId entity, EntityId caller, const std::string& state, const std::string& unit,
             double spread, Value value, BasisOf basis, size_t from = 0) {
    for (size_t i = from; i < windows_; ++i) {
      telemetry::Estimate e;
      e.state = state;
      e.entity = entity;
      e.caller = caller;
      e.start = picture_.window_starts[i];
      e.length = kWindow;
      e.basis = basis(i);
      e.unit = unit;
      e.method = state == "in_flight" ? "little" : "horvitz_thompson";
      const bool missing = e.basis == Basis::kMissing;
      const double v = missing ? std::nan("") : value(i);
      const double wide = e.basis == Basis::kInferred ? spread * 2 : spread;
      e.value = v;
      e.i50 = {v * (1 - wide * 0.4), v * (1 + wide * 0.4)};
      e.i90 = {v * (1 - wide), v * (1 + wide)};
      e.confidence = missing ? 0 : e.basis == Basis::kInferred ? 0.7 : 0.97;
      e.note = missing ? "no span of this service arrived" : "";
      picture_.estimates.push_back(std::move(e));
    }
  }

  Picture& picture() { return picture_; }
  size_t windows() const { return windows_; }

  /// Repeatable noise around 1.
  static double Noise(size_t i, uint64_t salt, double amplitude) {
    uint64_t x = (i + 1) * 0x9E3779B97F4A7C15ull + salt * 0xBF58476D1CE4E5B9ull;
    x ^= x >> 31;
    x *= 0x94D049BB133111EBull;
    x ^= x >> 29;
    return 1 + amplitude * (static_cast<double>(x % 2001) / 1000.0 - 1);
  }

 private:
  const size_t windows_;
  Picture picture_;
};

inline constexpr size_t kShopWindows = 60;
inline constexpr size_t kShopOnset = 42;

struct Shop {
  EntityId frontend, checkout, catalog, cart, payment, orders, database, cache, queue, bank, mail;
};

namespace sample {

struct Traffic {
  double rate;
  double p50;
  double p99;
  double errors;
  double slow = 1;  // factor on latencies from the onset on
  double fail = 0;  // share of failures from the onset on
};

inline void AddTraffic(SamplePicture* s, EntityId entity, EntityId caller, const Traffic& t,
                       bool gap) {
  const uint64_t salt = static_cast<uint64_t>(entity) ^ static_cast<uint64_t>(caller) << 1;
  const auto noise = [salt](size_t i, uint64_t what) {
    return SamplePicture::Noise(i, salt % 1000 + what, 0.08);
  };
  const auto after = [](size_t i) { return i >= kShopOnset; };
  const auto hidden = [gap](size_t i) { return gap && i >= 20 && i < 26; };
  const auto basis = [hidden](size_t i) {
    return !hidden(i) ? Basis::kObserved : i < 23 ? Basis::kInferred : Basis::kMissing;
  };
  const auto ms = [](double seconds) { return std::round(seconds * 1e5) / 1e5; };
  s->Line(entity, caller, "call_rate", "1/s",
          [&](size_t i) { return hidden(i) ? std::nan("") : ms(t.rate * noise(i, 1)); });
  s->Line(entity, caller, "latency_p50", "s", [&](size_t i) {
    return hidden(i) ? std::nan("") : ms(t.p50 * noise(i, 2) * (after(i) ? t.slow : 1));
  });
  s->Line(entity, caller, "latency_p99", "s", [&](size_t i) {
    return hidden(i) ? std::nan("") : ms(t.p99 * noise(i, 3) * (after(i) ? t.slow : 1));
  });
  s->Track(
      entity, caller, "call_volume", "calls", 0.06,
      [&](size_t i) { return std::round(t.rate * 10 * noise(i, 1)); }, basis);
  s->Track(
      entity, caller, "failed_calls", "calls", 0.4,
      [&](size_t i) {
        return std::round(t.rate * 10 * noise(i, 4) * (t.errors + (after(i) ? t.fail : 0)));
      },
      basis);
  if (caller != kNoEntity) return;
  s->Track(
      entity, caller, "in_flight", "requests", 0.25,
      [&](size_t i) { return ms(t.rate * t.p50 * 1.4 * noise(i, 5) * (after(i) ? t.slow : 1)); },
      [&](size_t i) { return hidden(i) && i >= 23 ? Basis::kMissing : Basis::kInferred; });
}

inline Shop AddShop(SamplePicture* s, bool broken) {
  Shop shop;
  shop.frontend = s->Add(EntityKind::kService, "frontend");
  shop.checkout = s->Add(EntityKind::kService, "checkout");
  shop.catalog = s->Add(EntityKind::kService, "catalog");
  shop.cart = s->Add(EntityKind::kService, "cart");
  shop.payment = s->Add(EntityKind::kService, "payment");
  shop.orders = s->Add(EntityKind::kService, "order-worker");
  shop.mail = s->Add(EntityKind::kService, "mailer");
  shop.database = s->Add(EntityKind::kDatabase, "postgresql shop");
  shop.cache = s->Add(EntityKind::kCache, "redis sessions");
  shop.queue = s->Add(EntityKind::kQueue, "orders");
  shop.bank = s->Add(EntityKind::kThirdParty, "bank.example");

  const double slow = broken ? 14 : 1, fail = broken ? 0.22 : 0;
  AddTraffic(s, shop.frontend, kNoEntity, {84, 0.041, 0.31, 0.002, broken ? 5.0 : 1, fail * 0.3},
             false);
  AddTraffic(s, shop.checkout, kNoEntity, {21, 0.062, 0.42, 0.003, broken ? 9.0 : 1, fail * 0.8},
             false);
  AddTraffic(s, shop.catalog, kNoEntity, {55, 0.012, 0.09, 0.001}, false);
  AddTraffic(s, shop.cart, kNoEntity, {34, 0.006, 0.031, 0.0005}, false);
  AddTraffic(s, shop.payment, kNoEntity, {19, 0.023, 0.16, 0.004, slow, fail}, true);
  AddTraffic(s, shop.orders, kNoEntity, {18, 0.11, 0.6, 0.001}, false);
  AddTraffic(s, shop.database, kNoEntity, {160, 0.0021, 0.018, 0}, false);
  s->Line(shop.payment, kNoEntity, "cpu_utilization", "1",
          [&](size_t i) { return std::round(310 * SamplePicture::Noise(i, 9, 0.2)) / 1000; });
  s->Track(
      shop.queue, kNoEntity, "queue_depth", "requests", 0.35,
      [&](size_t i) { return std::round(12 * SamplePicture::Noise(i, 77, 0.5)); },
      [](size_t) { return Basis::kInferred; });

  const auto call = [&](EntityId from, EntityId to, const Traffic& t, double confidence = 1,
                        const char* basis = "spans") {
    s->Call(from, to, confidence, basis);
    AddTraffic(s, to, from, t, false);
  };
  call(shop.frontend, shop.catalog, {55, 0.014, 0.1, 0.001});
  call(shop.frontend, shop.cart, {34, 0.007, 0.035, 0.0005});
  call(shop.frontend, shop.checkout, {21, 0.065, 0.44, 0.003, broken ? 9.0 : 1, fail * 0.8});
  call(shop.checkout, shop.payment, {19, 0.025, 0.17, 0.004, slow, fail});
  call(shop.checkout, shop.database, {60, 0.0022, 0.02, 0});
  call(shop.checkout, shop.queue, {18, 0.001, 0.006, 0});
  call(shop.catalog, shop.database, {90, 0.002, 0.016, 0});
  call(shop.cart, shop.cache, {68, 0.0004, 0.003, 0}, 0.8, "client spans");
  call(shop.payment, shop.bank, {19, 0.018, 0.14, 0.003, slow, fail}, 0.8, "client spans");
  call(shop.queue, shop.orders, {18, 0.12, 0.62, 0.001});
  s->Call(shop.orders, shop.mail, 0.5, "client metrics");
  return shop;
}

inline void AddLedger(Picture* p) {
  using telemetry::Reason;
  p->loss = {{telemetry::Format::kOtlpGrpc,
              telemetry::Signal::kSpan,
              184'220,
              183'901,
              312,
              7,
              41,
              {{Reason::kMissingId, 7},
               {Reason::kNegativeDuration, 290},
               {Reason::kNoService, 22},
               {Reason::kTooLate, 41}}},
             {telemetry::Format::kOtlpGrpc, telemetry::Signal::kLog, 20'114, 20'114, 0, 0, 0, {}},
             {telemetry::Format::kRemoteWrite,
              telemetry::Signal::kSample,
              96'400,
              96'310,
              0,
              90,
              0,
              {{Reason::kSeriesLimit, 90}}}};
  p->scrapes.resize(3);
  p->scrapes[0] = {
      "cart", "cart:9100", "http://cart:9100/metrics", SamplePicture::kStart, true, "", 0.004, 12,
      0};
  p->scrapes[1] = {"pay",
                   "pay:9100",
                   "http://pay:9100/metrics",
                   SamplePicture::kStart,
                   false,
                   "connection refused",
                   0.001,
                   12,
                   7};
  p->scrapes[2].job = "new";  // not asked yet
  p->join_match_rate = 0.973;
  p->self = {{"queue_batches", 3}, {"store_bytes", 41'200'128}, {"spans_per_second", 306}};
}

/// Four hosts: the reference, one that was found 5 ms ahead and jumped, one of which only messages
/// tell, and one that nobody met.
inline void AddClocks(Picture* p) {
  const auto id = [](const char* name) { return telemetry::ClockHostId(name); };
  const Nanos from = SamplePicture::kStart, to = p->watermark;
  telemetry::ClockSegment segment;
  segment.from = from;
  segment.to = to;
  segment.reference = id("node-1");
  segment.measured = true;
  segment.below = segment.above = {0, 0, 0};
  telemetry::HostClock reference;
  reference.id = reference.reference = id("node-1");
  reference.host = reference.reference_host = "node-1";
  reference.calls = 1200;
  reference.last_contact = to;
  reference.loop_residual = std::nan("");
  reference.segments = {segment};

  telemetry::HostClock ahead = reference;
  ahead.id = id("node-2");
  ahead.host = "node-2";
  segment.offset = 5 * kMillisecond;
  segment.drift = 40e-6;
  segment.error = 20 * kMicrosecond;
  segment.below = {900'000, 700'000, 900'000};
  segment.above = {1'000'000, 800'000, 1'000'000};
  segment.applied = true;
  ahead.segments = {segment};
  ahead.steps = {{from + 42 * kSecond, from + 43 * kSecond, 2 * kMillisecond}};

  telemetry::HostClock messages = ahead;
  messages.id = id("node-3");
  messages.host = "node-3";
  messages.steps.clear();
  segment.measured = segment.applied = false;
  segment.above = {0, 0, 0};
  segment.below.fill(telemetry::kUnbounded);
  messages.segments = {segment};

  telemetry::HostClock alone;
  alone.id = id("node-4");
  alone.host = "node-4";
  alone.loop_residual = std::nan("");
  p->clocks = {reference, ahead, messages, alone};
  telemetry::ClockFinding step;
  step.from = from + 42 * kSecond;
  step.to = from + 43 * kSecond;
  step.host = "node-2";
  step.other = "node-1";
  step.size = 2 * kMillisecond;
  step.calls = 96;
  p->clock_findings = {step};
}

/// Calls into `service` that carry no ids: of one pair of hosts whose clocks they tell, one that is
/// held to be in sync, and one of which nothing is known.
inline void AddHopClocks(Picture* p, EntityId service) {
  using State = telemetry::HopClock::State;
  const auto add = [&](const char* caller, const char* callee, State state) {
    telemetry::HopClock& clock = p->hop_clocks.emplace_back();
    clock.service = service;
    clock.caller = telemetry::ClockHostId(caller);
    clock.callee = telemetry::ClockHostId(callee);
    clock.caller_host = caller;
    clock.callee_host = callee;
    clock.state = state;
    clock.as_of = p->watermark - 10 * kSecond;
    clock.last_call = p->watermark - 8 * kSecond;
    return &clock;
  };
  telemetry::HopClock* followed = add("web-1", "pay-1", State::kFollowed);
  followed->offset = -.0803;
  followed->error = 4e-4;
  followed->drift = 40e-6;
  followed->calls = 1500;
  followed->steps = 1;
  followed->last_step = {p->watermark - 90 * kSecond, p->watermark - 89 * kSecond,
                         -30 * kMillisecond};
  telemetry::HopClock* held = add("web-2", "pay-1", State::kHeldInSync);
  held->error = telemetry::kHeldInSync;
  held->calls = 90;
  add("", "pay-1", State::kUnknown);
}

/// One request whose last hop was joined by inference, with a lost span in the middle.
inline void AddRequest(Picture* p, const Shop& shop) {
  auto request = std::make_shared<telemetry::RebuiltRequest>();
  const auto add = [&](uint64_t id, EntityId service, const char* operation,
                       telemetry::SpanKind kind, double from_ms, double to_ms,
                       int parent) -> telemetry::RebuiltSpan& {
    telemetry::RebuiltSpan span;
    span.trace = {0x4bf92f3577b34da6, 0xa3ce929d0e0e4736};
    span.id = id;
    span.service = service;
    span.operation = operation;
    span.kind = kind;
    span.start = span.raw_start = p->watermark - 20 * kSecond + FromSeconds(from_ms / 1e3);
    span.end = span.raw_end = p->watermark - 20 * kSecond + FromSeconds(to_ms / 1e3);
    span.parent = parent;
    span.basis = parent < 0 ? telemetry::JoinBasis::kRoot : telemetry::JoinBasis::kId;
    span.none = parent < 0 ? 1 : 0;
    span.host = telemetry::ClockHostId("node-1");
    span.clock_bound_s = 0;
    request->spans.push_back(span);
    return request->spans.back();
  };
  using telemetry::SpanKind;
  add(0x9f86d081884c7d65, shop.frontend, "GET /checkout", SpanKind::kServer, 0, 41.2, -1);
  telemetry::RebuiltSpan& lost = add(0xb1, shop.frontend, "", SpanKind::kClient, 4, 39, 0);
  lost.lost = true;
  lost.peer = shop.checkout;
  lost.basis = telemetry::JoinBasis::kInferred;
  lost.posterior = 0.98;
  lost.none = 0.02;
  add(0xb2, shop.checkout, "POST /checkout", SpanKind::kServer, 4, 39, 1);
  add(0xb3, shop.checkout, "POST", SpanKind::kClient, 8, 30, 2).peer = shop.payment;
  telemetry::RebuiltSpan& pay = add(0xb4, shop.payment, "POST /pay", SpanKind::kServer, 9, 29, 3);
  pay.trace = {1, 2};
  pay.host = telemetry::ClockHostId("node-2");
  pay.raw_start += 5 * kMillisecond;
  pay.raw_end += 5 * kMillisecond;
  pay.clock_bound_s = 8e-4;
  pay.basis = telemetry::JoinBasis::kInferred;
  pay.posterior = 0.93;
  pay.none = 0.02;
  pay.runner_up = {{5, 6}, 0xb7ad6b7169203331, shop.checkout, "POST", 0.05};
  pay.failed = true;
  request->by_id = 2;
  request->inferred = 2;
  request->lost = 1;
  request->probability = 0.98 * 0.93;
  p->requests = {request};
  p->rebuilding = {120'034, 8'211, 310, 2, 12, 5, 40, 30'211, 840, 3, 0, 0.94};
  p->parents = {120'034, 8'211, 4'012, 14, 61, 12, 340, 5, 90};
  p->orphan_spans = 61;
}

inline void AddChange(Picture* p, EntityId entity) {
  telemetry::ChangeEvent deploy;
  deploy.time = SamplePicture::kStart + 408 * kSecond;
  deploy.kind = "deploy";
  deploy.id = "d-118";
  deploy.source = "ci/shop";
  deploy.service = "payment";
  deploy.version = "2.4.1";
  deploy.environment = "production";
  deploy.text = "payment 2.4.0 -> 2.4.1";
  deploy.entity = entity;
  p->changes.push_back(deploy);
}

inline telemetry::Incident PaymentIncident(const Shop& shop) {
  const Nanos onset =
      SamplePicture::kStart + static_cast<Nanos>(kShopOnset) * SamplePicture::kWindow;
  const auto window = [&](EntityId id) {
    return "window:" + telemetry::SpanIdToHex(static_cast<uint64_t>(id)) + ":" +
           std::to_string(onset);
  };
  const auto series = [&](EntityId id, const std::string& quantity) {
    return "series:" + telemetry::SpanIdToHex(static_cast<uint64_t>(id)) + ":" + quantity + ":" +
           std::to_string(SamplePicture::kStart) + ":" +
           std::to_string(SamplePicture::kStart + 600 * kSecond);
  };
  telemetry::Incident incident;
  incident.id = "inc-checkout-1760000830";
  incident.opened = onset + 10 * kSecond;
  incident.members = {shop.frontend, shop.checkout, shop.payment};
  telemetry::Diagnosis& d = incident.diagnosis;
  d.alert = {shop.checkout,
             telemetry::Quantity::kLatency,
             onset + 10 * kSecond,
             0.56,
             0.062,
             "checkout: p50 latency 560 ms, usually 62 ms"};
  d.made_at = onset + 40 * kSecond;
  d.certainty = telemetry::Certainty::kLikely;
  d.summary =
      "checkout is slow most likely because payment is slow since 09:07:00, 12 s after its deploy "
      "of 2.4.1";
  d.unknown = 0.09;

  telemetry::Hypothesis deploy;
  deploy.cause = "bad_deploy";
  deploy.entity = shop.payment;
  deploy.onset = onset;
  deploy.onset_error = 8 * kSecond;
  deploy.posterior = 0.68;
  deploy.why =
      "payment's own time rose from 5 ms to 180 ms within 12 s of deploy 2.4.1; its callers slowed "
      "after it.";
  deploy.next_check =
      "Roll one payment instance back to 2.4.0: if its latency falls while the others' stays, it "
      "is the deploy; if not, look at bank.example.";
  const telemetry::Evidence at_payment = {series(shop.payment, "latency"),
                                          "97 % of the added latency arises at payment", 4.6, true};
  deploy.evidence_for = {
      at_payment,
      {series(shop.payment, "latency"), "latency p50 of payment rose from 23 ms to 320 ms", 2.9},
      {"event:ci/shop:d-118", "payment 2.4.1 was deployed 12 s before", 1.8},
      {"trace:4bf92f3577b34da6a3ce929d0e0e4736",
       "slowest request: 2.1 s of 2.3 s are payment's own", 1.1}};
  deploy.evidence_against = {
      {series(shop.payment, "cpu"), "CPU of payment is what it was (31 %)", -0.6}};

  telemetry::Hypothesis bank;
  bank.cause = "slow_dependency";
  bank.entity = shop.bank;
  bank.onset = onset;
  bank.onset_error = 15 * kSecond;
  bank.posterior = 0.19;
  bank.why =
      "Calls from payment to bank.example slowed at the same time; the bank itself sends no "
      "telemetry.";
  bank.next_check = "Probe bank.example from outside of payment.";
  bank.evidence_for = {
      {window(shop.payment), "client latency to bank.example rose with payment's", 1.2}};
  bank.evidence_against = {
      {window(shop.checkout), "payment's own time rose more than its calls'", -1.9}};

  telemetry::Hypothesis saturation;
  saturation.cause = "pool_exhaustion";
  saturation.entity = shop.checkout;
  saturation.onset = onset + 20 * kSecond;
  saturation.onset_error = 20 * kSecond;
  saturation.posterior = 0.02;
  saturation.why =
      "Requests in flight at checkout rose ninefold, as they would behind an exhausted pool.";
  saturation.evidence_for = {{window(shop.checkout), "in flight rose from 2 to 17", 0.8}};
  saturation.evidence_against = {{window(shop.payment), "payment slowed first, by 20 s", -2.4}};

  // Nothing of its own was measured: what it has is the blame of its place.
  telemetry::Hypothesis crash;
  crash.cause = "crash_loop";
  crash.entity = shop.payment;
  crash.onset = onset;
  crash.onset_error = 8 * kSecond;
  crash.posterior = 0.02;
  crash.why = "payment: possibly it keeps dying, but nothing measured speaks for it";
  crash.next_check = "read the last log lines of payment before each restart";
  crash.evidence_for = {at_payment};
  d.hypotheses = {deploy, bank, saturation, crash};
  d.ruled_out = {"postgresql shop: its latency is what it was",
                 "catalog: not on the way of the slow requests"};
  telemetry::Movement first, second;
  first.entity = shop.payment;
  first.quantity = second.quantity = telemetry::Quantity::kLatency;
  first.onset = onset + kSecond;
  first.lower = onset - 2 * kSecond;
  first.upper = onset + 4 * kSecond;
  second.entity = shop.checkout;
  second.onset = onset + 8 * kSecond;
  second.lower = onset + 5 * kSecond;
  second.upper = onset + 12 * kSecond;
  second.from = shop.payment;
  second.lag_s = 7;
  second.lag_lower_s = 2;
  second.lag_upper_s = 12;
  second.p_order = 0.99;
  second.order = telemetry::Order::kClear;
  incident.propagation = {first, second};
  return incident;
}

}  // namespace sample

inline Picture EmptyPicture() {
  Picture p;
  p.live = true;
  p.source = "live";
  p.now = SamplePicture::kStart;
  p.watermark = SamplePicture::kStart - kSecond;
  p.window_length = SamplePicture::kWindow;
  p.join_match_rate = std::nan("");
  return p;
}

inline Picture NormalPicture() {
  SamplePicture s(kShopWindows);
  sample::AddShop(&s, /*broken=*/false);
  sample::AddLedger(&s.picture());
  return s.picture();
}

inline Picture IncidentPicture() {
  SamplePicture s(kShopWindows);
  const Shop shop = sample::AddShop(&s, /*broken=*/true);
  sample::AddLedger(&s.picture());
  sample::AddChange(&s.picture(), shop.payment);
  sample::AddRequest(&s.picture(), shop);
  s.picture().incidents = {sample::PaymentIncident(shop)};
  return s.picture();
}

/// The alert is there, the evidence is not: the designed state of not knowing. A recording.
inline Picture UnknownPicture() {
  Picture p = IncidentPicture();
  p.live = false;
  p.source = "recordings/friday.csv";
  telemetry::Diagnosis& d = p.incidents[0].diagnosis;
  d.summary = "checkout is slow, and the telemetry does not say why";
  d.certainty = telemetry::Certainty::kInconclusive;
  d.unknown = 0.71;
  d.hypotheses.resize(2);
  d.hypotheses[0].posterior = 0.17;
  d.hypotheses[1].posterior = 0.12;
  d.missing =
      "Spans or client metrics of payment between 09:06 and 09:08 would tell the two apart.";
  p.incidents[0].closed = p.watermark - 20 * kSecond;
  sample::AddClocks(&p);
  sample::AddHopClocks(&p, p.entities[1].id);
  return p;
}

/// Six layers of services; each calls a few of the next. One in fifty is abnormal.
inline Picture HugePicture(size_t services = 200) {
  SamplePicture s(12);
  std::vector<EntityId> ids;
  for (size_t i = 0; i < services; ++i) {
    ids.push_back(s.Add(EntityKind::kService, "service-" + std::to_string(1000 + i).substr(1)));
  }
  const size_t layer = services / 6 + 1;
  for (size_t i = 0; i < services; ++i) {
    s.Track(
        ids[i], kNoEntity, "call_volume", "calls", 0.05,
        [&](size_t w) { return std::round(400 * SamplePicture::Noise(w, i, 0.5)); },
        [&](size_t) { return i % 37 == 5 ? Basis::kMissing : Basis::kObserved; }, 11);
    for (size_t k = 0; k < 2; ++k) {
      const size_t callee = (i / layer + 1) * layer + (i * 7 + k * 13) % layer;
      if (callee < services) s.Call(ids[i], ids[callee]);
    }
  }
  telemetry::Incident incident;
  incident.id = "inc-service-023";
  incident.opened = s.picture().watermark - 60 * kSecond;
  incident.members = {ids[23 % services], ids[90 % services], ids[131 % services]};
  incident.diagnosis.alert.entity = incident.members[0];
  incident.diagnosis.summary = "service-023 fails because service-131 does";
  incident.diagnosis.unknown = 0.2;
  incident.diagnosis.certainty = telemetry::Certainty::kLikely;
  telemetry::Hypothesis h;
  h.cause = "crash_loop";
  h.entity = incident.members[2];
  h.posterior = 0.8;
  h.onset = incident.opened;
  h.onset_error = 10 * kSecond;
  h.why = "service-131 restarted four times.";
  incident.diagnosis.hypotheses = {h};
  s.picture().incidents = {incident};
  sample::AddLedger(&s.picture());
  return s.picture();
}

}  // namespace tomograph::publish
