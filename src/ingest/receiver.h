// Receiver: the network side of ingest. Turns HTTP requests and gRPC calls into batches, hands them
// on and answers only when the sink says that they are durable.
//   POST /v1/traces /v1/metrics /v1/logs   OTLP, protobuf or JSON, gzip
//   POST /api/v1/write                     Prometheus remote write v1; another `proto=` is a wrong
//                                          content type, by which senders fall back to v1
//   POST /v1/events                        CloudEvents (CDEvents), structured JSON, one or a batch
//                                          (answered one by one: ingest/changes/answer.h)
//   gRPC  opentelemetry.proto.collector.{trace,metrics,logs}.v1.*Service/Export
// Answers: 200 (with partial_success; of events: what was understood), 202 an event that names no
// known service or no time, with what is missing, 400 malformed (and remote write of which nothing
// can be kept, with the reasons), 413 too large, 415 wrong content type, 404, 405; for the sender
// to try again later: 429 with Retry-After when the sink is full, 503 with Retry-After when there
// is no room for the request now, or the store cannot write for now (a full disk); not to try
// again: 500 (400 to remote write, whose senders try again after any 5xx) when it never will
// (corrupt, a batch that it refuses). gRPC: UNAVAILABLE and INTERNAL. Each is in the ledger.
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
  /// from any thread, when the batch is durable, or with the Status why it was not kept.
  using Accept = std::function<Status(telemetry::Batch&&, Done done)>;

  Receiver(DecodeContext context, Accept accept);

  void HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder);
  /// The answer to a request whose body the server did not take (net::HttpRefusal), in the type
  /// that OTLP asks for; counted as a message that nobody could read.
  net::HttpResponse Refuse(const net::HttpRequest& request, int status, const std::string& why);
  /// The same of a gRPC call that the server refused.
  void CountRefused(std::string_view method, const Status& why);
  void HandleGrpc(std::string_view method, std::string_view peer, ByteView request,
                  net::GrpcServer::Reply reply);
  /// Is it one of the paths above? (The engine may serve publish/ on the same port.)
  static bool Owns(std::string_view path);

 private:
  DecodeContext context_;
  Accept accept_;
};

}  // namespace tomograph::ingest
