// gRPC at byte level: unary calls of any method, request and response as raw message bytes (grpc
// undoes compression). Knows no message but its own RetryInfo. libgrpc++ lives behind this file
// alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_view.h"
#include "base/status.h"
#include "net/body_budget.h"

namespace tomograph::net {

struct GrpcLimits {
  int max_message_bytes = 16 << 20;  // RESOURCE_EXHAUSTED beyond
  int max_calls_in_flight = 64;      // UNAVAILABLE beyond: clients retry
  // For the messages of all calls, inflated. How large a message is shows only once grpc has read
  // it: until then its call takes max_message_bytes. A call without room waits for the calls before
  // it to be read; when there are none (others have it all), UNAVAILABLE, before anything is read.
  // Null: none.
  std::shared_ptr<BodyBudget> body_budget;
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
