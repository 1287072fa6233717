#include "correlate/requests/call_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "correlate/requests/calls_test.h"

namespace tomograph::correlate {
namespace {

using telemetry::kNoEntity;
using telemetry::SpanKind;
using telemetry::Window;
using telemetry::WindowSet;

class CallCounterTest : public CallsTest {
 protected:
  static uint64_t Seen(const std::vector<WindowSet>& sets, telemetry::WindowKey key) {
    uint64_t seen = 0;
    for (const WindowSet& set : sets)
      if (const Window* w = set.Find(key)) seen += w->spans.seen;
    return seen;
  }
};

TEST_F(CallCounterTest, AServiceThatCallsItselfServesEachCallOnce) {
  const auto sets =
      Run({{.id = 1, .start_s = 0, .end_s = .5, .kind = kClient, .service = web_},
           {.id = 2, .parent = 1, .start_s = .1, .end_s = .4, .service = web_},
           {.trace = 2, .id = 3, .start_s = 1, .end_s = 1.5, .kind = kClient, .service = web_},
           {.trace = 2,
            .id = 4,
            .parent = 3,
            .start_s = 1,
            .end_s = 1.4,
            .kind = kClient,
            .service = web_},
           {.trace = 2, .id = 5, .parent = 4, .start_s = 1.1, .end_s = 1.3, .service = web_}});
  EXPECT_EQ(Seen(sets, {web_, kNoEntity}), 2u);
  EXPECT_EQ(Seen(sets, {web_, web_}), 2u);
}

TEST_F(CallCounterTest, AServiceThatCallsItselfWithinARequestServesBoth) {
  const auto sets =
      Run({{.id = 1, .start_s = 0, .end_s = .9, .service = web_},
           {.id = 2, .parent = 1, .start_s = .1, .end_s = .6, .kind = kClient, .service = web_},
           {.id = 3, .parent = 2, .start_s = .2, .end_s = .5, .service = web_}});
  EXPECT_EQ(Seen(sets, {web_, kNoEntity}), 2u);
  EXPECT_EQ(Seen(sets, {web_, web_}), 1u);
}

TEST_F(CallCounterTest, AJobThatOnlyCallsOthersIsACallOfItsService) {
  const auto sets = Run({{.id = 1, .start_s = 0, .end_s = .5, .kind = kClient, .service = web_},
                         {.id = 2, .parent = 1, .start_s = .1, .end_s = .4, .service = pay_}});
  EXPECT_EQ(Seen(sets, {web_, kNoEntity}), 1u);
  EXPECT_EQ(Seen(sets, {pay_, web_}), 1u);
}

TEST_F(CallCounterTest, ACallWhoseRequestIsNotKnownIsNoCallThatWasServed) {
  const auto sets =
      Run({{.id = 1, .start_s = 0, .end_s = .9, .service = web_},
           {.trace = 2, .id = 2, .start_s = .1, .end_s = .2, .kind = kClient, .service = web_},
           {.trace = 2, .id = 3, .parent = 2, .start_s = .11, .end_s = .19, .service = pay_},
           {.trace = 3, .id = 4, .start_s = .3, .end_s = .5, .kind = kClient, .service = web_}});
  EXPECT_EQ(Seen(sets, {web_, kNoEntity}), 1u);
  EXPECT_EQ(Seen(sets, {pay_, web_}), 1u);
  EXPECT_EQ(Seen(sets, {pay_, kNoEntity}), 1u);
}

}  // namespace
}  // namespace tomograph::correlate
