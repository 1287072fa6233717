#include "correlate/linking/recent_records.h"

#include <gtest/gtest.h>

#include <vector>

namespace tomograph::correlate::linking {
namespace {

/// A service whose requests each make one call, one after the other.
struct Service {
  LinkModel model;
  Vocabulary numbers;
  LinkWindow window;
  RecentRecords recent;
  uint64_t sequence = 0;

  void Add(int n) {
    for (int x = 0; x < n; ++x) {
      const auto t = 1'000.0 * static_cast<double>(sequence);
      const RecordName served{telemetry::EntityId{5}, {}, false};
      const RecordName called{telemetry::EntityId{6}, {}, true};
      Request request;
      request.service = numbers.Count(telemetry::EntityId{1}, served, &model);
      request.time = {t, t + 300};
      request.name = served;
      request.sequence = sequence++;
      Call call;
      call.service = numbers.Count(telemetry::EntityId{1}, called, &model);
      call.time = {t + 100, t + 200};
      call.name = called;
      call.sequence = sequence++;
      call.owner = static_cast<int>(window.requests.size());
      call.decided = true;
      call.drawn = request.sequence;
      window.requests.push_back(request);
      window.calls.push_back(call);
    }
    numbers.Deal(0, &model);
    window.Index(model.services.size());
    window.FindCandidates(10);
  }
  /// All that is in the window leaves it.
  void Leave() {
    const std::vector<int> gone(window.requests.size(), kNobody);
    recent.Take(window, gone, gone);
    window = {};
    window.Index(model.services.size());
  }
  LinkWindow Part() const { return recent.Part(0, true, window, numbers, model); }
};

TEST(RecentRecords, APartHoldsWhatLeftAndWhatIsInViewEachWithItsOwner) {
  Service service;
  service.Add(30);
  service.Leave();
  service.Add(20);
  service.window.calls.back().owner = kNobody;
  const LinkWindow part = service.Part();
  ASSERT_EQ(part.requests.size(), 50u);
  ASSERT_EQ(part.calls.size(), 50u);
  for (int c = 0; c < 49; ++c) EXPECT_EQ(part.calls[c].owner, c);
  EXPECT_EQ(part.calls[49].owner, kNobody);
  for (const Call& call : part.calls) {
    EXPECT_FALSE(call.decided);
    EXPECT_EQ(call.candidates, 1);
  }
}

TEST(RecentRecords, TheLatestAreKeptAndACallGoesWithItsRequest) {
  Service service;
  for (int x = 0; x < 20; ++x) {
    service.Add(500);
    service.Leave();
    EXPECT_LE(service.recent.calls(0), RecentRecords::kMostOfOne);
  }
  EXPECT_GE(service.recent.calls(0) + 1, RecentRecords::kMostOfOne / 2);  // one may be cut
  const LinkWindow part = service.Part();
  EXPECT_EQ(part.calls.back().sequence, service.sequence - 1);
  for (const Call& call : part.calls) EXPECT_NE(call.owner, kNobody);
}

TEST(RecentRecords, ManyServicesHaveAnEqualPart) {
  RecentRecords recent;
  constexpr int kServices = 1'000;
  LinkWindow window;
  uint64_t sequence = 0;
  for (int round = 0; round < 300; ++round) {
    window = {};
    for (int s = 0; s < kServices; ++s) {
      Request request;
      request.service = s;
      request.sequence = sequence++;
      Call call;
      call.service = s;
      call.sequence = sequence++;
      call.drawn = request.sequence;
      window.requests.push_back(request);
      window.calls.push_back(call);
    }
    const std::vector<int> gone(kServices, kNobody);
    recent.Take(window, gone, gone);
  }
  size_t all = 0;
  for (int s = 0; s < kServices; ++s) {
    all += recent.calls(s);
    EXPECT_GE(recent.calls(s), RecentRecords::kMost / kServices / 2);
  }
  EXPECT_LE(all, RecentRecords::kMost);
}

}  // namespace
}  // namespace tomograph::correlate::linking
