// ListedRequests: rebuilt requests of the pictures of the last minute. Of a busy kind the few that
// are shown are others a second later; who sees one in a list must still be able to open it.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/rebuilt_request.h"

namespace tomograph::engine {

/// Bounded: what was listed longest ago goes first. Not thread-safe.
class ListedRequests {
 public:
  using Requests = std::vector<std::shared_ptr<const telemetry::RebuiltRequest>>;

  static constexpr Nanos kFor = 75 * kSecond;    // a minute after a page has asked for its list
  static constexpr size_t kMostSpans = 200'000;  // some 60 MB

  /// A picture that lists `listed` is about to be shown. Returns those that were listed before it
  /// and are not in it, the latest first.
  Requests Before(Nanos now, const Requests& listed);

 private:
  struct Listed {
    Nanos last;  // when a picture listed it last
    std::shared_ptr<const telemetry::RebuiltRequest> request;
  };
  std::deque<Listed> listed_;  // the latest in front; each once
};

}  // namespace tomograph::engine
