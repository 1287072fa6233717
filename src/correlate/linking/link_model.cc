#include "correlate/linking/link_model.h"

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

size_t Vocabulary::Hash::operator()(const Key& key) const {
  return MixBits(key.service ^ MixBits(key.peer ^ MixBits(2u * key.operation + key.outgoing)));
}

bool Vocabulary::Find(const CallRecord& record, LinkModel* model, int* service,
                      int* kind_or_class) {
  const Key key{static_cast<uint64_t>(record.service), static_cast<uint64_t>(record.peer),
                static_cast<uint32_t>(record.operation), record.outgoing};
  const auto found = classes_.find(key);
  if (found != classes_.end()) {
    *service = found->second.service;
    *kind_or_class = found->second.number;
    return true;
  }
  if (classes_.size() >= kMaxClasses) return false;
  const auto [it, fresh] = services_.emplace(key.service, model->services.size());
  if (fresh) model->services.emplace_back();
  *service = it->second;
  ServiceModel& of = model->services[*service];
  if (record.outgoing) {
    *kind_or_class = of.classes++;
    of.order_weight.push_back(0);
    of.log_orphan_rate.push_back(kOrphanUnlearned);
  } else {
    *kind_or_class = static_cast<int>(model->kinds.size());
    model->kinds.emplace_back();
    of.kinds.push_back(*kind_or_class);
  }
  classes_[key] = {*service, *kind_or_class};
  return true;
}

}  // namespace tomograph::correlate::linking
