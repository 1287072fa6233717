// CsvRows: a stream of chunks to rows of fields by RFC 4180, whatever the chunking: quotes may hold
// commas, doubled quotes and line breaks. A row beyond the limit is reported once and skipped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_view.h"

namespace tomograph::ingest::csv {

class CsvRows {
 public:
  explicit CsvRows(size_t max_row_bytes) : max_row_bytes_(max_row_bytes) {}

  /// `on_row(const std::vector<std::string_view>& fields, bool too_large)`; fields are valid during
  /// the call. Empty lines are no rows.
  template <typename OnRow>
  void Push(ByteView chunk, OnRow&& on_row) {
    for (size_t at = 0; at < chunk.size();) {
      if (state_ == State::kPlain || state_ == State::kQuoted) at = TakeRun(chunk, at);
      if (at < chunk.size() && Step(chunk[at++])) EndRow(on_row);
    }
  }
  template <typename OnRow>
  void Finish(OnRow&& on_row) {
    EndRow(on_row);
  }

 private:
  enum class State { kFieldStart, kPlain, kQuoted, kQuoteInQuoted };

  /// Appends the characters that mean nothing in this state; returns where the next one lies.
  size_t TakeRun(ByteView chunk, size_t at);
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
    const bool quoted = state_ == State::kQuoted || state_ == State::kQuoteInQuoted;
    if (!quoted && !text_.empty() && text_.back() == '\r') text_.pop_back();  // of \r\n
    const bool blank = text_.empty() && field_end_.empty() && !quoted && !too_large_;
    EndField();
    if (!blank) {
      fields_.clear();
      size_t from = 0;
      for (const size_t end : field_end_) {
        fields_.push_back(std::string_view(text_).substr(from, end - from));
        from = end;
      }
      on_row(fields_, too_large_);
    }
    text_.clear();
    field_end_.clear();
    too_large_ = false;
  }

  const size_t max_row_bytes_;
  State state_ = State::kFieldStart;
  std::string text_;  // of the row's fields, one after another
  std::vector<size_t> field_end_;
  std::vector<std::string_view> fields_;
  bool too_large_ = false;
};

}  // namespace tomograph::ingest::csv
