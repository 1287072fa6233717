// Blocking HTTP/1.1 GET and POST for scrapes and hooks: plain http to a named host, with a deadline
// that covers connect, write and read, and a limit on the answer. gzip answers are inflated.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "net/http_server.h"

namespace tomograph::net {

struct HttpCall {
  std::string method = "GET";
  std::string url;  // http://host[:port]/path?query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Nanos timeout = 10 * kSecond;
  size_t max_body_bytes = 64u << 20;
  std::stop_token stop;  // ends the call at once, wherever it is
};

/// Any HTTP status is a result; kUnavailable: no answer in time, or stopped; kInvalidArgument: not
/// such a URL.
Result<HttpResponse> Fetch(const HttpCall& call);

}  // namespace tomograph::net
