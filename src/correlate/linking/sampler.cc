#include "correlate/linking/sampler.h"

#include <algorithm>
#include <limits>

#include "correlate/linking/queue_order.h"

namespace tomograph::correlate::linking {
namespace {

// How often a call that has a request is proposed to have none. Rare, since it rarely is so.
constexpr float kNobodyShare = 0.1f;
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
// Joins are dear to look at: a proposal first has to pass with half of what it gains by itself
// (delayed acceptance, Christen & Fox 2005: the states are visited as if there were one step).
constexpr double kFirstStep = .5;
constexpr double kNever = -20;  // log of a probability that does not happen
// A swap that is so much less likely by itself is not worth a look at the order of arrival.
constexpr double kHopeless = 40;
// A call whose only other choice is so much less likely (log odds) is not sampled.
constexpr double kSettled = 12;
constexpr float kMostGain = 60;  // log
constexpr int kWeighings = 8;    // of a call's chances to be one more: it costs as many proposals
// Mean total variation distance between rounds of counted sweeps that say the same.
constexpr double kAgree = .02;

int Used(const int* slots, const CallGroup& group) {
  int used = 0;
  while (used < group.count && slots[group.first + used] != kNobody) ++used;
  return used;
}

}  // namespace

Sampler::Sampler(LinkWindow* window, const LinkModel& model, const JoinModel* joins, uint64_t seed)
    : w_(*window), model_(model), joins_(joins), random_(seed) {
  Refresh();
}

void Sampler::Refresh() {
  likelihood_.assign(w_.requests.size(), kUnknown);
  join_likelihood_.assign(joins_ != nullptr && joins_->on() ? w_.requests.size() : 0, kUnknown);
}

void Sampler::Load(int request, Draft* draft) const {
  draft->request = request;
  const Request& r = w_.requests[request];
  const int n = model_.kinds[r.kind].slots();
  std::copy_n(w_.slots.data() + r.first_slot, n, draft->slots);
}

float Sampler::Evaluate(const Draft& draft, int more, bool again) const {
  const Request& r = w_.requests[draft.request];
  const RequestModel& kind = model_.kinds[r.kind];
  Interval calls[RequestModel::kMaxSlots];
  uint64_t used = 0;
  for (int s = 0, n = kind.slots(); s < n; ++s) {
    if (draft.slots[s] == kNobody) continue;
    calls[s] = w_.calls[draft.slots[s]].time;
    used |= uint64_t{1} << s;
  }
  float total = 0;
  if (more == kNobody) {
    total = kind.LogLikelihood(r.time, calls, used);
  } else {
    const Call& c = w_.calls[more];
    const CallGroup* group = kind.GroupOf(c.call_class);
    const int slot = again && group != nullptr ? group->first + group->count - 1 : -1;
    const bool outlives = model_.services[c.service].Outlives(c.call_class);
    total = outlives ? kind.LogLikelihood(r.time, calls, used)
                     : kind.LogWithOneMore(r.time, calls, used, slot, c.time.end);
    total += w_.EvidenceOf(c, draft.request);
  }
  if (w_.evidence.empty()) return total;
  for (int s = 0, n = kind.slots(); s < n; ++s) {
    if (draft.slots[s] != kNobody) {
      total += w_.EvidenceOf(w_.calls[draft.slots[s]], draft.request);
    }
  }
  return total;
}

float Sampler::LogLikelihood(int request) {
  float& known = likelihood_[request];
  if (std::isnan(known)) {
    Draft draft;
    Load(request, &draft);
    known = Evaluate(draft);
  }
  return known;
}

void Sampler::Sweep(std::span<const int> calls, double temperature) {
  const auto n = static_cast<uint32_t>(calls.size());
  for (uint32_t x = 0; x < n; ++x) Propose(calls[random_.Below(n)], temperature);
}

void Sampler::Count(std::span<const int> calls, int sweeps, int most_rounds, double temperature,
                    std::vector<Shares>* shares) {
  shares->resize(calls.size());
  size_t options = 0;
  for (size_t x = 0; x < calls.size(); ++x) {
    (*shares)[x].of.assign(w_.calls[calls[x]].candidates + 1, 0.0f);
    (*shares)[x].one_more.clear();
    (*shares)[x].nobodys = 0;
    (*shares)[x].given = 0;
    options += (*shares)[x].of.size();
  }
  std::vector<float> before(options);  // all calls', before the last round
  for (int round = 1; round <= most_rounds; ++round) {
    auto at = before.begin();
    for (const Shares& of : *shares) at = std::copy(of.of.begin(), of.of.end(), at);
    CountRound(calls, sweeps, temperature, shares);
    if (round > 1 && Difference(before, *shares) < kAgree * static_cast<double>(calls.size()))
      break;
  }
  for (size_t x = 0; x < calls.size(); ++x) {
    std::vector<float>& of = (*shares)[x].of;
    float sum = 0;
    for (const float share : of) sum += share;
    if (sum == 0) of[OptionOf(w_.calls[calls[x]], w_.calls[calls[x]].owner)] = sum = 1;
    for (float& share : of) share /= sum;
    const int weighings = std::min((*shares)[x].nobodys, kWeighings);
    for (float& fraction : (*shares)[x].one_more) fraction /= static_cast<float>(weighings);
  }
}

void Sampler::CountRound(std::span<const int> calls, int sweeps, double temperature,
                         std::vector<Shares>* shares) {
  // Calls are drawn at random: a call that takes another's place is undone in the other's turn,
  // so only the mixture of all turns visits states as the model says.
  const auto n = static_cast<uint32_t>(calls.size());
  for (int64_t turns = static_cast<int64_t>(sweeps) * n; turns > 0; --turns) {
    const uint32_t x = random_.Below(n);
    const Call& call = w_.calls[calls[x]];
    std::vector<float>& of = (*shares)[x].of;
    if (call.owner == kNobody) WeighOneMore(calls[x], &(*shares)[x]);
    const int from = OptionOf(call, call.owner);
    accepted_ = 0;
    const int to = Propose(calls[x], temperature);
    of[from] += 1 - accepted_;
    of[to] += accepted_;
  }
}

double Sampler::Difference(const std::vector<float>& before, const std::vector<Shares>& after) {
  double sum = 0;
  auto at = before.begin();
  for (const Shares& now : after) {
    double was = 0, is = 0, apart = 0;
    for (size_t o = 0; o < now.of.size(); ++o) was += at[o], is += now.of[o] - at[o];
    if (was > 0 && is > 0) {
      for (size_t o = 0; o < now.of.size(); ++o)
        apart += std::abs(at[o] / was - (now.of[o] - at[o]) / is) / 2;
    }
    sum += apart;
    at += static_cast<std::ptrdiff_t>(now.of.size());
  }
  return sum;
}

void Sampler::WeighOneMore(int call, Shares* shares) {
  if (++shares->nobodys > kWeighings) return;
  const Call& c = w_.calls[call];
  const auto candidates = w_.CandidatesOf(c);
  shares->one_more.resize(candidates.size());
  for (size_t x = 0; x < candidates.size(); ++x) {
    const Request& r = w_.requests[candidates[x]];
    const CallGroup* group = model_.kinds[r.kind].GroupOf(c.call_class);
    Draft draft;
    Load(candidates[x], &draft);
    if (group != nullptr && Used(draft.slots, *group) < group->count) continue;
    // It may stand apart from the others of its class, or the latest of all of them is the last one
    // tried again.
    float gain = Evaluate(draft, call, /*again=*/false);
    if (group != nullptr) {
      int more = call;
      const int last = draft.slots[group->first + group->count - 1];
      if (last > call) {
        RemoveFrom(*group, last, &draft);
        InsertInto(*group, call, &draft);
        more = last;
      }
      const float again = Evaluate(draft, more, /*again=*/true);
      gain = std::max(gain, again) + std::log1p(std::exp(-std::abs(gain - again)));
    }
    gain -= LogLikelihood(candidates[x]);
    double length = std::max(1.0, r.time.end - r.time.start);
    if (model_.services[c.service].Outlives(c.call_class)) length += LinkWindow::kHandOff_us;
    const double alike = w_.StandsForAt(c, x);
    shares->one_more[x] +=
        static_cast<float>(std::exp(std::min<double>(gain, kMostGain) + alike) / length);
  }
}

int Sampler::OptionOf(const Call& call, int owner) const {
  if (owner == kNobody) return call.candidates;
  const auto candidates = w_.CandidatesOf(call);
  return static_cast<int>(std::lower_bound(candidates.begin(), candidates.end(), owner) -
                          candidates.begin());
}

bool Sampler::Fixed(int call) const {
  const Call& c = w_.calls[call];
  return c.pinned || c.decided || c.candidates == 0 ||
         model_.services[c.service].Chained(c.call_class);
}

bool Sampler::Open(int call) {
  const Call& c = w_.calls[call];
  if (Fixed(call)) return false;
  if (c.candidates > 1 || c.owner == kNobody) return true;
  const CallGroup* group = model_.kinds[w_.requests[c.owner].kind].GroupOf(c.call_class);
  if (group == nullptr) return true;
  Draft draft;
  Load(c.owner, &draft);
  RemoveFrom(*group, call, &draft);
  const double gain = Evaluate(draft) - LogLikelihood(c.owner) +
                      model_.services[c.service].log_orphan_rate[c.call_class];
  return gain > -kSettled;
}

int Sampler::Propose(int call, double temperature) {
  const Call& c = w_.calls[call];
  const auto candidates = w_.CandidatesOf(c);
  const auto n = static_cast<uint32_t>(candidates.size());
  if (n == 0) return 0;
  if (c.owner == kNobody) {
    const uint32_t pick = random_.Below(n);
    ProposeFromNobody(call, candidates[pick], temperature);
    return static_cast<int>(pick);
  }
  if (n == 1 || random_.Uniform() < kNobodyShare) {
    ProposeNobody(call, temperature);
    return static_cast<int>(n);
  }
  // One of the others: candidates are ascending, so the owner is stepped over by its index.
  uint32_t pick = random_.Below(n - 1);
  if (candidates[pick] >= c.owner) ++pick;
  ProposeSwap(call, candidates[pick], temperature);
  return static_cast<int>(pick);
}

void Sampler::ProposeNobody(int call, double temperature) {
  const Call& c = w_.calls[call];
  const CallGroup* group = model_.kinds[w_.requests[c.owner].kind].GroupOf(c.call_class);
  if (group == nullptr) return;
  Draft a;
  Load(c.owner, &a);
  const int used = Used(a.slots, *group);
  RemoveFrom(*group, call, &a);
  a.likelihood = Evaluate(a);
  const double gain = a.likelihood - LogLikelihood(a.request) +
                      model_.services[c.service].log_orphan_rate[c.call_class] +
                      Order(a, nullptr, true) - Order(a, nullptr, false);
  // There: kNobodyShare (or 1, if there is nobody else). Back: one of n, into a free slot.
  const double n = c.candidates;
  const double back = (group->count - (used - 1.0)) / group->count / n;
  const double there = c.candidates == 1 ? 1 : kNobodyShare;
  Decide(a, nullptr, call, gain, std::log(back / there), temperature);
}

void Sampler::ProposeFromNobody(int call, int request, double temperature) {
  const Call& c = w_.calls[call];
  const CallGroup* group = model_.kinds[w_.requests[request].kind].GroupOf(c.call_class);
  if (group == nullptr) return;
  Draft a;
  Load(request, &a);
  const int used = Used(a.slots, *group);
  const int at = static_cast<int>(random_.Below(group->count));
  const double n = c.candidates;
  int freed = kNobody;
  double gain = 0, log_ratio = 0;
  if (at < used) {
    freed = a.slots[group->first + at];
    if (w_.calls[freed].pinned || w_.calls[freed].decided) return;
    RemoveFrom(*group, freed, &a);
    // Back: the one that is freed, drawn instead, with as many candidates as it has.
    log_ratio = std::log(n / std::max<double>(1, w_.calls[freed].candidates));
  } else {
    gain -= model_.services[c.service].log_orphan_rate[c.call_class];
    const double there = (group->count - used) / static_cast<double>(group->count) / n;
    const double back = c.candidates == 1 ? 1 : kNobodyShare;
    log_ratio = std::log(back / there);
  }
  InsertInto(*group, call, &a);
  a.likelihood = Evaluate(a);
  gain +=
      a.likelihood - LogLikelihood(request) + Order(a, nullptr, true) - Order(a, nullptr, false);
  Decide(a, nullptr, freed, gain, log_ratio, temperature);
  // Taking another's place is undone in the other's turn: counted here it would count one way.
  if (freed != kNobody) accepted_ = 0;
}

void Sampler::ProposeSwap(int call, int request, double temperature) {
  Draft a, b;
  Load(w_.calls[call].owner, &a);
  Load(request, &b);
  double log_ratio = 0;
  if (!Swap(call, &a, &b, &log_ratio)) return;
  a.likelihood = Evaluate(a);
  b.likelihood = Evaluate(b);
  double gain = static_cast<double>(a.likelihood) + b.likelihood - LogLikelihood(a.request) -
                LogLikelihood(b.request);
  if (gain < -kHopeless) return;
  gain += Order(a, &b, true) - Order(a, &b, false);
  Decide(a, &b, kNobody, gain, log_ratio, temperature);
}

bool Sampler::Movable(int call, int to) const {
  const Call& c = w_.calls[call];
  if (c.pinned || c.decided) return false;
  if (!model_.services[c.service].Outlives(c.call_class) && !w_.Holds(w_.requests[to], c))
    return false;
  if (!c.chosen) return true;
  const auto candidates = w_.CandidatesOf(c);
  return std::binary_search(candidates.begin(), candidates.end(), to);
}

bool Sampler::Swap(int call, Draft* a, Draft* b, double* log_ratio) {
  const int call_class = w_.calls[call].call_class;
  const RequestModel& kind_a = model_.kinds[w_.requests[a->request].kind];
  const RequestModel& kind_b = model_.kinds[w_.requests[b->request].kind];
  // Alone with probability 1/2, else with all or with a random half of the other classes.
  uint32_t with = 0;
  if (kind_a.groups().size() > 1) {
    const uint32_t r = random_.Next();
    if (r & 1) with = r & 2 ? ~0u : r >> 8;
  }
  for (const CallGroup& ga : kind_a.groups()) {
    const bool own = ga.call_class == call_class;
    if (!own && (with >> (ga.call_class % 24) & 1) == 0) continue;
    const CallGroup* gb = kind_b.GroupOf(ga.call_class);
    if (gb == nullptr) {
      if (own) return false;
      continue;
    }
    if (own && (ga.count > 1 || gb->count > 1)) {
      if (!SwapOne(call, ga, *gb, a, b, log_ratio)) return false;
      continue;
    }
    // As long as each side has room for the other's.
    if (Used(a->slots, ga) > gb->count || Used(b->slots, *gb) > ga.count) {
      if (own) return false;
      continue;
    }
    if (!SwapAll(ga, *gb, a, b)) return false;
  }
  return true;
}

bool Sampler::SwapOne(int call, const CallGroup& ga, const CallGroup& gb, Draft* a, Draft* b,
                      double* log_ratio) {
  const int used_a = Used(a->slots, ga), used_b = Used(b->slots, gb);
  const int at = static_cast<int>(random_.Below(gb.count));
  if (at < used_b) {
    const int other = b->slots[gb.first + at];
    if (!Movable(other, a->request)) return false;
    RemoveFrom(gb, other, b);
    RemoveFrom(ga, call, a);
    InsertInto(ga, other, a);
    *log_ratio = std::log(static_cast<double>(gb.count) / ga.count);
  } else {
    RemoveFrom(ga, call, a);
    const double back = (ga.count - (used_a - 1.0)) / ga.count;
    const double there = (gb.count - used_b) / static_cast<double>(gb.count);
    *log_ratio = std::log(back / there);
  }
  InsertInto(gb, call, b);
  return true;
}

bool Sampler::SwapAll(const CallGroup& ga, const CallGroup& gb, Draft* a, Draft* b) const {
  const int used_a = Used(a->slots, ga), used_b = Used(b->slots, gb);
  for (int s = 0; s < used_a; ++s) {
    if (!Movable(a->slots[ga.first + s], b->request)) return false;
  }
  for (int s = 0; s < used_b; ++s) {
    if (!Movable(b->slots[gb.first + s], a->request)) return false;
  }
  for (int s = 0; s < std::max(used_a, used_b); ++s) {
    const int x = s < used_a ? a->slots[ga.first + s] : kNobody;
    const int y = s < used_b ? b->slots[gb.first + s] : kNobody;
    if (s < ga.count) a->slots[ga.first + s] = y;
    if (s < gb.count) b->slots[gb.first + s] = x;
  }
  return true;
}

void Sampler::InsertInto(const CallGroup& group, int call, Draft* draft) const {
  int s = Used(draft->slots, group);
  int* slots = draft->slots + group.first;
  for (; s > 0 && slots[s - 1] > call; --s) slots[s] = slots[s - 1];
  slots[s] = call;
}

void Sampler::RemoveFrom(const CallGroup& group, int call, Draft* draft) const {
  int* slots = draft->slots + group.first;
  int s = 0;
  while (s < group.count && slots[s] != call) ++s;
  if (s == group.count) return;
  for (; s + 1 < group.count; ++s) slots[s] = slots[s + 1];
  slots[s] = kNobody;
}

double Sampler::Order(const Draft& a, const Draft* b, bool drafted) const {
  const Request& ra = w_.requests[a.request];
  const ServiceModel& service = model_.services[ra.service];
  if (!service.ordered) return 0;
  double total = 0;
  const auto slots_of = [&](const Draft& d) {
    return drafted ? d.slots : w_.slots.data() + w_.requests[d.request].first_slot;
  };
  const auto changed = [&](const Draft& d, int s) {
    return d.slots[s] != w_.slots[w_.requests[d.request].first_slot + s];
  };
  for (const CallGroup& group : model_.kinds[ra.kind].groups()) {
    const float weight = service.order_weight[group.call_class];
    if (weight == 0 || group.count != 1 || !changed(a, group.first)) continue;
    const int ca = slots_of(a)[group.first];
    int cb = kNobody;
    if (b != nullptr) {
      const CallGroup* gb = model_.kinds[w_.requests[b->request].kind].GroupOf(group.call_class);
      if (gb != nullptr && gb->count == 1) cb = slots_of(*b)[gb->first];
    }
    int count = 0;
    const int other = b == nullptr ? kNobody : b->request;
    if (ca != kNobody) count += Inversions(w_, model_, a.request, ca, other);
    if (cb != kNobody) count += Inversions(w_, model_, b->request, cb, a.request);
    if (ca != kNobody && cb != kNobody) {
      count += Inverted(ra, w_.calls[ca], w_.requests[b->request], w_.calls[cb]);
    }
    total += weight * count;
  }
  return total;
}

double Sampler::Alike(const Draft& draft) const {
  double total = 0;
  const Request& r = w_.requests[draft.request];
  for (int s = 0, n = model_.kinds[r.kind].slots(); s < n; ++s) {
    const int to = draft.slots[s], from = w_.slots[r.first_slot + s];
    if (to == from) continue;
    if (to != kNobody) total += w_.StandsFor(w_.calls[to], draft.request);
    if (from != kNobody) total -= w_.StandsFor(w_.calls[from], draft.request);
  }
  return total;
}

void Sampler::Decide(const Draft& a, const Draft* b, int freed, double gain, double log_ratio,
                     double temperature) {
  if (!w_.stands_for.empty()) log_ratio += Alike(a) + (b == nullptr ? 0 : Alike(*b));
  gain += temperature * log_ratio;
  float probability = 1;
  const auto chance = [&](double of) {
    if (of >= 0) return true;
    if (of < kNever * temperature) {
      probability = 0;
      return false;
    }
    const auto p = std::exp(static_cast<float>(of / temperature));
    probability = p;
    return random_.Uniform() < p;
  };
  if (joins_ != nullptr && joins_->on()) {
    if (!chance(kFirstStep * gain)) return;
    const JoinChange change = TryJoins(a, b, freed);
    probability = 1;
    const bool taken = chance((1 - kFirstStep) * gain + change.gain);
    accepted_ = probability;
    if (!taken) return;
    join_likelihood_[change.root_a] = change.new_a;
    if (change.root_b != kNobody) join_likelihood_[change.root_b] = change.new_b;
    // What hangs below a call that is nobody's is a tree of its own, unknown so far.
    for (const int c : {freed, change.taken}) {
      if (c != kNobody && w_.calls[c].callee != kNobody) {
        join_likelihood_[w_.calls[c].callee] = kUnknown;
      }
    }
  } else {
    const bool taken = chance(gain);
    accepted_ = probability;
    if (!taken) return;
  }
  Write(a, freed);
  if (b != nullptr) Write(*b, kNobody);
}

double Sampler::JoinLikelihood(int root) {
  float& known = join_likelihood_[root];
  if (std::isnan(known)) known = static_cast<float>(joins_->LogLikelihood(w_, model_, root));
  return known;
}

Sampler::JoinChange Sampler::TryJoins(const Draft& a, const Draft* b, int freed) {
  // Joins are those of whole trees: the change is made, looked at, and taken back.
  JoinChange change;
  Draft old_a, old_b;
  Load(a.request, &old_a);
  change.root_a = JoinModel::RootOf(w_, a.request);
  change.gain -= JoinLikelihood(change.root_a);
  if (b != nullptr) {
    Load(b->request, &old_b);
    change.root_b = JoinModel::RootOf(w_, b->request);
    if (change.root_b == change.root_a) change.root_b = kNobody;
    if (change.root_b != kNobody) change.gain -= JoinLikelihood(change.root_b);
  }
  const auto put = [&](const Draft& d) {
    const Request& r = w_.requests[d.request];
    for (int s = 0, n = model_.kinds[r.kind].slots(); s < n; ++s) {
      w_.slots[r.first_slot + s] = d.slots[s];
      if (d.slots[s] != kNobody) w_.calls[d.slots[s]].owner = d.request;
    }
  };
  const int slots = model_.kinds[w_.requests[a.request].kind].slots();
  for (int s = 0; s < slots; ++s) {
    const int c = a.slots[s];
    if (c != kNobody && w_.calls[c].owner == kNobody) change.taken = c;
  }
  put(a);
  if (b != nullptr) put(*b);
  if (freed != kNobody) w_.calls[freed].owner = kNobody;
  change.new_a = static_cast<float>(joins_->LogLikelihood(w_, model_, change.root_a));
  if (change.root_b != kNobody) {
    change.new_b = static_cast<float>(joins_->LogLikelihood(w_, model_, change.root_b));
  }
  change.gain += change.new_a + change.new_b;
  if (change.taken != kNobody) w_.calls[change.taken].owner = kNobody;
  put(old_a);
  if (b != nullptr) put(old_b);
  return change;
}

void Sampler::Write(const Draft& draft, int freed) {
  const Request& r = w_.requests[draft.request];
  if (freed != kNobody) w_.calls[freed].owner = kNobody;
  for (int s = 0, n = model_.kinds[r.kind].slots(); s < n; ++s) {
    w_.slots[r.first_slot + s] = draft.slots[s];
    if (draft.slots[s] != kNobody) w_.calls[draft.slots[s]].owner = draft.request;
  }
  likelihood_[draft.request] = draft.likelihood;
}

}  // namespace tomograph::correlate::linking
