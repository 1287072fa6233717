#include "correlate/entities/address_claims.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;

constexpr Nanos kWindow = 5 * kSecond;
constexpr Nanos kT0 = 1'000 * kSecond;

/// As many services as addresses: service s answers at address (s + turn) % services, and nothing
/// but the times of the calls tells so.
class Claims {
 public:
  Claims(int services, int calls_a_window) : services_(services), calls_(calls_a_window) {}

  void Window(int turn) {
    for (int s = 0; s < services_; ++s) {
      for (int i = 0; i < calls_; ++i) {
        const Nanos start = now_ + FromSeconds(4.9 * random_.Uniform());
        const Nanos end = start + FromSeconds(.02 + .03 * random_.Uniform());
        AddressClaims::Call call;
        call.address = Address(s + turn);
        call.caller = EntityId{5'000 + random_.Below(static_cast<size_t>(services_))};
        call.open = true;
        call.start = start;
        call.end = end;
        call.slack = kMillisecond;
        claims_.Add(call);
        claims_.AddRequest(Service(s), start + kMillisecond, end - kMillisecond, kMillisecond);
      }
    }
    may_ = 0;
    claims_.Settle(
        now_, now_ + kWindow, [](EntityId) { return true; }, &book_, [this](EntityId) { ++may_; });
    book_.Settle();
    now_ += kWindow;
  }
  void ExpectKnows(int turn) const {
    for (int s = 0; s < services_; ++s) {
      for (int other = 0; other < services_; ++other) {
        const double share = claims_.Share(Address(s + turn), Service(other));
        if (other == s) {
          EXPECT_GT(share, AddressClaims::kEstablished) << s;
        } else {
          EXPECT_LT(share, AddressClaims::kMay) << s << ", " << other;
        }
      }
      EXPECT_EQ(book_.Resolve(Address(s + turn), now_ - kSecond).entity, Service(s)) << s;
    }
    EXPECT_EQ(may_, services_);
  }
  uint64_t looked_at() const { return claims_.looked_at(); }

 private:
  static EntityId Service(int s) { return EntityId{100 + static_cast<uint64_t>(s)}; }
  EntityId Address(int a) const { return EntityId{10'000 + static_cast<uint64_t>(a % services_)}; }

  const int services_, calls_;
  Nanos now_ = kT0;
  int may_ = 0;
  Random random_{1};
  AddressBook book_;
  AddressClaims claims_;
};

TEST(AddressClaims, FindsWhoAnswersAtTheCostOfAFirstLook) {
  constexpr uint64_t kServices = 40, kWindows = 4;
  Claims claims(kServices, 250);
  for (uint64_t w = 0; w < kWindows; ++w) {
    claims.Window(0);
    claims.ExpectKnows(0);
  }
  EXPECT_LT(claims.looked_at(), kWindows * kServices * kServices * 2 * AddressClaims::kFirstLook);
}

TEST(AddressClaims, FindsWhoAnswersNowWhereAllHaveMoved) {
  for (const int calls : {20, 100, 250}) {
    Claims claims(30, calls);
    for (int w = 0; w < 6; ++w) claims.Window(0);
    claims.ExpectKnows(0);
    for (int w = 0; w < 6; ++w) claims.Window(7);
    claims.ExpectKnows(7);
  }
}

}  // namespace
}  // namespace tomograph::correlate
