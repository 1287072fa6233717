// Publisher: serves the newest Picture. JSON API under /api/v1/ (docs/api.md), server-sent events
// at /api/v1/stream, Prometheus metrics at /metrics, /-/healthy, /-/ready, and the page at /.
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "net/http_server.h"
#include "store/store.h"
#include "telemetry/correlation.h"
#include "telemetry/picture.h"

namespace tomograph::publish {

class Publisher {
 public:
  /// `store` may be null (a recording without one): raw records are then looked up nowhere and 404
  /// says so.
  /// `correlate` answers /api/v1/correlations; may be null.
  explicit Publisher(store::Store* store, telemetry::Identities* identities,
                     telemetry::AnswerCorrelation correlate = nullptr);
  ~Publisher();

  /// Replaces what is served and tells the event streams.
  void Publish(std::shared_ptr<const telemetry::Picture> picture);
  std::shared_ptr<const telemetry::Picture> picture() const;
  /// `why_not` is what /-/ready says after "not ready: ".
  void SetReady(bool ready, std::string why_not = "the engine is still starting or is stopping");

  void HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::publish
