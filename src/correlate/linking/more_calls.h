// MoreCalls: calls beyond the room that was learned for them. Requests may come to make more calls
// of a class than they made where they were learned: retries, once something breaks. Such a call
// finds that all who may have made it are full, as one does whose request is not among the records.
// Which of both it is:
//
//   P(one more of request i) ~ chance * L(i with it) / L(i) / length of i
//   P(nobody's)              ~ rate                                       both per microsecond
//
// L is the likelihood of the request (RequestModel::LogWithOneMore); the sampler says how often a
// call is nobody's, and the fractions then (Sampler::Shares). The chance that a call is
// followed by one too many, and the rate of calls whose request is not there, are next to nothing
// where a model is learned and need not stay so: both are learned from the calls in question
// (expectation maximisation), chunk after chunk; what is older fades. In a crowd times say little
// of which it is, and each of many requests has a small share.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "correlate/linking/link_window.h"
#include "correlate/linking/sampler.h"

namespace tomograph::correlate::linking {

class MoreCalls {
 public:
  /// `all`: the calls that are decided together. `shares[x]` are of `open[x]`, and what nobody has
  /// of them is shared out.
  void ShareOut(const LinkWindow& window, const LinkModel& model, std::span<const int> all,
                std::span<const int> open, std::vector<Sampler::Shares>* shares);
  /// The service was learned from scratch.
  void Forget(int service);

 private:
  /// Of one class, faded.
  struct Found {
    double calls = 0;
    double more = 0;     // of them, one too many
    double lost = 0;     // and nobody's
    double time_us = 0;  // in which they began
    double until_us = -std::numeric_limits<double>::infinity();
  };
  struct InQuestion {
    Sampler::Shares* shares = nullptr;
    double fractions = 0;  // their sum
  };
  /// What a chunk holds of one class.
  struct Batch {
    double calls = 0, lost = 0;
    double last_us = -std::numeric_limits<double>::infinity();
    std::vector<InQuestion> in_question;
  };

  Found& FoundOf(int service, int call_class);
  void Share(const ServiceModel& model, int call_class, const Batch& batch, Found* found) const;

  std::vector<std::vector<Found>> found_;  // by service and class
};

}  // namespace tomograph::correlate::linking
