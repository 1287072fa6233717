#include "ingest/csv/csv_rows.h"

#include <algorithm>

namespace tomograph::ingest::csv {

size_t CsvRows::TakeRun(ByteView chunk, size_t at) {
  const size_t end =
      std::min(state_ == State::kQuoted ? chunk.find('"', at) : chunk.find_first_of(",\n", at),
               chunk.size());
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
      state_ = State::kQuoteInQuoted;
      return false;  // the only end of a run
    case State::kQuoteInQuoted:
      if (c == '"') {
        Keep("\"");
        state_ = State::kQuoted;
        return false;
      }
      if (c == '\r') return false;
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

}  // namespace tomograph::ingest::csv
