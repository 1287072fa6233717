#include "correlate/rebuild/request_rebuilder.h"

#include <gmock/gmock.h>

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

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
    // Web's to shop, and shop's to the address.
    EXPECT_EQ(correlator_->Edges().size(), 2u) << host;
    EXPECT_FALSE(HasEdge(shop_, pay_)) << host;
    const EntityId address = ids_.entities.FindOrAdd(EntityKind::kLink, "", host);
    EXPECT_TRUE(HasEdge(shop_, address)) << host;
    EXPECT_EQ(correlator_->OwnerUnknown(), std::set<EntityId>{address}) << host;
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
  for (const uint64_t id : outside_) {
    const auto at = joins_.find(id);
    ASSERT_NE(at, joins_.end());
    joined += at->second.parent_span != 0;
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
    EXPECT_EQ(request->root().basis, root == 1'006 ? JoinBasis::kRoot : JoinBasis::kUnknown);
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

TEST_F(Rebuilding, ARequestStaysForWhatItHandsOffAfterItsAnswer) {
  for (int i = 0; i < 200; ++i) {
    const TraceId trace{1, ++traces_}, after{7, traces_};
    const uint64_t request = NewId(), handed_off = NewId();
    now_ += FromSeconds(random_.Exponential(1));
    const Nanos end = now_ + FromSeconds(.01 + random_.Exponential(.005));
    const Nanos sent = end + FromSeconds(.01 + random_.Exponential(.01));
    Put({trace, request, 0, now_, end, SpanKind::kServer, shop_, kNoEntity, "POST /order"});
    Put({after, handed_off, 0, sent, sent + kSecond, SpanKind::kClient, shop_, pay_, "POST"});
    parent_of_[handed_off] = request;
  }
  Run(400);
  EXPECT_EQ(joins_.size(), 200u);
  for (const auto& [span, join] : joins_) EXPECT_LT(join.none, .5) << join.parent_span;
  EXPECT_GT(ShareRight(), .97);
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

}  // namespace
}  // namespace tomograph::correlate
