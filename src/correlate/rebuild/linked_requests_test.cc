#include <gmock/gmock.h>

#include "correlate/rebuild/rebuilding_test.h"

namespace tomograph::correlate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// web sends messages within requests; mail works on them later, in traces of its own.
class LinkedRequests : public Rebuilding {
 protected:
  SpanRef Send(Nanos at) {
    const TraceId trace{1, ++traces_};
    const uint64_t request = NewId(), sent = NewId();
    Put({trace, request, 0, at, at + 10 * kMillisecond, SpanKind::kServer, web_, kNoEntity,
         "POST /order"});
    Put({trace, sent, request, at + 2 * kMillisecond, at + 3 * kMillisecond, SpanKind::kProducer,
         web_, queue_, "send"});
    return {trace, sent};
  }
  SpanRef Receive(Nanos at, std::vector<SpanRef> links, uint64_t parent = 0, TraceId trace = {}) {
    if (trace.empty()) trace = {2, ++traces_};
    const uint64_t id = NewId();
    Put({trace, id, parent, at, at + 5 * kMillisecond, SpanKind::kConsumer, mail_, kNoEntity,
         "process", false, "", "", std::move(links)});
    return {trace, id};
  }
  const telemetry::RebuiltSpan& SpanIn(const RebuiltRequest& request, uint64_t id) const {
    for (const auto& s : request.spans)
      if (s.id == id) return s;
    return request.root();
  }
  double CallsOn(EntityId caller, EntityId callee, const std::vector<telemetry::WindowSet>& sets) {
    double calls = 0;
    for (const telemetry::WindowSet& set : sets)
      if (const telemetry::Window* w = set.Find({callee, caller})) calls += w->spans.calls;
    return calls;
  }

  EntityId mail_ = Service("mail");
  EntityId queue_ = ids_.entities.FindOrAdd(EntityKind::kQueue, "", "orders");
};

TEST_F(LinkedRequests, AConsumerHangsBelowWhatItLinksTo) {
  std::vector<std::pair<SpanRef, SpanRef>> pairs;
  for (int i = 0; i < 50; ++i) {
    const SpanRef sent = Send(kT0 + i * 100 * kMillisecond);
    pairs.emplace_back(sent, Receive(kT0 + i * 100 * kMillisecond + kSecond, {sent}));
  }
  for (const int chunks : {1, 7, 60}) {
    Run(chunks);
    EXPECT_TRUE(HasEdge(web_, mail_));
    EXPECT_EQ(requests().stats().by_id, 100u) << "each send and each message";
    EXPECT_EQ(requests().stats().links, 50u);
    EXPECT_EQ(requests().stats().links_unknown, 0u);
    EXPECT_EQ(requests().stats().inferred, 0u);
    EXPECT_THAT(joins_, IsEmpty());
    int shown = 0;
    for (const auto& [sent, received] : pairs) {
      const auto request = RecentWith(received.span);
      if (request == nullptr) continue;  // some of a kind are kept
      ++shown;
      ASSERT_THAT(request->spans, SizeIs(3));
      const auto& below = SpanIn(*request, received.span);
      EXPECT_EQ(below.basis, JoinBasis::kId);
      EXPECT_EQ(below.posterior, 1);
      ASSERT_GE(below.parent, 0);
      EXPECT_EQ(request->spans[static_cast<size_t>(below.parent)].id, sent.span);
      EXPECT_EQ(request->by_id, 2u);
      EXPECT_EQ(request->lost, 0u);
      EXPECT_EQ(WholenessOf(*request), telemetry::Wholeness::kComplete);
    }
    EXPECT_GE(shown, 3);
  }
}

TEST_F(LinkedRequests, ABatchHangsBelowTheFirstAndNamesTheOthers) {
  const SpanRef one = Send(kT0), two = Send(kT0 + kSecond), three = Send(kT0 + 2 * kSecond);
  const SpanRef batch = Receive(kT0 + 3 * kSecond, {one, two, three});
  Run(3);
  const auto request = RecentWith(batch.span);
  ASSERT_NE(request, nullptr);
  EXPECT_THAT(request->spans, SizeIs(3));
  const auto& received = SpanIn(*request, batch.span);
  EXPECT_EQ(request->spans[static_cast<size_t>(received.parent)].id, one.span);
  ASSERT_THAT(received.links, SizeIs(2));
  EXPECT_EQ(received.links[0].span, two.span);
  EXPECT_EQ(received.links[1].span, three.span);
  EXPECT_EQ(received.links[1].service, web_);
  EXPECT_EQ(received.links[1].operation, "send");
  EXPECT_TRUE(received.links[1].seen);
  for (const SpanRef& other : {two, three}) EXPECT_THAT(RecentWith(other.span)->spans, SizeIs(2));
}

TEST_F(LinkedRequests, LinksToWhatNeverCameAreCountedAndLeadNowhere) {
  const SpanRef nobody{{9, 9}, 99};
  const SpanRef received = Receive(kT0 + kSecond, {nobody});
  Send(kT0);
  Run(2);
  EXPECT_EQ(requests().stats().links, 1u);
  EXPECT_EQ(requests().stats().links_unknown, 1u);
  EXPECT_FALSE(HasEdge(web_, mail_));
  const auto request = RecentWith(received.span);
  ASSERT_NE(request, nullptr);
  EXPECT_THAT(request->spans, SizeIs(1)) << "no span is made up for it";
  EXPECT_EQ(request->root().basis, JoinBasis::kUnknown);
  EXPECT_EQ(request->root().none, 0);
  ASSERT_THAT(request->root().links, SizeIs(1));
  EXPECT_FALSE(request->root().links[0].seen);
  EXPECT_EQ(request->root().links[0].span, 99u);
}

TEST_F(LinkedRequests, ASenderThatWasForgottenIsNotSaidToBeLost) {
  const SpanRef first = Send(kT0);
  SpanRef last;
  for (size_t i = 0; i < LinkBook::kMostSent; ++i) {
    last = {{3, ++traces_}, NewId()};
    Put({last.trace, last.span, 0, kT0 + static_cast<Nanos>(i) * kMillisecond,
         kT0 + static_cast<Nanos>(i + 1) * kMillisecond, SpanKind::kProducer, web_, queue_,
         "send"});
  }
  const SpanRef late = Receive(kT0 + kHour, {first}), known = Receive(kT0 + kHour, {last});
  Run();
  EXPECT_EQ(correlator_->limits().senders_forgotten, 1u);
  EXPECT_EQ(requests().stats().links_unknown, 1u);
  const telemetry::ParentStats parents = requests().parents();
  EXPECT_EQ(parents.not_found, 1u);
  EXPECT_EQ(parents.lost, 0u);
  const auto request = RecentWith(late.span);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->root().basis, JoinBasis::kUnknown);
  EXPECT_EQ(request->root().why, telemetry::UnknownParent::kNotFound);
  EXPECT_FALSE(request->root().links.at(0).seen);
  EXPECT_TRUE(SpanIn(*RecentWith(known.span), known.span).links.at(0).seen);
}

/// A later request of the same session, say.
TEST_F(LinkedRequests, ALinkFromARequestToARequestIsNoCall) {
  std::vector<std::pair<SpanRef, SpanRef>> pairs;
  for (int i = 0; i < 50; ++i) {
    const Nanos at = kT0 + i * 100 * kMillisecond;
    const SpanRef before{{5, ++traces_}, NewId()}, after{{6, ++traces_}, NewId()};
    Put({before.trace, before.span, 0, at, at + 20 * kMillisecond, SpanKind::kServer, web_,
         kNoEntity, "GET /"});
    Put({after.trace,
         after.span,
         0,
         at + 50 * kMillisecond,
         at + 60 * kMillisecond,
         SpanKind::kServer,
         pay_,
         kNoEntity,
         "POST /pay",
         false,
         "",
         "",
         {before}});
    pairs.emplace_back(before, after);
  }
  for (const int chunks : {1, 7}) {
    Run(chunks);
    EXPECT_FALSE(HasEdge(web_, pay_));
    EXPECT_EQ(requests().parents().root, 100u);
    EXPECT_EQ(requests().parents().by_id, 0u);
    int shown = 0;
    for (const auto& [before, after] : pairs) {
      const auto request = RecentWith(after.span);
      if (request == nullptr) continue;
      ++shown;
      ASSERT_THAT(request->spans, SizeIs(1));
      EXPECT_EQ(request->root().basis, JoinBasis::kRoot);
      ASSERT_THAT(request->root().links, SizeIs(1)) << "what it is related to is told";
      EXPECT_EQ(request->root().links[0].span, before.span);
    }
    EXPECT_GE(shown, 1);
  }
}

TEST_F(LinkedRequests, AMessageThatWaitedLongNamesWhoSentIt) {
  const SpanRef sent = Send(kT0);
  const SpanRef received = Receive(kT0 + 5 * kMinute, {sent});
  for (Nanos t = kT0; t < kT0 + 6 * kMinute; t += kSecond)
    Put({{3, ++traces_}, NewId(), 0, t, t + kMillisecond, SpanKind::kServer, pay_, kNoEntity, "x"});
  Run(60);
  EXPECT_TRUE(HasEdge(web_, mail_));
  EXPECT_EQ(requests().stats().links_unknown, 0u);
  const auto request = RecentWith(received.span);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->root().id, received.span);
  ASSERT_THAT(request->root().links, SizeIs(1));
  EXPECT_EQ(request->root().links[0].service, web_);
}

TEST_F(LinkedRequests, WhoReceivesAndWhoProcessesAMessageBothLinkToItOnce) {
  const SpanRef one = Send(kT0), two = Send(kT0 + kMillisecond);
  const SpanRef batch = Receive(kT0 + kSecond, {one, two});
  Receive(kT0 + kSecond, {one}, batch.span, batch.trace);
  Receive(kT0 + kSecond, {two}, batch.span, batch.trace);
  Run(1);
  const auto request = RecentWith(batch.span);
  ASSERT_NE(request, nullptr);
  EXPECT_THAT(request->spans, SizeIs(5));
  Correlator again({}, &ids_);
  Batch all;
  for (const Made& m : made_) Append(m, &all);
  again.Add(all);
  std::vector<telemetry::WindowSet> sets;
  again.Finish([&](telemetry::WindowSet&& s) { sets.push_back(std::move(s)); });
  EXPECT_EQ(CallsOn(web_, mail_, sets), 2) << "messages, not links";
  EXPECT_EQ(CallsOn(web_, queue_, sets), 2);
}

TEST_F(LinkedRequests, SpansThatLinkToEachOtherHangBelowNeitherTwice) {
  const SpanRef first{{5, 1}, 11}, second{{5, 2}, 12};
  Put({first.trace,
       first.span,
       0,
       kT0,
       kT0 + kSecond,
       SpanKind::kConsumer,
       web_,
       kNoEntity,
       "a",
       false,
       "",
       "",
       {second, first}});
  Put({second.trace,
       second.span,
       0,
       kT0,
       kT0 + kSecond,
       SpanKind::kConsumer,
       mail_,
       kNoEntity,
       "b",
       false,
       "",
       "",
       {first}});
  Run(1);
  const auto request = RecentWith(first.span);
  ASSERT_NE(request, nullptr);
  EXPECT_THAT(request->spans, SizeIs(2));
  EXPECT_EQ(request->by_id, 1u);
}

TEST_F(LinkedRequests, ALinkedConsumerIsNoRequestWithoutItsSender) {
  // Half of the consumers lost the link: inference is spent on these alone.
  std::vector<uint64_t> linked;
  for (int i = 0; i < 400; ++i) {
    const Nanos at = kT0 + i * 50 * kMillisecond;
    const SpanRef sent = Send(at);
    const SpanRef received = Receive(at + 20 * kMillisecond,
                                     i % 2 ? std::vector<SpanRef>{sent} : std::vector<SpanRef>{});
    if (i % 2) linked.push_back(received.span);
  }
  Run(20);
  for (const uint64_t span : linked) EXPECT_EQ(joins_.count(span), 0u);
}

/// What is received may have been waited for since before it was sent.
TEST_F(LinkedRequests, ALinkSaysOfClocksOnlyThatTheMessageWasSentBeforeTheEnd) {
  senders_named_ = true;
  const auto message = [&](EntityId from, const char* from_host, EntityId to, const char* to_host,
                           Nanos at) {
    const SpanRef sent{{1, ++traces_}, NewId()};
    Put({sent.trace, sent.span, 0, at, at + kMillisecond, SpanKind::kProducer, from, kNoEntity,
         "send", false, "", from_host});
    Put({{2, ++traces_},
         NewId(),
         0,
         at - 80 * kMillisecond,
         at + 5 * kMillisecond,
         SpanKind::kConsumer,
         to,
         kNoEntity,
         "receive",
         false,
         "",
         to_host,
         {sent}});
  };
  for (int i = 0; i < 400; ++i) {
    message(web_, "host-a", mail_, "host-b", kT0 + i * 100 * kMillisecond);
    message(mail_, "host-b", web_, "host-a", kT0 + i * 100 * kMillisecond + 30 * kMillisecond);
  }
  Run(20);
  EXPECT_EQ(correlator_->clocks().stats().contacts, 800u);
  EXPECT_THAT(correlator_->clocks().Findings(), IsEmpty());
  ASSERT_THAT(correlator_->clocks().Clocks(), SizeIs(2));
  for (const auto& clock : correlator_->clocks().Clocks()) {
    const auto known = correlator_->clocks().CorrectionOf(clock.id, kT0 + 30 * kSecond);
    if (known.bound == telemetry::kUnknownBound) continue;
    EXPECT_LE(std::abs(known.offset), known.bound);
  }
}

}  // namespace
}  // namespace tomograph::correlate
