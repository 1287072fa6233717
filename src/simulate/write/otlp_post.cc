#include "simulate/write/otlp_post.h"

#include <algorithm>
#include <utility>

#include "net/http_client.h"

namespace tomograph::simulate {
namespace {

constexpr Nanos kFirstWait = 100 * kMillisecond;
constexpr size_t kQuotedBytes = 200;  // of an answer, in a message

bool AsksToTryAgain(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Result<std::string> OtlpPost::BaseUrlOf(std::string_view address) {
  std::string_view rest = address;
  for (const std::string_view scheme : {"otlp://", "http://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t colon = rest.rfind(':');
  const bool port = colon != std::string_view::npos && colon > 0 && colon + 1 < rest.size() &&
                    rest.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  if (rest.size() == address.size() || !port || rest.find('/') != std::string_view::npos) {
    return Status::InvalidArgument("'" + std::string(address) +
                                   "' is not an address: otlp://HOST:PORT is");
  }
  return "http://" + std::string(rest);
}

OtlpPost::OtlpPost(std::string base_url, std::function<void(Nanos)> wait)
    : base_url_(std::move(base_url)), wait_(std::move(wait)) {}

void OtlpPost::Send(const OtlpJson::Lines& lines) {
  SendLines("/v1/traces", "application/json", lines.traces);
  SendLines("/v1/metrics", "application/json", lines.metrics);
  SendLines("/v1/logs", "application/json", lines.logs);
  SendLines("/v1/events", "application/cloudevents+json", lines.changes);
}

void OtlpPost::SendLines(std::string_view path, std::string_view content_type,
                         std::string_view lines) {
  const std::string url = base_url_ + std::string(path);
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    SendOne(url, content_type, lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void OtlpPost::SendOne(const std::string& url, std::string_view content_type,
                       std::string_view body) {
  net::HttpCall call;
  call.method = "POST";
  call.url = url;
  call.headers = {{"Content-Type", std::string(content_type)}};
  call.body = body;
  ++count_.requests;
  std::string why;
  Nanos pause = kFirstWait;
  for (int tries = 1;; ++tries, pause *= 2) {
    const Result<net::HttpResponse> answer = net::Fetch(call);
    if (answer.ok() && answer->status >= 200 && answer->status < 300) return;
    why = answer.ok() ? url + ": answered " + std::to_string(answer->status) + ": " +
                            answer->body.substr(0, kQuotedBytes)
                      : answer.status().message();
    const bool again = answer.ok() ? AsksToTryAgain(answer->status) : answer.status().retryable();
    if (!again || tries == kTries) break;
    ++count_.retries;
    wait_(pause);
  }
  ++count_.failed;
  if (count_.first_failure.empty()) count_.first_failure = why;
}

}  // namespace tomograph::simulate
