#include "simulate/simulation.h"

#include "simulate/system/parts.h"

namespace tomograph::simulate {

struct Simulation::Impl : EventQueue::Subject {
  Impl(const Scenario& s, Audience* audience, TruthLog* truth)
      : scenario(s), events(s.start), draws(s.seed) {
    world.events = &events;
    world.draws = &draws;
    world.audience = audience;
    world.truth = truth;
    world.start = s.start;
    world.end = s.start + s.length;
    world.export_every = s.export_every;
  }

  void Start() {
    for (const auto& part : parts) part->Start();
    for (uint32_t i = 0; i < scenario.faults.size(); ++i) {
      events.At(world.start + scenario.faults[i].from, this, 1, i);
      events.At(world.start + scenario.faults[i].until, this, 0, i);
    }
  }

  /// A fault begins (a = 1) or ends.
  void Happen(uint32_t a, uint64_t b) override {
    const Fault& fault = scenario.faults[b];
    for (const auto& part : parts)
      if (part->Takes(fault)) part->Apply(fault, a == 1);
  }

  const Scenario scenario;
  EventQueue events;
  const Draws draws;
  World world;
  std::vector<std::unique_ptr<Part>> parts;
};

Simulation::Simulation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulation::~Simulation() = default;

Result<std::unique_ptr<Simulation>> Simulation::Make(const Scenario& scenario, Audience* audience,
                                                     TruthLog* truth) {
  auto impl = std::make_unique<Impl>(scenario, audience, truth);
  Wrongs wrongs;
  Section root(&impl->scenario.text, "", &wrongs);
  impl->parts = MakeParts(&root, &impl->world);
  if (!wrongs.status().ok()) return wrongs.status();
  impl->Start();
  return std::unique_ptr<Simulation>(new Simulation(std::move(impl)));
}

bool Simulation::RunSecond() {
  if (impl_->events.now() >= impl_->world.end) return false;
  const Nanos end = impl_->events.now() + kSecond;
  impl_->events.RunUntil(end);
  for (const auto& part : impl_->parts) part->Second(end);
  return true;
}

Nanos Simulation::now() const { return impl_->events.now(); }
uint64_t Simulation::events() const { return impl_->events.happened(); }

}  // namespace tomograph::simulate
