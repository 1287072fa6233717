#include "ingest/file_pieces.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <utility>

#include "net/inflate.h"

namespace tomograph::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kReadBytes = 256u << 10;

bool IsGzip(ByteView start) { return start.starts_with("\x1f\x8b"); }

}  // namespace

ByteView WithoutByteOrderMark(ByteView start) {
  if (start.starts_with(kByteOrderMark)) start.remove_prefix(kByteOrderMark.size());
  return start;
}

Status ReadPieces(const std::string& path,
                  const std::function<bool(ByteView piece, size_t disk_bytes)>& on_piece) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::Io("cannot open " + path);
  std::string buffer(kReadBytes, '\0');
  std::unique_ptr<net::InflateStream> inflate;
  bool wanted = true;
  for (bool first = true; wanted; first = false) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const ByteView read = ByteView(buffer).substr(0, static_cast<size_t>(in.gcount()));
    if (read.empty()) break;
    if (first && IsGzip(read)) inflate = std::make_unique<net::InflateStream>();
    if (inflate == nullptr) {
      wanted = on_piece(read, read.size());
    } else {
      TG_RETURN_IF_ERROR(
          inflate->Push(read, [&](ByteView plain) { wanted = wanted && on_piece(plain, 0); }));
      wanted = wanted && on_piece({}, read.size());
    }
  }
  if (in.bad()) return Status::Io("cannot read " + path);
  return inflate != nullptr && wanted ? inflate->Finish() : Status::Ok();
}

Status ReadLines(const std::string& path, size_t most,
                 const std::function<bool(ByteView line, size_t disk_bytes)>& on_line) {
  std::string begun;  // by earlier pieces
  size_t disk_bytes = 0;
  bool first = true, wanted = true;
  const auto hand_out = [&](ByteView line) {
    if (std::exchange(first, false)) line = WithoutByteOrderMark(line);
    wanted = on_line(line.substr(0, most), std::exchange(disk_bytes, 0));
  };
  const auto keep = [&](ByteView part) { begun.append(part.substr(0, most - begun.size())); };
  const Status read = ReadPieces(path, [&](ByteView piece, size_t of_it) {
    disk_bytes += of_it;
    for (size_t end; wanted && (end = piece.find('\n')) != ByteView::npos;
         piece.remove_prefix(end + 1)) {
      if (begun.empty()) {
        hand_out(piece.substr(0, end));
        continue;
      }
      keep(piece.substr(0, end));
      hand_out(begun);
      begun.clear();
    }
    if (wanted) keep(piece);
    return wanted;
  });
  if (wanted && (!begun.empty() || disk_bytes > 0)) hand_out(begun);
  return read;
}

}  // namespace tomograph::ingest
