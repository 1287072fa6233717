#include "correlate/linking/link_window.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

constexpr size_t kMostHandedOff = 16;  // requests that a call may have outlived, beside the open

}  // namespace

void LinkWindow::Index(size_t services_known) {
  services.assign(services_known, {});
  for (int i = 0, n = static_cast<int>(requests.size()); i < n;) {
    ServiceRange& range = services[requests[i].service];
    range.first_request = i;
    double latest_end = -1e300;
    int oldest = i;
    for (const int service = requests[i].service; i < n && requests[i].service == service; ++i) {
      // All before `oldest` have ended: they can't overlap this one, nor any later.
      if (latest_end <= requests[i].time.start) oldest = i;
      while (oldest < i && requests[oldest].time.end <= requests[i].time.start) ++oldest;
      requests[i].oldest_overlap = oldest;
      latest_end = std::max(latest_end, requests[i].time.end);
    }
    range.end_request = i;
  }
  for (int c = 0, n = static_cast<int>(calls.size()); c < n;) {
    ServiceRange& range = services[calls[c].service];
    range.first_call = c;
    for (const int service = calls[c].service; c < n && calls[c].service == service; ++c) {
    }
    range.end_call = c;
  }
  for (ServiceRange& range : services) {
    float of_requests = 0, of_calls = 0;
    for (int i = range.first_request; i < range.end_request; ++i) {
      of_requests = std::max(of_requests, requests[i].slack);
    }
    for (int c = range.first_call; c < range.end_call; ++c) {
      of_calls = std::max(of_calls, calls[c].slack);
    }
    range.slack = of_requests + of_calls;
  }
}

void LinkWindow::FindCandidates(size_t limit, const LinkModel* model) {
  candidates.clear();
  evidence.clear();
  stands_for.clear();
  limit_ = limit;
  for (size_t s = 0; s < services.size(); ++s)
    FindCandidatesOf(services[s], limit, model == nullptr ? nullptr : &model->services[s]);
  if (!stands_for.empty()) stands_for.resize(candidates.size());
}

void LinkWindow::FindCandidatesOf(const ServiceRange& range, size_t limit, const ServiceModel* of) {
  // Requests that may have begun and may not have ended, in order of start. Those that have ended
  // are swept out once they could be half of them; a scan from the latest to start stops at a
  // bound.
  const double widest = slack + range.slack;
  std::vector<int> open;
  size_t sweep_at = 16;
  int next = range.first_request;
  int recent = range.first_request;  // all before ended too long ago to be outlived
  for (int c = range.first_call; c < range.end_call; ++c) {
    Call& call = calls[c];
    call.first_candidate = static_cast<uint32_t>(candidates.size());
    call.candidates = 0;
    call.limited = call.chosen = false;
    if (call.decided || call.pinned) continue;
    while (next < range.end_request && requests[next].time.start <= call.time.start + widest) {
      open.push_back(next++);
    }
    if (open.size() >= sweep_at) {
      std::erase_if(open, [&](int i) { return requests[i].time.end + widest < call.time.start; });
      sweep_at = std::max<size_t>(16, 2 * open.size());
    }
    if (of != nullptr && of->Outlives(call.call_class)) {
      call.chosen = true;  // who ended long before is no candidate though it may have made the call
      const auto ended_recently = [&](const Request& request) {
        return request.time.end + kHandOff_us >= call.time.start;
      };
      while (recent < next && !ended_recently(requests[recent])) ++recent;
      const auto still_open =
          static_cast<size_t>(std::count_if(open.begin(), open.end(), [&](int i) {
            return requests[i].time.end >= call.time.start;
          }));
      Choose(
          next - recent, std::min(limit, still_open + kMostHandedOff), LookedAt(limit),
          [&](size_t place) { return recent + static_cast<int>(place); }, ended_recently, &call);
      continue;
    }
    Choose(
        open.size(), limit, LookedAt(limit), [&](size_t place) { return open[place]; },
        [&](const Request& request) { return Holds(request, call); }, &call);
  }
}

template <typename RequestAt, typename May>
void LinkWindow::Choose(size_t n, size_t most, size_t looked_at, const RequestAt& request_at,
                        const May& may, Call* call) {
  const auto add = [&](size_t place, double of) {
    const int i = request_at(place);
    if (!may(requests[i])) return;
    const double alike = of * std::exp2(requests[i].thinned);
    call->limited |= alike > 1;
    found_.emplace_back(i, static_cast<float>(std::log(alike)));
  };
  found_.clear();
  const size_t draws = (most + 3) / 4, kept = most - draws;
  size_t left = n, before_kept = n;
  while (left > 0 && found_.size() < most && n - left < looked_at) {
    add(--left, 1);
    if (found_.size() <= kept) before_kept = left;
  }
  if (left > 0) {
    call->limited = call->chosen = true;
    found_.resize(std::min(found_.size(), kept));
    for (size_t d = draws; d-- > 0;) {
      const size_t from = before_kept * d / draws, to = before_kept * (d + 1) / draws;
      if (from == to) continue;
      add(from + MixBits(call->id ^ MixBits(d)) % (to - from), static_cast<double>(to - from));
    }
  }
  call->candidates = static_cast<uint16_t>(found_.size());
  for (auto it = found_.rbegin(); it != found_.rend(); ++it) {
    candidates.push_back(it->first);
    if (call->limited) stands_for.resize(candidates.size() - 1);
    if (call->limited) stands_for.push_back(it->second);
  }
}

float LinkWindow::StandsFor(const Call& call, int request) const {
  if (!call.limited || stands_for.empty()) return 0;
  const std::span<const int> of = CandidatesOf(call);
  const auto at = std::lower_bound(of.begin(), of.end(), request);
  if (at == of.end() || *at != request) return 0;
  return StandsForAt(call, static_cast<size_t>(at - of.begin()));
}

float LinkWindow::EvidenceOf(const Call& call, int request) const {
  if (evidence.empty()) return 0;
  const std::span<const int> of = CandidatesOf(call);
  const auto at = std::lower_bound(of.begin(), of.end(), request);
  if (at == of.end() || *at != request) return 0;
  return EvidenceAt(call, static_cast<size_t>(at - of.begin()));
}

void LinkWindow::LayOut(const LinkModel& model) {
  int total = 0;
  for (Request& request : requests) {
    request.first_slot = total;
    total += model.kinds[request.kind].slots();
  }
  slots.assign(total, kNobody);
  for (int c = 0, n = static_cast<int>(calls.size()); c < n; ++c) {
    const int owner = calls[c].owner;
    if (owner == kNobody) continue;
    if (model.services[calls[c].service].Chained(calls[c].call_class)) continue;
    if (FreeSlot(model, owner, calls[c].call_class) == kNobody) {
      if (!calls[c].pinned) calls[c].owner = kNobody;
    } else {
      Give(model, c, owner);
    }
  }
}

void LinkWindow::TakeOwners(const LinkWindow& part, int service) {
  const ServiceRange& range = services[service];
  const auto by_sequence = [](const auto& item, uint64_t sequence) {
    return item.sequence < sequence;
  };
  const auto first_request = requests.begin() + range.first_request;
  const auto end_request = requests.begin() + range.end_request;
  auto from = part.calls.begin();
  for (int c = range.first_call; c < range.end_call; ++c) {
    Call& call = calls[c];
    if (call.decided) continue;
    from = std::lower_bound(from, part.calls.end(), call.sequence, by_sequence);
    TG_CHECK(from != part.calls.end() && from->sequence == call.sequence);
    call.owner = kNobody;
    call.share = from->share;
    call.fresh = from->fresh;
    if (from->owner == kNobody) continue;
    const uint64_t owner = part.requests[from->owner].sequence;
    const auto here = std::lower_bound(first_request, end_request, owner, by_sequence);
    if (here != end_request && here->sequence == owner)
      call.owner = static_cast<int>(here - requests.begin());
  }
}

int LinkWindow::FreeSlot(const LinkModel& model, int request, int call_class) const {
  const CallGroup* group = model.kinds[requests[request].kind].GroupOf(call_class);
  if (group == nullptr) return kNobody;
  const int first = requests[request].first_slot + group->first;
  for (int s = first; s < first + group->count; ++s) {
    if (slots[s] == kNobody) return s;
  }
  return kNobody;
}

void LinkWindow::Give(const LinkModel& model, int call, int request) {
  int s = FreeSlot(model, request, calls[call].call_class);
  TG_CHECK(s != kNobody);
  const CallGroup* group = model.kinds[requests[request].kind].GroupOf(calls[call].call_class);
  const int first = requests[request].first_slot + group->first;
  // Calls are in order of start, so indices compare like starts.
  for (; s > first && slots[s - 1] > call; --s) slots[s] = slots[s - 1];
  slots[s] = call;
  calls[call].owner = request;
}

void LinkWindow::Take(const LinkModel& model, int call) {
  const int request = calls[call].owner;
  calls[call].owner = kNobody;
  calls[call].share = 0;
  if (request == kNobody) return;
  const CallGroup* group = model.kinds[requests[request].kind].GroupOf(calls[call].call_class);
  if (group == nullptr) return;
  const int first = requests[request].first_slot + group->first;
  for (int s = first; s < first + group->count; ++s) {
    if (slots[s] != call) continue;
    for (; s + 1 < first + group->count; ++s) slots[s] = slots[s + 1];
    slots[s] = kNobody;
    return;
  }
}

}  // namespace tomograph::correlate::linking
