// Status and Result<T>: how everything in src/ says that it failed. Nothing throws; an exception of
// a library ends in the adapter file that calls it. `base` lives in namespace tomograph itself, so
// that every folder's namespace sees it without a prefix.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tomograph {

enum class StatusCode {
  kOk,
  kInvalidArgument,  // the caller's input is wrong; trying again won't help
  kNotFound,
  kAlreadyExists,
  kFailedPrecondition,  // right call, wrong time (not started, owned by another process)
  kResourceExhausted,   // a stated limit was reached (size, depth, count)
  kUnavailable,         // back-pressure or a full disk: the same call may succeed later
  kCorrupt,             // stored data or wire bytes are not what they claim to be
  kIo,
  kInternal,
};

std::string_view StatusCodeName(StatusCode code);

/// Success, or a code with a sentence for a person. Copyable, cheap when ok.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status FailedPrecondition(std::string m) {
    return {StatusCode::kFailedPrecondition, std::move(m)};
  }
  static Status ResourceExhausted(std::string m) {
    return {StatusCode::kResourceExhausted, std::move(m)};
  }
  static Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
  static Status Corrupt(std::string m) { return {StatusCode::kCorrupt, std::move(m)}; }
  static Status Io(std::string m) { return {StatusCode::kIo, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  /// May the same call succeed later without a change of the input?
  bool retryable() const { return code_ == StatusCode::kUnavailable; }
  std::string ToString() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

/// A value, or the Status that says why there is none. Reading the wrong one is a TG_CHECK failure.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                    // NOLINT
  Result(Status status) : status_(std::move(status)) { TG_CHECK(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & {
    TG_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    TG_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    TG_CHECK(ok());
    return std::move(*value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

/// Returns from the calling function when `expr` is not ok.
#define TG_RETURN_IF_ERROR(expr)                                                      \
  do {                                                                                \
    if (::tomograph::Status tg_status_ = (expr); !tg_status_.ok()) return tg_status_; \
  } while (false)

}  // namespace tomograph
