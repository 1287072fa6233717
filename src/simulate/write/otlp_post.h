// OtlpPost: lines to a live receiver, OTLP/HTTP with JSON: each line one request to /v1/traces,
// /v1/metrics or /v1/logs; CDEvents to /v1/events, where src/ingest takes them.
//
// An answer that asks to try again (429, 502, 503, 504), and no answer at all, is tried again after
// 100 ms, then twice as long each time, kTries times in all; then the line is given up and counted.
// Any other answer outside 200..299 is counted at once. Blocks the caller; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/nanotime.h"
#include "base/status.h"
#include "simulate/write/otlp_json.h"

namespace tomograph::simulate {

class OtlpPost {
 public:
  static constexpr int kTries = 6;  // 3.1 s of waiting

  /// `wait` sleeps for so long; tests need not.
  OtlpPost(std::string base_url, std::function<void(Nanos)> wait);
  void Send(const OtlpJson::Lines& lines);

  struct Count {
    uint64_t requests = 0, retries = 0, failed = 0;
    std::string first_failure;  // "http://…/v1/traces: answered 400: …"
  };
  const Count& count() const { return count_; }

  /// "http://HOST:PORT" of "otlp://HOST:PORT" and of "http://HOST:PORT"; kInvalidArgument.
  static Result<std::string> BaseUrlOf(std::string_view address);

 private:
  void SendLines(std::string_view path, std::string_view content_type, std::string_view lines);
  void SendOne(const std::string& url, std::string_view content_type, std::string_view body);

  const std::string base_url_;
  const std::function<void(Nanos)> wait_;
  Count count_;
};

}  // namespace tomograph::simulate
