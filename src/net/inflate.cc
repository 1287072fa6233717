#include "net/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace tomograph::net {
namespace {

constexpr int kGzipOrZlib = MAX_WBITS + 32;  // zlib finds out which by the first bytes
constexpr int kGzip = MAX_WBITS + 16;

Bytef* AsInput(const char* bytes) {  // zlib's next_in is not const, but it is only read
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
}

struct Inflater {
  z_stream z{};
  bool ready = false;
  bool inside_member = false;  // between the first byte of a member and its checked end
  bool broken = false;
  std::array<char, 64 << 10> buffer;

  Inflater() { ready = inflateInit2(&z, kGzipOrZlib) == Z_OK; }
  Inflater(const Inflater&) = delete;
  ~Inflater() {
    if (ready) inflateEnd(&z);
  }

  /// `out` says whether to go on; false ends in kResourceExhausted.
  template <typename Out>
  Status Push(ByteView chunk, const Out& out) {
    if (!ready) return Status::ResourceExhausted("no memory to inflate");
    if (broken) return Status::Corrupt("the compressed stream was damaged before");
    while (!chunk.empty()) {
      const size_t step = std::min<size_t>(chunk.size(), std::numeric_limits<uInt>::max());
      z.next_in = AsInput(chunk.data());
      z.avail_in = static_cast<uInt>(step);
      TG_RETURN_IF_ERROR(Consume(out));
      chunk.remove_prefix(step);
    }
    return Status::Ok();
  }

 private:
  template <typename Out>
  Status Consume(const Out& out) {
    // A full buffer may hide more output although all input has been read.
    bool buffer_was_full = false;
    while (z.avail_in > 0 || buffer_was_full) {
      if (z.avail_in > 0) inside_member = true;
      z.next_out = reinterpret_cast<Bytef*>(buffer.data());
      z.avail_out = static_cast<uInt>(buffer.size());
      const int rc = inflate(&z, Z_NO_FLUSH);
      if (rc == Z_BUF_ERROR && z.avail_in == 0) return Status::Ok();  // nothing was hidden
      if (rc != Z_OK && rc != Z_STREAM_END) {
        broken = true;
        return Status::Corrupt(std::string("not gzip or zlib: ") + (z.msg ? z.msg : "bad data"));
      }
      const size_t produced = buffer.size() - z.avail_out;
      if (produced > 0 && !out(ByteView(buffer.data(), produced))) {
        broken = true;
        return Status::ResourceExhausted("inflates to more than the limit");
      }
      buffer_was_full = z.avail_out == 0 && rc == Z_OK;
      if (rc == Z_STREAM_END) {
        inside_member = false;
        inflateReset2(&z, kGzipOrZlib);
      }
    }
    return Status::Ok();
  }
};

}  // namespace

struct InflateStream::Impl : Inflater {};

InflateStream::InflateStream() : impl_(std::make_unique<Impl>()) {}
InflateStream::~InflateStream() = default;

Status InflateStream::Push(ByteView chunk, const std::function<void(ByteView)>& out) {
  return impl_->Push(chunk, [&](ByteView bytes) {
    out(bytes);
    return true;
  });
}

Status InflateStream::Finish() const {
  if (impl_->broken || impl_->inside_member) {
    return Status::Corrupt("the compressed stream broke off");
  }
  return Status::Ok();
}

Result<std::string> Inflate(ByteView compressed, size_t max_bytes,
                            const std::function<bool(size_t bytes)>& room) {
  if (compressed.empty()) return Status::Corrupt("no compressed bytes at all");
  const auto stream = std::make_unique<Inflater>();
  std::string plain;
  bool no_room = false;
  const Status pushed = stream->Push(compressed, [&](ByteView bytes) {
    if (bytes.size() > max_bytes - plain.size()) return false;
    const size_t size = plain.size() + bytes.size();
    if (size > plain.capacity()) {
      const size_t capacity = std::max(size, std::min(2 * plain.capacity(), max_bytes));
      no_room = room && !room(capacity);
      if (no_room) return false;
      plain.reserve(capacity);
    }
    plain.append(bytes);
    return true;
  });
  if (no_room) return Status::Unavailable("no room to inflate the body now");
  TG_RETURN_IF_ERROR(pushed);
  if (stream->inside_member) return Status::Corrupt("the compressed bytes broke off");
  return plain;
}

Result<std::string> Gzip(ByteView plain) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Status::ResourceExhausted("no memory to compress");
  }
  if (plain.size() > std::numeric_limits<uInt>::max()) {
    deflateEnd(&z);
    return Status::InvalidArgument("more than 4 GiB to compress at once");
  }
  std::string out(deflateBound(&z, static_cast<uLong>(plain.size())), '\0');
  z.next_in = AsInput(plain.data());
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int rc = deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  if (rc != Z_STREAM_END) return Status::Internal("zlib could not finish");
  return out;
}

}  // namespace tomograph::net
