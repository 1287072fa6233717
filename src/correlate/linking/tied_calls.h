// TiedCalls: the calls of a service that hang together, since each may be made by a request that
// may have made the others, where they are so few that their states can be counted as a whole.
// Bethe's entropy (free_energy.h) is too low there, by up to log 2 for two calls that two requests
// may have made either way; of many calls that is little for each.
#pragma once

#include <vector>

#include "correlate/linking/link_window.h"
#include "correlate/linking/sampler.h"

namespace tomograph::correlate::linking {

class TiedCalls {
 public:
  static constexpr size_t kMost = 4;
  /// Posterior from which a request counts as one that may have made a call.
  static constexpr float kMay = .01f;

  /// Of `open` calls with these posteriors; requests and calls that end after `until`, and calls of
  /// which candidates stand for others, are tied to nothing here.
  TiedCalls(const std::vector<Sampler::Shares>& shares, const std::vector<int>& open, double until,
            const LinkWindow& window, const ServiceRange& range);

  bool HasCall(int call) const { return call_[call - first_call_]; }
  bool HasRequest(int request) const { return request_[request - first_request_]; }
  /// Nats, from states that `sampler` draws; owners move about.
  double Entropy(const LinkWindow& window, Sampler* sampler) const;

 private:
  int first_call_, first_request_;
  std::vector<bool> call_, request_;
  std::vector<std::vector<int>> groups_;  // of calls
};

}  // namespace tomograph::correlate::linking
