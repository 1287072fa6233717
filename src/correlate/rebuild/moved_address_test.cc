#include <gmock/gmock.h>

#include <cmath>

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

/// web calls an address at which `old` and later `fresh` answers. No context is propagated: all of
/// whose the address is must be told by the times of calls, and by what servers say of themselves.
class MovedAddress : public Rebuilding {
 protected:
  static constexpr const char* kAddress = "10.0.0.5:8080";

  struct Call {
    EntityId callee = kNoEntity;
    EntityId caller = kNoEntity;  // none: web; the callee itself: one from outside
    const char* address = kAddress;
    const char* told = "";  // by the callee, of itself
    bool by_name = false;
  };

  /// Of the callee's request.
  uint64_t Put(Nanos at, const Call& made) {
    const auto gap = [&] { return FromSeconds(random_.Exponential(.0008) + .0002); };
    const EntityId caller = made.caller == kNoEntity ? web_ : made.caller;
    const uint64_t id = NewId(), call = NewId();
    const Nanos sent = at + gap(), received = sent + gap();
    const Nanos answered = received + FromSeconds(.004 + random_.Exponential(.01));
    const Nanos got = answered + gap();
    ++traces_;
    if (caller != made.callee) {
      const uint64_t request = NewId();
      Rebuilding::Put(
          {{1, traces_}, request, 0, at, got + gap(), SpanKind::kServer, caller, kNoEntity, "GET"});
      Rebuilding::Put({{1, traces_},
                       call,
                       request,
                       sent,
                       got,
                       SpanKind::kClient,
                       caller,
                       made.by_name ? made.callee : kNoEntity,
                       "POST",
                       false,
                       made.by_name ? "" : made.address});
      parent_of_[id] = call;
    }
    Rebuilding::Put({{2, traces_},
                     id,
                     0,
                     received,
                     answered,
                     SpanKind::kServer,
                     made.callee,
                     kNoEntity,
                     "POST /x",
                     false,
                     made.told});
    return id;
  }

  /// Poisson; ids of the callee's requests.
  std::vector<uint64_t> PutMany(double from_s, double to_s, double per_s, const Call& made) {
    std::vector<uint64_t> requests;
    for (double t = from_s + random_.Exponential(1 / per_s); t < to_s;
         t += random_.Exponential(1 / per_s))
      requests.push_back(Put(kT0 + FromSeconds(t), made));
    return requests;
  }

  struct Shares {
    double right = 0, wrong = 0, nobody = 0, unknown = 0;  // nobody: the sum of `none`
  };
  Shares SharesOf(const std::vector<uint64_t>& requests) const {
    Shares shares;
    const double one = 1. / static_cast<double>(requests.size());
    for (const uint64_t id : requests) {
      const auto join = joins_.find(id);
      if (join == joins_.end()) {  // shown as a root, and nothing is said against it
        shares.nobody += one;
        continue;
      }
      shares.nobody += join->second.none * one;
      const auto caller = parent_of_.find(id);
      if (join->second.parent_span == 0) {
        shares.unknown += join->second.none < .5 ? one : 0;
      } else {
        const bool right = caller != parent_of_.end() && caller->second == join->second.parent_span;
        (right ? shares.right : shares.wrong) += one;
      }
    }
    return shares;
  }

  const telemetry::Edge* EdgeOf(EntityId caller, EntityId callee) {
    edges_ = correlator_->Edges();
    for (const auto& e : edges_)
      if (e.caller == caller && e.callee == callee) return &e;
    return nullptr;
  }

  EntityId old_ = Service("old"), fresh_ = Service("fresh"), other_ = Service("other");
  std::vector<telemetry::Edge> edges_;
};

TEST_F(MovedAddress, GoesToTheServiceWhoseRequestsFitTheCalls) {
  PutMany(0, 180, 10, {old_, kNoEntity, kAddress, kAddress});
  const auto early = PutMany(180, 200, 10, {fresh_});
  const auto late = PutMany(200, 420, 10, {fresh_});
  Run(100);
  const Shares first = SharesOf(early), then = SharesOf(late);
  EXPECT_LT(first.nobody, .1);
  EXPECT_LT(then.nobody, .01);
  EXPECT_GT(then.right, .97);
  const auto* gone = EdgeOf(web_, old_);
  ASSERT_NE(gone, nullptr);
  EXPECT_NE(gone->state, telemetry::EdgeState::kActive);
  EXPECT_LT(gone->last_seen, kT0 + 190 * kSecond);
  const auto* now = EdgeOf(web_, fresh_);
  ASSERT_NE(now, nullptr);
  EXPECT_EQ(now->state, telemetry::EdgeState::kActive);
  ChunksChangeNothing();
}

TEST_F(MovedAddress, GoesAlsoWhereOthersCallTheNewOwnerByName) {
  PutMany(0, 180, 10, {old_, kNoEntity, kAddress, kAddress});
  PutMany(0, 420, 5, {fresh_, other_, "", "", true});
  const auto late = PutMany(180, 420, 10, {fresh_});
  Run(100);
  const Shares shares = SharesOf(late);
  EXPECT_LT(shares.nobody, .02);
  EXPECT_GT(shares.right, .9);
}

TEST_F(MovedAddress, OfAnOwnerThatNobodyKnowsIsUnknownAtFirst) {
  PutMany(0, 60, 10, {old_, kNoEntity, kAddress, kAddress});
  // One call in eight seconds: too few to infer joins from.
  const auto few = PutMany(10, 180, 1 / 8., {fresh_, kNoEntity, "10.0.0.6:8080"});
  Run(60);
  const Shares shares = SharesOf(few);
  EXPECT_LT(shares.nobody, .1);
  EXPECT_EQ(shares.wrong, 0);
}

TEST_F(MovedAddress, OfAnOwnerThatNobodyKnowsIsFound) {
  const auto calls = PutMany(0, 240, 10, {fresh_, kNoEntity, "10.0.0.6:8080"});
  Run(60);
  const Shares shares = SharesOf(calls);
  EXPECT_LT(shares.nobody, .05);
  EXPECT_GT(shares.right, .9);
  EXPECT_NE(EdgeOf(web_, fresh_), nullptr);
}

TEST_F(MovedAddress, FewCallsToAKnownOwnerAreNotNobodys) {
  const auto few = PutMany(10, 300, 1 / 30., {fresh_, kNoEntity, kAddress, kAddress});
  PutMany(0, 300, 10, {old_, kNoEntity, "10.0.0.6:8080", "10.0.0.6:8080"});
  Run(60);
  EXPECT_LT(SharesOf(few).nobody, .1);
}

TEST_F(MovedAddress, RequestsFromOutsideAreNobodysBesideCallsThatGoElsewhere) {
  PutMany(0, 240, 10, {old_, kNoEntity, kAddress, kAddress});
  const auto outside = PutMany(0, 240, 10, {fresh_, fresh_});
  // Calls to an address that no telemetry tells of.
  for (double t = 0; t < 240; t += random_.Exponential(.1)) {
    const Nanos at = kT0 + FromSeconds(t);
    Rebuilding::Put({{3, ++traces_},
                     NewId(),
                     0,
                     at,
                     at + FromSeconds(random_.Exponential(.05)),
                     SpanKind::kClient,
                     other_,
                     kNoEntity,
                     "POST",
                     false,
                     "192.0.2.1:443"});
  }
  Run(60);
  const Shares shares = SharesOf(outside);
  EXPECT_GT(shares.nobody, .97);
  EXPECT_EQ(EdgeOf(other_, fresh_), nullptr);
  EXPECT_EQ(EdgeOf(web_, fresh_), nullptr);
}

TEST_F(MovedAddress, StaysWhereItsOwnersTelemetryIsMissing) {
  PutMany(0, 180, 10, {old_, kNoEntity, kAddress, kAddress});
  const size_t before = made_.size();
  PutMany(180, 420, 10, {old_, kNoEntity, kAddress, kAddress});
  for (size_t i = before; i < made_.size(); ++i)
    made_[i].lost = made_[i].service == old_ && made_[i].start > kT0 + 180 * kSecond;
  PutMany(0, 420, 10, {fresh_, fresh_});
  Run(100);
  const auto* edge = EdgeOf(web_, old_);
  ASSERT_NE(edge, nullptr);
  EXPECT_NE(edge->state, telemetry::EdgeState::kStopped);
  EXPECT_EQ(EdgeOf(web_, fresh_), nullptr);
}

TEST_F(MovedAddress, ManyServicesAndAddressesOutsideAreNotTakenForOneAnother) {
  std::vector<uint64_t> roots;
  for (int s = 0; s < 12; ++s) {
    const EntityId service = Service(("s" + std::to_string(s)).c_str());
    const double per_s = .2 * std::pow(1.5, s), takes_s = .3 / (1 + s % 4);
    const std::string address = "192.0.2." + std::to_string(s) + ":443";
    for (double t = 0; t < 120; t += random_.Exponential(1 / per_s)) {
      const Nanos at = kT0 + FromSeconds(t), end = at + FromSeconds(random_.Exponential(takes_s));
      const Nanos sent = at + (end - at) / 4, got = end - (end - at) / 8;
      roots.push_back(NewId());
      Rebuilding::Put(
          {{1, ++traces_}, roots.back(), 0, at, end, SpanKind::kServer, service, kNoEntity, "GET"});
      Rebuilding::Put({{1, traces_},
                       NewId(),
                       roots.back(),
                       sent,
                       got,
                       SpanKind::kClient,
                       service,
                       kNoEntity,
                       "POST",
                       false,
                       address});
    }
  }
  Run(60);
  EXPECT_GT(SharesOf(roots).nobody, .97);
  // To the addresses, and to no service behind them.
  const std::set<EntityId> addresses = correlator_->OwnerUnknown();
  EXPECT_EQ(correlator_->Edges().size(), 12u);
  for (const auto& edge : correlator_->Edges()) EXPECT_TRUE(addresses.contains(edge.callee));
}

TEST_F(MovedAddress, WhatIsExplainedByItsOwnCallsIsNoCallsElsewhere) {
  // web asks a third party meanwhile, whose answer always takes longer.
  for (double t = 0; t < 240; t += random_.Exponential(.1)) {
    const Nanos at = kT0 + FromSeconds(t);
    Put(at, {fresh_, kNoEntity, "", "", true});
    Rebuilding::Put({{1, traces_},
                     NewId(),
                     0,
                     at,
                     at + FromSeconds(.1 + random_.Exponential(.02)),
                     SpanKind::kClient,
                     web_,
                     kNoEntity,
                     "POST",
                     false,
                     "192.0.2.1:443"});
  }
  Run(60);
  size_t right = 0;
  for (const auto& [request, call] : parent_of_) {
    const auto join = joins_.find(request);
    right += join != joins_.end() && join->second.parent_span == call;
  }
  EXPECT_GT(right, parent_of_.size() * 9 / 10);
}

TEST_F(MovedAddress, IsSharedWhereTwoAnswer) {
  std::vector<uint64_t> requests;
  for (double t = 0; t < 300; t += random_.Exponential(.1))
    requests.push_back(Put(kT0 + FromSeconds(t), {random_.Uniform() < .5 ? old_ : fresh_}));
  Run(60);
  EXPECT_LT(SharesOf(requests).nobody, .1);
  EXPECT_LT(SharesOf(requests).wrong, .05);
}

/// Two callers at once: what the callee tells of where it was called from says whose call it was.
TEST_F(Rebuilding, AddressesOfCallersTellWhoCalled) {
  senders_named_ = true;
  const auto right = [&](bool told) {
    made_.clear();
    parent_of_.clear();
    random_ = Random(9);
    for (double t = 0; t < 150; t += random_.Exponential(1 / 60.)) {
      const bool first = random_.Uniform() < .5;
      const Nanos sent = kT0 + FromSeconds(t);
      const Nanos received = sent + FromSeconds(random_.Exponential(.02));
      const Nanos answered = received + FromSeconds(random_.Exponential(.03));
      const Nanos got = answered + FromSeconds(random_.Exponential(.02));
      const uint64_t call = NewId(), pay = NewId();
      const char* from = first ? "10.1.0.1" : "10.1.0.2";
      ++traces_;
      Put({{1, traces_},
           call,
           0,
           sent,
           got,
           SpanKind::kClient,
           first ? web_ : shop_,
           pay_,
           "POST",
           false,
           "",
           from});
      Put({{2, traces_},
           pay,
           0,
           received,
           answered,
           SpanKind::kServer,
           pay_,
           kNoEntity,
           "POST /x",
           false,
           "",
           "10.1.0.3",
           {},
           told ? from : ""});
      parent_of_[pay] = call;
    }
    Run();
    size_t found = 0;
    for (const auto& [id, caller] : parent_of_) {
      const auto join = joins_.find(id);
      found += join != joins_.end() && join->second.parent_span == caller;
    }
    return static_cast<double>(found) / static_cast<double>(parent_of_.size());
  };
  const double alone = right(false), with_addresses = right(true);
  RecordProperty("alone", std::to_string(alone));
  RecordProperty("with_addresses", std::to_string(with_addresses));
  EXPECT_GT(with_addresses, alone + .05) << alone;
}

}  // namespace
}  // namespace tomograph::correlate
