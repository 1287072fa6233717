// JoinModel: several calls into one service serve one request, and only one of them goes on.
//
// Where the requests below one root reach a service more than once, and all but one of these make
// no calls, the calls wait for the last of them. Their start then counts from max(end of the
// others, start of the one that has the calls), and who is last to start is likely to have them.
// Needs the other side of calls (CallRecord::counterpart); joins are found, never assumed.
#pragma once

#include <vector>

#include "correlate/linking/gap_density.h"
#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

class JoinModel {
 public:
  /// Finds the joining services by the present owners and learns them, from roots that end
  /// before `until`.
  void Learn(const LinkWindow& window, const LinkModel& model, double until);
  bool on() const { return !joins_.empty(); }
  /// The request without known caller above `request`.
  static int RootOf(const LinkWindow& window, int request);
  /// What joins say of the present owners below `root`, beyond what single requests say.
  double LogLikelihood(const LinkWindow& window, const LinkModel& model, int root) const;

 private:
  struct Join {
    int service = 0;
    GapDensity wait;                   // first call - max(end of the others, own start)
    GapDensity last_start, any_start;  // against the latest start of the others
    float log_share[4] = {};           // of roots by number of requests that have calls
  };
  /// What is below one root at one joining service.
  struct Meeting {
    std::vector<int> requests;
    int with_calls = 0;
    int holder = kNobody;  // the one with calls, if it is one
    double wait = 0;
  };
  void Walk(const LinkWindow& window, const LinkModel& model, int request, int service, int depth,
            std::vector<int>* found) const;
  /// False if fewer than two requests meet.
  bool Meet(const LinkWindow& window, const LinkModel& model, int root, int service,
            Meeting* meeting) const;
  static double SinceOthers(const LinkWindow& window, const std::vector<int>& requests, int of);

  std::vector<Join> joins_;
  mutable Meeting meeting_;
};

}  // namespace tomograph::correlate::linking
