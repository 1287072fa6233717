// Receiver: the network side of ingest. Turns HTTP requests and gRPC calls into batches, hands them
// on and answers only when the sink says that they are durable.
//   POST /v1/traces /v1/metrics /v1/logs   OTLP, protobuf or JSON, gzip
//   POST /api/v1/write                     Prometheus remote write v1
//   POST /v1/events                        CloudEvents (CDEvents), structured JSON, one or a batch
//                                          (answered one by one: ingest/changes/answer.h)
//   gRPC  opentelemetry.proto.collector.{trace,metrics,logs}.v1.*Service/Export
// Answers: 200 (with partial_success), 400 malformed, 413 too large, 415 wrong content type, 404,
// 405, 429 with Retry-After when the sink is full, 503 when the store cannot write. Each is in the
// ledger.
#pragma once

#include <functional>
#include <string_view>

#include "ingest/decoder.h"
#include "net/grpc_server.h"
#include "net/http_server.h"

namespace tomograph::ingest {

class Receiver {
 public:
  using Done = std::function<void(const Status&)>;
  /// Takes a decoded batch. Returns kUnavailable at once when it can't take it; else calls `done`,
  /// from any thread, when the batch is durable (or was refused).
  using Accept = std::function<Status(telemetry::Batch&&, Done done)>;

  Receiver(DecodeContext context, Accept accept);

  void HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder);
  void HandleGrpc(std::string_view method, std::string_view peer, ByteView request,
                  net::GrpcServer::Reply reply);
  /// Is it one of the paths above? (The engine may serve publish/ on the same port.)
  static bool Owns(std::string_view path);

 private:
  DecodeContext context_;
  Accept accept_;
};

}  // namespace tomograph::ingest
