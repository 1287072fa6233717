// Requests of one request that meet at a service, where one of them waits for the others.
#include <cmath>

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

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
