#include "correlate/rebuild/linked_parents.h"

#include <algorithm>

namespace tomograph::correlate {

using telemetry::JoinBasis;
using telemetry::UnknownParent;

bool LinkedParents::Concern(const LeavingTrace& trace, const LinkBook& links) {
  for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
    const OpenSpan& span = trace.joined.spans()[i];
    if (links.Of(span) != nullptr || links.IsTarget({trace.id, span.id})) return true;
    if (LinkBook::Sends(span) && trace.joined.children(i).empty()) return true;
  }
  return false;
}

void LinkedParents::Join(const LeavingTrace& trace, const LinkBook& links) {
  for (size_t i = 0; i < trace.joined.spans().size(); ++i) {
    const OpenSpan& span = trace.joined.spans()[i];
    if (!trace.Leaves(i)) continue;
    if (span.links != 0) Note({trace.id, span.id}, span, links.Linked(span));
    JoinWhatWaitsFor({trace.id, span.id});
  }
}

void LinkedParents::Note(const SpanRef& ref, const OpenSpan& span, std::vector<LinkedSpan> linked) {
  links_ += linked.size();
  unknown_ += static_cast<uint64_t>(
      std::count_if(linked.begin(), linked.end(), [](const LinkedSpan& l) { return !l.seen; }));
  if (linked.empty() || shelf_.Find(ref) == nullptr) return;
  if (kept_ + linked.size() > most_) {
    refused_ += linked.size();
    return;
  }
  kept_ += linked.size();
  const auto& kept = shelf_.traces()
                         .at(ref.trace)
                         .links.insert_or_assign(span.id, std::move(linked))
                         .first->second;
  if (span.parent != 0) return;
  for (const LinkedSpan& target : kept)
    if (HangBelow(ref, target.ref)) return;
  const auto is_sender = [&](const LinkedSpan& l) { return LinkBook::IsSender(span, l); };
  const auto sender = std::find_if(kept.begin(), kept.end(), is_sender);
  if (sender != kept.end())
    shelf_.Join(ref, Above::Unknown(sender->maybe_forgotten ? UnknownParent::kNotFound
                                                            : UnknownParent::kLost));
  for (const LinkedSpan& target : kept) waiting_.insert({target.ref, ref});
}

void LinkedParents::JoinWhatWaitsFor(const SpanRef& target) {
  for (auto at = waiting_.lower_bound({target, {}}); at != waiting_.end() && at->first == target;
       at = waiting_.erase(at))
    HangBelow(at->second, target);
}

bool LinkedParents::HangBelow(const SpanRef& span, const SpanRef& target) {
  const ShelvedSpan* linking = shelf_.Find(span);
  const ShelvedSpan* sent = shelf_.Find(target);
  if (linking == nullptr || sent == nullptr || linking->above.by_link) return false;
  if (!LinkBook::IsSender(linking->span, LinkBook::Seen(target, sent->span))) return false;
  if (!shelf_.Join(span, {JoinBasis::kId, target, 1, 0, {}, 0, {}, true})) return false;
  ++joined_;
  return true;
}

void LinkedParents::Forget(telemetry::TraceId trace) {
  for (const auto& [span, links] : shelf_.traces().at(trace).links) {
    kept_ -= links.size();
    for (const LinkedSpan& target : links) waiting_.erase({target.ref, {trace, span}});
  }
}

}  // namespace tomograph::correlate
