// The JSON routes under /api/v1/ as a function of one Picture: no threads, no state. docs/api.md
// shows each with an example; a test holds the two together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"
#include "publish/json.h"
#include "store/store.h"
#include "telemetry/correlation.h"
#include "telemetry/identities.h"

namespace tomograph::publish {

struct ApiSource {
  std::shared_ptr<const telemetry::Picture> picture;  // never null
  store::Store* store = nullptr;                      // may be null, and so may the identities
  const telemetry::Identities* identities = nullptr;
  telemetry::AnswerCorrelation correlate = nullptr;  // nullptr: that question is not answered
};

/// Answers a GET below /api/v1/; an error is {"error": {"code", "message"}} with its HTTP status.
net::HttpResponse AnswerApi(const net::HttpRequest& request, const ApiSource& source);

/// True for what may scan the store or compute for long, and so must not run on an I/O thread.
bool MayTakeLong(std::string_view path);

/// Every route, as the documentation writes it: "/api/v1/incidents/<id>".
std::vector<std::string> ApiRoutes();

net::HttpResponse JsonResponse(int http_status, std::string body);
net::HttpResponse ErrorResponse(int http_status, std::string_view code, std::string_view message);

}  // namespace tomograph::publish
