#include "correlate/linking/link_model.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

constexpr float kOrphanUnlearned = -16;  // one in nine seconds

}  // namespace

size_t LinkModel::bytes() const {
  size_t total = services.capacity() * sizeof(ServiceModel);
  for (const RequestModel& kind : kinds) total += kind.bytes();
  return total;
}

size_t Vocabulary::NameHash::operator()(const RecordName& name) const {
  return MixBits(static_cast<uint64_t>(name.peer) ^
                 MixBits(2 * static_cast<uint64_t>(name.operation) + name.outgoing));
}

int Vocabulary::Count(telemetry::EntityId service, const RecordName& name, LinkModel* model) {
  auto known = numbers_.find(static_cast<uint64_t>(service));
  if (known == numbers_.end()) {
    if (services_.size() >= kMaxServices) return kNone;
    known = numbers_.emplace(static_cast<uint64_t>(service), services_.size()).first;
    services_.emplace_back();
    model->services.emplace_back();
  }
  Service& of = services_[known->second];
  if (counted_ >= kMaxCounted) Fade();
  const auto [it, fresh] = of.names.try_emplace(name);
  Entry& entry = it->second;
  if (fresh) {
    entry.first = names_seen_++;
    ++counted_;
  }
  if (entry.seen < UINT32_MAX) ++entry.seen;
  if (entry.number == kNone) {
    ++of.shared;
    of.due |= entry.seen == kEnough;
  }
  return known->second;
}

int Vocabulary::NumberOf(int service, const RecordName& name) const {
  const Service& of = services_[service];
  const auto known = of.names.find(name);
  if (known != of.names.end() && known->second.number != kNone) return known->second.number;
  for (const Shared& shared : of.of_peer[name.outgoing]) {
    if (shared.peer == name.peer) return shared.number;
  }
  return of.of_others[name.outgoing];
}

void Vocabulary::Deal(int service, LinkModel* model) {
  Service& of = services_[service];
  ServiceModel& m = model->services[service];
  free_kinds_.insert(free_kinds_.end(), m.kinds.rbegin(), m.kinds.rend());
  for (const int kind : m.kinds) model->kinds[kind] = {};
  m = {};
  counted_ += of.own;
  own_ -= of.own;
  of.own = of.shared = 0;
  DealSide(false, &of, [&] {
    int kind = static_cast<int>(model->kinds.size());
    if (free_kinds_.empty()) {
      model->kinds.emplace_back();
    } else {
      kind = free_kinds_.back();
      free_kinds_.pop_back();
    }
    m.kinds.push_back(kind);
    return kind;
  });
  DealSide(true, &of, [&] { return m.classes++; });
  m.order_weight.assign(m.classes, 0);
  m.log_orphan_rate.assign(m.classes, kOrphanUnlearned);
  counted_ -= of.own;
  own_ += of.own;
  of.shared_when_dealt = of.shared;
  of.due = false;
}

void Vocabulary::DealSide(bool outgoing, Service* of, const std::function<int()>& next) {
  using Named = std::pair<const RecordName, Entry>;
  std::vector<Named*> names;
  for (Named& named : of->names) {
    if (named.first.outgoing == outgoing) names.push_back(&named);
  }
  std::sort(names.begin(), names.end(), [](const Named* a, const Named* b) {
    if (a->second.seen != b->second.seen) return a->second.seen > b->second.seen;
    return a->second.first < b->second.first;
  });
  const size_t most = own_ + of->own < kMaxOwn ? kMost : 0;
  size_t own = 0;
  while (own < std::min(most, names.size()) &&
         (own < kAtOnce || names[own]->second.seen >= kEnough))
    ++own;
  of->own += own;
  // The order of numbers is that of the first sightings, whatever came how often.
  const auto middle = names.begin() + static_cast<std::ptrdiff_t>(own);
  std::sort(names.begin(), middle,
            [](const Named* a, const Named* b) { return a->second.first < b->second.first; });
  for (auto it = names.begin(); it != middle; ++it) (*it)->second.number = next();
  std::vector<Shared>& of_peer = of->of_peer[outgoing];
  of_peer.clear();
  of->of_others[outgoing] = kNone;
  for (auto it = middle; it != names.end(); ++it) {
    (*it)->second.number = kNone;
    of->shared += (*it)->second.seen;
    const telemetry::EntityId peer = (*it)->first.peer;
    const auto same = [&](const Shared& shared) { return shared.peer == peer; };
    if (std::any_of(of_peer.begin(), of_peer.end(), same)) continue;
    if (of_peer.size() < kMostShared) {
      of_peer.push_back({peer, next()});
    } else if (of->of_others[outgoing] == kNone) {
      of->of_others[outgoing] = next();
    }
  }
}

void Vocabulary::Fade() {
  do {
    counted_ = 0;
    for (Service& of : services_) {
      for (auto& [name, entry] : of.names) entry.seen /= 2;
      std::erase_if(of.names, [](const auto& named) {
        return named.second.seen == 0 && named.second.number == kNone;
      });
      counted_ += of.names.size() - of.own;
    }
  } while (counted_ > kMaxCounted / 2);
}

size_t Vocabulary::bytes() const {
  size_t total = services_.capacity() * sizeof(Service);
  for (const Service& of : services_) {
    total += of.names.size() * (sizeof(RecordName) + sizeof(Entry) + 2 * sizeof(void*));
  }
  return total;
}

}  // namespace tomograph::correlate::linking
