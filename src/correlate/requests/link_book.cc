#include "correlate/requests/link_book.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace tomograph::correlate {

size_t LinkBook::HashOf::operator()(const SpanRef& ref) const {
  return MixBits(ref.span ^ MixBits(ref.trace.lo ^ MixBits(ref.trace.hi)));
}

uint32_t LinkBook::Add(const SpanRef& span, const OpenSpan& open, std::vector<SpanRef> targets) {
  const SpanRef parent{span.trace, open.parent};
  std::vector<SpanRef> kept;
  for (const SpanRef& target : targets) {
    if (target == span || target == parent) continue;
    if (std::find(kept.begin(), kept.end(), target) == kept.end()) kept.push_back(target);
  }
  if (kept.empty()) return 0;
  if (links_ + kept.size() > kMostLinks) {
    refused_ += kept.size();
    return 0;
  }
  do ++last_;
  while (last_ == 0 || entries_.count(last_) > 0);
  for (const SpanRef& target : kept) ++targets_[target];
  links_ += kept.size();
  by_end_.emplace(open.end, last_);
  newest_ = std::max(newest_, open.end);
  in_use_ = true;
  entries_.emplace(last_, Entry{span, std::move(kept), open.end});
  return last_;
}

const LinkBook::Entry* LinkBook::Of(const OpenSpan& span) const {
  if (span.links == 0) return nullptr;
  const auto at = entries_.find(span.links);
  return at == entries_.end() ? nullptr : &at->second;
}

LinkedSpan LinkBook::Look(const SpanRef& target) const {
  if (const OpenSpan* open = traces_->Find(target)) return Seen(target, *open);
  const auto sent = sent_.find(target);
  if (sent != sent_.end()) return sent->second;
  LinkedSpan absent{target};
  absent.maybe_forgotten = forgotten_ > 0;
  return absent;
}

std::vector<LinkedSpan> LinkBook::Linked(const OpenSpan& span) const {
  std::vector<LinkedSpan> linked;
  if (const Entry* entry = Of(span))
    for (const SpanRef& target : entry->targets) linked.push_back(Look(target));
  return linked;
}

std::vector<LinkedSpan> LinkBook::Senders(const OpenSpan& span) const {
  std::vector<LinkedSpan> senders = Linked(span);
  std::erase_if(senders, [&](const LinkedSpan& l) { return !IsSender(span, l); });
  return senders;
}

void LinkBook::KeepSent(const SpanRef& ref, const OpenSpan& span) {
  if (!sent_.emplace(ref, Seen(ref, span)).second) return;
  sent_order_.push_back(ref);
  if (sent_order_.size() <= kMostSent) return;
  sent_.erase(sent_order_.front());
  sent_order_.pop_front();
  ++forgotten_;
}

void LinkBook::Forget(Nanos before) {
  while (!by_end_.empty() && by_end_.begin()->first < before) {
    const auto at = entries_.find(by_end_.begin()->second);
    for (const SpanRef& target : at->second.targets) {
      const auto counted = targets_.find(target);
      if (--counted->second == 0) targets_.erase(counted);
    }
    links_ -= at->second.targets.size();
    entries_.erase(at);
    by_end_.erase(by_end_.begin());
  }
  in_use_ = newest_ > INT64_MAX - kMemory || newest_ + kMemory >= before;
}

size_t LinkBook::bytes() const {
  constexpr size_t kOfNode = 48;
  return links_ * sizeof(SpanRef) + entries_.size() * (sizeof(Entry) + 2 * kOfNode) +
         targets_.size() * (sizeof(SpanRef) + kOfNode) +
         sent_.size() * (sizeof(LinkedSpan) + 2 * sizeof(SpanRef) + kOfNode);
}

}  // namespace tomograph::correlate
