// JsonSplitter: finds the JSON objects in a stream of chunks: one after another (one a line, or
// pretty- printed), as elements of an array, or as elements of the array under one named key of an
// outer object
// ({"data":[...]}), whatever the chunking. It looks at brackets and strings only; parsing is the
// caller's.
//
// Damage does not swallow what follows: a raw line break inside a string, or a line that starts
// with '{' where no value may stand, ends the damaged object, which is reported, and starts anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/byte_view.h"

namespace tomograph::ingest {

class JsonSplitter {
 public:
  enum class Found { kObject, kDamaged, kTooLarge };
  /// `text` is empty unless kObject, and valid during the call.
  using OnFound = std::function<void(Found, ByteView text)>;

  /// `unwrap_key` may be empty.
  JsonSplitter(size_t max_object_bytes, std::string unwrap_key)
      : max_object_bytes_(max_object_bytes), unwrap_key_(std::move(unwrap_key)) {}

  void Push(ByteView chunk, const OnFound& found);
  void Finish(const OnFound& found);
  /// During `found`: the line, from 1, in which what was found begins.
  uint64_t line() const { return found_line_; }

 private:
  static constexpr int kNowhere = -1;  // behind the unwrapped array: nothing there is looked for

  void Open(char c, size_t at, const OnFound& found);
  void Close(char c, ByteView chunk, size_t at, const OnFound& found);
  bool InString(char c, const OnFound& found);
  bool ObjectMayStandHere() const;
  int depth() const { return static_cast<int>(open_.size()); }
  void KeepTo(ByteView chunk, size_t end);
  void Damage(const OnFound& found);
  void ReportJunk(const OnFound& found);
  void NoteJunk();

  const size_t max_object_bytes_;
  const std::string unwrap_key_;

  std::string open_;       // the brackets that are open
  int element_depth_ = 0;  // how many of them are around the objects we look for
  bool capturing_ = false;
  size_t capture_from_ = 0;  // in the chunk at hand
  std::string pending_;      // of the object, from earlier chunks
  bool too_large_ = false;
  bool junk_ = false;  // something that is no object stood between objects
  bool in_string_ = false;
  bool escaped_ = false;
  std::string last_string_;  // at depth 1: the key, once a ':' follows
  char last_ = 0;            // significant character
  bool line_start_ = true;
  uint64_t line_ = 1;        // of the character at hand
  uint64_t found_line_ = 1;  // where the object or the junk at hand begins
};

}  // namespace tomograph::ingest
