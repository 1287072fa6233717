// CsvRows: a stream of chunks to rows of fields by RFC 4180, whatever the chunking: quotes may hold
// commas, doubled quotes and line breaks. A row beyond the limit is reported once and skipped.
//
// A stray quote must not swallow what follows it. A quoted field that goes over a line break and
// then does not end as one should (the file ends before it, something stands behind its closing
// quote), or a row that goes on for more than `max_continued_bytes` after its first line break, is
// taken for one: the row's first line is reported as malformed, and what was read behind it is read
// again, now with no field going over a line break.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_view.h"

namespace tomograph::ingest::csv {

class CsvRows {
 public:
  enum class Found { kRow, kMalformed, kTooLarge };

  CsvRows(size_t max_row_bytes, size_t max_continued_bytes)
      : max_row_bytes_(max_row_bytes), max_continued_bytes_(max_continued_bytes) {}

  /// `on_row(Found, const std::vector<std::string_view>& fields)`; fields are valid during the call
  /// and empty unless kRow. Empty lines are no rows.
  template <typename OnRow>
  void Push(ByteView chunk, OnRow&& on_row) {
    for (size_t at = 0; at < chunk.size();) {
      const size_t from = at;
      const bool continued = continued_;
      if (state_ == State::kPlain || state_ == State::kQuoted) at = TakeRun(chunk, at);
      const bool whole_run = at < chunk.size() && !TooLong(at - from);
      const bool row_ended = whole_run && Step(chunk[at++]);
      if (continued) behind_break_.append(chunk.substr(from, at - from));
      if (row_ended) {
        EndRow(on_row);
      } else if (stray_ || behind_break_.size() > max_continued_bytes_) {
        ReadAgain(on_row);
      }
    }
  }
  template <typename OnRow>
  void Finish(OnRow&& on_row) {
    if (state_ == State::kQuoted && continued_) ReadAgain(on_row);
    EndRow(on_row);
  }

 private:
  enum class State { kFieldStart, kPlain, kQuoted, kQuoteInQuoted };

  /// Appends the characters that mean nothing in this state; returns where the next one lies.
  size_t TakeRun(ByteView chunk, size_t at);
  bool TooLong(size_t more) const {
    return continued_ && behind_break_.size() + more > max_continued_bytes_;
  }
  /// True when the character ends the row.
  bool Step(char c);
  void Keep(std::string_view text);
  void EndField() {
    Keep({});
    if (!too_large_) field_end_.push_back(text_.size());
    state_ = State::kFieldStart;
  }

  template <typename OnRow>
  void EndRow(OnRow&& on_row) {
    const bool open = state_ == State::kQuoted;
    const bool quoted = open || state_ == State::kQuoteInQuoted;
    const bool last_is_empty = text_.size() == (field_end_.empty() ? 0 : field_end_.back());
    if (!quoted && !last_is_empty && text_.back() == '\r') text_.pop_back();  // of \r\n
    const bool blank = text_.empty() && field_end_.empty() && !quoted && !too_large_;
    EndField();
    fields_.clear();
    if (open || too_large_) {
      on_row(too_large_ ? Found::kTooLarge : Found::kMalformed, fields_);
    } else if (!blank) {
      size_t from = 0;
      for (const size_t end : field_end_) {
        fields_.push_back(std::string_view(text_).substr(from, end - from));
        from = end;
      }
      on_row(Found::kRow, fields_);
    }
    StartRow();
  }

  template <typename OnRow>
  void ReadAgain(OnRow&& on_row) {
    const std::string again = std::exchange(behind_break_, {});
    reading_again_ = true;
    StartRow();
    fields_.clear();
    on_row(Found::kMalformed, fields_);
    Push(again, on_row);
    reading_again_ = false;
    const bool row_begun = state_ != State::kFieldStart || !field_end_.empty() || too_large_;
    if (!row_begun) StartRow();
  }
  void StartRow();

  const size_t max_row_bytes_;
  const size_t max_continued_bytes_;
  State state_ = State::kFieldStart;
  std::string text_;  // of the row's fields, one after another
  std::vector<size_t> field_end_;
  std::vector<std::string_view> fields_;
  bool too_large_ = false;
  bool continued_ = false;    // a quoted field of this row went over a line break
  std::string behind_break_;  // what came behind that, as it came
  bool stray_ = false;        // it was no closing quote
  bool reading_again_ = false;
  bool may_continue_ = true;  // false in the lines that are read again, the last one to its end
};

}  // namespace tomograph::ingest::csv
