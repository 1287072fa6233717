#include "correlate/rebuild/unpaired_offset.h"

#include <algorithm>
#include <cmath>

namespace tomograph::correlate {
namespace {

constexpr size_t kMostReceived = 256;  // that are looked at
constexpr double kMostPairs = 60'000;
constexpr double kSure = .999;
constexpr double kUnexpected = 1e-3;  // prior of: the clock jumped; no offset explains the calls
// Calls are not independent: they come in bursts. Their evidence counts half.
constexpr double kTemper = .5;

double NormalMass(double from, double to, double mean, double sigma) {
  const double scale = 1 / (sigma * std::sqrt(2.0));
  return .5 * (std::erf((to - mean) * scale) - std::erf((from - mean) * scale));
}

/// Log odds of so many hits among n against chance.
double LogOdds(int hits, int n, double share, double chance) {
  return kTemper *
         (hits * std::log(share / chance) + (n - hits) * std::log((1 - share) / (1 - chance)));
}

struct Edge {
  double at;
  int by;
};

/// The offsets at which `received` has a sent call around it, each once.
void AddEdges(std::span<const CallTime> sent, CallTime received, double low, double high,
              double room, std::vector<CallTime>* hits, std::vector<Edge>* edges) {
  hits->clear();
  const auto first =
      std::lower_bound(sent.begin(), sent.end(), received.start - high - room,
                       [](const CallTime& s, double start) { return s.start < start; });
  for (auto s = first; s != sent.end() && s->start <= received.start - low; ++s) {
    const double from = std::max(low, received.end - s->end);
    const double to = std::min(high, received.start - s->start);
    if (from < to && s->length() - received.length() <= room) hits->push_back({from, to});
  }
  std::sort(hits->begin(), hits->end(),
            [](const CallTime& a, const CallTime& b) { return a.start < b.start; });
  double until = low;
  for (const CallTime& hit : *hits) {
    const double from = std::max(hit.start, until);
    if (hit.end <= from) continue;
    edges->push_back({from, 1});
    edges->push_back({hit.end, -1});
    until = hit.end;
  }
}

}  // namespace

bool HasSentAround(std::span<const CallTime> sent, CallTime received, double room, double offset,
                   double tolerance) {
  const double start = received.start - offset + tolerance;
  const double end = received.end - offset - tolerance;
  auto s = std::upper_bound(sent.begin(), sent.end(), start,
                            [](double t, const CallTime& c) { return t < c.start; });
  for (; s != sent.begin() && (s - 1)->start >= start - room - 2 * tolerance; --s) {
    if ((s - 1)->end >= end && (s - 1)->length() - received.length() <= room) return true;
  }
  return false;
}

UnpairedOffset::UnpairedOffset(std::span<const CallTime> sent, std::span<const CallTime> received,
                               double around, double reach, double room)
    : reach_(reach) {
  const size_t stride = (received.size() + kMostReceived - 1) / kMostReceived;
  received_ = stride == 0 ? 0 : static_cast<int>((received.size() + stride - 1) / stride);
  if (received_ == 0 || sent.empty()) return;
  const double span = std::max(1.0, sent.back().start - sent.front().start);
  const double pairs_a_second = static_cast<double>(sent.size()) / span * received_;
  reach_ = std::min(reach, kMostPairs / (2 * pairs_a_second));
  const double low = around - reach_, high = around + reach_;
  std::vector<Edge> edges;
  std::vector<CallTime> hits;
  double length = 0;
  for (size_t i = 0; i < received.size(); i += stride)
    AddEdges(sent, received[i], low, high, room, &hits, &edges);
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  for (const Edge& e : edges) length -= e.by * e.at;
  width_ = edges.empty() ? 0 : 2 * length / static_cast<double>(edges.size());
  double at = low;
  int count = 0, most = 0;
  for (const Edge& e : edges) {
    if (e.at > at) levels_.push_back({at, e.at, count});
    at = std::max(at, e.at);
    count += e.by;
    most = std::max(most, count);
  }
  if (high > at) levels_.push_back({at, high, 0});
  // Those that belong together are no chance.
  const double by_chance =
      std::max(0.0, length - most * width_) / (std::max(2 * reach_ - width_, reach_) * received_);
  chance_ = std::clamp(by_chance, kLeastChance, .98);
}

UnpairedOffset::Posterior UnpairedOffset::Given(const Prior& prior) const {
  Posterior out;
  out.chance = chance_;
  out.offset = prior.offset;
  out.sigma = prior.sigma;
  if (levels_.empty()) {
    out.expected = prior.sigma > 0 ? 1 : 0;
    return out;
  }
  const auto by_hits = [](const Level& a, const Level& b) { return a.hits < b.hits; };
  const int most = std::max_element(levels_.begin(), levels_.end(), by_hits)->hits;
  const auto bounded = [&](double share) {
    return std::clamp(share, chance_ + (1 - chance_) * .01, chance_ + (1 - chance_) * .99);
  };
  const double fitted = bounded((most + .5) / (received_ + 1));
  const bool shares_known = prior.share >= 0;
  const double share = shares_known ? bounded(prior.share) : fitted;
  // Masses relative to that of the best fit.
  const double scale = std::max(
      {LogOdds(most, received_, fitted, chance_), LogOdds(most, received_, share, chance_), 0.0});
  const auto odds = [&](int hits, double p) {
    return std::exp(LogOdds(hits, received_, p, chance_) - scale);
  };
  double expected = 0, all = kUnexpected * std::exp(-scale);
  std::vector<double> mass(levels_.size());
  size_t best = 0;
  double best_density = -1;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const Level& level = levels_[i];
    const double at_fitted = odds(level.hits, fitted);
    double near = 0;
    if (prior.sigma > 0) {
      const double here = NormalMass(level.from, level.to, prior.offset, prior.sigma);
      const double changed = shares_known ? kUnexpected : 1 - 2 * kUnexpected;
      near = here * changed * at_fitted;
      if (shares_known) near += here * (1 - 3 * kUnexpected) * odds(level.hits, share);
      near *= std::exp(-prior.doubt);
    }
    const double far = kUnexpected * (level.to - level.from) / (2 * reach_) * at_fitted;
    mass[i] = near + far;
    expected += near;
    all += mass[i];
    const double density = mass[i] / std::max(level.to - level.from, 1e-9);
    if (density > best_density) best_density = density, best = i;
  }
  out.expected = expected / all;
  const double middle = (levels_[best].from + levels_[best].to) / 2;
  double inside = 0, first = 0, second = 0;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const double from = std::max(levels_[i].from, middle - width_);
    const double to = std::min(levels_[i].to, middle + width_);
    if (from >= to) continue;
    const double m = mass[i] * (to - from) / (levels_[i].to - levels_[i].from);
    const double x = (from + to) / 2 - middle;
    inside += m;
    first += m * x;
    second += m * (x * x + (to - from) * (to - from) / 12);
  }
  out.found = inside > kSure * all;
  out.evidence = std::log(std::max(inside, 1e-300) / all) + scale;
  if (inside <= 0) return out;
  const double mean = first / inside;
  out.offset = middle + mean;
  out.sigma = std::sqrt(std::max(second / inside - mean * mean, 1e-12));
  out.share = static_cast<double>(most) / received_;
  return out;
}

}  // namespace tomograph::correlate
