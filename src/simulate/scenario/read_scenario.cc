#include "simulate/scenario/scenario.h"
#include "simulate/system/parts.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxFaults = 1000;
constexpr Nanos kMaxLength = 7 * 24 * kHour;

void ReadStart(Section* root, Nanos* start) {
  std::string text;
  root->Text("start", &text);
  if (text.empty()) return;
  const Result<Nanos> time = ParseTime(text);
  if (!time.ok() || *time < 0 || *time % kSecond != 0 || *time > 4'000'000'000 * kSecond)
    return root->wrongs()->Add(root->PlaceOf("start").Wrong(
        "must be a whole second between 1970 and 2096, as in 2026-01-01T00:00:00Z"));
  *start = *time;
}

void ReadWholeSeconds(Section* root, std::string_view key, Nanos most, Nanos* time) {
  root->Time(key, kSecond, most, time);
  if (*time % kSecond != 0)
    root->wrongs()->Add(root->PlaceOf(key).Wrong("must be a whole number of seconds"));
}

Fault ReadFault(Section* section, Nanos length) {
  Fault fault;
  fault.until = length;
  section->Require("kind").Name("kind", &fault.kind);
  section->Require("target").Name("target", &fault.target);
  section->Require("from").Time("from", 0, length, &fault.from);
  section->Time("until", 0, length, &fault.until);
  section->Number("by", 0, 1e12, &fault.by);
  if (fault.until <= fault.from) section->Wrong("until must be after from");
  section->Done();
  return fault;
}

/// The keys of the scenario itself; the parts ask for theirs.
void ReadOwn(Section* root, Scenario* scenario) {
  root->Require("name").Name("name", &scenario->name);
  root->Text("about", &scenario->about);
  root->Count("seed", 0, UINT64_MAX, &scenario->seed);
  ReadStart(root, &scenario->start);
  ReadWholeSeconds(root, "length", kMaxLength, &scenario->length);
  ReadWholeSeconds(root, "export_every", kHour, &scenario->export_every);
  root->Flag("kept_apart", &scenario->kept_apart);
  scenario->loss = ReadLoss(root->Child("loss"));
  // Written as time after the start; Loss sees times.
  for (LossSettings::Gap& gap : scenario->loss.gaps) {
    gap.from += scenario->start;
    gap.until += scenario->start;
  }
  for (auto& [host, skew] : scenario->loss.clocks) skew.step_at += scenario->start;
}

void ReadFaults(Section* root, const std::vector<std::unique_ptr<Part>>& parts,
                Scenario* scenario) {
  for (Section& section : root->List("faults", kMaxFaults)) {
    Fault fault = ReadFault(&section, scenario->length);
    bool taken = false;
    for (const auto& part : parts) taken |= part->Takes(fault);
    if (!taken)
      section.Wrong("nothing called '" + fault.target + "' can have a fault '" + fault.kind + "'");
    scenario->faults.push_back(std::move(fault));
  }
}

}  // namespace

Scenario Scenario::WithoutFaults() const {
  Scenario twin = *this;
  twin.faults.clear();
  return twin;
}

Result<Scenario> ReadScenario(std::string_view yaml) {
  Result<YamlNode> text = ParseYaml(yaml);
  if (!text.ok()) return text.status();
  Scenario scenario;
  scenario.text = std::move(*text);
  Wrongs wrongs;
  Section root(&scenario.text, "", &wrongs);
  ReadOwn(&root, &scenario);
  // Made once to find what is wrong with them, and thrown away.
  EventQueue events(scenario.start);
  const Draws draws(scenario.seed);
  World world;
  world.events = &events;
  world.draws = &draws;
  const auto parts = MakeParts(&root, &world);
  if (wrongs.status().ok()) ReadFaults(&root, parts, &scenario);
  root.Has("faults");
  root.Done();
  if (!wrongs.status().ok()) return wrongs.status();
  return scenario;
}

}  // namespace tomograph::simulate
