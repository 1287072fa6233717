// CallChains: who made calls of classes that requests make many of, more than a request model has
// slots for (a query for each row of a list, a fan-out to all shards).
//
//   log P(chain of one request) = log f(first start - request's start)
//           + sum over the others of log s(start - start or end of the one before)
//           + log r(request's end - latest end) + calls * log(odds of one more)
//
// The calls of one class that a request makes are a chain in order of start, of any length. Each
// call is drawn given all others (Gibbs sampling), and two whole chains given the rest, without
// which chains that run side by side would hardly ever change places. A call that nobody made costs
// what the service's rate of such calls says. Nothing but times is looked at.
#pragma once

#include <span>
#include <vector>

#include "base/random.h"
#include "correlate/linking/link_window.h"
#include "correlate/linking/sampler.h"

namespace tomograph::correlate::linking {

class CallChains {
 public:
  /// Of one service, as the owners are now.
  CallChains(int service, LinkWindow* window, const LinkModel& model);

  bool any() const { return classes_ > 0; }
  /// Densities from the chains of requests that end before `until`.
  static void Learn(const LinkWindow& window, int service, double until, LinkModel* model);
  /// Fresh calls go to the candidate whose last call ended shortest before (else, began): where
  /// learning begins, knowing nothing.
  void Follow();
  /// Fresh calls get the likeliest owner, in order of start.
  void Guess();
  /// Calls that could be another's.
  std::vector<int> Open(std::span<const int> calls) const;
  /// Draws the owner of each of `calls` once; `shares`, if any, takes in the chances of each.
  void Sweep(std::span<const int> calls, double temperature, Random* random,
             std::vector<Sampler::Shares>* shares);
  /// Gives each of `calls` to the one with the greatest share; shares add up to 1 afterwards.
  void Settle(std::span<const int> calls, std::vector<Sampler::Shares>* shares);
  /// Of all calls with an owner in `range` whose request ends before `until`: of their starts
  /// alone, which is what another model of the same calls has to explain as well.
  double LogLikelihood(const ServiceRange& range, double until) const;

 private:
  std::vector<int>& ChainOf(int request, int call_class) {
    return chains_[static_cast<size_t>(request - first_request_) * classes_ + place_[call_class]];
  }
  const std::vector<int>& ChainOf(int request, int call_class) const {
    return chains_[static_cast<size_t>(request - first_request_) * classes_ + place_[call_class]];
  }
  /// Log of how much likelier all is with `call` in the request's chain, which does not hold it.
  float Gain(int call, int request) const;
  float LogStart(const ChainModel& model, const Request& request, int before, int call) const;
  float LogRest(const ChainModel& model, const Request& request, double latest) const;
  void Weigh(int call, double temperature);
  void Move(int call, int owner);
  double LatestEnd(const std::vector<int>& chain) const;  // -infinity: there is none
  /// Draws who of the call's owner and another request made which of both's calls, all at once:
  /// forward filtering, backward sampling over (whose the call is, last call of the other).
  void DrawPair(int call, double temperature, Random* random);

  const int service_;
  LinkWindow& w_;
  const LinkModel& model_;
  int first_request_ = 0;
  size_t classes_ = 0;
  std::vector<int> place_;                // of a class among those with chains, or -1
  std::vector<std::vector<int>> chains_;  // per request and class: calls in order of start
  std::vector<float> weights_;            // of the last call weighed: candidates, then nobody
};

}  // namespace tomograph::correlate::linking
