#include "correlate/linking/join_model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

constexpr int kRoot = 0, kMeeting = 1;  // services

/// Traces of a root with two calls to one service; the request there that starts last makes the
/// call that waits for both. `joined` false: each of the two makes its own.
struct Traces {
  LinkModel model;
  LinkWindow window;

  explicit Traces(bool joined) {
    model.services.resize(2);
    model.services[kRoot].kinds = {0};
    model.services[kRoot].classes = 2;
    model.services[kMeeting].kinds = {1, 2};
    model.services[kMeeting].classes = 1;
    model.kinds.resize(3);
    std::vector<CallGroup> two(2);
    two[1].call_class = 1;
    model.kinds[0].SetGroups(std::move(two), 2);
    for (const int kind : {1, 2}) model.kinds[kind].SetGroups(std::vector<CallGroup>(1), 1);
    Random random(4);
    struct Side {
      double start, end;
      int kind, trace;
    };
    std::vector<Side> meetings;
    std::vector<std::pair<double, int>> onward;  // start, meeting of which it is (by trace, kind)
    constexpr int kTraces = 100;
    for (int t = 0; t < kTraces; ++t) {
      Request root;
      root.time = {t * 1e4, t * 1e4 + 9'000};
      root.service = kRoot;
      window.requests.push_back(root);
      Side side[2];
      for (int k = 0; k < 2; ++k) {
        const double start = root.time.start + 500 + random.Exponential(800);
        side[k] = {start, start + 4'000, k + 1, t};
        Call call;
        call.time = {side[k].start, side[k].end};
        call.service = kRoot;
        call.call_class = k;
        call.owner = t;
        window.calls.push_back(call);
      }
      std::sort(side, side + 2, [](const Side& a, const Side& b) { return a.start < b.start; });
      side[0].end = side[1].start + 300;  // the first has handed over and is done
      meetings.insert(meetings.end(), side, side + 2);
    }
    std::sort(window.calls.begin(), window.calls.end(),
              [](const Call& a, const Call& b) { return a.time.start < b.time.start; });
    std::sort(meetings.begin(), meetings.end(),
              [](const Side& a, const Side& b) { return a.start < b.start; });
    const int calls_of_root = static_cast<int>(window.calls.size());
    for (int m = 0; m < static_cast<int>(meetings.size()); ++m) {
      Request request;
      request.time = {meetings[m].start, meetings[m].end};
      request.service = kMeeting;
      request.kind = meetings[m].kind;
      for (int c = 0; c < calls_of_root; ++c) {
        const Call& call = window.calls[c];
        if (call.owner == meetings[m].trace && call.call_class == request.kind - 1) {
          request.caller = c;
        }
      }
      window.calls[request.caller].callee = kTraces + m;
      const bool last = request.time.end > request.time.start + 3'000;
      window.requests.push_back(request);
      if (joined && !last) continue;
      const double start = request.time.start + (joined ? 320 : 100);
      onward.push_back({start, kTraces + m});
    }
    std::sort(onward.begin(), onward.end());
    for (const auto& [start, owner] : onward) {
      Call call;
      call.time = {start, start + 100};
      call.service = kMeeting;
      call.owner = owner;
      window.calls.push_back(call);
    }
    window.Index(2);
    window.LayOut(model);
  }
};

TEST(JoinModel, FindsAJoinAndPrefersWhoCameLast) {
  Traces traces(true);
  JoinModel joins;
  joins.Learn(traces.window, traces.model, 1e300);
  ASSERT_TRUE(joins.on());
  // Give one onward call to the other request of its trace.
  const ServiceRange& range = traces.window.services[kMeeting];
  const int call = range.first_call + 20;
  const int owner = traces.window.calls[call].owner;
  const int root = JoinModel::RootOf(traces.window, owner);
  const double right = joins.LogLikelihood(traces.window, traces.model, root);
  for (int i = range.first_request; i < range.end_request; ++i) {
    if (i == owner || JoinModel::RootOf(traces.window, i) != root) continue;
    traces.window.Take(traces.model, call);
    traces.window.Give(traces.model, call, i);
  }
  ASSERT_NE(traces.window.calls[call].owner, owner);
  EXPECT_GT(right, joins.LogLikelihood(traces.window, traces.model, root) + 2);
}

TEST(JoinModel, ServicesThatAnswerEachForThemselvesAreNone) {
  Traces traces(false);
  JoinModel joins;
  joins.Learn(traces.window, traces.model, 1e300);
  EXPECT_FALSE(joins.on());
}

}  // namespace
}  // namespace tomograph::correlate::linking
