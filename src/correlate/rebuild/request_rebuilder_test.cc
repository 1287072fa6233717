#include "correlate/rebuild/request_rebuilder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "correlate/correlator.h"

namespace tomograph::correlate {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::InferredJoin;
using telemetry::JoinBasis;
using telemetry::kNoEntity;
using telemetry::RebuiltRequest;
using telemetry::SpanKind;
using telemetry::TraceId;

constexpr Nanos kT0 = 1'700'000'000 * kSecond;

struct Made {
  TraceId trace;
  uint64_t id = 0, parent = 0;
  Nanos start = 0, end = 0;
  SpanKind kind = SpanKind::kServer;
  EntityId service = kNoEntity, peer = kNoEntity;
  std::string operation;
  bool lost = false;
  std::string address = {};  // that a call names, or that a callee says it was called at
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
      Batch batch;
      const size_t to = std::min(spans.size(), from + n);
      for (size_t i = from; i < to; ++i) Append(spans[i], &batch);
      correlator_->Add(batch);
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
    s.operation.push_back(ids_.strings.Intern(m.operation));
    s.failed.push_back(0);
    s.weight.push_back(1);
    s.weight_known.push_back(0);
    if (senders_named_) s.resource.push_back(SenderOf(m.service));
  }
  telemetry::ResourceId SenderOf(EntityId service) {
    const std::string name = ids_.entities.Name(service);
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(name), [&] {
      telemetry::Resource r;
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

TEST_F(Rebuilding, CompleteIdsInferNothingAndStillShowExamples) {
  Traffic(60, 50, {});
  Run();
  EXPECT_TRUE(joins_.empty());
  EXPECT_EQ(requests().stats().records, 0u);
  EXPECT_EQ(requests().stats().inferred, 0u);
  EXPECT_EQ(requests().stats().lost_spans, 0u);
  const auto recent = requests().Recent();
  ASSERT_FALSE(recent.empty());
  for (const auto& r : recent) {
    EXPECT_EQ(r->spans.size(), 5u);
    EXPECT_EQ(r->probability, 1);
    EXPECT_EQ(r->by_id, 4u);
  }
}

TEST_F(Rebuilding, AHopWithoutPropagationIsJoinedByTime) {
  Traffic(120, 50, {.hop_into_pay = true});
  Run();
  EXPECT_GT(joins_.size(), made_.size() / 5 * 9 / 10);
  EXPECT_GT(ShareRight(), .97);
  const auto recent = requests().Recent();
  size_t whole = 0;
  for (const auto& r : recent) whole += r->inferred == 1 && r->spans.size() == 5;
  EXPECT_GE(whole, 4u);
  // An edge that no id told of.
  bool edge = false;
  for (const auto& e : correlator_->Edges())
    edge = edge || (e.caller == shop_ && e.callee == pay_ && e.confidence > .9);
  EXPECT_TRUE(edge);
}

TEST_F(Rebuilding, WhereNothingPropagatesTheCalleesOwnAddressTellsWhoIsCalled) {
  Traffic(120, 50, {.hop_into_pay = true, .by_address = true});
  Run();
  EXPECT_GT(joins_.size(), made_.size() / 5 * 9 / 10);
  EXPECT_GT(ShareRight(), .97);
}

TEST_F(Rebuilding, ACalleeMayBeNamedByItsHost) {
  senders_named_ = true;
  Traffic(120, 50, {.hop_into_pay = true, .host = "Pay.shop.svc:8080"});
  Run();
  EXPECT_GT(joins_.size(), made_.size() / 5 * 9 / 10);
  EXPECT_GT(ShareRight(), .97);
  EXPECT_TRUE(HasEdge(shop_, pay_));
}

TEST_F(Rebuilding, AHostThatIsNoServicesNameIsNobody) {
  senders_named_ = true;
  for (const char* host : {"localhost:8080", "ledger:8080", "pay.example.com:8080"}) {
    made_.clear();
    Traffic(60, 20, {.hop_into_pay = true, .host = host});
    Run();
    EXPECT_TRUE(joins_.empty()) << host;
    EXPECT_EQ(correlator_->Edges().size(), 1u) << host;  // web's to shop
  }
}

TEST_F(Rebuilding, ContextLostInsideAServiceIsJoinedByTime) {
  Traffic(120, 50, {.context_in_shop = true});
  Run();
  EXPECT_GT(joins_.size(), made_.size() / 5 * 9 / 10);
  EXPECT_GT(ShareRight(), .97);
  size_t whole = 0;
  for (const auto& r : requests().Recent()) whole += r->inferred == 1 && r->spans.size() == 5;
  EXPECT_GE(whole, 4u);
}

TEST_F(Rebuilding, BothAtOnceAreStitchedThroughThreeTraces) {
  Traffic(120, 50, {.hop_into_pay = true, .context_in_shop = true});
  Run();
  EXPECT_GT(ShareRight(), .96);
  size_t whole = 0;
  for (const auto& r : requests().Recent()) whole += r->inferred == 2 && r->spans.size() == 5;
  EXPECT_GE(whole, 3u);
}

TEST_F(Rebuilding, RequestsFromOutsideStayRoots) {
  Traffic(180, 30, {.hop_into_pay = true, .outside_of_pay = .3});
  Run();
  size_t joined = 0;
  double doubt = 0;
  for (const uint64_t id : outside_) {
    const auto at = joins_.find(id);
    ASSERT_NE(at, joins_.end());
    joined += at->second.parent_span != 0;
    doubt += at->second.parent_span != 0 ? 1 - at->second.posterior : 1 - at->second.none;
  }
  EXPECT_LT(joined, outside_.size() / 5);
  EXPECT_GT(ShareRight(), .93);
  // What it says of its own errors: as many as there are, give or take.
  double expected_right = 0;
  for (const auto& [span, join] : joins_)
    expected_right += join.parent_span != 0 ? join.posterior : join.none;
  EXPECT_NEAR(expected_right / static_cast<double>(joins_.size()), ShareRight(), .03);
}

TEST_F(Rebuilding, ALostSpanIsShownAsLostAndNotBridged) {
  Traffic(120, 50, {.lose_shop_client = .1});
  Traffic(15, 50, {});  // so that the input does not break off behind them
  Run();
  EXPECT_TRUE(joins_.empty()) << "its id is known: it is none of the spans that came";
  EXPECT_EQ(requests().stats().lost_spans, lost_.size());
  size_t seen = 0;
  for (const auto& r : requests().Recent()) {
    for (const auto& s : r->spans) {
      if (!s.lost) continue;
      ++seen;
      ASSERT_EQ(lost_.count(s.id), 1u);
      ASSERT_GE(s.parent, 0);
      EXPECT_EQ(r->spans[static_cast<size_t>(s.parent)].id, lost_.at(s.id));
      EXPECT_EQ(s.basis, JoinBasis::kInferred);
      EXPECT_GT(s.posterior, .9);
      EXPECT_EQ(s.service, shop_);
      EXPECT_EQ(s.kind, SpanKind::kClient);
    }
    EXPECT_EQ(r->spans.size(), 5u);
  }
  EXPECT_GE(seen, 4u);
}

TEST_F(Rebuilding, WhatBreaksOffWithTheRecordingIsNotLost) {
  Traffic(30, 50, {});
  const Nanos end = now_ - 5 * kMillisecond;
  for (Made& m : made_) m.lost = m.end > end;  // not over yet when the recording ended
  Run();
  EXPECT_EQ(requests().stats().lost_spans, 0u);
}

TEST_F(Rebuilding, WhatIsSentAgainDoesNotWaitForever) {
  Traffic(120, 20, {.hop_into_pay = true});
  const std::vector<Made> sent = made_;
  for (Made again : sent) {
    again.start += 25 * kSecond;
    again.end += 25 * kSecond;
    Put(again);
  }
  Run();
  EXPECT_FALSE(joins_.empty());
  EXPECT_EQ(requests().stats().waiting, 0u);
}

TEST_F(Rebuilding, ALongRequestIsShownOnceAndWhole) {
  for (const double seconds : {3., 9., 14.}) {
    Traffic(20, 20, {});
    const TraceId trace{5, ++traces_};
    const uint64_t root = NewId(), call = NewId();
    const Nanos end = now_ + FromSeconds(seconds);
    Put({trace, root, 0, now_, end, SpanKind::kServer, web_, kNoEntity, "GET /long"});
    Put({trace, call, root, now_ + kMillisecond, now_ + kSecond, SpanKind::kClient, web_, shop_,
         "POST"});
    Put({trace, NewId(), call, now_ + 2 * kMillisecond, now_ + kSecond / 2, SpanKind::kServer,
         shop_, kNoEntity, "POST /long"});
    Traffic(seconds + 60, 20, {});
    Run();
    EXPECT_EQ(requests().stats().lost_spans, 0u) << seconds;
    size_t shown = 0;
    for (const auto& r : requests().Recent()) {
      if (r->root().id != root) continue;
      ++shown;
      EXPECT_EQ(r->spans.size(), 3u) << seconds;
    }
    EXPECT_EQ(shown, 1u) << seconds;
  }
}

TEST_F(Rebuilding, ALongRequestWithInferredJoinsWaitsForItsEnd) {
  Traffic(120, 20, {.hop_into_pay = true});
  Made& root = made_[5 * 1'000];  // of one request, which goes on far beyond all below it
  root.end += 80 * kSecond;
  root.operation = "GET /long";
  const uint64_t id = root.id;
  Traffic(90, 20, {.hop_into_pay = true});
  Run(1);  // so that its end is known when the first of it leaves
  EXPECT_EQ(requests().stats().lost_spans, 0u);
  const auto request = RecentWith(id);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->spans.size(), 5u);
  EXPECT_EQ(requests().stats().waiting, 0u);
}

TEST_F(Rebuilding, WhatHadNoRoomIsNotLost) {
  Traffic(120, 20, {.hop_into_pay = true});
  for (size_t i = 0; i < made_.size(); i += 5) made_[i].end += 5 * kSecond;  // leaves later
  options_.rebuilder.max_waiting_spans = 1'000;
  Run();
  EXPECT_GT(requests().stats().refused, 0u);
  EXPECT_EQ(requests().stats().lost_spans, 0u);
}

TEST_F(Rebuilding, OfCallsBelowOneSpanThatLacksItsRequestOneJoinCounts) {
  size_t jobs = 0;
  for (int i = 0; i < 600; ++i, ++jobs) {
    const Nanos at = now_ + i * 200 * kMillisecond;
    const uint64_t shop = NewId(), inner = NewId();
    const TraceId received{1, ++traces_}, made{2, traces_};
    Put({received, shop, 0, at, at + 50 * kMillisecond, SpanKind::kServer, shop_, kNoEntity,
         "POST /buy"});
    Put({made, inner, 0, at + kMillisecond, at + 40 * kMillisecond, SpanKind::kInternal, shop_,
         kNoEntity, "work"});
    for (int k = 0; k < 2; ++k) {
      const Nanos sent = at + (10 * k + 2) * kMillisecond;
      Put({made, NewId(), inner, sent, sent + 5 * kMillisecond, SpanKind::kClient, shop_, pay_,
           k == 0 ? "reserve" : "commit"});
    }
  }
  Run();
  EXPECT_EQ(joins_.size(), 2 * jobs);
  EXPECT_LE(requests().stats().inferred, jobs);
  EXPECT_GT(requests().stats().inferred, jobs * 9 / 10);
  EXPECT_LE(requests().stats().mean_posterior, 1);
}

TEST_F(Rebuilding, WhatIsShownOfACallIsTheLikeliest) {
  Random random(5);
  for (int i = 0; i < 2'000; ++i) {
    const Nanos at = now_ + i * 10 * kMillisecond;
    const TraceId received{1, ++traces_}, made{2, traces_};
    const Nanos sent = at + static_cast<Nanos>(random.Exponential(20e6));
    Put({received, NewId(), 0, at, sent + 60 * kMillisecond, SpanKind::kServer, shop_, kNoEntity,
         "POST /buy"});
    Put({made, NewId(), 0, sent, sent + static_cast<Nanos>(random.Exponential(30e6)),
         SpanKind::kClient, shop_, pay_, "reserve"});
  }
  Run();
  size_t doubtful = 0;
  for (const auto& [span, join] : joins_) {
    EXPECT_GE(join.posterior, join.runner_up_posterior);
    if (join.parent_span != 0) {
      EXPECT_GE(join.posterior, join.none);
    }
    doubtful += join.posterior < 0.7;
  }
  EXPECT_GT(doubtful, 100u);
}

TEST_F(Rebuilding, ACircleOfIdsIsShownWithoutItsRoot) {
  Traffic(20, 20, {});
  const auto put = [&](TraceId trace, uint64_t id, uint64_t parent, Nanos after) {
    Put({trace, id, parent, now_ + after, now_ + kSecond - after, SpanKind::kInternal, pay_,
         kNoEntity, "circle " + std::to_string(id)});
  };
  const TraceId alone{6, 1}, circle{6, 2}, beside{6, 3};
  put(alone, 1'001, 1'001, 0);  // its own parent
  put(circle, 1'002, 1'004, 1);
  put(circle, 1'003, 1'002, 2);
  put(circle, 1'004, 1'003, 3);
  put(circle, 1'005, 1'003, 4);  // hangs below it
  put(beside, 1'006, 0, 0);
  put(beside, 1'007, 1'008, 1);
  put(beside, 1'008, 1'007, 2);
  Traffic(60, 20, {});
  Run();
  EXPECT_EQ(requests().stats().lost_spans, 0u);
  for (const auto& [root, size] :
       {std::pair(1'001u, 1u), {1'002u, 4u}, {1'006u, 1u}, {1'007u, 2u}}) {
    const auto request = RecentWith(root);
    ASSERT_NE(request, nullptr) << root;
    EXPECT_EQ(request->root().id, root);
    EXPECT_EQ(request->root().basis, root == 1'006 ? JoinBasis::kRoot : JoinBasis::kNone);
    EXPECT_EQ(request->spans.size(), size);
  }
}

TEST_F(Rebuilding, LostSpansDoNotHangBelowEachOther) {
  const auto put = [&](uint64_t trace, uint64_t id, uint64_t parent, EntityId service) {
    Put({{6, trace},
         id,
         parent,
         now_,
         now_ + kSecond,
         SpanKind::kInternal,
         service,
         kNoEntity,
         ""});
  };
  for (uint64_t trace = 1; trace <= 200; ++trace, now_ += 100 * kMillisecond) {
    const EntityId chain[] = {pay_, web_, shop_, web_, pay_};  // each is the other's grandparent
    for (uint64_t i = 0; i < 5; ++i) put(trace, i + 1, i, chain[i]);
  }
  put(999, 1'001, 501, pay_);
  put(999, 1'002, 502, shop_);
  now_ += kSecond;
  Traffic(60, 20, {});
  Run();
  EXPECT_EQ(requests().stats().lost_spans, 2u);
  EXPECT_NE(RecentWith(1'001), nullptr);
  EXPECT_NE(RecentWith(1'002), nullptr);
}

TEST_F(Rebuilding, ChunksChangeNothing) {
  Traffic(100, 40, {.hop_into_pay = true, .context_in_shop = true, .outside_of_pay = .1});
  Run();
  ChunksChangeNothing();
}

TEST_F(Rebuilding, ABackgroundJobIsNotForcedIntoARequest) {
  Traffic(60, 20, {});
  for (int i = 0; i < 300; ++i) {  // a poller of shop's that no request causes
    const Nanos at = kT0 + i * 200 * kMillisecond;
    Put({{9, static_cast<uint64_t>(i)},
         NewId(),
         0,
         at,
         at + 5 * kMillisecond,
         SpanKind::kClient,
         shop_,
         pay_,
         "GET /rates"});
  }
  Run();
  size_t forced = 0;
  for (const auto& [span, join] : joins_) forced += join.parent_span != 0 && join.posterior > .5;
  EXPECT_LT(forced, 30u);
}

TEST(RequestTree, ADeepChainAndACircleOfIdsEnd) {
  telemetry::Identities ids;
  const EntityId service = ids.entities.FindOrAdd(EntityKind::kService, "", "deep");
  Correlator correlator({}, &ids);
  Batch batch;
  const auto add = [&](uint64_t trace, uint64_t id, uint64_t parent) {
    telemetry::SpanBatch& s = batch.spans;
    s.trace_id.push_back({1, trace});
    s.span_id.push_back(id);
    s.parent_span_id.push_back(parent);
    s.start_ns.push_back(kT0 + static_cast<Nanos>(id));
    s.end_ns.push_back(kT0 + kSecond - static_cast<Nanos>(id));
    s.kind.push_back(id % 2 == 0 ? SpanKind::kClient : SpanKind::kServer);
    s.service.push_back(service);
    s.peer.push_back(kNoEntity);
    s.peer_address.push_back(telemetry::kEmptyString);
    s.operation.push_back(telemetry::kEmptyString);
    s.failed.push_back(0);
    s.weight.push_back(1);
    s.weight_known.push_back(0);
  };
  for (uint64_t i = 1; i <= 30'000; ++i) add(1, i, i - 1);
  for (uint64_t i = 1; i <= 100; ++i) add(2, i, i % 100 + 1);
  add(2, 500, 777);  // whose parent never came
  correlator.Add(batch);
  correlator.Finish([](telemetry::WindowSet&&) {});
  ASSERT_FALSE(correlator.requests().Recent().empty());
  for (const auto& r : correlator.requests().Recent()) {
    EXPECT_LE(r->spans.size(), 2'000u);
    EXPECT_EQ(r->spans.size() + r->left_out > 2'000u, r->left_out > 0);
  }
}

/// What those who meet leave of the ids.
struct Context {
  bool only_hub_loses = false;  // front and the three hand theirs on
  bool hub_is_deaf = false;     // it does not learn who called it
  bool all_are_deaf = false;
  bool one_operation = false;  // that all three ask of hub
  Nanos goes_on = 0;           // front, after all of it
};

/// front calls three services at once, and each of them hub, where one of the three waits for the
/// others and then writes for all of them. Within hub nobody hands the context on.
class Meeting : public Rebuilding {
 protected:
  struct Score {
    double right = 0, said = 0;  // shares of all writes
  };

  Score Run(const Context& context) {
    Nanos now = now_;
    for (int i = 0; i < 1'500; ++i) Compose(now += FromSeconds(random_.Exponential(.008)), context);
    Rebuilding::Run();
    Score score;
    for (const auto& [client, server] : writer_) {
      const auto join = joins_.find(client);
      if (join == joins_.end()) continue;
      score.right += join->second.parent_span == server;
      score.said += join->second.posterior;
    }
    const auto all = static_cast<double>(writer_.size());
    return {score.right / all, score.said / all};
  }

 private:
  Nanos Gap(double median_s) { return FromSeconds(median_s * std::exp(random_.Normal(0, .5))); }

  struct Sides {
    TraceId trace;
    uint64_t client = 0, server = 0;
  };
  /// The caller's span, below `above` of its trace, and the callee's below it.
  Sides Call(const Sides& above, EntityId from, EntityId to, Nanos start, Nanos end,
             const char* operation, const Context& context) {
    const Sides call{above.server == 0 ? NewTrace() : above.trace, NewId(), NewId()};
    Put({call.trace, call.client, above.server, start - Gap(.0001), end + Gap(.0001),
         SpanKind::kClient, from, to, operation});
    const bool deaf = context.all_are_deaf || (context.hub_is_deaf && to == hub_);
    Put({deaf ? NewTrace() : call.trace, call.server, deaf ? 0 : call.client, start, end,
         SpanKind::kServer, to, kNoEntity, operation});
    return call;
  }

  void Compose(Nanos now, const Context& context) {
    const char* operations[] = {"text", "user", "media"};
    Nanos sent[3], came[3], left[3];
    for (int k = 0; k < 3; ++k) {
      sent[k] = now + Gap(.0004);
      came[k] = sent[k] + Gap(.004);
      left[k] = came[k] + Gap(.0006);
    }
    const auto waits = random_.Below(3);
    Nanos all_came = came[waits];
    for (int k = 0; k < 3; ++k) all_came = std::max(all_came, left[k]);
    const Nanos asked = all_came + Gap(.0002), stored = asked + Gap(.003);
    left[waits] = stored + Gap(.006);
    const uint64_t write = Call({}, hub_, store_, asked, stored, "insert", context).client;
    const Sides front{NewTrace(), 0, NewId()};
    Nanos done = 0;
    for (size_t k = 0; k < 3; ++k) {
      const Nanos answered = left[k] + Gap(.0003);
      const Sides above = context.only_hub_loses ? front : Sides{};
      const Sides middle =
          Call(above, front_, middle_[k], sent[k], answered, operations[k], context);
      const Sides hub = Call(context.only_hub_loses ? middle : Sides{}, middle_[k], hub_, came[k],
                             left[k], context.one_operation ? "add" : operations[k], context);
      if (k == waits) writer_[write] = hub.server;
      done = std::max(done, answered);
    }
    const Nanos end = done + Gap(.0005) + context.goes_on;
    Put({front.trace, front.server, 0, now, end, SpanKind::kServer, front_, kNoEntity, "compose"});
  }
  TraceId NewTrace() { return {7, ++traces_}; }

  const EntityId front_ = Service("front"), hub_ = Service("hub"), store_ = Service("store");
  const EntityId middle_[3] = {Service("a"), Service("b"), Service("c")};
  std::map<uint64_t, uint64_t> writer_;  // call into store -> hub's request
};

TEST_F(Meeting, OneOfThoseThatMeetWaitsForTheOthers) {
  const Score score = Run({});
  EXPECT_GT(score.right, .9);  // .82 without what hangs together
  EXPECT_NEAR(score.said, score.right, .05);
}

TEST_F(Meeting, WhatIdsTellAboveTellsWhoMeets) {
  const Score score = Run({.only_hub_loses = true});
  EXPECT_GT(score.right, .94);
  EXPECT_NEAR(score.said, score.right, .05);
}

TEST_F(Meeting, WhoMeetsIsInferredWhereNoIdTells) {
  const Score score = Run({.all_are_deaf = true});
  EXPECT_GT(score.right, .9);
  EXPECT_NEAR(score.said, score.right, .05);
}

TEST_F(Meeting, IdsAboveAndInferenceBelowTellWhoMeets) {
  const Score score = Run({.only_hub_loses = true, .hub_is_deaf = true});
  EXPECT_GT(score.right, .94);
  EXPECT_NEAR(score.said, score.right, .05);
  EXPECT_EQ(requests().stats().waiting, 0u);
  ChunksChangeNothing();
}

TEST_F(Meeting, TheyMayBeOfOneKind) {
  const Score score = Run({.only_hub_loses = true, .one_operation = true});
  EXPECT_GT(score.right, .94);
  EXPECT_NEAR(score.said, score.right, .05);
}

TEST_F(Meeting, AServiceMayBeginToJoinLongAfterOthersWereLearned) {
  Traffic(180, 50, {.context_in_shop = true});
  now_ += 10 * kSecond;
  const Score score = Run({.only_hub_loses = true});
  EXPECT_GT(score.right, .94);
  EXPECT_NEAR(score.said, score.right, .05);
}

TEST_F(Meeting, WhoStandsAboveMayLeaveLater) {
  const Score score = Run({.only_hub_loses = true, .goes_on = 4 * kSecond});
  EXPECT_GT(score.right, .94);
  EXPECT_EQ(requests().stats().waiting, 0u);
  ChunksChangeNothing();
}

}  // namespace
}  // namespace tomograph::correlate
