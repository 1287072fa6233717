#include "correlate/linking/recent_records.h"

#include <algorithm>

namespace tomograph::correlate::linking {

void RecentRecords::Take(const LinkWindow& window, const std::vector<int>& request_place,
                         const std::vector<int>& call_place) {
  const auto of = [&](int service) -> Service& {
    if (service >= static_cast<int>(services_.size())) services_.resize(service + 1);
    Service& its = services_[service];
    used_ += its.requests.empty() && its.calls.empty();
    return its;
  };
  for (size_t i = 0; i < window.requests.size(); ++i) {
    if (request_place[i] != kNobody) continue;
    of(window.requests[i].service).requests.push_back(window.requests[i]);
  }
  for (size_t c = 0; c < window.calls.size(); ++c) {
    if (call_place[c] != kNobody) continue;
    const Call& call = window.calls[c];
    of(call.service).calls.push_back({call, call.drawn});
  }
  // Twice as many are let in before they are put in order, so that this is seldom.
  const size_t most = Most();
  for (Service& its : services_) {
    if (its.requests.size() <= 2 * most && its.calls.size() <= 2 * most) continue;
    PutInOrder(&its);
    Trim(most, &its);
  }
}

size_t RecentRecords::Most() const {
  return std::min(kMostOfOne, kMost / std::max<size_t>(used_, 1)) / 2;
}

void RecentRecords::PutInOrder(Service* of) {
  std::sort(of->requests.begin(), of->requests.end(),
            [](const Request& a, const Request& b) { return a.sequence < b.sequence; });
  std::sort(of->calls.begin(), of->calls.end(),
            [](const Linked& a, const Linked& b) { return a.call.sequence < b.call.sequence; });
}

void RecentRecords::Trim(size_t most, Service* of) {
  uint64_t from = 0;
  if (of->requests.size() > most) from = of->requests[of->requests.size() - most].sequence;
  if (of->calls.size() > most)
    from = std::max(from, of->calls[of->calls.size() - most].call.sequence);
  std::erase_if(of->requests, [&](const Request& r) { return r.sequence < from; });
  // The calls of a request go with it, so that they are not taken for calls of nobody.
  std::erase_if(of->calls, [&](const Linked& linked) {
    return linked.call.sequence < from ||
           (linked.owner != Call::kNoSequence && linked.owner < from);
  });
}

size_t RecentRecords::calls(int service) const {
  return service < static_cast<int>(services_.size()) ? services_[service].calls.size() : 0;
}

LinkWindow RecentRecords::Part(int service, bool in_view, const LinkWindow& window,
                               const Vocabulary& numbers, const LinkModel& model) const {
  Service all;
  if (service < static_cast<int>(services_.size())) all = services_[service];
  for (Request& request : all.requests) request.kind = numbers.NumberOf(service, request.name);
  for (Linked& linked : all.calls)
    linked.call.call_class = numbers.NumberOf(service, linked.call.name);
  std::erase_if(all.requests, [](const Request& r) { return r.kind == Vocabulary::kNone; });
  std::erase_if(all.calls, [](const Linked& x) { return x.call.call_class == Vocabulary::kNone; });
  const ServiceRange range = in_view ? window.services[service] : ServiceRange{};
  for (int i = range.first_request; i < range.end_request; ++i)
    all.requests.push_back(window.requests[i]);
  for (int c = range.first_call; c < range.end_call; ++c) {
    const int owner = window.calls[c].owner;
    all.calls.push_back(
        {window.calls[c], owner == kNobody ? Call::kNoSequence : window.requests[owner].sequence});
  }
  PutInOrder(&all);
  LinkWindow part;
  part.slack = window.slack;
  part.requests = std::move(all.requests);
  for (Request& request : part.requests) request.caller = kNobody;
  for (Linked& linked : all.calls) {
    Call& call = part.calls.emplace_back(linked.call);
    call.decided = false;
    call.callee = call.owner = kNobody;
    const auto at = std::lower_bound(
        part.requests.begin(), part.requests.end(), linked.owner,
        [](const Request& request, uint64_t sequence) { return request.sequence < sequence; });
    if (at != part.requests.end() && at->sequence == linked.owner)
      call.owner = static_cast<int>(at - part.requests.begin());
  }
  part.Index(window.services.size());
  part.FindCandidates(window.limit(), &model);
  return part;
}

size_t RecentRecords::bytes() const {
  size_t total = 0;
  for (const Service& of : services_)
    total += of.requests.capacity() * sizeof(Request) + of.calls.capacity() * sizeof(Linked);
  return total;
}

}  // namespace tomograph::correlate::linking
