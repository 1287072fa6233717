#include "correlate/linking/request_linker.h"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "correlate/linking/call_chains.h"
#include "correlate/linking/first_guess.h"
#include "correlate/linking/learner.h"
#include "correlate/linking/link_window.h"
#include "correlate/linking/more_calls.h"
#include "correlate/linking/recent_records.h"
#include "correlate/linking/sampler.h"
#include "correlate/linking/waiting_records.h"
#include "correlate/linking/weigh_evidence.h"

namespace tomograph::correlate::linking {
namespace {

constexpr Nanos kFarthest = Nanos{1} << 62;
constexpr size_t kBlock = 1'000;  // calls sampled together: what fits into a cache
constexpr int kBurnSweeps = 12;
constexpr int kCountedSweeps = 22;  // a round
constexpr int kMostRounds = 8;
constexpr double kTemperature = 1.5;  // of counted sweeps: the model is surer than it should be
constexpr int kAnnealSweeps = 20;
constexpr int kAssignSweeps = 10;  // of annealing, when nothing is counted
constexpr double kColdest = .05;
// Chunks in the window beyond the one to be decided, where slack reaches far. Bounds the window.
constexpr size_t kMostAhead = 16;
// A service is learned from scratch again each time that its calls have doubled, up to here.
constexpr size_t kEnoughCalls = 2'000;
// It is learned anew for the sake of a name, or refreshed, among so many times the calls that it
// learns from.
constexpr size_t kLearnAmong = 4;
// Not from fewer than it was learned from, but for so many.
constexpr size_t kEnoughToRefresh = RecentRecords::kMostOfOne / 4;
// Records after which names are forgotten that are not seen any more, and joins looked for again.
constexpr size_t kFadeEvery = 1'000'000;

template <typename T>
bool InWindowOrder(const T& a, const T& b) {
  return a.service != b.service ? a.service < b.service : a.sequence < b.sequence;
}

}  // namespace

class RequestLinker::Impl {
 public:
  explicit Impl(const LinkerOptions& options)
      : options_(options), waiting_(std::max<Nanos>(Horizon(options) / 8, kMillisecond)) {
    options_.horizon = Horizon(options);
    options_.chunk_records = std::max<size_t>(options_.chunk_records, 16);
    options_.learn_records = std::max<size_t>(options_.learn_records, 16);
    options_.max_candidates = std::clamp<size_t>(options_.max_candidates, 1, 60'000);
    options_.max_records = std::max<size_t>(options_.max_records, 1'024);
    window_.slack = static_cast<double>(options_.nesting_slack) * 1e-3;
  }

  void Add(std::span<const CallRecord> records) {
    for (const CallRecord& record : records) {
      ++stats_.records;
      if (!Accept(record)) {
        if (record.outgoing) outbox_.push_back(Unlinked(record));
        continue;
      }
      waiting_.Add(record);
    }
    if (waiting_.size() > options_.max_records) {
      stats_.decided_early += waiting_.MakeRoom(options_.max_records / 2);
      Pump(false);
    }
  }

  void Advance(Nanos watermark, const Sink& sink) {
    watermark = std::clamp(watermark, -kFarthest, kFarthest);
    waiting_.CompleteUntil(watermark - options_.horizon);
    Pump(false);
    Hand(sink);
  }

  void Finish(const Sink& sink) {
    waiting_.CompleteUntil(INT64_MAX);
    Pump(true);
    Hand(sink);
  }

  const LinkerStats& stats() const { return stats_; }

  size_t bytes() const {
    size_t total = model_.bytes() + vocabulary_.bytes() + outbox_.capacity() * sizeof(Link);
    total += waiting_.bytes() + recent_.bytes();
    total += window_.requests.capacity() * sizeof(Request);
    total += window_.calls.capacity() * sizeof(Call);
    total += (window_.slots.capacity() + window_.candidates.capacity()) * sizeof(int);
    total += (window_.evidence.capacity() + window_.stands_for.capacity()) * sizeof(float);
    return total;
  }

 private:
  struct Chunk {
    uint64_t end_sequence = 0;
    Nanos last_start = 0;
  };

  static Nanos Horizon(const LinkerOptions& options) {
    return std::clamp<Nanos>(options.horizon, kMillisecond, kHour * 24);
  }

  bool Accept(const CallRecord& record) {
    if (record.start < -kFarthest || record.start > kFarthest || record.end < -kFarthest ||
        record.end > kFarthest) {
      ++stats_.impossible_time;
    } else if (record.end < record.start) {
      ++stats_.negative;
    } else if (record.end - record.start > options_.horizon) {
      ++stats_.too_long;
    } else if (record.slack < 0 || record.slack > options_.chunk_time / 2) {
      ++stats_.impossible_slack;
    } else if (record.start < waiting_.complete_until()) {
      ++stats_.late;
    } else {
      return true;
    }
    return false;
  }

  // ---- chunks ----

  void Pump(bool final) {
    if (!learned_ && !LearnPrefix(final)) return;
    for (;;) {
      if (!chunks_.empty() && (Surrounded() || NothingFollows(chunks_.back(), final))) {
        Decide();
        continue;
      }
      const size_t n = ChunkLength(waiting_.ready(), 0, waiting_.ready().size(), final);
      if (n == 0) return;
      Append(n, SeenUntil(n, options_.chunk_records, options_.chunk_time));
      chunks_.push_back({next_sequence_, last_start_});
    }
  }

  /// Have all requests been seen that the first chunk's calls may belong to, and all that compete?
  bool Surrounded() const {
    if (chunks_.size() < 2) return false;
    return chunks_.size() > kMostAhead ||
           chunks_.back().last_start >= chunks_.front().last_start + widest_slack_;
  }

  /// Does the chunk end in silence, so that there is nothing to wait for?
  bool NothingFollows(const Chunk& chunk, bool final) const {
    const Nanos until = chunk.last_start + options_.chunk_time;
    if (!waiting_.ready().empty()) return waiting_.ready().front().start > until;
    return final || waiting_.complete_until() > until;
  }

  /// Records of the chunk that begins at `from`; 0: it is not complete yet.
  size_t ChunkLength(const std::deque<CallRecord>& records, size_t from, size_t end,
                     bool final) const {
    if (from >= end) return 0;
    const Nanos until = records[from].start + options_.chunk_time;
    size_t n = 0;
    while (from + n < end && n < options_.chunk_records && records[from + n].start < until) ++n;
    const bool closed = n == options_.chunk_records || from + n < end ||
                        waiting_.complete_until() >= until || final;
    return closed ? n : 0;
  }

  /// The first n ready records end by their number or by their time. By time, nothing else starts
  /// within it, whether or not what follows is known already.
  Nanos SeenUntil(size_t n, size_t most, Nanos time) const {
    return n == most ? waiting_.ready()[n - 1].start : waiting_.ready().front().start + time;
  }

  bool LearnPrefix(bool final) {
    if (waiting_.ready().empty()) return false;
    const Nanos until = waiting_.ready().front().start + options_.learn_time;
    size_t n = 0;
    while (n < waiting_.ready().size() && n < options_.learn_records &&
           waiting_.ready()[n].start < until)
      ++n;
    const bool closed = n == options_.learn_records || n < waiting_.ready().size() ||
                        waiting_.complete_until() >= until || final;
    if (!closed) return false;
    learned_ = true;
    origin_ = waiting_.ready().front().start;
    // Chunks of the prefix; all of them are in the window from the start.
    std::vector<Chunk> chunks;
    for (size_t at = 0; at < n;) {
      at += ChunkLength(waiting_.ready(), at, n, true);
      chunks.push_back({next_sequence_ + at, waiting_.ready()[at - 1].start});
    }
    Append(n, SeenUntil(n, options_.learn_records, options_.learn_time));
    chunks_.assign(chunks.begin(), chunks.end());
    return true;
  }

  // ---- the window ----

  static Attributes Shown(const CallRecord& record) {
    return {record.connection, record.worker, record.bytes_in, record.bytes_out, record.failed};
  }
  double Micros(Nanos t) const { return static_cast<double>(t - origin_) * 1e-3; }

  /// The first n ready records enter the window; what nobody needs any more leaves it. All that
  /// start before `seen_until` have been seen then.
  void Append(size_t n, Nanos seen_until) {
    Retire();
    bool facts = false;
    for (size_t x = 0; x < n; ++x) {
      const CallRecord& record = waiting_.ready()[x];
      const RecordName name{record.peer, record.operation, record.outgoing};
      const int service = vocabulary_.Count(record.service, name, &model_);
      if (service == Vocabulary::kNone) {
        ++stats_.too_many_services;
        if (record.outgoing) outbox_.push_back(Unlinked(record));
        ++next_sequence_;
        continue;
      }
      const Interval time{Micros(record.start), Micros(record.end)};
      const auto slack = static_cast<float>(record.slack) * 1e-3f;
      widest_slack_ = std::max(widest_slack_, 2 * record.slack);
      sides_known_ |= record.counterpart != 0;
      if (record.outgoing) {
        Call call;
        call.time = time;
        call.id = record.id;
        call.service = service;
        call.call_class = vocabulary_.NumberOf(service, name);
        call.name = name;
        call.parent_id = record.known_parent;
        call.pinned = record.known_parent != 0;
        call.counterpart = record.counterpart;
        call.slack = slack;
        call.shows = Shown(record);
        call.sequence = next_sequence_++;
        facts |= call.pinned;
        learned_from_.resize(model_.services.size());
        ++learned_from_[service].since;
        window_.calls.push_back(call);
      } else {
        Request request;
        request.time = time;
        request.id = record.id;
        request.service = service;
        request.kind = vocabulary_.NumberOf(service, name);
        request.name = name;
        request.counterpart = record.counterpart;
        request.slack = slack;
        request.shows = Shown(record);
        request.sequence = next_sequence_++;
        window_.requests.push_back(request);
      }
    }
    last_start_ = waiting_.ready()[n - 1].start;
    seen_until_ = seen_until;
    since_fade_ += n;
    waiting_.DropReady(n);
    Arrange();
    ResolveIds(facts);
    window_.Index(model_.services.size());
    const std::vector<int> fresh = Deal();
    window_.FindCandidates(options_.max_candidates, &model_);
    Learn(fresh);
    Guess();
    if (since_fade_ < kFadeEvery) return;
    joins_.Learn(window_, model_, LearnableUntil());
    vocabulary_.Fade();
    since_fade_ = 0;
  }

  /// Brings new records among the old ones, and what refers to them along.
  void Arrange() {
    const auto arrange = [](auto* items) {
      std::vector<int> order(items->size()), place(items->size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
      std::sort(order.begin(), order.end(),
                [&](int a, int b) { return InWindowOrder((*items)[a], (*items)[b]); });
      auto sorted = *items;
      for (size_t i = 0; i < order.size(); ++i) {
        sorted[i] = (*items)[order[i]];
        place[order[i]] = static_cast<int>(i);
      }
      items->swap(sorted);
      return place;
    };
    Renumber(arrange(&window_.requests), arrange(&window_.calls));
  }

  /// Everything that refers to request i now means request_place[i] (kNobody: gone); calls too.
  void Renumber(const std::vector<int>& request_place, const std::vector<int>& call_place) {
    for (Call& call : window_.calls) {
      if (call.owner != kNobody) call.owner = request_place[call.owner];
      if (call.callee != kNobody) call.callee = request_place[call.callee];
    }
    for (Request& request : window_.requests) {
      if (request.caller != kNobody) request.caller = call_place[request.caller];
    }
  }

  /// Drops requests that can hold no undecided call, and decided calls of nobody who is left.
  void Retire() {
    if (window_.requests.empty() && window_.calls.empty()) return;
    double earliest = 1e300;
    for (const Call& call : window_.calls) {
      if (!call.decided) earliest = std::min(earliest, call.time.start);
    }
    // With nothing undecided, what can still be called for starts after the last record.
    if (earliest > 1e299) earliest = Micros(last_start_);
    const double needed = earliest - window_.slack - static_cast<double>(widest_slack_) * 1e-3;
    std::vector<int> in_time(window_.requests.size());
    for (size_t i = 0; i < in_time.size(); ++i) in_time[i] = static_cast<int>(i);
    std::vector<bool> keep(window_.requests.size());
    if (joins_.on()) {
      std::sort(in_time.begin(), in_time.end(), [&](int a, int b) {
        return window_.requests[a].sequence < window_.requests[b].sequence;
      });
    }
    // Of requests that began before, a call looks at the latest of its service, and at some that
    // were drawn from among the others.
    std::vector<size_t> before(model_.services.size(), 0);
    std::vector<std::vector<int>> others(model_.services.size());
    for (auto it = in_time.rbegin(); it != in_time.rend(); ++it) {
      const Request& request = window_.requests[*it];
      const bool outlived = model_.services[request.service].AnyOutlives();
      keep[*it] = request.time.end + (outlived ? LinkWindow::kHandOff_us : 0) >= needed;
      if (!keep[*it] || request.time.start > earliest) continue;
      if (before[request.service]++ >= LinkWindow::LookedAt(options_.max_candidates))
        others[request.service].push_back(*it);
    }
    for (const std::vector<int>& of : others) Thin(of, &keep);
    for (const int i : in_time) {
      const Request& request = window_.requests[i];
      if (keep[i] || !joins_.on() || request.caller == kNobody) continue;
      // Joins look at whole trees: a request stays as long as the one that caused it.
      const int owner = window_.calls[request.caller].owner;
      keep[i] = owner != kNobody && keep[owner];
    }
    std::vector<int> request_place(window_.requests.size(), kNobody);
    std::vector<int> call_place(window_.calls.size(), kNobody);
    int left = 0;
    for (size_t c = 0; c < window_.calls.size(); ++c) {
      const Call& call = window_.calls[c];
      const bool owned = call.owner != kNobody && keep[call.owner];
      if (!call.decided || owned) call_place[c] = left++;
    }
    left = 0;
    for (size_t i = 0; i < window_.requests.size(); ++i)
      if (keep[i]) request_place[i] = left++;
    recent_.Take(window_, request_place, call_place);
    Compact(call_place, &window_.calls);
    Compact(request_place, &window_.requests);
    Renumber(request_place, call_place);
  }

  template <typename Item>
  static void Compact(const std::vector<int>& place, std::vector<Item>* items) {
    size_t left = 0;
    for (size_t x = 0; x < items->size(); ++x)
      if (place[x] != kNobody) (*items)[left++] = (*items)[x];
    items->resize(left);
  }

  /// Keeps of these requests as many as there may be calls in view, so that these find room,
  /// halving them as often as it takes. What a request's id decides is the same whenever it is
  /// asked.
  void Thin(const std::vector<int>& requests, std::vector<bool>* keep) {
    const auto stays = [&](const Request& request, int level) {
      return request.thinned >= level || MixBits(request.id) >> (64 - level) == 0;
    };
    const size_t most =
        std::max(options_.chunk_records, LinkWindow::LookedAt(options_.max_candidates));
    int level = 0;
    for (size_t left = requests.size(); left > most && level < 32;) {
      ++level;
      left = static_cast<size_t>(std::count_if(requests.begin(), requests.end(), [&](int i) {
        return stays(window_.requests[i], level);
      }));
    }
    if (level == 0) return;
    for (const int i : requests) {
      Request& request = window_.requests[i];
      (*keep)[i] = stays(request, level);
      request.thinned = std::max(request.thinned, static_cast<uint8_t>(level));
    }
  }

  void ResolveIds(bool facts) {
    bool pending = facts;
    for (const Call& call : window_.calls) {
      pending |= call.pinned && !call.decided && call.owner == kNobody;
    }
    if (!pending && !sides_known_) return;
    std::unordered_map<uint64_t, int> request_of;
    request_of.reserve(window_.requests.size());
    for (size_t i = 0; i < window_.requests.size(); ++i) {
      request_of.emplace(window_.requests[i].id, static_cast<int>(i));
    }
    for (Call& call : window_.calls) {
      if (!call.pinned || call.owner != kNobody) continue;
      const auto found = request_of.find(call.parent_id);
      if (found == request_of.end()) continue;
      // An id of another service's request is said as it was given, but pins nothing here.
      if (window_.requests[found->second].service == call.service) call.owner = found->second;
    }
    if (!sides_known_) return;
    std::unordered_map<uint64_t, int> call_of;
    call_of.reserve(window_.calls.size());
    for (size_t c = 0; c < window_.calls.size(); ++c) {
      call_of.emplace(window_.calls[c].id, static_cast<int>(c));
    }
    const auto join = [&](int request, int call) {
      if (window_.requests[request].caller != kNobody) return;
      if (window_.calls[call].callee != kNobody) return;
      window_.requests[request].caller = call;
      window_.calls[call].callee = request;
    };
    for (size_t i = 0; i < window_.requests.size(); ++i) {
      const auto found = call_of.find(window_.requests[i].counterpart);
      if (found != call_of.end()) join(static_cast<int>(i), found->second);
    }
    for (size_t c = 0; c < window_.calls.size(); ++c) {
      const auto found = request_of.find(window_.calls[c].counterpart);
      if (found != request_of.end()) join(found->second, static_cast<int>(c));
    }
  }

  // ---- learning and guessing ----

  /// Nothing is learned from requests that may have calls after this.
  double LearnableUntil() const { return Micros(seen_until_); }

  /// Deals numbers anew where not all have one, and in services that have grown; these are
  /// returned, to be learned from scratch. A name that has come to be seen often waits until its
  /// service has made so many calls that learning costs little beside linking them.
  std::vector<int> Deal() {
    std::vector<int> fresh;
    learned_from_.resize(model_.services.size());
    for (int s = 0; s < static_cast<int>(model_.services.size()); ++s) {
      const ServiceRange& range = window_.services[s];
      const auto in_view = static_cast<size_t>(range.end_call - range.first_call);
      const size_t calls = in_view + recent_.calls(s);
      const bool unknown = HoldsUnknown(range);
      if (in_view == 0) {
        if (unknown) DealTo(s);
        continue;
      }
      LearnedFrom& from = learned_from_[s];
      const bool grown = from.calls < kEnoughCalls && calls >= 2 * from.calls;
      const uint64_t shared = vocabulary_.shared_when_dealt(s);
      const bool others_grown = shared < kEnoughCalls && vocabulary_.shared(s) >= 2 * shared + 8;
      const bool due = vocabulary_.Due(s) && from.since >= kLearnAmong * calls;
      if (!unknown && !grown && !others_grown && !due && model_.services[s].learned) continue;
      DealTo(s);
      more_.Forget(s);
      fresh.push_back(s);
      from = {calls, 0};
    }
    return fresh;
  }

  /// Is there a kind or class for which there is no number?
  bool HoldsUnknown(const ServiceRange& range) const {
    for (int i = range.first_request; i < range.end_request; ++i) {
      if (window_.requests[i].kind == Vocabulary::kNone) return true;
    }
    for (int c = range.first_call; c < range.end_call; ++c) {
      if (window_.calls[c].call_class == Vocabulary::kNone) return true;
    }
    return false;
  }

  void DealTo(int service) {
    vocabulary_.Deal(service, &model_);
    const ServiceRange& range = window_.services[service];
    for (int i = range.first_request; i < range.end_request; ++i) {
      Request& request = window_.requests[i];
      request.kind = vocabulary_.NumberOf(service, request.name);
    }
    for (int c = range.first_call; c < range.end_call; ++c) {
      Call& call = window_.calls[c];
      call.call_class = vocabulary_.NumberOf(service, call.name);
    }
  }

  void Learn(const std::vector<int>& fresh) {
    const uint64_t seed = MixBits(options_.seed ^ MixBits(next_sequence_));
    if (!fresh.empty()) {
      LearnFromScratch(fresh, LearnableUntil(), seed, options_.hand_offs, recent_, vocabulary_,
                       &window_, &model_, &joins_);
      ++stats_.learned;
    } else {
      window_.LayOut(model_);
    }
    for (int s = 0; s < static_cast<int>(model_.services.size()); ++s) {
      const LearnedFrom& from = learned_from_[s];
      const size_t calls = recent_.calls(s);
      const bool enough = calls > 0 && calls >= std::min(from.calls, kEnoughToRefresh);
      if (!model_.services[s].learned || !enough || from.since < kLearnAmong * calls) continue;
      learned_from_[s].since = 0;
      Refresh(s, MixBits(seed ^ MixBits(s)), recent_, vocabulary_, window_, &model_);
      ++stats_.refreshed;
    }
  }

  void Guess() {
    for (int s = 0; s < static_cast<int>(model_.services.size()); ++s) {
      if (!model_.services[s].learned) continue;
      WeighEvidence(s, model_, &window_);
      CallChains(s, &window_, model_).Guess();
      if (model_.services[s].first_come) {
        GuessFirstCome(s, &window_, model_);
      } else {
        GuessAny(s, false, &window_, &model_);
      }
      DropHopeless(s, &window_, model_);
    }
  }

  // ---- deciding ----

  void Decide() {
    const Chunk chunk = chunks_.front();
    chunks_.pop_front();
    ++stats_.chunks;
    const bool cut = chunks_.size() >= kMostAhead &&
                     chunks_.back().last_start < chunk.last_start + widest_slack_;
    std::vector<int> mine, open;
    for (size_t c = 0; c < window_.calls.size(); ++c) {
      const Call& call = window_.calls[c];
      if (!call.decided && call.sequence < chunk.end_sequence) mine.push_back(static_cast<int>(c));
    }
    std::sort(mine.begin(), mine.end(),
              [&](int a, int b) { return window_.calls[a].sequence < window_.calls[b].sequence; });
    Sampler sampler(&window_, model_, &joins_, 0);
    const std::vector<bool> sampled = ToBeSampled(mine, &sampler);
    for (const int c : mine) {
      if (sampled[c]) open.push_back(c);
    }
    std::vector<Sampler::Shares> shares(open.size());
    std::vector<int> owners(open.size());
    const bool count = options_.mode == LinkMode::kPosteriors;
    std::vector<Sampler::Shares> counted;
    for (size_t from = 0; from < open.size(); from += kBlock) {
      const std::span<const int> block(open.data() + from, std::min(kBlock, open.size() - from));
      sampler.Reseed(options_.seed ^ MixBits(window_.calls[block.front()].sequence));
      if (count) {
        for (int x = 0; x < kBurnSweeps; ++x) sampler.Sweep(block, kTemperature);
        sampler.Count(block, kCountedSweeps, kMostRounds, kTemperature, &counted);
        std::move(counted.begin(), counted.end(), shares.begin() + from);
      }
      const int anneal = count ? kAnnealSweeps : kAssignSweeps;
      for (int x = 0; x < anneal; ++x) {
        sampler.Sweep(block, std::pow(kColdest, x / (anneal - 1.0)));
        if (x > 0) continue;  // as the model has it: what is to be learned from
        for (const int c : block) {
          const int owner = window_.calls[c].owner;
          window_.calls[c].drawn =
              owner == kNobody ? Call::kNoSequence : window_.requests[owner].sequence;
        }
      }
      for (size_t x = 0; x < block.size(); ++x) owners[from + x] = window_.calls[block[x]].owner;
    }
    if (count && options_.more_calls) more_.ShareOut(window_, model_, mine, open, &shares);
    std::vector<Link> links(mine.size());
    for (size_t at = 0, x = 0; at < mine.size(); ++at) {
      const int c = mine[at];
      const int owner = sampled[c] ? owners[x] : window_.calls[c].owner;
      links[at] = sampled[c] && count ? Counted(c, owner, shares[x]) : Settled(c, owner);
      x += sampled[c];
    }
    DecideChains(mine, &links);
    for (const int c : mine) {
      Call& call = window_.calls[c];
      if (!sampled[c] && call.owner != kNobody) call.drawn = window_.requests[call.owner].sequence;
    }
    for (size_t x = 0; x < mine.size(); ++x) {
      Call& call = window_.calls[mine[x]];
      call.decided = true;
      // A link that is likelier wrong than right takes up no room: not that of one of many that its
      // request stands for, nor that of one of many that are alike.
      if (!call.pinned && links[x].posterior < .5f) window_.Take(model_, mine[x]);
      stats_.candidates_limited += call.limited;
      stats_.slack_cut += cut;
      outbox_.push_back(links[x]);
    }
  }

  /// Calls that could end up elsewhere, and those whose places may be taken by one that is
  /// nobody's, or that becomes so in turn: they could not come back if they were not sampled.
  std::vector<bool> ToBeSampled(const std::vector<int>& mine, Sampler* sampler) const {
    std::vector<bool> sampled(window_.calls.size());
    std::vector<int> displaced;
    for (const int c : mine) {
      sampled[c] = sampler->Open(c);
      if (sampled[c] && window_.calls[c].owner == kNobody) displaced.push_back(c);
    }
    std::vector<bool> looked_at(window_.requests.size());
    while (!displaced.empty()) {
      const Call& call = window_.calls[displaced.back()];
      displaced.pop_back();
      for (const int i : window_.CandidatesOf(call)) {
        if (looked_at[i]) continue;
        looked_at[i] = true;
        const Request& request = window_.requests[i];
        for (int s = 0, n = model_.kinds[request.kind].slots(); s < n; ++s) {
          const int rival = window_.slots[request.first_slot + s];
          if (rival == kNobody || window_.calls[rival].call_class != call.call_class) continue;
          if (!sampler->Fixed(rival)) sampled[rival] = true, displaced.push_back(rival);
        }
      }
    }
    return sampled;
  }

  /// The links of those of `mine` that are calls of chains.
  void DecideChains(const std::vector<int>& mine, std::vector<Link>* links) {
    std::unordered_map<int, size_t> place;  // in mine
    for (int s = 0; s < static_cast<int>(model_.services.size()); ++s) {
      CallChains chains(s, &window_, model_);
      if (!chains.any()) continue;
      const std::vector<int> open = chains.Open(mine);
      if (open.empty()) continue;
      if (place.empty()) {
        for (size_t x = 0; x < mine.size(); ++x) place.emplace(mine[x], x);
      }
      Random random(options_.seed ^ MixBits(window_.calls[open.front()].sequence));
      std::vector<Sampler::Shares> shares(open.size());
      for (int x = 0; x < kBurnSweeps; ++x) chains.Sweep(open, kTemperature, &random, nullptr);
      for (int x = 0; x < 2 * kCountedSweeps; ++x)
        chains.Sweep(open, kTemperature, &random, &shares);
      chains.Settle(open, &shares);
      for (size_t x = 0; x < open.size(); ++x)
        (*links)[place[open[x]]] = Counted(open[x], window_.calls[open[x]].owner, shares[x]);
    }
  }

  static Link Unlinked(const CallRecord& record) {
    Link link;
    link.call = record.id;
    link.request = record.known_parent;
    link.by_id = record.known_parent != 0;
    link.posterior = link.by_id ? 1 : 0;
    return link;
  }

  /// A call that was not sampled.
  Link Settled(int c, int owner) const {
    const Call& call = window_.calls[c];
    Link link;
    link.call = call.id;
    if (call.pinned) {
      link.request = call.parent_id;
      link.posterior = 1;
      link.by_id = true;
      return link;
    }
    link.posterior =
        options_.mode == LinkMode::kPosteriors || call.candidates <= 1 ? 1 : call.share;
    if (owner == kNobody) return link;
    link.request = window_.requests[owner].id;
    link.posterior *= std::exp(-window_.StandsFor(call, owner));
    return link;
  }

  /// What is nobody's in the likeliest state may be likeliest to be one call more of some request.
  Link Counted(int c, int owner, const Sampler::Shares& counted) const {
    const Call& call = window_.calls[c];
    const std::vector<float>& shares = counted.of;
    const auto candidates = window_.CandidatesOf(call);
    const auto id_of = [&](size_t option) {
      return option == candidates.size() ? 0 : window_.requests[candidates[option]].id;
    };
    // A candidate that stands for others shares what it gets with them.
    const auto own = [&](size_t option) {
      return option == candidates.size()
                 ? shares[option]
                 : shares[option] * std::exp(-window_.StandsForAt(call, option));
    };
    const bool one_more = owner == kNobody && counted.given > shares.back();
    size_t mine = candidates.size();
    for (size_t x = 0; x < candidates.size(); ++x) {
      if (one_more ? own(x) > own(mine) : candidates[x] == owner) mine = x;
    }
    Link link;
    link.call = call.id;
    link.request = id_of(mine);
    link.posterior = own(mine);
    for (size_t x = 0; x < shares.size(); ++x) {
      Link::Choice choice{id_of(x), own(x)};
      if (x == mine || choice.posterior == 0) continue;
      for (Link::Choice& other : link.others) {
        if (choice.posterior > other.posterior) std::swap(choice, other);
      }
    }
    return link;
  }

  void Hand(const Sink& sink) {
    for (const Link& link : outbox_) {
      ++stats_.links;
      stats_.by_id += link.by_id;
      stats_.without_request += link.request == 0;
      sink(link);
    }
    outbox_.clear();
  }

  struct LearnedFrom {
    size_t calls = 0;
    size_t since = 0;  // calls that came after
  };

  LinkerOptions options_;
  LinkerStats stats_;
  WaitingRecords waiting_;
  Nanos origin_ = 0;
  bool learned_ = false;  // the prefix
  uint64_t next_sequence_ = 0;
  Nanos last_start_ = 0;
  Nanos seen_until_ = 0;
  Nanos widest_slack_ = 0;    // of two records together, so far
  std::deque<Chunk> chunks_;  // in the window and not decided
  Vocabulary vocabulary_;
  LinkModel model_;
  JoinModel joins_;
  bool sides_known_ = false;  // of some call: joins may be found
  LinkWindow window_;
  RecentRecords recent_;
  MoreCalls more_;
  std::vector<LearnedFrom> learned_from_;  // per service
  size_t since_fade_ = 0;
  std::vector<Link> outbox_;
};

RequestLinker::RequestLinker(const LinkerOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
RequestLinker::~RequestLinker() = default;
RequestLinker::RequestLinker(RequestLinker&&) noexcept = default;

void RequestLinker::Add(std::span<const CallRecord> records) { impl_->Add(records); }
void RequestLinker::Advance(Nanos watermark, const Sink& sink) { impl_->Advance(watermark, sink); }
void RequestLinker::Finish(const Sink& sink) { impl_->Finish(sink); }
const LinkerStats& RequestLinker::stats() const { return impl_->stats(); }
size_t RequestLinker::bytes() const { return impl_->bytes(); }

}  // namespace tomograph::correlate::linking
