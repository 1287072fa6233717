#include "engine/unit_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/resource.h"

namespace tomograph::engine {
namespace {

using telemetry::EntityId;
using telemetry::Quantity;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UnitBookTest : public ::testing::Test {
 protected:
  void Add(EntityId entity, Quantity quantity, std::string_view unit, double scale) {
    identities_.series.FindOrAdd(telemetry::FingerprintOf(std::to_string(++made_)), [&] {
      telemetry::Series s;
      s.entity = entity;
      s.quantity = quantity;
      s.unit = identities_.strings.Intern(unit);
      s.scale = scale;
      return s;
    });
    book_.Read(identities_.series);
  }

  telemetry::Identities identities_;
  UnitBook book_;
  int made_ = 0;
};

TEST_F(UnitBookTest, TellsAQuantityThatCameInSeveralUnits) {
  const EntityId cart{1}, pay{2};
  Add(cart, Quantity::kLatency, "s", 1);
  Add(pay, Quantity::kLatency, "ms", 1e-3);
  EXPECT_THAT(book_.Mixed(identities_.strings), IsEmpty()) << "each has one";
  Add(cart, Quantity::kLatency, "ms", 1e-3);
  Add(cart, Quantity::kLatency, "", 1e-6);
  const auto mixed = book_.Mixed(identities_.strings);
  ASSERT_EQ(mixed.size(), 1u);
  EXPECT_EQ(mixed[0].entity, cart);
  EXPECT_EQ(mixed[0].quantity, "latency");
  EXPECT_THAT(mixed[0].units, ElementsAre("", "ms", "s"));
}

TEST_F(UnitBookTest, UnitsOfOneScaleAreOne) {
  Add(EntityId{1}, Quantity::kQueueDepth, "1", 1);
  Add(EntityId{1}, Quantity::kQueueDepth, "{request}", 1);
  Add(EntityId{1}, Quantity::kOther, "ms", 1e-3);
  Add(EntityId{1}, Quantity::kOther, "s", 1);
  EXPECT_THAT(book_.Mixed(identities_.strings), IsEmpty());
}

}  // namespace
}  // namespace tomograph::engine
