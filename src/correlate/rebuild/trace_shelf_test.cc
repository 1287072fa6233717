#include "correlate/rebuild/trace_shelf.h"

#include <gtest/gtest.h>

namespace tomograph::correlate {
namespace {

using telemetry::JoinBasis;
using telemetry::TraceId;

constexpr TraceId kA{1, 1}, kB{1, 2};

struct Spans {
  std::vector<OpenSpan> list;
  JoinedTrace joined;

  /// Ordered by id.
  Spans& Add(uint64_t id, uint64_t parent, Nanos end) {
    OpenSpan span;
    span.id = id;
    span.parent = parent;
    span.end = end;
    list.push_back(span);
    return *this;
  }
  LeavingTrace Leaving(TraceId trace, Nanos before, bool trimmed = false) {
    joined.Join(list);
    return {trace, joined, before, trimmed};
  }
};

Above Inferred(SpanRef parent) { return {JoinBasis::kInferred, parent, .9f, .1f, {}, 0}; }

TEST(TraceShelf, ATraceInPartsIsWholeWithItsLastOne) {
  TraceShelf shelf(100);
  Spans first, rest;
  first.Add(1, 0, 50).Add(2, 1, 10);
  ASSERT_TRUE(shelf.Add(first.Leaving(kA, 20)));
  EXPECT_TRUE(shelf.traces().at(kA).awaits_more);
  rest.Add(1, 0, 50);
  ASSERT_TRUE(shelf.Add(rest.Leaving(kA, 60, true)));
  EXPECT_FALSE(shelf.traces().at(kA).awaits_more);
  EXPECT_FALSE(shelf.traces().at(kA).trimmed);
  EXPECT_EQ(shelf.spans(), 2u);
}

TEST(TraceShelf, ATraceWhoseRestFoundNoRoomIsTrimmed) {
  TraceShelf shelf(8);  // of one trace, a quarter
  Spans first, rest;
  first.Add(1, 0, 50).Add(2, 1, 10).Add(3, 1, 50);
  ASSERT_TRUE(shelf.Add(first.Leaving(kA, 20)));
  rest.Add(1, 0, 50).Add(3, 1, 50);
  EXPECT_FALSE(shelf.Add(rest.Leaving(kA, 60, true)));
  EXPECT_TRUE(shelf.traces().at(kA).trimmed);
  EXPECT_FALSE(shelf.traces().at(kA).awaits_more);
  EXPECT_EQ(shelf.spans(), 1u);
}

TEST(TraceShelf, ASpanThatIsSentAgainIsHereOnce) {
  TraceShelf shelf(100);
  ASSERT_TRUE(shelf.Add(Spans().Add(2, 0, 10).Leaving(kA, 20)));
  ASSERT_TRUE(shelf.Add(Spans().Add(1, 0, 30).Add(2, 0, 30).Leaving(kA, 40, true)));
  EXPECT_EQ(shelf.spans(), 2u);
  EXPECT_EQ(shelf.Find({kA, 2})->span.end, 10);
}

TEST(TraceShelf, ATraceWhosePartsLeftElsewhereIsTrimmed) {
  TraceShelf shelf(100);
  ASSERT_TRUE(shelf.Add(Spans().Add(2, 1, 10).Leaving(kA, 20, true)));
  EXPECT_TRUE(shelf.traces().at(kA).trimmed);
}

TEST(TraceShelf, NothingIsJoinedAboveItself) {
  TraceShelf shelf(100);
  Spans a, b;
  ASSERT_TRUE(shelf.Add(a.Add(1, 0, 10).Add(2, 1, 10).Leaving(kA, 20)));
  ASSERT_TRUE(shelf.Add(b.Add(3, 0, 10).Add(4, 3, 10).Leaving(kB, 20)));
  EXPECT_TRUE(shelf.Join({kB, 3}, Inferred({kA, 2})));
  EXPECT_FALSE(shelf.Join({kA, 1}, Inferred({kB, 4})));
  EXPECT_EQ(shelf.Find({kA, 1})->above.basis, JoinBasis::kRoot);
  EXPECT_EQ(shelf.Find({kB, 3})->above.basis, JoinBasis::kInferred);
  EXPECT_FALSE(shelf.Join({kA, 9}, Inferred({kB, 4}))) << "not there";
}

}  // namespace
}  // namespace tomograph::correlate
