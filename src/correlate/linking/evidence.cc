#include "correlate/linking/evidence.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "correlate/linking/copula.h"

namespace tomograph::correlate::linking {
namespace {

constexpr size_t kFewest = 30;      // pairs to learn from
constexpr double kKnown = .9;       // of the pairs: below, a size does not count
constexpr double kMostSize = 1e15;  // bytes; what is more is a mistake
constexpr double kSignificant = 3;  // standard deviations of a correlation
constexpr double kShrink = .98;     // of correlations: they were learned as well
constexpr double kStatusPrior = 2;  // pairs
constexpr double kTableWeights[] = {1, 4, 16, 64};

uint64_t Together(uint64_t a, uint64_t b) { return MixBits(a ^ MixBits(b)); }

double Get(const std::unordered_map<uint64_t, double>& of, uint64_t key) {
  const auto it = of.find(key);
  return it == of.end() ? 0 : it->second;
}

}  // namespace

double IdEvidence::Ratio(uint64_t of_request, uint64_t of_call, int half, double a) const {
  const double share = Get(share_, of_call);
  double table = 1;  // an id that was never seen says nothing by the table
  if (a > 0 && share > 0) {
    const Half& other = counted_[1 - half];
    table = (Get(other.together, Together(of_request, of_call)) / share + a) /
            (Get(other.of_request, of_request) + a);
  }
  const double rest = (1 - equal_) * table;
  if (of_request != of_call) return rest;
  return rest + equal_ / (share > 0 ? share : 1 / (calls_ + 1));
}

float IdEvidence::Log(uint64_t of_request, uint64_t of_call, int half) const {
  if (calls_ == 0 || of_request == 0 || of_call == 0) return 0;
  return static_cast<float>(std::log(Ratio(of_request, of_call, half, a_)));
}

void IdEvidence::Learn(std::span<const EvidencePair> pairs, uint64_t Attributes::*id) {
  *this = {};
  struct Ids {
    uint64_t request, call;
    int half;
  };
  std::vector<Ids> known;
  for (const EvidencePair& pair : pairs) {
    if (pair.request->*id == 0 || pair.call->*id == 0) continue;
    known.push_back({pair.request->*id, pair.call->*id, pair.half});
  }
  if (known.size() < kFewest) return;
  calls_ = static_cast<double>(known.size());
  double equal = 0, chance = 0;
  std::unordered_map<uint64_t, double> of_requests;
  for (const Ids& ids : known) {
    share_[ids.call] += 1 / calls_;
    of_requests[ids.request] += 1 / calls_;
    equal += ids.request == ids.call;
    ++counted_[ids.half].together[Together(ids.request, ids.call)];
    ++counted_[ids.half].of_request[ids.request];
  }
  for (const auto& [value, share] : of_requests) chance += share * Get(share_, value);
  equal_ = std::clamp((equal / calls_ - chance) / std::max(1 - chance, 1e-9), 0.0,
                      1 - .5 / (calls_ + 1));
  double best = 0;
  const bool table = counted_[0].together.size() + counted_[1].together.size() <= kMostPairs;
  for (const Ids& ids : known) best += std::log(Ratio(ids.request, ids.call, ids.half, 0));
  for (const double a : kTableWeights) {
    if (!table) break;
    double likelihood = 0;
    for (const Ids& ids : known) likelihood += std::log(Ratio(ids.request, ids.call, ids.half, a));
    if (likelihood > best) best = likelihood, a_ = a;
  }
  if (a_ == 0) counted_ = {};
}

size_t IdEvidence::bytes() const {
  size_t entries = share_.size();
  for (const Half& half : counted_) entries += half.together.size() + half.of_request.size();
  return entries * 48;
}

bool SizeEvidence::ScoresOf(const Attributes& request, const Attributes& call, Scores* z) const {
  const uint64_t bytes[kSizes] = {request.bytes_in, request.bytes_out, call.bytes_in,
                                  call.bytes_out};
  for (int k = 0; k < kSizes; ++k) {
    (*z)[k] = 0;
    if (!counts_[k]) continue;
    if (bytes[k] == 0) return false;
    (*z)[k] = density_[k].Score(std::min(static_cast<double>(bytes[k]), kMostSize));
  }
  return true;
}

void SizeEvidence::Learn(std::span<const EvidencePair> pairs) {
  *this = {};
  if (pairs.size() < kFewest) return;
  std::array<std::vector<double>, kSizes> bytes;
  for (const EvidencePair& pair : pairs) {
    const uint64_t of[kSizes] = {pair.request->bytes_in, pair.request->bytes_out,
                                 pair.call->bytes_in, pair.call->bytes_out};
    for (int k = 0; k < kSizes; ++k) {
      if (of[k] != 0) bytes[k].push_back(std::min(static_cast<double>(of[k]), kMostSize));
    }
  }
  for (int k = 0; k < kSizes; ++k) {
    counts_[k] = static_cast<double>(bytes[k].size()) > kKnown * static_cast<double>(pairs.size());
    if (counts_[k]) density_[k].Fit(bytes[k], {}, true);
  }
  if (!(counts_[0] || counts_[1]) || !(counts_[2] || counts_[3])) return;
  std::vector<float> scores;
  Scores z;
  for (const EvidencePair& pair : pairs) {
    if (ScoresOf(*pair.request, *pair.call, &z)) scores.insert(scores.end(), z.begin(), z.end());
  }
  const int n = static_cast<int>(scores.size()) / kSizes;
  std::vector<double> all = CorrelationsNearInTime(scores, n, kSizes, kSignificant);
  std::vector<double> apart = all;  // nothing between request and call
  for (int a = 0; a < kSizes; ++a) {
    for (int b = 0; b < kSizes; ++b) {
      if (a / 2 != b / 2) apart[a * kSizes + b] = 0;
      if (a != b) all[a * kSizes + b] *= kShrink, apart[a * kSizes + b] *= kShrink;
    }
  }
  std::vector<double> inverse, inverse_apart;
  double log_det = 0, log_det_apart = 0;
  if (!Invert(all, kSizes, &inverse, &log_det)) return;
  if (!Invert(apart, kSizes, &inverse_apart, &log_det_apart)) return;
  for (int x = 0; x < kSizes * kSizes; ++x) form_[x] = .5 * (inverse_apart[x] - inverse[x]);
  constant_ = .5 * (log_det_apart - log_det);
  learned_ = true;
}

float SizeEvidence::Log(const Attributes& request, const Attributes& call) const {
  Scores z;
  if (!learned_ || !ScoresOf(request, call, &z)) return 0;
  double total = constant_;
  for (int a = 0; a < kSizes; ++a) {
    for (int b = 0; b < kSizes; ++b) total += form_[a * kSizes + b] * z[a] * z[b];
  }
  return static_cast<float>(total);
}

size_t SizeEvidence::bytes() const {
  size_t total = 0;
  for (const GapDensity& density : density_) total += density.bytes();
  return total;
}

void StatusEvidence::Learn(std::span<const EvidencePair> pairs) {
  *this = {};
  if (pairs.size() < kFewest) return;
  double count[2][2] = {{0, 0}, {0, 0}};
  for (const EvidencePair& pair : pairs) ++count[pair.request->failed][pair.call->failed];
  const auto n = static_cast<double>(pairs.size());
  for (int c = 0; c < 2; ++c) {
    const double share = (count[0][c] + count[1][c] + .5) / (n + 1);
    for (int r = 0; r < 2; ++r) {
      const double given =
          (count[r][c] + kStatusPrior * share) / (count[r][0] + count[r][1] + kStatusPrior);
      log_[r][c] = static_cast<float>(std::log(given / share));
    }
  }
}

void Evidence::Learn(std::span<const EvidencePair> pairs) {
  connection_.Learn(pairs, &Attributes::connection);
  worker_.Learn(pairs, &Attributes::worker);
  size_.Learn(pairs);
  status_.Learn(pairs);
}

float Evidence::Log(Kind kind, const EvidencePair& pair) const {
  const Attributes &request = *pair.request, &call = *pair.call;
  switch (kind) {
    case kConnection:
      return connection_.Log(request.connection, call.connection, pair.half);
    case kWorker:
      return worker_.Log(request.worker, call.worker, pair.half);
    case kSize:
      return size_.Log(request, call);
    case kStatus:
      return status_.Log(request.failed, call.failed);
    case kKinds:
      break;
  }
  return 0;
}

float Evidence::Log(const EvidencePair& pair) const {
  float total = 0;
  for (int k = 0; k < kKinds; ++k) {
    if (used_[k]) total += Log(static_cast<Kind>(k), pair);
  }
  return total;
}

void TellsApart::Add(float owner, std::span<const float> candidates) {
  if (candidates.size() < 2) return;
  double mean = 0;
  for (const float log : candidates) mean += std::exp(static_cast<double>(log));
  mean /= static_cast<double>(candidates.size());
  gain_ += std::log((1 - kDoubt) * std::exp(static_cast<double>(owner)) / mean + kDoubt);
}

}  // namespace tomograph::correlate::linking
