#include "evaluate/scores.h"

#include <algorithm>
#include <cmath>

namespace tomograph::evaluate {
namespace {

constexpr double kCredible = 0.9;
constexpr int kLongestList = 5;

struct Place {
  bool found = false;
  int above = 0, tied = 0;
};

Place PlaceOf(const std::vector<std::pair<std::string, double>>& ranking,
              const std::string& truth) {
  std::map<std::string, double> best;
  for (const auto& [service, p] : ranking) {
    const auto [it, is_new] = best.emplace(service, p);
    if (!is_new) it->second = std::max(it->second, p);
  }
  const auto it = best.find(truth);
  if (it == best.end()) return {};
  Place place{true, 0, 0};
  for (const auto& [service, p] : best) {
    place.above += p > it->second ? 1 : 0;
    place.tied += p == it->second ? 1 : 0;
  }
  return place;
}

double FirstPosterior(const Prediction& p) {
  double first = 0;
  for (const auto& entry : p.ranking) first = std::max(first, entry.second);
  return first;
}

const Prediction* FindByName(const std::vector<Prediction>& predictions, const std::string& name) {
  for (const Prediction& p : predictions) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

void Average(IncidentScores* s) {
  if (s->cases == 0) return;
  for (double* sum :
       {&s->ac1, &s->ac3, &s->ac5, &s->avg5, &s->mrr, &s->credible90_coverage, &s->recall}) {
    *sum /= s->cases;
  }
}

}  // namespace

double HitAt(const std::vector<std::pair<std::string, double>>& ranking, const std::string& truth,
             int k) {
  const Place place = PlaceOf(ranking, truth);
  if (!place.found) return 0;
  return std::clamp(static_cast<double>(k - place.above) / place.tied, 0.0, 1.0);
}

double ReciprocalRank(const std::vector<std::pair<std::string, double>>& ranking,
                      const std::string& truth) {
  const Place place = PlaceOf(ranking, truth);
  double sum = 0;
  for (int i = 1; i <= place.tied; ++i) sum += 1.0 / (place.above + i);
  return place.found ? sum / place.tied : 0;
}

bool InCredible90(const Prediction& prediction, const std::string& truth) {
  std::vector<std::pair<double, std::string>> masses;
  for (const auto& [service, p] : prediction.ranking) masses.push_back({p, service});
  masses.push_back({prediction.unknown, ""});
  std::stable_sort(masses.begin(), masses.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  double held = 0;
  bool unknown_held = false, named = false;
  for (const auto& entry : prediction.ranking) named = named || entry.first == truth;
  for (const auto& [p, service] : masses) {
    if (held >= kCredible) break;
    if (service == truth) return true;
    unknown_held = unknown_held || service.empty();
    held += p;
  }
  return unknown_held && !named;
}

double Brier(const std::vector<Calibrated>& pairs) {
  double sum = 0;
  for (const Calibrated& c : pairs) sum += (c.probability - c.hit) * (c.probability - c.hit);
  return pairs.empty() ? 0 : sum / static_cast<double>(pairs.size());
}

double Ece(std::vector<Calibrated> pairs, int bins) {
  std::sort(pairs.begin(), pairs.end(), [](const Calibrated& a, const Calibrated& b) {
    return a.probability != b.probability ? a.probability < b.probability : a.hit < b.hit;
  });
  const size_t n = pairs.size(), parts = static_cast<size_t>(bins);
  double error = 0;
  for (size_t b = 0; b < parts; ++b) {
    double gap = 0;
    for (size_t i = b * n / parts; i < (b + 1) * n / parts; ++i)
      gap += pairs[i].probability - pairs[i].hit;
    error += std::abs(gap) / static_cast<double>(std::max<size_t>(n, 1));
  }
  return error;
}

IncidentScores ScoreServices(const std::vector<Prediction>& predictions,
                             const std::map<std::string, Label>& labels, double paging_threshold) {
  IncidentScores s;
  std::vector<Calibrated> pairs;
  for (const auto& [name, label] : labels) {
    static const Prediction kNothing;
    const Prediction* found = FindByName(predictions, name);
    const Prediction& p = found != nullptr ? *found : kNothing;
    const double hit = HitAt(p.ranking, label.answer, 1), first = FirstPosterior(p);
    ++s.cases;
    s.ac1 += hit;
    s.ac3 += HitAt(p.ranking, label.answer, 3);
    s.ac5 += HitAt(p.ranking, label.answer, 5);
    for (int k = 1; k <= kLongestList; ++k)
      s.avg5 += HitAt(p.ranking, label.answer, k) / kLongestList;
    s.mrr += ReciprocalRank(p.ranking, label.answer);
    s.credible90_coverage += InCredible90(p, label.answer) ? 1 : 0;
    s.recall += p.paging >= paging_threshold ? hit : 0;
    s.by_fault[label.fault].first += hit;
    ++s.by_fault[label.fault].second;
    pairs.push_back({first, hit});
  }
  Average(&s);
  s.brier = Brier(pairs);
  s.ece = Ece(pairs);
  return s;
}

IncidentScores ScoreCommits(const std::vector<Prediction>& predictions,
                            const std::map<std::string, Label>& labels) {
  IncidentScores s;
  for (const auto& [name, label] : labels) {
    const Prediction* p = FindByName(predictions, name);
    const std::string answer = p == nullptr || p->commit.empty() ? "none" : p->commit;
    const double hit = answer == label.answer ? 1 : 0;
    ++s.cases;
    for (double* sum : {&s.ac1, &s.ac3, &s.ac5, &s.avg5, &s.mrr}) *sum += hit;
    s.by_fault[label.fault].first += hit;
    ++s.by_fault[label.fault].second;
  }
  Average(&s);
  s.brier = s.ece = s.credible90_coverage = s.recall = std::nan("");
  return s;
}

}  // namespace tomograph::evaluate
