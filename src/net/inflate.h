// gzip and zlib, whole and in chunks, with a limit on what comes out (a bomb is
// kResourceExhausted).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/byte_view.h"
#include "base/status.h"

namespace tomograph::net {

/// `room`, when given, is asked before the result takes that many bytes; false ends in
/// kUnavailable.
Result<std::string> Inflate(ByteView compressed, size_t max_bytes,
                            const std::function<bool(size_t bytes)>& room = nullptr);
Result<std::string> Gzip(ByteView plain);

/// Feed chunks in order; concatenated gzip members are read as one stream.
class InflateStream {
 public:
  InflateStream();
  ~InflateStream();
  Status Push(ByteView chunk, const std::function<void(ByteView)>& out);
  /// kCorrupt when the stream broke off.
  Status Finish() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tomograph::net
