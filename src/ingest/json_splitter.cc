#include "ingest/json_splitter.h"

namespace tomograph::ingest {
namespace {

constexpr size_t kMaxDepth = 1024;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

void JsonSplitter::Push(ByteView chunk, const OnFound& found) {
  capture_from_ = 0;
  for (size_t at = 0; at < chunk.size(); ++at) {
    const char c = chunk[at];
    if (in_string_) {
      if (InString(c, found)) continue;
    } else if (c == '{' || c == '[') {
      Open(c, at, found);
    } else if (c == '}' || c == ']') {
      Close(c, chunk, at, found);
    } else if (c == '"') {
      in_string_ = true;
      last_string_.clear();
      if (!capturing_ && depth() == element_depth_) NoteJunk();
    } else if (!capturing_ && depth() == element_depth_) {
      if (c == '\n' || c == ',') {
        ReportJunk(found);
      } else if (!IsSpace(c) &&
                 static_cast<unsigned char>(c) < 0x80) {  // a byte-order mark is no junk
        NoteJunk();
      }
    }
    line_start_ = c == '\n';
    line_ += c == '\n' ? 1 : 0;
    if (!IsSpace(c)) last_ = c;
  }
  KeepTo(chunk, chunk.size());
}

void JsonSplitter::Finish(const OnFound& found) {
  if (!open_.empty() || in_string_) Damage(found);
  ReportJunk(found);
}

/// True when the character was the string's; false when it is to be seen as a line break outside.
bool JsonSplitter::InString(char c, const OnFound& found) {
  if (c == '\n') {
    Damage(found);
    return false;
  }
  line_start_ = false;
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_string_ = false;
    last_ = c;
    return true;
  }
  if (depth() == 1 && last_string_.size() <= unwrap_key_.size()) last_string_ += c;
  return true;
}

bool JsonSplitter::ObjectMayStandHere() const {
  if (open_.empty()) return true;
  return open_.back() == '{' ? last_ == ':' : last_ == '[' || last_ == ',';
}

void JsonSplitter::Open(char c, size_t at, const OnFound& found) {
  if (c == '{' && line_start_ && !ObjectMayStandHere()) Damage(found);
  if (open_.size() >= kMaxDepth) Damage(found);
  if (c == '[' && depth() == 0) {
    element_depth_ = 1;
  } else if (c == '[' && depth() == 1 && open_ == "{" && last_ == ':' && !unwrap_key_.empty() &&
             last_string_ == unwrap_key_ && element_depth_ == 0) {
    element_depth_ = 2;
    capturing_ = too_large_ = false;
    pending_.clear();
  } else if (c == '{' && depth() == element_depth_ && !capturing_) {
    ReportJunk(found);
    capturing_ = true;
    capture_from_ = at;
    found_line_ = line_;
  }
  open_ += c;
}

void JsonSplitter::Close(char c, ByteView chunk, size_t at, const OnFound& found) {
  if (open_.empty()) {
    if (c == '}') NoteJunk();  // a lone ']' may be the end of an array whose start was damaged
    return;
  }
  if (open_.back() != (c == '}' ? '{' : '[')) return Damage(found);
  open_.pop_back();
  if (capturing_ && depth() == element_depth_) {
    KeepTo(chunk, at + 1);
    capturing_ = false;
    found(too_large_ ? Found::kTooLarge : Found::kObject,
          too_large_ ? ByteView() : ByteView(pending_));
    too_large_ = false;
    pending_.clear();
  } else if (depth() < element_depth_) {
    ReportJunk(found);
    element_depth_ = kNowhere;
  }
  if (depth() == 0) element_depth_ = 0;
}

void JsonSplitter::KeepTo(ByteView chunk, size_t end) {
  if (!capturing_) return;
  const ByteView part = chunk.substr(capture_from_, end - capture_from_);
  if (pending_.size() + part.size() > max_object_bytes_) too_large_ = true;
  if (too_large_) {
    pending_.clear();
  } else {
    pending_.append(part);
  }
}

void JsonSplitter::NoteJunk() {
  if (!junk_) found_line_ = line_;
  junk_ = true;
}

void JsonSplitter::Damage(const OnFound& found) {
  if (!capturing_ && !junk_) found_line_ = line_;
  open_.clear();
  pending_.clear();
  element_depth_ = 0;
  capturing_ = too_large_ = in_string_ = escaped_ = junk_ = false;
  found(Found::kDamaged, {});
}

void JsonSplitter::ReportJunk(const OnFound& found) {
  if (junk_) found(Found::kDamaged, {});
  junk_ = false;
}

}  // namespace tomograph::ingest
