// For tests: spans of made-up services, as ids leave them, go through a Correlator.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "correlate/correlator.h"

namespace tomograph::correlate {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::InferredJoin;
using telemetry::JoinBasis;
using telemetry::kNoEntity;
using telemetry::RebuiltRequest;
using telemetry::SpanKind;
using telemetry::TraceId;

inline constexpr Nanos kT0 = 1'700'000'000 * kSecond;

struct Made {
  TraceId trace;
  uint64_t id = 0, parent = 0;
  Nanos start = 0, end = 0;
  SpanKind kind = SpanKind::kServer;
  EntityId service = kNoEntity, peer = kNoEntity;
  std::string operation;
  bool lost = false;
  std::string address = {};  // that a call names, or that a callee says it was called at
  std::string host = {};     // of the service that sent it, if it says so; may be its IP
  std::vector<SpanRef> links = {};
  std::string called_from = {};  // that a callee says it was called from
  bool logged = false;           // a row of an access log
};

/// web -> shop -> pay, Poisson arrivals; what is broken is chosen.
struct Damage {
  bool hop_into_pay = false;     // pay's spans begin traces of their own
  bool context_in_shop = false;  // shop's calls begin traces of their own
  double lose_shop_client = 0;   // share of shop's client spans that never come
  double outside_of_pay = 0;     // further requests to pay that nobody traced
  bool by_address = false;       // shop names pay by its address, and pay says its own
  const char* host = "";         // that shop names as pay's, which says nothing of the kind
};

class Rebuilding : public ::testing::Test {
 protected:
  EntityId Service(const char* name) {
    return ids_.entities.FindOrAdd(EntityKind::kService, "", name);
  }

  void Request(Nanos at, const Damage& damage) {
    const TraceId trace{1, ++traces_};
    const uint64_t web = NewId(), web_call = NewId(), shop = NewId(), shop_call = NewId(),
                   pay = NewId();
    const auto gap = [&] { return FromSeconds(random_.Exponential(.0008) + .0002); };
    const Nanos web_sent = at + gap(), shop_start = web_sent + gap() / 4,
                shop_sent = shop_start + gap();
    const Nanos pay_start = shop_sent + gap() / 4, pay_end = pay_start + 8 * gap();
    const Nanos shop_got = pay_end + gap() / 4, shop_end = shop_got + gap();
    const Nanos web_got = shop_end + gap() / 4, web_end = web_got + gap();
    const TraceId context = damage.context_in_shop ? TraceId{2, traces_} : trace;
    const TraceId at_pay = damage.hop_into_pay ? TraceId{3, traces_} : context;
    Put({trace, web, 0, at, web_end, SpanKind::kServer, web_, kNoEntity, "GET /"});
    Put({trace, web_call, web, web_sent, web_got, SpanKind::kClient, web_, shop_, "POST"});
    Put({trace, shop, web_call, shop_start, shop_end, SpanKind::kServer, shop_, kNoEntity,
         "POST /buy"});
    const bool lost = random_.Uniform() < damage.lose_shop_client;
    const char* address = damage.by_address ? "10.0.0.7:8080" : "";
    const bool named = !damage.by_address && *damage.host == 0;
    Put({context, shop_call, damage.context_in_shop ? 0 : shop, shop_sent, shop_got,
         SpanKind::kClient, shop_, named ? pay_ : kNoEntity, "POST", lost,
         damage.by_address ? address : damage.host});
    Put({at_pay, pay, damage.hop_into_pay ? 0 : shop_call, pay_start, pay_end, SpanKind::kServer,
         pay_, kNoEntity, "POST /pay", false, address});
    parent_of_[shop_call] = shop;
    parent_of_[pay] = shop_call;
    if (lost) lost_.insert({shop_call, shop});
    if (random_.Uniform() >= damage.outside_of_pay) return;
    const Nanos other = at + gap();
    outside_.push_back(NewId());
    Put({{4, traces_},
         outside_.back(),
         0,
         other,
         other + 8 * gap(),
         SpanKind::kServer,
         pay_,
         kNoEntity,
         "POST /pay"});
  }

  void Traffic(double seconds, double per_s, const Damage& damage) {
    for (double t = random_.Exponential(1 / per_s); t < seconds;
         t += random_.Exponential(1 / per_s))
      Request(now_ + FromSeconds(t), damage);
    now_ += FromSeconds(seconds);
  }

  /// Hands all over in `chunks` pieces, in order of their ends, and finishes.
  void Run(int chunks = 40) {
    std::vector<Made> spans;
    for (const Made& m : made_)
      if (!m.lost) spans.push_back(m);
    std::sort(spans.begin(), spans.end(),
              [](const Made& a, const Made& b) { return a.end < b.end; });
    correlator_ = std::make_unique<Correlator>(options_, &ids_);
    joins_.clear();
    correlator_->OnJoin([&](const InferredJoin& j) { joins_[j.span] = j; });
    const size_t n = spans.size() / static_cast<size_t>(chunks) + 1;
    for (size_t from = 0; from < spans.size(); from += n) {
      Batch batch, log;
      log.origin.format = telemetry::Format::kCsv;
      const size_t to = std::min(spans.size(), from + n);
      for (size_t i = from; i < to; ++i) Append(spans[i], spans[i].logged ? &log : &batch);
      correlator_->Add(batch);
      correlator_->Add(log);
      correlator_->Advance(spans[to - 1].end, [](telemetry::WindowSet&&) {});
    }
    correlator_->Finish([](telemetry::WindowSet&&) {});
  }

  double ShareRight() const {
    size_t right = 0;
    for (const auto& [span, join] : joins_) {
      const auto truth = parent_of_.find(span);
      right += join.parent_span == (truth == parent_of_.end() ? 0 : truth->second);
    }
    return joins_.empty() ? 0 : static_cast<double>(right) / static_cast<double>(joins_.size());
  }
  const RequestRebuilder& requests() const { return correlator_->requests(); }

  uint64_t NewId() { return MixBits(++ids_made_); }
  void Put(Made made) { made_.push_back(std::move(made)); }
  /// After a Run: all joins are the same if the spans come in other pieces.
  void ChunksChangeNothing() {
    const auto first = joins_;
    for (const int chunks : {3, 211}) {
      Run(chunks);
      ASSERT_EQ(first.size(), joins_.size());
      for (const auto& [span, join] : joins_) {
        ASSERT_EQ(join.parent_span, first.at(span).parent_span);
        ASSERT_EQ(join.posterior, first.at(span).posterior);
      }
    }
  }
  void Append(const Made& m, Batch* batch) {
    telemetry::SpanBatch& s = batch->spans;
    s.trace_id.push_back(m.trace);
    s.span_id.push_back(m.id);
    s.parent_span_id.push_back(m.parent);
    s.start_ns.push_back(m.start);
    s.end_ns.push_back(m.end);
    s.corrected_start_ns.push_back(m.start);
    s.kind.push_back(m.kind);
    s.service.push_back(m.service);
    s.peer.push_back(m.peer);
    const telemetry::StringId address = ids_.strings.Intern(m.address);
    const bool calls = m.kind == SpanKind::kClient;
    s.peer_address.push_back(calls ? address : telemetry::kEmptyString);
    s.own_address.push_back(calls || m.address.empty() ? kNoEntity
                                                       : telemetry::AddressKey(m.address));
    s.caller_address.push_back(m.called_from.empty() ? kNoEntity
                                                     : telemetry::HomeKey(m.called_from));
    s.operation.push_back(ids_.strings.Intern(m.operation));
    s.failed.push_back(0);
    s.weight.push_back(1);
    s.weight_known.push_back(0);
    for (const SpanRef& link : m.links) {
      s.links.span.push_back(static_cast<uint32_t>(s.rows() - 1));
      s.links.trace_id.push_back(link.trace);
      s.links.span_id.push_back(link.span);
    }
    if (senders_named_) s.resource.push_back(SenderOf(m.service, m.host));
  }
  telemetry::ResourceId SenderOf(EntityId service, const std::string& host) {
    const std::string name = ids_.entities.Name(service);
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(name + "@" + host), [&] {
      telemetry::Resource r;
      if (!host.empty()) r.host = ids_.strings.Intern(host);
      if (!host.empty()) r.attributes = {{ids_.strings.Intern("host.ip"), r.host}};
      r.service = ids_.strings.Intern(name);
      r.service_entity = service;
      return r;
    });
  }
  bool HasEdge(EntityId caller, EntityId callee) const {
    for (const auto& e : correlator_->Edges())
      if (e.caller == caller && e.callee == callee) return true;
    return false;
  }
  std::shared_ptr<const RebuiltRequest> RecentWith(uint64_t span) const {
    for (const auto& r : requests().Recent())
      for (const auto& s : r->spans)
        if (s.id == span) return r;
    return nullptr;
  }

  telemetry::Identities ids_;
  EntityId web_ = Service("web"), shop_ = Service("shop"), pay_ = Service("pay");
  Random random_{5};
  Nanos now_ = kT0;
  uint64_t traces_ = 0, ids_made_ = 0;
  std::vector<Made> made_;
  std::map<uint64_t, uint64_t> parent_of_;  // of what ids may not tell
  std::map<uint64_t, uint64_t> lost_;       // lost span -> its parent
  std::vector<uint64_t> outside_;
  bool senders_named_ = false;
  CorrelatorOptions options_;
  std::unique_ptr<Correlator> correlator_;
  std::map<uint64_t, InferredJoin> joins_;
};

}  // namespace tomograph::correlate
