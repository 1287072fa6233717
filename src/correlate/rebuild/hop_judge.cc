#include "correlate/rebuild/hop_judge.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace tomograph::correlate {
namespace {

using linking::CallRecord;
using telemetry::EntityId;
using telemetry::kNoEntity;

constexpr size_t kMostBands = 16;
// Log odds that a caller's clock is not that of its band: to set it apart, to have it in doubt.
// Evidence counts half, as calls come in bursts.
constexpr double kApart = 9, kInDoubt = 2, kMostDoubt = 12;
constexpr double kTemper = .5;
constexpr double kLeastChance = .01, kMostShare = .98;
constexpr double kTells = .2;  // the least that shares differ, to tell who belongs to a band
// What calls meet at offsets that are none is chance.
constexpr double kDecoys[] = {-.53, -.37, -.23, -.11, .11, .23, .37, .53};  // s
constexpr double kPerDecoy = 1. / std::size(kDecoys);

void Move(double by, CallRecord* record) {
  record->start -= FromSeconds(by);
  record->end -= FromSeconds(by);
}

/// How many of a caller's calls have one received within them.
struct Support {
  int sent = 0, met = 0;
  double by_chance = 0;
  double share() const { return (met + .5) / (sent + 1); }
  void Add(const Support& other) {
    sent += other.sent;
    met += other.met;
    by_chance += other.by_chance;
  }
};

class Judge {
 public:
  Judge(Nanos slot, HopPlace* place) : middle_(slot + FollowedOffset::kSlot / 2), place_(*place) {
    Gather(slot, &place->slots.at(slot));
  }

  void Run(const HopSinks& sinks) {
    for (const int band : InOrder()) Read(band);
    while (const std::optional<int> fresh = SetApart()) Read(*fresh);
    for (Hosted& hosted : hosts_) PutInPlace(&hosted);
    LoseUnknown();
    for (const Hosted& hosted : hosts_) TellReceived(hosted, sinks);
    TellSent(sinks);
  }

 private:
  static constexpr size_t kNoLine = SIZE_MAX, kNotRead = SIZE_MAX - 1;
  struct BandReading {
    FollowedOffset::Reading reading;
    bool on_the_same_host = false;
    double expected = 0;
    std::vector<size_t> calls;   // of the host's, that were read
    std::vector<size_t> lines;   // by call of the host: that it goes by, kNoLine or kNotRead
    std::vector<bool> in_doubt;  // by call of the host: it may go by another one
    std::vector<bool> held;      // by call of the host: as expected, if anybody calls at all
    double from = 0;             // what is received from here on goes by the last line

    OffsetLine First() const { return reading.lines.empty() ? Expected() : reading.first(); }
    OffsetLine Last() const { return reading.lines.empty() ? Expected() : reading.last(); }
    OffsetLine Expected() const { return {expected, 0, 0, 0, 0, 0}; }
    /// More than held to be so as long as nothing speaks against it; nor does anything.
    bool proved() const {
      return on_the_same_host || (!reading.lines.empty() && reading.doubt < kInDoubt);
    }
    bool told() const { return !reading.lines.empty() && !reading.jumped; }
    bool ToldOf(size_t call) const {
      if (reading.as_expected) return on_the_same_host || held[call];
      return !lines.empty() && lines[call] < kNotRead;
    }
    /// It may be one of the band's, and by what clock is not sure.
    bool InDoubt(size_t call) const { return !in_doubt.empty() && in_doubt[call]; }
  };
  struct Hosted {
    EntityId host;
    std::vector<CallRecord>* records;
    std::vector<CallTime> received;
    std::vector<CallTime> later;  // received after the slot, as far as all of it has come
    std::map<int, BandReading> by_band;
    int reference = -1;  // the band that the host is placed by
  };
  struct Sender {
    std::vector<CallTime> sent;
    bool near = false;  // to the slot
  };
  struct Moves {
    double first = 0, last = 0, drift = 0;
    double from = -1e18;  // what is sent from here on moves by the last
  };
  CallTime TimeOf(Nanos start, Nanos end) const {
    return {ToSeconds(start - middle_), ToSeconds(end - middle_)};
  }

  void Gather(Nanos slot, SlotRecords* records) {
    records_ = records;
    const int home = Largest();
    for (const auto& [start, end, host] : place_.sent) {
      if (end < slot - FollowedOffset::kReach - FollowedOffset::kLookBack ||
          end >= slot + FollowedOffset::kSlot + FollowedOffset::kReach)
        continue;
      Sender& sender = senders_[host];
      sender.sent.push_back(TimeOf(start, end));
      sender.near = sender.near || end >= slot - FollowedOffset::kReach;
      const auto [at, fresh] = place_.callers.try_emplace(host);
      if (fresh) at->second.band = home;
      at->second.seen = std::max(at->second.seen, end);
    }
    for (auto& [host, sender] : senders_) std::sort(sender.sent.begin(), sender.sent.end(), Before);
    for (auto& [host, received] : records->received) {
      std::sort(received.begin(), received.end(), [](const CallRecord& a, const CallRecord& b) {
        return std::tie(a.start, a.id) < std::tie(b.start, b.id);
      });
      Hosted& hosted = hosts_.emplace_back(Hosted{host, &received, {}, {}, {}});
      for (const CallRecord& r : received) hosted.received.push_back(TimeOf(r.start, r.end));
      GatherLater(slot, &hosted);
    }
    std::stable_sort(hosts_.begin(), hosts_.end(), [](const Hosted& a, const Hosted& b) {
      return a.received.size() > b.received.size();
    });
    if (place_.bands.empty()) place_.bands[home].position.known = true;
    for (auto& [id, band] : place_.bands) band.position.MoveTo(middle_);
  }

  void GatherLater(Nanos slot, Hosted* hosted) {
    const auto next = place_.slots.find(slot + FollowedOffset::kSlot);
    if (next == place_.slots.end()) return;
    const auto received = next->second.received.find(hosted->host);
    if (received == next->second.received.end()) return;
    for (const CallRecord& r : received->second)
      if (r.end < next->first + FollowedOffset::kReach)
        hosted->later.push_back(TimeOf(r.start, r.end));
    std::sort(hosted->later.begin(), hosted->later.end(), Before);
  }

  static bool Before(const CallTime& a, const CallTime& b) {
    return std::tie(a.start, a.end) < std::tie(b.start, b.end);
  }

  /// The band of most callers: who comes anew is held to be of it.
  int Largest() const {
    std::map<int, int> members;
    for (const auto& [host, caller] : place_.callers) ++members[caller.band];
    int largest = 0, most = 0;
    for (const auto& [band, n] : members)
      if (n > most) largest = band, most = n;
    return largest;
  }

  int BandOf(EntityId caller) const { return place_.callers.at(caller).band; }

  bool Near(int band) const {
    return std::any_of(senders_.begin(), senders_.end(),
                       [&](const auto& s) { return s.second.near && BandOf(s.first) == band; });
  }

  std::vector<CallTime> SentBy(int band) const {
    std::vector<CallTime> sent;
    for (const auto& [host, sender] : senders_) {
      if (BandOf(host) != band) continue;
      const auto middle = static_cast<std::ptrdiff_t>(sent.size());
      sent.insert(sent.end(), sender.sent.begin(), sender.sent.end());
      std::inplace_merge(sent.begin(), sent.begin() + middle, sent.end(), Before);
    }
    return sent;
  }

  /// Of the caller with most calls, if there are several.
  std::vector<CallTime> SentByOneOf(int band) const {
    const Sender* most = nullptr;
    size_t callers = 0;
    for (const auto& [host, sender] : senders_) {
      if (BandOf(host) != band) continue;
      ++callers;
      if (most == nullptr || sender.sent.size() > most->sent.size()) most = &sender;
    }
    return callers < 2 ? std::vector<CallTime>{} : most->sent;
  }

  /// Whose offset is known and explains least goes first, since what it does not explain is what
  /// misleads the others; then those whose offset is to be found, who sent most first.
  std::vector<int> InOrder() {
    std::vector<std::tuple<double, int>> order;
    for (auto& [id, band] : place_.bands) {
      sent_[id] = SentBy(id);
      Support all;
      for (Hosted& hosted : hosts_) {
        FollowedOffset& offset = band.offsets[hosted.host];
        offset.Predict(middle_);
        if (offset.line() == nullptr || place_.bands.size() == 1) continue;
        all.Add(SupportOf(sent_[id], *offset.line(), hosted));
      }
      order.emplace_back(all.sent > 0 ? all.share() : 2 + 1. / (1. + sent_[id].size()), id);
    }
    std::sort(order.begin(), order.end());
    std::vector<int> bands;
    for (const auto& [first, id] : order) bands.push_back(id);
    return bands;
  }

  /// Of the calls that should have ended within the slot.
  static Support SupportOf(const std::vector<CallTime>& sent, const OffsetLine& line,
                           const Hosted& hosted) {
    Support support;
    const double half = ToSeconds(FollowedOffset::kSlot) / 2;
    for (const CallTime& s : sent) {
      const double end = s.end + line.At(s.end);
      if (end < -half || end >= half) continue;
      ++support.sent;
      support.met += line.HasReceiver(s, hosted.received);
      for (const double decoy : kDecoys)
        support.by_chance += line.HasReceiver(s, hosted.received, decoy) * kPerDecoy;
    }
    return support;
  }

  void Read(int id) {
    CallerBand& band = place_.bands[id];
    const std::vector<CallTime>& sent = sent_[id];
    const std::vector<CallTime> some = SentByOneOf(id);
    for (Hosted& hosted : hosts_) {
      FollowedOffset& offset = band.offsets[hosted.host];
      if (place_.bands.size() > 1 && !Near(id)) continue;
      BandReading& by = hosted.by_band[id];
      if (OnTheSameHost(id, hosted.host)) {
        by.on_the_same_host = by.reading.as_expected = true;
        continue;
      }
      std::vector<CallTime> received;
      for (size_t i = 0; i < hosted.received.size(); ++i) {
        if (!MayBeOf(id, hosted, hosted.received[i])) continue;
        by.calls.push_back(i);
        received.push_back(hosted.received[i]);
      }
      std::vector<CallTime> later;
      for (const CallTime& r : hosted.later)
        if (MayBeOf(id, hosted, r)) later.push_back(r);
      const FollowedOffset::Expected expected = ExpectedOf(id, hosted);
      by.expected = expected.offset;
      by.reading = offset.Read(sent, some, received, later, expected);
      const auto& reading = by.reading;
      by.lines.assign(hosted.received.size(), kNotRead);
      by.in_doubt.assign(hosted.received.size(), false);
      by.held.assign(hosted.received.size(), false);
      by.from = reading.jumped ? 1e18 : -1e18;
      for (size_t k = 0; k < received.size(); ++k) {
        const size_t line = reading.LineOf(k);
        const bool none = line == reading.lines.size();
        by.lines[by.calls[k]] = none ? kNoLine : line;
        by.held[by.calls[k]] =
            reading.as_expected && (reading.explained[k] || place_.callers.empty());
        by.in_doubt[by.calls[k]] = !reading.as_expected && (none || reading.in_doubt[k]);
        if (none) continue;
        if (reading.jumped && line == 1) by.from = std::min(by.from, received[k].start);
      }
    }
  }

  /// All of the band's callers are.
  bool OnTheSameHost(int band, EntityId host) const {
    if (host == kNoEntity || sent_.at(band).empty()) return false;
    return std::all_of(senders_.begin(), senders_.end(),
                       [&](const auto& s) { return s.first == host || BandOf(s.first) != band; });
  }

  /// No other band's offset explains it, or this one's does as well.
  bool MayBeOf(int id, const Hosted& hosted, CallTime received) {
    const OffsetLine* own = place_.bands[id].offsets[hosted.host].line();
    if (own != nullptr && own->HasSender(sent_[id], received)) return true;
    for (auto& [other, band] : place_.bands) {
      if (other == id) continue;
      if (const auto read = hosted.by_band.find(other); read != hosted.by_band.end()) {
        for (const OffsetLine& line : read->second.reading.lines)
          if (line.HasSender(sent_[other], received)) return false;
      } else if (const OffsetLine* line = band.offsets[hosted.host].line(); line != nullptr) {
        if (line->HasSender(sent_[other], received)) return false;
      }
    }
    return true;
  }

  /// What other bands tell of the host, or, until it is disproved, that clocks are in sync.
  FollowedOffset::Expected ExpectedOf(int id, const Hosted& hosted) {
    const CallerBand& band = place_.bands[id];
    for (const auto& [other, by] : hosted.by_band) {
      const ClockPosition& position = place_.bands[other].position;
      if (other == id || !by.told() || !position.known || !band.position.known) continue;
      return {by.Last().offset + position.offset - band.position.offset, FollowedOffset::kInSync};
    }
    if (band.apart || place_.bands[id].offsets[hosted.host].off()) return {};
    return {0, FollowedOffset::kInSync};
  }

  /// Callers that do not belong to their band leave it. The new band, if there is one.
  std::optional<int> SetApart() {
    for (const auto& [id, band] : place_.bands) {
      if (!tested_.insert(id).second) continue;
      // Hosts may have fallen in with different callers of the band: one of them is believed.
      for (const Hosted& hosted : hosts_) Test(id, hosted);
      for (const Hosted& hosted : hosts_) {
        const std::vector<EntityId> leave = LeaversOf(id, hosted.host);
        if (!leave.empty()) return Leave(id, hosted, leave);
      }
    }
    return std::nullopt;
  }

  static const BandReading* ToldBy(int band, const Hosted& hosted) {
    const auto by = hosted.by_band.find(band);
    return by != hosted.by_band.end() && by->second.told() ? &by->second : nullptr;
  }

  void Test(int band, const Hosted& hosted) {
    const BandReading* by = ToldBy(band, hosted);
    if (by == nullptr) return;
    std::map<EntityId, Support> supports;
    Support all;
    double share = 0;
    for (const auto& [host, sender] : senders_) {
      if (BandOf(host) != band) continue;
      const Support support = SupportOf(sender.sent, by->First(), hosted);
      all.Add(supports[host] = support);
      if (support.sent > 0) share = std::max(share, support.share());
    }
    if (supports.size() < 2 || all.sent == 0) return;
    const double chance = std::max(all.by_chance / all.sent, kLeastChance);
    share = std::min(share, kMostShare);
    if (share < chance + kTells * (1 - chance)) return;
    for (const auto& [host, support] : supports) {
      const double odds = (support.sent - support.met) * std::log((1 - chance) / (1 - share)) +
                          support.met * std::log(chance / share);
      double& doubt = place_.callers.at(host).doubts[hosted.host];
      doubt = std::clamp(doubt + kTemper * odds, 0., kMostDoubt);
    }
  }

  std::vector<EntityId> LeaversOf(int band, EntityId host) const {
    std::vector<EntityId> leave;
    for (const auto& [caller, sender] : senders_)
      if (BandOf(caller) == band && DoubtOf(caller, host) > kApart) leave.push_back(caller);
    return leave;
  }

  double DoubtOf(EntityId caller, EntityId host) const {
    const auto& doubts = place_.callers.at(caller).doubts;
    const auto at = doubts.find(host);
    return at == doubts.end() ? 0 : at->second;
  }

  std::optional<int> Leave(int band, const Hosted& hosted, const std::vector<EntityId>& leave) {
    std::optional<int> fresh;
    for (const EntityId host : leave) {
      HopCaller& caller = place_.callers.at(host);
      const std::optional<int> other = BandThatExplains(host, hosted);
      if (!other && !fresh) {
        if (place_.bands.size() >= kMostBands) continue;
        fresh = place_.bands.rbegin()->first + 1;
        place_.bands[*fresh].apart = true;
        place_.bands[*fresh].position.MoveTo(middle_);
      }
      changed_ = true;
      caller.band = other ? *other : *fresh;
      caller.doubts.clear();
    }
    for (auto& [host, caller] : place_.callers)
      if (caller.band == band) caller.doubts.clear();
    for (auto& [id, of] : place_.bands) sent_[id] = SentBy(id);
    if (!fresh) return fresh;
    for (const Hosted& at : hosts_) place_.bands[*fresh].offsets[at.host].Predict(middle_);
    return fresh;
  }

  std::optional<int> BandThatExplains(EntityId caller, const Hosted& hosted) const {
    constexpr int kEnough = 5;
    for (const auto& [id, band] : place_.bands) {
      const BandReading* by = ToldBy(id, hosted);
      if (by == nullptr || id == BandOf(caller)) continue;
      const Support support = SupportOf(senders_.at(caller).sent, by->First(), hosted);
      const Support own = SupportOf(sent_.at(id), by->First(), hosted);
      if (support.sent >= kEnough &&
          2 * support.share() > own.share() + support.by_chance / support.sent)
        return id;
    }
    return std::nullopt;
  }

  /// By the band that goes on as it did; if none does, it is the host's clock that jumped.
  void PutInPlace(Hosted* hosted) {
    int best = 4;
    for (const auto& [id, by] : hosted->by_band) {
      if (!by.reading.known()) continue;
      const bool was_known = by.reading.as_expected || by.reading.jumped || !by.reading.moved.found;
      const int rank = !place_.bands[id].position.known ? 3
                       : !was_known                     ? 2
                       : by.reading.jumped              ? 1
                                                        : 0;
      if (rank < best) best = rank, hosted->reference = id;
    }
    if (hosted->reference < 0) return;
    const BandReading& by = hosted->by_band.at(hosted->reference);
    ClockPosition& of = place_.bands[hosted->reference].position;
    of.known = true;
    const double first = by.First().offset + of.offset, last = by.Last().offset + of.offset;
    const double drift = by.Last().drift + of.drift;
    for (const auto& [id, other] : hosted->by_band) {
      if (!other.reading.known() || !placed_.insert(id).second || id == hosted->reference) continue;
      ClockPosition& position = place_.bands[id].position;
      position.known = true;
      position.offset = last - other.Last().offset;
      position.drift = drift - other.Last().drift;
      moves_[id] = {first - other.First().offset, position.offset, position.drift,
                    other.from - other.Last().offset};
    }
  }

  /// A band of whose clock nothing is known, while others' are, has no place among them.
  void LoseUnknown() {
    if (placed_.empty()) return;
    for (auto& [id, band] : place_.bands) {
      if (placed_.count(id) == 0 && Near(id)) band.position.known = false;
      if (std::abs(band.position.offset) > ToSeconds(HopPlace::kFarthest)) band.position = {};
    }
  }

  size_t CallersOf(int band) const {
    return static_cast<size_t>(std::count_if(
        senders_.begin(), senders_.end(), [&](const auto& s) { return BandOf(s.first) == band; }));
  }

  bool AllSent(const Hosted& hosted) const {
    if (changed_) return false;
    return std::all_of(senders_.begin(), senders_.end(), [&](const auto& s) {
      if (!s.second.near) return true;
      const auto by = hosted.by_band.find(BandOf(s.first));
      if (by == hosted.by_band.end() || !by->second.proved()) return false;
      // Of several callers, it may be one alone whose clock jumped. If it is not the callee's, what
      // was sent in the slot before was told as if it had not.
      const bool callees = by->first == hosted.reference && CallersOf(by->first) == 1;
      if (by->second.reading.jumped && !callees) return false;
      // Whether all of them go by what was just found is not tested yet.
      if (by->second.reading.moved.found && CallersOf(by->first) > 1) return false;
      return DoubtOf(s.first, hosted.host) < kInDoubt;
    });
  }

  void TellReceived(const Hosted& hosted, const HopSinks& sinks) const {
    const bool all_sent = AllSent(hosted);
    const auto reference = hosted.by_band.find(hosted.reference);
    for (size_t i = 0; i < hosted.received.size(); ++i) {
      CallRecord record = (*hosted.records)[i];
      const bool explained = std::any_of(hosted.by_band.begin(), hosted.by_band.end(),
                                         [&](const auto& b) { return b.second.ToldOf(i); });
      const bool in_doubt = std::any_of(hosted.by_band.begin(), hosted.by_band.end(),
                                        [&](const auto& b) { return b.second.InDoubt(i); });
      if (!explained && record.known_parent == 0) {
        sinks.unknown(record.id);
        continue;
      }
      if (reference != hosted.by_band.end()) {
        const BandReading& by = reference->second;
        const double at = hosted.received[i].start;
        const bool goes_by_one = !by.lines.empty() && by.lines[i] < kNotRead;
        const OffsetLine line = goes_by_one     ? by.reading.lines[by.lines[i]]
                                : at >= by.from ? by.Last()
                                                : by.First();
        const ClockPosition& of = place_.bands.at(hosted.reference).position;
        Move(line.At(at) + of.offset + of.drift * at, &record);
      }
      sinks.placed(record, all_sent && !in_doubt);
    }
  }

  void TellSent(const HopSinks& sinks) const {
    for (const auto& [host, records] : records_->sent) {
      const auto caller = place_.callers.find(host);
      const int band = caller == place_.callers.end() ? 0 : caller->second.band;
      const auto known = place_.bands.find(band);
      if (known != place_.bands.end() && !known->second.position.known) continue;
      const ClockPosition position =
          known == place_.bands.end() ? ClockPosition{} : known->second.position;
      const auto moves = moves_.find(band);
      for (CallRecord record : records) {
        const double at = ToSeconds(record.start - middle_);
        double offset = position.offset;
        if (moves != moves_.end() && at < moves->second.from) offset = moves->second.first;
        Move(offset + position.drift * at, &record);
        sinks.sent(record);
      }
    }
  }

  const Nanos middle_;
  HopPlace& place_;
  SlotRecords* records_ = nullptr;
  std::map<EntityId, Sender> senders_;
  std::vector<Hosted> hosts_;                  // most received first
  std::map<int, std::vector<CallTime>> sent_;  // by band
  std::set<int> tested_, placed_;
  bool changed_ = false;  // callers left their band, by which some was read already
  std::map<int, Moves> moves_;
};

}  // namespace

void ClockPosition::MoveTo(Nanos to) {
  if (known) offset += drift * (ToSeconds(to) - ToSeconds(at));
  at = to;
}

void JudgeSlot(Nanos slot, HopPlace* place, const HopSinks& sinks) {
  Judge(slot, place).Run(sinks);
}

}  // namespace tomograph::correlate
