#include "ingest/receiver.h"

#include <nlohmann/json.hpp>
#include <protozero/pbf_writer.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ingest/changes/answer.h"
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

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Without parameters and in lower case: "application/json; charset=utf-8" -> "application/json".
std::string MediaType(std::string_view header) {
  return net::LowerCase(Trimmed(header.substr(0, header.find(';'))));
}

/// A parameter of a content type, unquoted; empty when it is not there.
std::string_view ParameterOf(std::string_view header, std::string_view lower_case_name) {
  for (size_t at = header.find(';'); at != std::string_view::npos;) {
    const size_t next = header.find(';', at + 1);
    const std::string_view part = header.substr(at + 1, next - at - 1);
    at = next;
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    if (net::LowerCase(Trimmed(part.substr(0, equals))) != lower_case_name) continue;
    const std::string_view value = Trimmed(part.substr(equals + 1));
    return value.starts_with('"') ? value.substr(1, value.find('"', 1) - 1) : value;
  }
  return {};
}

struct ContentType {
  std::string_view name;
  Encoding encoding;
};
constexpr ContentType kOtlpTypes[] = {{kProtobufType, Encoding::kProtobuf},
                                      {kJsonType, Encoding::kJson},
                                      {"application/protobuf", Encoding::kProtobuf}};
constexpr ContentType kRemoteWriteTypes[] = {{kProtobufType, Encoding::kProtobuf},
                                             {"application/protobuf", Encoding::kProtobuf}};
constexpr ContentType kEventTypes[] = {{"application/cloudevents+json", Encoding::kJson},
                                       {"application/cloudevents-batch+json", Encoding::kJson},
                                       {kJsonType, Encoding::kJson}};

std::span<const ContentType> TypesOf(Kind kind) {
  switch (kind) {
    case Kind::kRemoteWrite:
      return kRemoteWriteTypes;
    case Kind::kEvents:
      return kEventTypes;
    default:
      return kOtlpTypes;
  }
}

/// The message of remote write that is read, by its name in the Content-Type; older senders name
/// none, and mean this one.
constexpr std::string_view kWriteRequest = "prometheus.WriteRequest";

/// The answer's encoding is the request's.
std::optional<Encoding> EncodingOf(const Route& route, std::string_view content_type) {
  if (route.kind == Kind::kRemoteWrite) {
    const std::string_view message = ParameterOf(content_type, "proto");
    if (!message.empty() && message != kWriteRequest) return std::nullopt;
  }
  const std::string media_type = MediaType(content_type);
  for (const ContentType& type : TypesOf(route.kind)) {
    if (type.name == media_type) return type.encoding;
  }
  return std::nullopt;
}

std::string WrongType(const Route& route, std::string_view content_type) {
  std::string text = content_type.empty() ? "a request without a Content-Type"
                                          : "Content-Type " + std::string(content_type);
  text += " is not read here: send ";
  // Each encoding by the first of its names.
  const auto types = TypesOf(route.kind);
  text += types[0].name;
  if (route.kind == Kind::kRemoteWrite) text += ";proto=" + std::string(kWriteRequest);
  if (types[1].encoding != types[0].encoding) text += " or " + std::string(types[1].name);
  return text;
}

std::string WrongCompression(const Route& route, std::string_view compression) {
  return "Content-Encoding " + std::string(compression) + " is not read here: send " +
         (route.kind == Kind::kRemoteWrite ? "snappy" : "gzip, deflate or none");
}

/// What a wrong Content-Type looks like from inside: a request of the other encoding, which is
/// worth saying. OTLP's messages in protobuf begin with their field 1, a message.
std::string_view HintAt(const Route& route, Encoding taken_for, std::string_view body) {
  if (route.kind != Kind::kOtlp) return "";
  const size_t first = body.find_first_not_of(" \t\r\n");
  if (taken_for == Encoding::kProtobuf && first != std::string_view::npos && body[first] == '{') {
    return "; if it is JSON, send it with Content-Type: application/json";
  }
  if (taken_for == Encoding::kJson && !body.empty() && body[0] == '\x0a' &&
      first != std::string_view::npos && body[first] != '{' && body[first] != '[') {
    return "; if it is protobuf, send it with Content-Type: application/x-protobuf";
  }
  return "";
}

// The numbers of google.rpc.Code.
constexpr int kRpcInvalidArgument = 3;
constexpr int kRpcInternal = 13;
constexpr int kRpcUnavailable = 14;
constexpr int kRpcUnimplemented = 12;

int RpcCode(int http_status) {
  switch (http_status) {
    case 404:
    case 501:
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

/// google.rpc.Status, as OTLP asks for; plain text for who speaks neither of its encodings.
HttpResponse ErrorAnswer(int status, const std::string& message, std::optional<Encoding> encoding) {
  HttpResponse response;
  response.status = status;
  if (!encoding) {
    response.body = message + "\n";
  } else if (*encoding == Encoding::kJson) {
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

/// kTryLater: the same request may be stored later, by this process or the next. kNever: it will
/// not.
enum class Fate { kDurable, kQueueFull, kTryLater, kNever };

Fate FateOf(const Status& stored) {
  switch (stored.code()) {
    case StatusCode::kOk:
      return Fate::kDurable;
    case StatusCode::kUnavailable:         // a full disk
    case StatusCode::kResourceExhausted:   // the store's memory
    case StatusCode::kFailedPrecondition:  // closed: we are stopping
    case StatusCode::kIo:                  // a disk that somebody will look after
      return Fate::kTryLater;
    default:
      return Fate::kNever;
  }
}

std::optional<Reason> LossOf(Fate fate) {
  switch (fate) {
    case Fate::kDurable:
      return std::nullopt;
    case Fate::kQueueFull:
      return Reason::kBackPressure;
    case Fate::kTryLater:
      return Reason::kStoreFailed;
    case Fate::kNever:
      return Reason::kStoreRefused;
  }
  return std::nullopt;
}

int HttpStatusOf(Fate fate, Kind kind) {
  switch (fate) {
    case Fate::kDurable:
      return 200;
    case Fate::kQueueFull:
      return 429;
    case Fate::kTryLater:
      return 503;
    case Fate::kNever:
      return kind == Kind::kRemoteWrite ? 400 : 500;  // its senders try again after any 5xx
  }
  return 500;
}

/// Hands the batch on; `done(fate, why)` is called once, from any thread. The request was counted
/// on the side and reaches the ledger when its fate is known, so the sums balance whenever somebody
/// looks, and a sender's retry is not counted as accepted twice.
template <typename DoneWithFate>
void HandOn(Batch&& batch, std::shared_ptr<LossLedger> counted, LossLedger* ledger,
            const Receiver::Accept& accept, DoneWithFate done) {
  const auto settle = [counted, ledger, done](Fate fate, const Status& why) {
    ledger->Add(*counted, LossOf(fate));
    done(fate, why);
  };
  if (batch.rows() == 0) return settle(Fate::kDurable, Status::Ok());
  const Status taken =
      accept(std::move(batch), [settle](const Status& stored) { settle(FateOf(stored), stored); });
  if (taken.ok()) return;
  settle(taken.retryable() ? Fate::kQueueFull : FateOf(taken), taken);
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

/// What the sender is told when all went well.
struct Decoded {
  otlp::Decoded otlp;
  changes::Answer changes;
};

Result<Decoded> DecodeBody(const Route& route, net::HttpRequest* request, Encoding encoding,
                           const DecodeContext& context, Batch* batch) {
  const ByteView body = request->body;
  const Format format = FormatOf(route.kind);
  Decoded decoded;
  Status status;
  switch (route.kind) {
    case Kind::kOtlp: {
      const Result<otlp::Decoded> otlp =
          otlp::Decode(body, route.signal, encoding, format, context, batch);
      if (!otlp.ok()) return otlp.status();
      decoded.otlp = *otlp;
      break;
    }
    case Kind::kRemoteWrite:
      status = prometheus::DecodeRemoteWrite(body, context, &request->share, batch);
      break;
    case Kind::kEvents: {
      std::vector<changes::Understood> events;
      status = changes::DecodeCdEvents(body, format, context, batch, &events);
      changes::CountUnmatched(events, context.identities->entities, context.ledger);
      decoded.changes = changes::AnswerTo(events, context.identities->entities);
      break;
    }
  }
  if (!status.ok()) return status;
  return decoded;
}

/// Of what could not be decoded.
int HttpStatusOf(const Status& undecoded) {
  switch (undecoded.code()) {
    case StatusCode::kResourceExhausted:
      return 413;
    case StatusCode::kUnavailable:
      return 503;
    default:
      return 400;
  }
}

/// Refused before it was looked at; counted as one message that nobody could read.
void CountUnread(Format format, Reason reason, LossLedger* ledger) {
  ledger->Received(format, Signal::kMessage);
  ledger->Lost(format, Signal::kMessage, reason);
}

HttpResponse SuccessAnswer(const Route& route, const Decoded& decoded, Encoding encoding) {
  HttpResponse response;
  switch (route.kind) {
    case Kind::kOtlp:
      response.content_type = encoding == Encoding::kJson ? kJsonType : kProtobufType;
      response.body = otlp::EncodeResponse(decoded.otlp, route.signal, encoding);
      break;
    case Kind::kRemoteWrite:
      response.status = 204;
      break;
    case Kind::kEvents:
      response.status = decoded.changes.status;
      response.content_type = kJsonType;
      response.body = decoded.changes.json;
  }
  return response;
}

}  // namespace

Receiver::Receiver(DecodeContext context, Accept accept)
    : context_(std::move(context)), accept_(std::move(accept)) {}

bool Receiver::Owns(std::string_view path) { return FindRoute(kRoutes, path) != nullptr; }

void Receiver::HandleHttp(net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
  const Route* route = FindRoute(kRoutes, request.path);
  const std::string_view content_type = request.Header("content-type");
  // Of a path that is nobody's, as OTLP would.
  const std::optional<Encoding> encoding =
      EncodingOf(route == nullptr ? kRoutes[0] : *route, content_type);
  if (route == nullptr) return responder->Respond(ErrorAnswer(404, "no such path", encoding));
  if (request.method != "POST") return responder->Respond(ErrorAnswer(405, "POST only", encoding));

  const std::string_view compression = request.Header("content-encoding");
  const bool snappy = route->kind == Kind::kRemoteWrite && compression == "snappy";
  if (!encoding || !(compression.empty() || snappy)) {
    CountUnread(FormatOf(route->kind), Reason::kUnsupported, context_.ledger);
    return responder->Respond(ErrorAnswer(
        415, encoding ? WrongCompression(*route, compression) : WrongType(*route, content_type),
        encoding));
  }

  const auto counted = std::make_shared<LossLedger>();
  DecodeContext context = context_;
  context.ledger = counted.get();
  Batch batch = NewBatch(FormatOf(route->kind), request.peer, context_);
  const Result<Decoded> decoded = DecodeBody(*route, &request, *encoding, context, &batch);
  if (!decoded.ok()) {
    context_.ledger->Add(*counted, std::nullopt);
    const std::string why =
        decoded.status().message() + std::string(HintAt(*route, *encoding, request.body));
    return responder->Respond(ErrorAnswer(HttpStatusOf(decoded.status()), why, encoding));
  }
  HandOn(
      std::move(batch), counted, context_.ledger, accept_,
      [route, responder, encoding = *encoding, decoded = *decoded](Fate fate, const Status& why) {
        if (fate == Fate::kDurable) {
          return responder->Respond(SuccessAnswer(*route, decoded, encoding));
        }
        responder->Respond(ErrorAnswer(HttpStatusOf(fate, route->kind), why.message(), encoding));
      });
}

net::HttpResponse Receiver::Refuse(const net::HttpRequest& request, int status,
                                   const std::string& why) {
  const Route* route = FindRoute(kRoutes, request.path);
  if (route != nullptr) {
    const Reason reason = status == 503   ? Reason::kBackPressure
                          : status == 413 ? Reason::kTooLarge
                                          : Reason::kMalformed;
    CountUnread(FormatOf(route->kind), reason, context_.ledger);
  }
  return ErrorAnswer(
      status, why,
      EncodingOf(route == nullptr ? kRoutes[0] : *route, request.Header("content-type")));
}

void Receiver::CountRefused(std::string_view method, const Status& why) {
  if (FindRoute(kMethods, method) == nullptr) return;
  const Reason reason = why.retryable()                                ? Reason::kBackPressure
                        : why.code() == StatusCode::kResourceExhausted ? Reason::kTooLarge
                                                                       : Reason::kMalformed;
  CountUnread(Format::kOtlpGrpc, reason, context_.ledger);
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
           reply(fate == Fate::kNever ? Status::Internal(why.message())
                                      : Status::Unavailable(why.message()));
         });
}

}  // namespace tomograph::ingest
