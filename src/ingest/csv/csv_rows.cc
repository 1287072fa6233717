#include "ingest/csv/csv_rows.h"

#include <algorithm>

namespace tomograph::ingest::csv {

size_t CsvRows::TakeRun(ByteView chunk, size_t at) {
  const char* const ends = state_ == State::kPlain ? ",\n" : continued_ ? "\"" : "\"\n";
  size_t end = std::min(chunk.find_first_of(ends, at), chunk.size());
  // Not further than one byte too far, so that the end lies where it would in other chunks.
  if (continued_) end = std::min(end, at + max_continued_bytes_ + 1 - behind_break_.size());
  Keep(chunk.substr(at, end - at));
  return end;
}

bool CsvRows::Step(char c) {
  switch (state_) {
    case State::kFieldStart:
      if (c == '"') {
        state_ = State::kQuoted;
        return false;
      }
      break;
    case State::kQuoted:
      if (c == '"') {
        state_ = State::kQuoteInQuoted;
        return false;
      }
      if (!may_continue_) return true;
      continued_ = true;
      Keep("\n");
      return false;
    case State::kQuoteInQuoted:
      if (c == '"') {
        Keep("\"");
        state_ = State::kQuoted;
        return false;
      }
      if (c == '\r') return false;
      stray_ = continued_ && c != ',' && c != '\n';
      break;
    case State::kPlain:
      break;
  }
  if (c == '\n') {
    if (state_ == State::kQuoteInQuoted) state_ = State::kPlain;
    return true;
  }
  if (c == ',') {
    EndField();
  } else {
    state_ = State::kPlain;  // also what stands behind a closing quote: kept, as most readers do
    Keep(std::string_view(&c, 1));
  }
  return false;
}

void CsvRows::Keep(std::string_view text) {
  // An endless row of empty fields costs memory too.
  if (text_.size() + text.size() + field_end_.size() > max_row_bytes_) {
    too_large_ = true;
    text_.clear();
    field_end_.clear();
  }
  if (!too_large_) text_.append(text);
}

void CsvRows::StartRow() {
  state_ = State::kFieldStart;
  text_.clear();
  field_end_.clear();
  behind_break_.clear();
  too_large_ = continued_ = stray_ = false;
  may_continue_ = !reading_again_;
}

}  // namespace tomograph::ingest::csv
