// LineSplitter: a stream of chunks to whole lines, whatever the chunking. Lines end in \n or \r\n;
// the last one may lack it. A line beyond the limit is reported once, without its text, and
// skipped. A line that lies within one chunk is not copied.
#pragma once

#include <cstddef>
#include <string>

#include "base/byte_view.h"

namespace tomograph::ingest {

class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  /// `on_line(ByteView line, bool too_long)`; the line is valid during the call.
  template <typename OnLine>
  void Push(ByteView chunk, OnLine&& on_line) {
    while (!chunk.empty()) {
      const size_t end = chunk.find('\n');
      if (end == ByteView::npos) {
        Keep(chunk);
        return;
      }
      if (pending_.empty() && !too_long_) {
        Emit(chunk.substr(0, end), on_line);
      } else {
        Keep(chunk.substr(0, end));
        EmitPending(on_line);
      }
      chunk.remove_prefix(end + 1);
    }
  }

  template <typename OnLine>
  void Finish(OnLine&& on_line) {
    if (!pending_.empty() || too_long_) EmitPending(on_line);
  }

 private:
  void Keep(ByteView part) {
    if (pending_.size() + part.size() > max_line_bytes_ + 1) too_long_ = true;  // + 1: a '\r'
    if (too_long_) {
      pending_.clear();
    } else {
      pending_.append(part);
    }
  }
  template <typename OnLine>
  void EmitPending(OnLine&& on_line) {
    if (too_long_) {
      on_line(ByteView(), true);
    } else {
      Emit(pending_, on_line);
    }
    pending_.clear();
    too_long_ = false;
  }
  template <typename OnLine>
  void Emit(ByteView line, OnLine&& on_line) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const bool too_long = line.size() > max_line_bytes_;
    on_line(too_long ? ByteView() : line, too_long);
  }

  const size_t max_line_bytes_;
  std::string pending_;
  bool too_long_ = false;
};

}  // namespace tomograph::ingest
