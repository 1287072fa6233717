#include "correlate/flows/flow_edges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "telemetry/address.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::EntityKind;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr Nanos kWindow = 5 * kSecond;

class FlowEdgesTest : public ::testing::Test {
 protected:
  EntityId Service(const char* name) {
    return ids_.entities.FindOrAdd(EntityKind::kService, "", name);
  }
  void Lives(EntityId service, const char* ip, Nanos from, Nanos to) {
    addresses_.ObserveHome(telemetry::HomeKey(ip), service, from, to);
    addresses_.Settle();
  }
  void Answers(EntityId service, const char* address, Nanos from, Nanos to) {
    addresses_.Observe(telemetry::AddressKey(address), service, from, to, 20);
    addresses_.Settle();
  }
  void Flow(const char* from, const char* to, uint16_t port, Nanos at) {
    telemetry::FlowBatch f;
    f.start_ns.push_back(at);
    f.end_ns.push_back(at + kMillisecond);
    f.source_address.push_back(ids_.strings.Intern(from));
    f.destination_address.push_back(ids_.strings.Intern(to));
    f.source_port.push_back(40'000);
    f.destination_port.push_back(port);
    f.protocol.push_back(6);
    f.weight.push_back(1);
    f.resource.push_back(telemetry::kNoResource);
    flows_.Add(at - at % kWindow, f, 0);
  }
  /// "caller -> callee" of the edges that the flows of the window at `start` draw.
  std::vector<std::string> Draw(Nanos start) {
    WindowBuilder windows(start, kWindow, 100);
    Hearing hearing;
    flows_.Take(&windows, &hearing);
    flows_.Draw(INT64_MAX);
    edges_.Judge(hearing, start, start + kWindow);
    std::vector<std::string> drawn;
    for (const telemetry::Edge& e : edges_.Edges())
      drawn.push_back(ids_.entities.Name(e.caller) + " -> " + ids_.entities.Name(e.callee));
    return drawn;
  }

  telemetry::Identities ids_;
  AddressBook addresses_;
  EdgeBook edges_{100};
  FlowEdges flows_{&ids_, &addresses_, &edges_};
};

TEST_F(FlowEdgesTest, APortIsOfWhoLivesAtItsHostNow) {
  const EntityId web = Service("web"), old = Service("old"), fresh = Service("fresh");
  Lives(web, "10.0.0.7", 0, kHour);
  Answers(old, "10.0.0.5:8080", 0, kMinute);
  Lives(old, "10.0.0.5", 0, kMinute);
  Lives(fresh, "10.0.0.5", 10 * kMinute, kHour);
  Flow("10.0.0.7", "10.0.0.5", 8080, 20 * kMinute);
  EXPECT_THAT(Draw(20 * kMinute), ElementsAre("web -> fresh"));
}

TEST_F(FlowEdgesTest, TheSamePortOfTwoHostsIsOfTwoServices) {
  const EntityId web = Service("web"), a = Service("a"), b = Service("b");
  Lives(web, "10.0.0.7", 0, kHour);
  Answers(a, "10.0.0.5:8080", 0, kHour);
  Lives(a, "10.0.0.5", 0, kHour);
  Lives(b, "10.0.0.6", 0, kHour);
  Flow("10.0.0.7", "10.0.0.5", 8080, 20 * kMinute);
  Flow("10.0.0.7", "10.0.0.6", 8080, 20 * kMinute);
  EXPECT_THAT(Draw(20 * kMinute), UnorderedElementsAre("web -> a", "web -> b"));
}

}  // namespace
}  // namespace tomograph::correlate
