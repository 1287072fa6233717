#include "diagnose/posterior.h"

#include <cmath>

namespace tomograph::diagnose {
namespace {

constexpr double kAlarmOdds = 3;
constexpr double kSharpness = 2;
constexpr double kUnknownBlame = 0.1;
constexpr double kSpread = 0.1;
constexpr double kTemperature =
    1.25;  // exponent on all masses; docs/models/excess_flow.md says how it was found

}  // namespace

EntityPosterior PosteriorOf(const ExcessFlow& flow) {
  EntityPosterior p;
  if (flow.blame.empty()) return p;
  const double real = flow.alarm * kAlarmOdds / (flow.alarm * kAlarmOdds + 1 - flow.alarm);
  double total = std::pow(kUnknownBlame, kSharpness);
  for (const Blame& blame : flow.blame) {
    const double score = blame.score();
    p.entity.push_back(score > 1e-6 ? std::pow(score, kSharpness) : 0);
    total += p.entity.back();
  }
  double named = 0;
  for (double& mass : p.entity) {
    mass *= real / total;
    named += mass;
  }
  const double even = kSpread * (1 - named) / static_cast<double>(p.entity.size());
  p.unknown = std::pow((1 - kSpread) * (1 - named), kTemperature);
  double sum = p.unknown;
  for (double& mass : p.entity) {
    mass = std::pow(mass + even, kTemperature);
    sum += mass;
  }
  for (double& mass : p.entity) mass /= sum;
  p.unknown /= sum;
  return p;
}

}  // namespace tomograph::diagnose
