// Any text is read or refused; what was read makes a simulation, and a small one runs.
#include <string_view>

#include "base/check.h"
#include "simulate/simulation.h"

namespace {

using namespace tomograph::simulate;

class Nobody : public Audience, public TruthLog {
 public:
  SenderId Enter(const Sender&) override { return {}; }
  void See(const SpanRecord&) override {}
  void See(const SampleRecord&) override {}
  void See(const LogRecord&) override {}
  void See(const ChangeRecord&) override {}
  void Say(const TruthRow&) override {}
};

constexpr uint64_t kEnough = 20'000;  // events

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto scenario = ReadScenario({reinterpret_cast<const char*>(data), size});
  if (!scenario.ok()) {
    TG_CHECK(!scenario.status().message().empty());
    return 0;
  }
  Nobody nobody;
  auto simulation = Simulation::Make(*scenario, &nobody, &nobody);
  TG_CHECK(simulation.ok());
  for (int second = 0; second < 3 && (*simulation)->events() < kEnough; ++second)
    (void)(*simulation)->RunSecond();
  return 0;
}
