#include "simulate/scenario/scenario.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxNames = 1000;
constexpr Nanos kMaxTime = 7 * 24 * kHour;

std::set<std::string> ReadNames(Section* section, std::string_view key) {
  std::vector<Mention> names;
  section->Names(key, kMaxNames, &names);
  std::set<std::string> set;
  for (const Mention& name : names) set.insert(name.name);
  return set;
}

LossSettings::Skew ReadSkew(Section section) {
  LossSettings::Skew skew;
  Nanos ahead = 0, behind = 0, step = 0, back = 0;
  section.Time("ahead", 0, kHour, &ahead);
  section.Time("behind", 0, kHour, &behind);
  section.Number("drift_ppm", -1000, 1000, &skew.drift_ppm);
  section.Time("step", 0, kHour, &step);
  section.Time("step_back", 0, kHour, &back);
  section.Time("step_at", 0, kMaxTime, &skew.step_at);
  section.Done();
  skew.offset = ahead - behind;
  skew.step = step - back;
  return skew;
}

LossSettings::Gap ReadGap(Section* section) {
  LossSettings::Gap gap;
  gap.service = "*";
  section->Name("service", &gap.service);
  section->Require("from").Time("from", 0, kMaxTime, &gap.from);
  section->Require("until").Time("until", 0, kMaxTime, &gap.until);
  if (gap.until < gap.from) section->Wrong("until is before from");
  section->Done();
  return gap;
}

}  // namespace

LossSettings ReadLoss(Section section) {
  LossSettings loss;
  section.Share("keep_traces", &loss.keep_traces);
  section.Flag("tell_sampling", &loss.tell_sampling);
  section.Share("lose_spans", &loss.lose_spans);
  section.Share("lose_samples", &loss.lose_samples);
  section.Share("lose_logs", &loss.lose_logs);
  section.Share("duplicate", &loss.duplicate);
  section.Share("late", &loss.late);
  section.Time("late_by", 0, kHour, &loss.late_by);
  Section metrics = section.Child("keep_metric");
  for (const std::string& name : metrics.Keys()) metrics.Share(name, &loss.keep_metric[name]);
  loss.without_spans = ReadNames(&section, "without_spans");
  loss.without_metrics = ReadNames(&section, "without_metrics");
  loss.silent = ReadNames(&section, "silent");
  Section clocks = section.Child("clocks");
  for (const std::string& host : clocks.Keys()) loss.clocks[host] = ReadSkew(clocks.Child(host));
  for (Section& gap : section.List("gaps", kMaxNames)) loss.gaps.push_back(ReadGap(&gap));
  loss.redact = ReadNames(&section, "redact");
  section.Done();
  return loss;
}

}  // namespace tomograph::simulate
