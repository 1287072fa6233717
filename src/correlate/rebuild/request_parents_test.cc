// What called a request is told as what it is: by id, inferred, nothing, or unknown.
#include <gmock/gmock.h>

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

class RequestParents : public Rebuilding {
 protected:
  /// All kinds together are all requests.
  telemetry::ParentStats Parents() const {
    const telemetry::ParentStats p = requests().parents();
    const auto received = std::count_if(made_.begin(), made_.end(), [](const Made& m) {
      return !m.lost && (m.kind == SpanKind::kServer || m.kind == SpanKind::kConsumer);
    });
    EXPECT_EQ(p.all(), static_cast<uint64_t>(received));
    EXPECT_EQ(p.waiting, 0u);
    return p;
  }
  uint64_t requests_of_web() const { return traces_; }
  /// The roots of `service` that are kept, of which there are some.
  void RootsAre(EntityId service, JoinBasis basis, telemetry::Wholeness wholeness) const {
    size_t roots = 0;
    for (const auto& request : requests().Recent()) {
      if (request->root().service != service) continue;
      ++roots;
      EXPECT_EQ(request->root().basis, basis);
      EXPECT_EQ(telemetry::WholenessOf(*request), wholeness);
    }
    EXPECT_GT(roots, 0u);
  }
};

TEST_F(RequestParents, ByIdAndTheRootsThatNothingCouldHaveCalled) {
  Traffic(30, 20, {});
  Run();
  const auto p = Parents();
  EXPECT_EQ(p.root, requests_of_web());
  EXPECT_EQ(p.by_id, 2 * requests_of_web());
  RootsAre(web_, JoinBasis::kRoot, telemetry::Wholeness::kComplete);
}

TEST_F(RequestParents, BehindAnAddressOfNobodyTheyAreUnknown) {
  senders_named_ = true;
  // At an IP it would be found by the times of its calls.
  for (const char* address : {"vip.shop:80", "127.0.0.1:15001"}) {
    made_.clear();
    traces_ = 0;
    Traffic(60, 20, {.hop_into_pay = true, .host = address});
    Run();
    const auto p = Parents();
    EXPECT_EQ(p.not_looked_for, requests_of_web()) << address;
    EXPECT_EQ(p.root, requests_of_web()) << "web calls shop for itself: it is not called back";
    EXPECT_EQ(p.by_id, requests_of_web());
    RootsAre(pay_, JoinBasis::kUnknown, telemetry::Wholeness::kFragment);
    RootsAre(web_, JoinBasis::kRoot, telemetry::Wholeness::kComplete);
  }
}

TEST_F(RequestParents, WhatIsTakenFromANamedQueueIsNoRootAndItsMessageUnknown) {
  Traffic(60, 20, {});
  const EntityId queue = ids_.entities.FindOrAdd(EntityKind::kQueue, "", "kafka orders");
  for (uint64_t i = 0; i < 50; ++i) {
    const Nanos at = kT0 + static_cast<Nanos>(i) * kSecond;
    Put({{9, i + 1},
         NewId(),
         0,
         at,
         at + kMillisecond,
         SpanKind::kConsumer,
         Service("mail"),
         queue,
         "orders process"});
  }
  Run();
  const auto p = Parents();
  EXPECT_EQ(p.from_queue, 50u);
  EXPECT_EQ(p.root, requests_of_web());
  RootsAre(Service("mail"), JoinBasis::kUnknown, telemetry::Wholeness::kFragment);
}

TEST_F(RequestParents, AThirdPartyDoesNotMakeThemUnknownWhereIdsAreHandedOn) {
  Traffic(60, 20, {});
  for (int i = 0; i < 200; ++i) {
    const Nanos at = kT0 + i * 200 * kMillisecond;
    const auto trace = static_cast<uint64_t>(i);
    // Web asks a third party for a request of its own, meanwhile pay is probed.
    const uint64_t web = NewId();
    Put({{7, trace},
         web,
         0,
         at,
         at + 60 * kMillisecond,
         SpanKind::kServer,
         web_,
         kNoEntity,
         "GET /"});
    Put({{7, trace},
         NewId(),
         web,
         at,
         at + 50 * kMillisecond,
         SpanKind::kClient,
         web_,
         kNoEntity,
         "GET",
         false,
         "api.example.com:443"});
    Put({{8, trace},
         NewId(),
         0,
         at,
         at + 5 * kMillisecond,
         SpanKind::kServer,
         pay_,
         kNoEntity,
         "GET /health"});
  }
  Run();
  EXPECT_EQ(Parents().root, requests_of_web() + 2 * 200);
}

TEST_F(RequestParents, ByWayOfAQueueTheyAreUnknown) {
  for (int i = 0; i < 200; ++i, now_ += 100 * kMillisecond) {
    const TraceId sent{1, ++traces_}, taken{2, traces_};
    const uint64_t web = NewId();
    Put({sent, web, 0, now_, now_ + 20 * kMillisecond, SpanKind::kServer, web_, kNoEntity, "GET"});
    Put({sent, NewId(), web, now_ + kMillisecond, now_ + 2 * kMillisecond, SpanKind::kProducer,
         web_, ids_.entities.FindOrAdd(EntityKind::kQueue, "", "orders"), "send"});
    Put({taken, NewId(), 0, now_ + kMinute, now_ + kMinute + kMillisecond, SpanKind::kConsumer,
         pay_, kNoEntity, "take"});
  }
  Run();
  const auto p = Parents();
  EXPECT_EQ(p.not_looked_for, 200u);
  EXPECT_EQ(p.root, 200u);
  RootsAre(pay_, JoinBasis::kUnknown, telemetry::Wholeness::kFragment);
}

TEST_F(RequestParents, ThatNobodyCalledIsToldAsSurelyAsItIsInferred) {
  Traffic(180, 30, {.hop_into_pay = true, .outside_of_pay = .3});
  Run();
  const auto p = Parents();
  EXPECT_GT(p.inferred, requests_of_web() * 9 / 10);
  EXPECT_GT(p.root, requests_of_web() + outside_.size() * 7 / 10);
  size_t inferred = 0;
  for (const auto& request : requests().Recent()) {
    const auto& root = request->root();
    if (root.service != pay_ || root.basis != JoinBasis::kRoot || joins_.count(root.id) == 0)
      continue;
    ++inferred;
    EXPECT_NEAR(root.none, joins_.at(root.id).none, 1e-6);
    EXPECT_NEAR(request->probability, root.none, 1e-6);
    EXPECT_EQ(root.posterior, root.none);
  }
  EXPECT_GT(inferred, 0u);
}

TEST_F(RequestParents, ACallWithoutItsOtherSideIsIncomplete) {
  Traffic(60, 20, {});
  std::map<uint64_t, bool> answered;  // by shop's call
  for (Made& m : made_) {
    if (m.service != pay_) continue;
    m.lost = m.parent % 2 == 0;
    answered[m.parent] = !m.lost;
  }
  const uint64_t query = NewId();  // a database sends no spans
  Put({{5, 1},
       NewId(),
       0,
       now_,
       now_ + kMillisecond,
       SpanKind::kServer,
       web_,
       kNoEntity,
       "GET /x"});
  Put({{5, 1},
       query,
       made_.back().id,
       now_,
       now_ + kMillisecond,
       SpanKind::kClient,
       web_,
       ids_.entities.FindOrAdd(EntityKind::kDatabase, "", "db"),
       "GET"});
  Run();
  std::map<bool, size_t> seen;
  for (const auto& request : requests().Recent()) {
    const bool all = std::all_of(request->spans.begin(), request->spans.end(), [&](const auto& s) {
      const auto call = answered.find(s.id);
      const bool lacks = call != answered.end() && !call->second;
      EXPECT_EQ(s.unanswered_by, lacks ? pay_ : kNoEntity);
      return !lacks;
    });
    EXPECT_EQ(telemetry::WholenessOf(*request),
              all ? telemetry::Wholeness::kComplete : telemetry::Wholeness::kIncomplete);
    EXPECT_EQ(request->unanswered, all ? 0u : 1u);
    ++seen[all];
  }
  EXPECT_GT(seen[false], 0u);
  EXPECT_GT(seen[true], 0u);
}

TEST_F(RequestParents, WhoseParentNeverCameIsNotByIdAndNoRoot) {
  Traffic(60, 20, {.lose_shop_client = .2});
  Run();
  const auto p = Parents();
  EXPECT_EQ(p.lost, lost_.size());
  EXPECT_EQ(p.root, requests_of_web());
}

}  // namespace
}  // namespace tomograph::correlate
