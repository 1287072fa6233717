#include "correlate/linking/join_model.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tomograph::correlate::linking {
namespace {

constexpr int kMaxDepth = 24;       // of a tree; counterparts may be nonsense
constexpr size_t kMaxMeeting = 24;  // requests of one root at one service
constexpr size_t kFewestMeetings = 20;
constexpr double kShareOfOne = .8;  // of the roots: exactly one request has calls
constexpr double kNotOne = -8;      // log, for the wait that is not there then

/// First call of `request` to start, or kNobody.
int FirstCall(const LinkWindow& window, const LinkModel& model, int request) {
  const Request& r = window.requests[request];
  int first = kNobody;
  for (int s = r.first_slot, end = s + model.kinds[r.kind].slots(); s < end; ++s) {
    const int c = window.slots[s];
    if (c != kNobody && (first == kNobody || c < first)) first = c;
  }
  return first;
}

}  // namespace

int JoinModel::RootOf(const LinkWindow& window, int request) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const int caller = window.requests[request].caller;
    if (caller == kNobody || window.calls[caller].owner == kNobody) break;
    request = window.calls[caller].owner;
  }
  return request;
}

void JoinModel::Walk(const LinkWindow& window, const LinkModel& model, int request, int service,
                     int depth, std::vector<int>* found) const {
  const Request& r = window.requests[request];
  if (r.service == service) {
    found->push_back(request);
    return;
  }
  if (depth == 0 || found->size() >= kMaxMeeting) return;
  for (int s = r.first_slot, end = s + model.kinds[r.kind].slots(); s < end; ++s) {
    const int c = window.slots[s];
    if (c == kNobody || window.calls[c].callee == kNobody) continue;
    Walk(window, model, window.calls[c].callee, service, depth - 1, found);
  }
}

bool JoinModel::Meet(const LinkWindow& window, const LinkModel& model, int root, int service,
                     Meeting* meeting) const {
  meeting->requests.clear();
  meeting->with_calls = 0;
  meeting->holder = kNobody;
  if (window.requests[root].service == service) return false;
  Walk(window, model, root, service, kMaxDepth, &meeting->requests);
  if (meeting->requests.size() < 2) return false;
  int call = kNobody;
  for (const int i : meeting->requests) {
    const int first = FirstCall(window, model, i);
    if (first == kNobody) continue;
    ++meeting->with_calls;
    meeting->holder = i;
    call = first;
  }
  if (meeting->with_calls != 1) return true;
  double ready = window.requests[meeting->holder].time.start;
  for (const int i : meeting->requests) {
    if (i != meeting->holder) ready = std::max(ready, window.requests[i].time.end);
  }
  meeting->wait = window.calls[call].time.start - ready;
  return true;
}

double JoinModel::SinceOthers(const LinkWindow& window, const std::vector<int>& requests, int of) {
  double latest = -1e300;
  for (const int i : requests) {
    if (i != of) latest = std::max(latest, window.requests[i].time.start);
  }
  return window.requests[of].time.start - latest;
}

void JoinModel::Learn(const LinkWindow& window, const LinkModel& model, double until) {
  joins_.clear();
  std::vector<int> roots;
  for (int i = 0, n = static_cast<int>(window.requests.size()); i < n; ++i) {
    const Request& r = window.requests[i];
    if (r.caller == kNobody && r.time.end <= until) roots.push_back(i);
  }
  for (int service = 0; service < static_cast<int>(model.services.size()); ++service) {
    const ServiceModel& of = model.services[service];
    if (of.kinds.empty() || of.classes == 0) continue;
    std::array<double, 4> count{.05, .05, .05, .05};
    double total = .2;
    std::vector<double> wait, any, last;
    Meeting meeting;
    for (const int root : roots) {
      if (!Meet(window, model, root, service, &meeting)) continue;
      ++count[std::min(meeting.with_calls, 3)];
      ++total;
      if (meeting.with_calls != 1) continue;
      wait.push_back(meeting.wait);
      last.push_back(SinceOthers(window, meeting.requests, meeting.holder));
      for (const int i : meeting.requests) {
        any.push_back(SinceOthers(window, meeting.requests, i));
      }
    }
    if (wait.size() < kFewestMeetings || count[1] < kShareOfOne * total) continue;
    Join join;
    join.service = service;
    const TimeGrain grain = of.grain;
    join.wait.Fit(wait, grain, true);
    join.any_start.Fit(any, grain, true);
    join.last_start.Fit(last, grain, true);
    for (int f = 0; f < 4; ++f) join.log_share[f] = static_cast<float>(std::log(count[f] / total));
    joins_.push_back(std::move(join));
  }
}

double JoinModel::LogLikelihood(const LinkWindow& window, const LinkModel& model, int root) const {
  double total = 0;
  for (const Join& join : joins_) {
    if (!Meet(window, model, root, join.service, &meeting_)) continue;
    if (meeting_.with_calls != 1) {
      total += join.log_share[std::min(meeting_.with_calls, 3)] + kNotOne;
      continue;
    }
    total += join.log_share[1] + join.wait.Log(meeting_.wait);
    double all = 0, mine = 0;
    for (const int i : meeting_.requests) {
      const double x = SinceOthers(window, meeting_.requests, i);
      const double ratio = std::exp(join.last_start.Log(x) - join.any_start.Log(x));
      all += ratio;
      if (i == meeting_.holder) mine = ratio;
    }
    total += std::log(std::max(mine, 1e-9) / std::max(all, 1e-9));
    // The wait replaces the gaps that count from the holder's own start.
    const Request& holder = window.requests[meeting_.holder];
    const RequestModel& kind = model.kinds[holder.kind];
    for (int k = 0; k < kind.slots(); ++k) {
      const int c = window.slots[holder.first_slot + k];
      if (c != kNobody && kind.StartsFromRequest(k)) {
        total -= kind.Gap(k).Log(window.calls[c].time.start - holder.time.start);
      }
    }
  }
  return total;
}

}  // namespace tomograph::correlate::linking
