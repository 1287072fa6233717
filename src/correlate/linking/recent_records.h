// RecentRecords: of each service the latest records that have left the window, each call with
// an owner as the model drew it: the likeliest owners alone would make gaps sharper each time that
// they are learned from. A service of few requests has hardly any in view when it is to be learned;
// this is what it is learned from beside those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "correlate/linking/link_window.h"

namespace tomograph::correlate::linking {

class RecentRecords {
 public:
  /// Calls of one service, and as many requests.
  static constexpr size_t kMostOfOne = 2'000;
  /// Calls of all services, and as many requests: each service has an equal part of them.
  static constexpr size_t kMost = 50'000;

  /// Takes what leaves the window: the requests and calls for which `place` is kNobody.
  void Take(const LinkWindow& window, const std::vector<int>& request_place,
            const std::vector<int>& call_place);
  /// At least so many calls of the service are here.
  size_t calls(int service) const;
  /// The service by itself: its records from here and, with `in_view`, those in `window`. Every
  /// call has candidates, whether or not its link has left. Records whose names `numbers` has
  /// forgotten are left out.
  LinkWindow Part(int service, bool in_view, const LinkWindow& window, const Vocabulary& numbers,
                  const LinkModel& model) const;
  size_t bytes() const;

 private:
  struct Linked {
    Call call;
    uint64_t owner = Call::kNoSequence;
  };
  struct Service {
    std::vector<Request> requests;
    std::vector<Linked> calls;
  };
  size_t Most() const;
  static void PutInOrder(Service* of);
  /// Leaves the latest, once they are in order.
  static void Trim(size_t most, Service* of);

  std::vector<Service> services_;
  size_t used_ = 0;  // services of which there is something
};

}  // namespace tomograph::correlate::linking
