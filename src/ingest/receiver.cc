#include "ingest/receiver.h"

#include <nlohmann/json.hpp>
#include <protozero/pbf_writer.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "ingest/changes/cdevents_decoder.h"
#include "ingest/otlp/otlp_decoder.h"
#include "ingest/prometheus/remote_write.h"

namespace tomograph::ingest {

using net::HttpResponse;
using otlp::Encoding;
using telemetry::Batch;
using telemetry::Format;
using telemetry::LossLedger;
using telemetry::Reason;
using telemetry::Signal;

namespace {

constexpr std::string_view kProtobufType = "application/x-protobuf";
constexpr std::string_view kJsonType = "application/json";

enum class Kind { kOtlp, kRemoteWrite, kEvents };
struct Route {
  std::string_view path;
  Kind kind;
  Signal signal;
};
constexpr Route kRoutes[] = {{"/v1/traces", Kind::kOtlp, Signal::kSpan},
                             {"/v1/metrics", Kind::kOtlp, Signal::kSample},
                             {"/v1/logs", Kind::kOtlp, Signal::kLog},
                             {"/api/v1/write", Kind::kRemoteWrite, Signal::kSample},
                             {"/v1/events", Kind::kEvents, Signal::kEvent}};
constexpr Route kMethods[] = {
    {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", Kind::kOtlp, Signal::kSpan},
    {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Kind::kOtlp,
     Signal::kSample},
    {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", Kind::kOtlp, Signal::kLog}};

template <size_t n>
const Route* FindRoute(const Route (&routes)[n], std::string_view path) {
  const auto* found = std::find_if(std::begin(routes), std::end(routes),
                                   [&](const Route& route) { return route.path == path; });
  return found == std::end(routes) ? nullptr : found;
}

/// Without parameters and in lower case: "application/json; charset=utf-8" -> "application/json".
std::string MediaType(std::string_view header) {
  header = header.substr(0, header.find(';'));
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  std::string type(header);
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return type;
}

/// The answer's encoding is the request's.
std::optional<Encoding> EncodingOf(const Route& route, std::string_view content_type) {
  const std::string type = MediaType(content_type);
  const bool protobuf = type == kProtobufType || type == "application/protobuf";
  const bool json = type == kJsonType;
  switch (route.kind) {
    case Kind::kOtlp:
      if (protobuf) return Encoding::kProtobuf;
      if (json) return Encoding::kJson;
      return std::nullopt;
    case Kind::kRemoteWrite:
      if (protobuf) return Encoding::kProtobuf;
      return std::nullopt;
    case Kind::kEvents:
      if (json || type == "application/cloudevents+json" ||
          type == "application/cloudevents-batch+json") {
        return Encoding::kJson;
      }
      return std::nullopt;
  }
  return std::nullopt;
}

// The numbers of google.rpc.Code.
constexpr int kRpcInvalidArgument = 3;
constexpr int kRpcInternal = 13;
constexpr int kRpcUnavailable = 14;
constexpr int kRpcUnimplemented = 12;

int RpcCode(int http_status) {
  switch (http_status) {
    case 404:
    case 405:
      return kRpcUnimplemented;
    case 429:
    case 503:
      return kRpcUnavailable;
    case 500:
      return kRpcInternal;
    default:
      return kRpcInvalidArgument;
  }
}

/// google.rpc.Status, as OTLP asks for.
HttpResponse ErrorAnswer(int status, const std::string& message, Encoding encoding) {
  HttpResponse response;
  response.status = status;
  if (encoding == Encoding::kJson) {
    response.content_type = kJsonType;
    const nlohmann::json json = {{"code", RpcCode(status)}, {"message", message}};
    response.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    response.content_type = kProtobufType;
    protozero::pbf_writer writer(response.body);
    writer.add_int32(1, RpcCode(status));
    writer.add_string(2, message);
  }
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  if (status == 405) response.headers.emplace_back("Allow", "POST");
  return response;
}

enum class Fate { kDurable, kQueueFull, kStoreFailed };

/// Hands the batch on; `done(fate, why)` is called once, from any thread. The request was counted
/// on the side and reaches the ledger when its fate is known, so the sums balance whenever somebody
/// looks, and a sender's retry is not counted as accepted twice.
template <typename DoneWithFate>
void HandOn(Batch&& batch, std::shared_ptr<LossLedger> counted, LossLedger* ledger,
            const Receiver::Accept& accept, DoneWithFate done) {
  if (batch.rows() == 0) {
    ledger->Add(*counted, std::nullopt);
    return done(Fate::kDurable, Status::Ok());
  }
  const Status taken = accept(std::move(batch), [counted, ledger, done](const Status& status) {
    ledger->Add(*counted, status.ok() ? std::nullopt : std::optional(Reason::kStoreFailed));
    done(status.ok() ? Fate::kDurable : Fate::kStoreFailed, status);
  });
  if (taken.ok()) return;
  const bool full = taken.code() == StatusCode::kUnavailable;
  ledger->Add(*counted, full ? Reason::kBackPressure : Reason::kStoreFailed);
  done(full ? Fate::kQueueFull : Fate::kStoreFailed, taken);
}

Format FormatOf(Kind kind) {
  switch (kind) {
    case Kind::kOtlp:
      return Format::kOtlpHttp;
    case Kind::kRemoteWrite:
      return Format::kRemoteWrite;
    case Kind::kEvents:
      return Format::kCdEvents;
  }
  return Format::kOtlpHttp;
}

Batch NewBatch(Format format, std::string_view peer, const DecodeContext& context) {
  Batch batch;
  batch.origin.format = format;
  // The port is another one each time, and every new string is kept for ever.
  batch.origin.peer = context.identities->strings.Intern(peer.substr(0, peer.rfind(':')));
  batch.origin.received_ns = context.clock->Now();
  return batch;
}

Result<otlp::Decoded> DecodeBody(const Route& route, ByteView body, Encoding encoding,
                                 const DecodeContext& context, Batch* batch) {
  const Format format = FormatOf(route.kind);
  Status status;
  switch (route.kind) {
    case Kind::kOtlp:
      return otlp::Decode(body, route.signal, encoding, format, context, batch);
    case Kind::kRemoteWrite:
      status = prometheus::DecodeRemoteWrite(body, context, batch);
      break;
    case Kind::kEvents:
      status = changes::DecodeCdEvents(body, format, context, batch);
      break;
  }
  if (!status.ok()) return status;
  return otlp::Decoded{};
}

/// Refused before it was looked at; counted as one message that nobody could read.
void CountUnread(Format format, Reason reason, LossLedger* ledger) {
  ledger->Received(format, Signal::kMessage);
  ledger->Lost(format, Signal::kMessage, reason);
}

HttpResponse SuccessAnswer(const Route& route, const otlp::Decoded& decoded, Encoding encoding) {
  HttpResponse response;
  if (route.kind != Kind::kOtlp) {
    response.status = 204;
    return response;
  }
  response.content_type = encoding == Encoding::kJson ? kJsonType : kProtobufType;
  response.body = otlp::EncodeResponse(decoded, route.signal, encoding);
  return response;
}

}  // namespace

Receiver::Receiver(DecodeContext context, Accept accept)
    : context_(std::move(context)), accept_(std::move(accept)) {}

bool Receiver::Owns(std::string_view path) { return FindRoute(kRoutes, path) != nullptr; }

void Receiver::HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
  const Route* route = FindRoute(kRoutes, request.path);
  const std::string content_type = MediaType(request.Header("content-type"));
  const Encoding fallback = content_type == kJsonType ? Encoding::kJson : Encoding::kProtobuf;
  if (route == nullptr) return responder->Respond(ErrorAnswer(404, "no such path", fallback));
  if (request.method != "POST") return responder->Respond(ErrorAnswer(405, "POST only", fallback));

  const std::optional<Encoding> encoding = EncodingOf(*route, content_type);
  const std::string_view compression = request.Header("content-encoding");
  const bool snappy = route->kind == Kind::kRemoteWrite && compression == "snappy";
  if (!encoding || !(compression.empty() || snappy)) {
    CountUnread(FormatOf(route->kind), Reason::kUnsupported, context_.ledger);
    const std::string what =
        encoding ? "content-encoding " + std::string(compression) : "content-type " + content_type;
    return responder->Respond(ErrorAnswer(415, "not read here: " + what, fallback));
  }

  const auto counted = std::make_shared<LossLedger>();
  DecodeContext context = context_;
  context.ledger = counted.get();
  Batch batch = NewBatch(FormatOf(route->kind), request.peer, context_);
  const Result<otlp::Decoded> decoded =
      DecodeBody(*route, request.body, *encoding, context, &batch);
  if (!decoded.ok()) {
    context_.ledger->Add(*counted, std::nullopt);
    const bool too_large = decoded.status().code() == StatusCode::kResourceExhausted;
    return responder->Respond(
        ErrorAnswer(too_large ? 413 : 400, decoded.status().message(), *encoding));
  }
  HandOn(
      std::move(batch), counted, context_.ledger, accept_,
      [route, responder, encoding = *encoding, decoded = *decoded](Fate fate, const Status& why) {
        switch (fate) {
          case Fate::kDurable:
            return responder->Respond(SuccessAnswer(*route, decoded, encoding));
          case Fate::kQueueFull:
            return responder->Respond(ErrorAnswer(429, why.message(), encoding));
          case Fate::kStoreFailed:
            return responder->Respond(ErrorAnswer(503, why.message(), encoding));
        }
      });
}

void Receiver::HandleGrpc(std::string_view method, std::string_view peer, ByteView request,
                          net::GrpcServer::Reply reply) {
  const Route* route = FindRoute(kMethods, method);
  if (route == nullptr) return reply(Status::NotFound("no such method: " + std::string(method)));
  const auto counted = std::make_shared<LossLedger>();
  DecodeContext context = context_;
  context.ledger = counted.get();
  Batch batch = NewBatch(Format::kOtlpGrpc, peer, context_);
  const Result<otlp::Decoded> decoded =
      otlp::Decode(request, route->signal, Encoding::kProtobuf, Format::kOtlpGrpc, context, &batch);
  if (!decoded.ok()) {
    context_.ledger->Add(*counted, std::nullopt);
    return reply(decoded.status());
  }
  HandOn(std::move(batch), counted, context_.ledger, accept_,
         [route, reply, decoded = *decoded](Fate fate, const Status& why) {
           if (fate == Fate::kDurable) {
             return reply(otlp::EncodeResponse(decoded, route->signal, Encoding::kProtobuf));
           }
           reply(Status::Unavailable(why.message()));  // either way, the sender may try again
         });
}

}  // namespace tomograph::ingest
