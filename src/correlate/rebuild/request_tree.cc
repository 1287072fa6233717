#include "correlate/rebuild/request_tree.h"

#include <algorithm>

namespace tomograph::correlate {
namespace {

using telemetry::JoinBasis;
using telemetry::RebuiltRequest;
using telemetry::RebuiltSpan;
using telemetry::TraceId;

/// Does its parent's id name a span that is not there, although nothing of the trace left before?
bool MissesParent(const ShelvedTrace& trace, const ShelvedSpan& s) {
  return s.above.basis == JoinBasis::kId && !s.above.by_link && trace.Find(s.above.parent.span) < 0;
}

/// Cuts every circle above its span that starts first, and tells those.
std::vector<int32_t> OpenCircles(const ShelvedTrace& trace, std::vector<int32_t>* parents) {
  const auto starts_before = [&](int32_t a, int32_t b) {
    const OpenSpan& s = trace.spans[static_cast<size_t>(a)].span;
    const OpenSpan& t = trace.spans[static_cast<size_t>(b)].span;
    return std::pair(s.start, s.id) < std::pair(t.start, t.id);
  };
  std::vector<int32_t> opened;
  std::vector<int32_t> passed(trace.spans.size(), -1);  // on the way up from which span
  for (int32_t i = 0; i < static_cast<int32_t>(passed.size()); ++i) {
    int32_t at = i;
    for (; at >= 0 && passed[static_cast<size_t>(at)] < 0; at = (*parents)[static_cast<size_t>(at)])
      passed[static_cast<size_t>(at)] = i;
    if (at < 0 || passed[static_cast<size_t>(at)] != i) continue;
    int32_t first = at;
    for (int32_t c = (*parents)[static_cast<size_t>(at)]; c != at;
         c = (*parents)[static_cast<size_t>(c)])
      first = std::min(first, c, starts_before);
    (*parents)[static_cast<size_t>(first)] = -1;
    opened.push_back(first);
  }
  return opened;
}

bool IsRoot(const ShelvedTrace& trace, const ShelvedSpan& s) {
  switch (s.above.basis) {
    case JoinBasis::kRoot:
    case JoinBasis::kUnknown:
      return true;
    case JoinBasis::kId:
      return trace.trimmed && MissesParent(trace, s);
    case JoinBasis::kInferred:
      return false;
  }
  return false;
}

}  // namespace

RequestTrees::RequestTrees(const TraceShelf& shelf, const LostSpans& lost_spans,
                           const telemetry::Interner& strings, Answerer answerer)
    : shelf_(shelf), lost_spans_(lost_spans), strings_(strings), answerer_(std::move(answerer)) {
  for (const auto& [id, trace] : shelf_.traces()) {
    for (const ShelvedSpan& s : trace.spans) {
      if (s.above.decided()) joined_below_[s.above.parent].push_back({id, s.span.id});
    }
  }
}

const RequestTrees::Local& RequestTrees::LocalOf(TraceId id) {
  const auto known = locals_.find(id);
  if (known != locals_.end()) return known->second;
  const ShelvedTrace& trace = shelf_.traces().at(id);
  Local& local = locals_[id];
  local.children.resize(trace.spans.size());
  std::map<uint64_t, std::vector<int32_t>> orphans;
  std::vector<int32_t> parents(trace.spans.size(), -1);
  for (size_t i = 0; i < trace.spans.size(); ++i) {
    const Above& above = trace.spans[i].above;
    if (above.basis != JoinBasis::kId || above.by_link) continue;
    parents[i] = trace.Find(above.parent.span);
    if (parents[i] < 0 && !trace.trimmed)
      orphans[above.parent.span].push_back(static_cast<int32_t>(i));
  }
  local.opened = OpenCircles(trace, &parents);
  for (size_t i = 0; i < parents.size(); ++i) {
    if (parents[i] >= 0)
      local.children[static_cast<size_t>(parents[i])].push_back(static_cast<int32_t>(i));
  }
  for (auto& [lost, children] : orphans) {
    LostSpan span{lost, std::move(children), {}};
    span.above = lost_spans_.Place(id, trace, span.children);
    if (HangsBelowItself(trace, parents, local.lost, span))
      span.above = {JoinBasis::kUnknown, {}, 0, 1, {}, 0};
    if (span.above.basis == JoinBasis::kInferred)
      local.lost_below[span.above.parent.span].push_back(local.lost.size());
    local.lost.push_back(std::move(span));
  }
  return local;
}

/// By way of other lost spans, which are ordered by id: LostSpans places each by itself.
bool RequestTrees::HangsBelowItself(const ShelvedTrace& trace, const std::vector<int32_t>& parents,
                                    const std::vector<LostSpan>& placed, const LostSpan& lost) {
  const LostSpan* above = &lost;
  while (above != nullptr && above->above.basis == JoinBasis::kInferred) {
    auto at = static_cast<size_t>(trace.Find(above->above.parent.span));
    while (parents[at] >= 0) at = static_cast<size_t>(parents[at]);
    const uint64_t top = trace.spans[at].above.parent.span;
    if (top == lost.id) return true;
    above = FindLost(placed, top);
  }
  return false;
}

const RequestTrees::LostSpan* RequestTrees::FindLost(const std::vector<LostSpan>& lost,
                                                     uint64_t id) {
  const auto at =
      std::lower_bound(lost.begin(), lost.end(), id,
                       [](const LostSpan& l, uint64_t wanted) { return l.id < wanted; });
  return at != lost.end() && at->id == id ? &*at : nullptr;
}

const RequestTrees::LostSpan* RequestTrees::FindLost(const SpanRef& ref) {
  return FindLost(LocalOf(ref.trace).lost, ref.span);
}

std::vector<RequestTrees::Node> RequestTrees::Children(const Node& node) {
  const ShelvedTrace& trace = shelf_.traces().at(node.ref.trace);
  const Local& local = LocalOf(node.ref.trace);
  std::vector<Node> children;
  const auto add = [&](int32_t i) {
    children.push_back({{node.ref.trace, trace.spans[static_cast<size_t>(i)].span.id}, false});
  };
  if (node.lost) {
    for (const int32_t i : FindLost(node.ref)->children) add(i);
    return children;
  }
  for (const int32_t i : local.children[static_cast<size_t>(trace.Find(node.ref.span))]) add(i);
  if (const auto lost = local.lost_below.find(node.ref.span); lost != local.lost_below.end()) {
    for (const size_t k : lost->second)
      children.push_back({{node.ref.trace, local.lost[k].id}, true});
  }
  if (const auto joined = joined_below_.find(node.ref); joined != joined_below_.end()) {
    for (const SpanRef& ref : joined->second) children.push_back({ref, false});
  }
  return children;
}

RebuiltSpan::Choice RequestTrees::ChoiceOf(const SpanRef& ref, double posterior) const {
  RebuiltSpan::Choice choice;
  const ShelvedSpan* other = ref.span == 0 ? nullptr : shelf_.Find(ref);
  if (other == nullptr) return choice;
  choice.trace = ref.trace;
  choice.span = ref.span;
  choice.service = other->span.service;
  choice.operation = strings_.Get(other->span.operation);
  choice.posterior = posterior;
  return choice;
}

RebuiltSpan RequestTrees::SpanOf(const Node& node) {
  if (node.lost) return SpanOfLost(node.ref, *FindLost(node.ref));
  const ShelvedSpan& shelved = *shelf_.Find(node.ref);
  const OpenSpan& s = shelved.span;
  RebuiltSpan out;
  out.trace = node.ref.trace;
  out.id = s.id;
  out.service = s.service;
  out.peer = s.peer_is_address ? telemetry::kNoEntity : s.peer;
  out.operation = strings_.Get(s.operation);
  out.kind = s.kind;
  out.failed = s.failed;
  out.host = s.host;
  out.raw_start = s.raw_start;
  out.raw_end = s.raw_end();
  out.start = s.start;
  out.end = s.end;
  out.clock_bound_s = s.clock_bound_s;
  out.basis = shelved.above.basis;
  out.why = shelved.above.why;
  out.posterior = shelved.above.posterior;
  out.none = shelved.above.none;
  out.runner_up = ChoiceOf(shelved.above.runner_up, shelved.above.runner_up_posterior);
  const auto& links = shelf_.traces().at(node.ref.trace).links;
  if (const auto linked = links.find(s.id); linked != links.end()) {
    for (const LinkedSpan& l : linked->second) {
      if (l.ref == shelved.above.parent) continue;
      out.links.push_back(
          {l.ref.trace, l.ref.span, l.service, std::string(strings_.Get(l.operation)), l.seen});
    }
  }
  return out;
}

RebuiltSpan RequestTrees::SpanOfLost(const SpanRef& ref, const LostSpan& lost) {
  const ShelvedTrace& trace = shelf_.traces().at(ref.trace);
  RebuiltSpan out;
  out.trace = ref.trace;
  out.id = lost.id;
  out.lost = true;
  out.start = out.raw_start = INT64_MAX;
  out.end = out.raw_end = INT64_MIN;
  bool received = false;  // what is below came over the network, so the caller sent it
  for (const int32_t i : lost.children) {
    const OpenSpan& child = trace.spans[static_cast<size_t>(i)].span;
    received = received || child.incoming();
    out.host = child.host;
    out.service = child.service;
    out.start = std::min(out.start, child.start);
    out.end = std::max(out.end, child.end);
    out.raw_start = std::min(out.raw_start, child.raw_start);
    out.raw_end = std::max(out.raw_end, child.raw_end());
  }
  if (received) {
    const ShelvedSpan* parent =
        lost.above.basis == JoinBasis::kInferred ? shelf_.Find(lost.above.parent) : nullptr;
    out.kind = telemetry::SpanKind::kClient;
    out.peer = out.service;
    out.service = parent == nullptr ? telemetry::kNoEntity : parent->span.service;
  }
  out.basis = lost.above.basis;
  out.why = lost.above.why;
  out.posterior = lost.above.posterior;
  out.none = lost.above.none;
  out.runner_up = ChoiceOf(lost.above.runner_up, lost.above.runner_up_posterior);
  return out;
}

telemetry::EntityId RequestTrees::UnansweredBy(const Node& node,
                                               const std::vector<Node>& children) const {
  if (node.lost) return telemetry::kNoEntity;
  const OpenSpan& call = shelf_.Find(node.ref)->span;
  if (call.kind != telemetry::SpanKind::kClient || call.failed || call.takes_connection)
    return telemetry::kNoEntity;
  for (const Node& child : children) {
    if (child.lost) return telemetry::kNoEntity;
    const OpenSpan& span = shelf_.Find(child.ref)->span;
    if (span.incoming() || span.outgoing() || span.service != call.service)
      return telemetry::kNoEntity;
  }
  return answerer_(call);
}

RebuiltRequest RequestTrees::Build(const Node& root) {
  struct Open {
    Node node;
    int32_t parent;
  };
  RebuiltRequest request;
  size_t links_left = kMostLinks;
  std::vector<Open> open{{root, -1}};
  while (!open.empty()) {
    const Open next = open.back();
    open.pop_back();
    if (request.spans.size() >= kMostSpans) {
      ++request.left_out;
      continue;
    }
    RebuiltSpan span = SpanOf(next.node);
    span.parent = next.parent;
    // Its parent left before, or hangs below it.
    if (span.parent < 0 && span.basis == JoinBasis::kId) {
      span.basis = JoinBasis::kUnknown;
      span.why = telemetry::UnknownParent::kLost;
    }
    if (span.lost) ++request.lost;
    if (span.links.size() > links_left) span.links.resize(links_left);
    links_left -= span.links.size();
    if (span.parent >= 0) {
      ++(span.basis == JoinBasis::kInferred ? request.inferred : request.by_id);
      request.probability *= span.posterior;
    } else if (span.basis == JoinBasis::kRoot) {
      request.probability *= span.none;
    }
    const auto at = static_cast<int32_t>(request.spans.size());
    const std::vector<Node> children = Children(next.node);
    span.unanswered_by = UnansweredBy(next.node, children);
    if (span.unanswered_by != telemetry::kNoEntity) ++request.unanswered;
    request.spans.push_back(std::move(span));
    std::vector<std::pair<Nanos, size_t>> order;
    for (size_t i = 0; i < children.size(); ++i) order.emplace_back(SpanOf(children[i]).start, i);
    std::sort(order.rbegin(), order.rend());  // the last in goes first
    for (const auto& [start, i] : order) open.push_back({children[i], at});
  }
  request.failed = request.root().failed;
  return request;
}

std::vector<RebuiltRequest> RequestTrees::RootedIn(TraceId id) {
  const ShelvedTrace& trace = shelf_.traces().at(id);
  std::vector<RebuiltRequest> requests;
  for (const ShelvedSpan& s : trace.spans) {
    if (IsRoot(trace, s)) requests.push_back(Build({{id, s.span.id}, false}));
  }
  for (const int32_t i : LocalOf(id).opened)
    requests.push_back(Build({{id, trace.spans[static_cast<size_t>(i)].span.id}, false}));
  for (const LostSpan& lost : LocalOf(id).lost) {
    if (lost.above.basis == JoinBasis::kUnknown) requests.push_back(Build({{id, lost.id}, true}));
  }
  return requests;
}

std::vector<TraceId> RequestTrees::TracesAbove(TraceId id) const {
  std::vector<TraceId> above;
  for (const ShelvedSpan& s : shelf_.traces().at(id).spans) {
    const TraceId other = s.above.parent.trace;
    if (!s.above.decided() || other == id) continue;
    if (shelf_.traces().count(other) > 0) above.push_back(other);
  }
  return above;
}

}  // namespace tomograph::correlate
