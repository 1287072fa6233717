// gRPC at byte level: unary calls of any method, request and response as raw message bytes. Knows
// no message but its own RetryInfo. libgrpc++ lives behind this file alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_view.h"
#include "base/nanotime.h"
#include "base/status.h"
#include "net/body_budget.h"

namespace tomograph::net {

struct GrpcLimits {
  int max_message_bytes = 16 << 20;       // as received; RESOURCE_EXHAUSTED beyond
  size_t max_inflated_bytes = 64u << 20;  // after gzip; RESOURCE_EXHAUSTED beyond
  int max_calls_in_flight = 64;           // UNAVAILABLE beyond: clients retry
  // From the call's beginning until its message is there; UNAVAILABLE beyond, so that calls that
  // send nothing do not keep others out for good.
  Nanos read_timeout = 10 * kSecond;
  // For the messages of all calls, as received and as inflated. How large a message is shows only
  // once grpc has read it: until then its call takes max_message_bytes. A call without room waits
  // for the calls before it to be read; when there are none (others have it all), UNAVAILABLE,
  // before anything is read. Null: none.
  std::shared_ptr<BodyBudget> body_budget;
  // Told of each call that is refused before its handler is asked, with what its client is told.
  std::function<void(std::string_view method, const Status& why)> on_refused;
};

class GrpcServer {
 public:
  /// `ok` bytes, or a Status: kInvalidArgument -> INVALID_ARGUMENT, kUnavailable -> UNAVAILABLE
  /// (retryable, with google.rpc.RetryInfo), kResourceExhausted -> RESOURCE_EXHAUSTED, kNotFound ->
  /// UNIMPLEMENTED, others -> INTERNAL. May be called from any thread, once.
  using Reply = std::function<void(Result<std::string>)>;
  /// `method` as "/package.Service/Method". `request` is valid during the call only. Must not
  /// block.
  using Handler =
      std::function<void(std::string_view method, std::string_view peer, ByteView request, Reply)>;

  static Result<std::unique_ptr<GrpcServer>> Start(const std::string& address, uint16_t port,
                                                   GrpcLimits limits, Handler handler);
  virtual ~GrpcServer() = default;
  virtual uint16_t port() const = 0;
  virtual void Stop() = 0;
};

}  // namespace tomograph::net
