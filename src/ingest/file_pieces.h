// How a recorded file comes in from the disk: in pieces or by lines, inflated when it is gzip.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/byte_view.h"
#include "base/status.h"

namespace tomograph::ingest {

/// Reads the file until `on_piece` says false. `disk_bytes`: how many were read since the last
/// call. What comes before a broken .gz's damage is handed out before that is told.
Status ReadPieces(const std::string& path,
                  const std::function<bool(ByteView piece, size_t disk_bytes)>& on_piece);

/// The same by lines, without their ends and without a byte order mark. What of a line lies beyond
/// `most` bytes is cut. A line is valid during the call.
Status ReadLines(const std::string& path, size_t most,
                 const std::function<bool(ByteView line, size_t disk_bytes)>& on_line);

/// The piece without a byte order mark that it starts with.
ByteView WithoutByteOrderMark(ByteView start);

}  // namespace tomograph::ingest
