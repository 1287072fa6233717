#include "ingest/prometheus/exposition_line.h"

#include <charconv>

namespace tomograph::ingest::prometheus {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

class Parser {
 public:
  Parser(std::string_view text, SampleLine* out) : rest_(text), out_(out) {}

  bool Run() {
    out_->labels.clear();
    out_->unescaped.clear();
    out_->timestamp = {};
    SkipBlanks();
    out_->name = TakeName();
    SkipBlanks();
    if (Take('{') && !Labels()) return false;
    if (out_->name.empty()) return false;
    SkipBlanks();
    if (!ParseNumber(TakeWord(), &out_->value)) return false;
    SkipBlanks();
    if (!rest_.empty() && rest_.front() != '#') out_->timestamp = TakeWord();
    SkipBlanks();
    return rest_.empty() || rest_.front() == '#';  // an exemplar is not looked at
  }

 private:
  bool Labels() {
    for (;;) {
      SkipBlanks();
      if (Take('}')) return true;
      std::string_view name;
      const bool quoted = !rest_.empty() && rest_.front() == '"';
      if (quoted) {
        if (!TakeQuoted(&name)) return false;
      } else {
        name = TakeName();
      }
      if (name.empty()) return false;
      SkipBlanks();
      if (Take('=')) {
        SkipBlanks();
        std::string_view value;
        if (!TakeQuoted(&value)) return false;
        if (!value.empty()) out_->labels.push_back(Label{name, value});  // empty is absent
      } else if (quoted && out_->name.empty()) {
        out_->name = name;
      } else {
        return false;
      }
      SkipBlanks();
      if (!Take(',') && (rest_.empty() || rest_.front() != '}')) return false;
    }
  }

  bool TakeQuoted(std::string_view* text) {
    if (!Take('"')) return false;
    const size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos) return false;
    if (rest_[end] == '"') {
      *text = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      return true;
    }
    std::string& plain = out_->unescaped.emplace_back();
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        *text = plain;
        rest_.remove_prefix(i + 1);
        return true;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        const char next = rest_[++i];
        if (next != 'n' && next != '"' && next != '\\') plain += '\\';
        plain += next == 'n' ? '\n' : next;
      } else {
        plain += rest_[i];
      }
    }
    return false;
  }

  std::string_view TakeName() {
    size_t n = 0;
    if (!rest_.empty() && IsNameStart(rest_[0])) {
      while (n < rest_.size() && IsNameChar(rest_[n])) ++n;
    }
    return TakeBytes(n);
  }
  std::string_view TakeWord() {
    size_t n = 0;
    while (n < rest_.size() && !IsBlank(rest_[n])) ++n;
    return TakeBytes(n);
  }
  std::string_view TakeBytes(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) rest_.remove_prefix(1);
  }

  std::string_view rest_;
  SampleLine* out_;
};

}  // namespace

bool ParseNumber(std::string_view text, double* value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *value);
  return !text.empty() && error == std::errc() && stopped == end;
}

bool ParseSampleLine(std::string_view line, SampleLine* out) { return Parser(line, out).Run(); }

}  // namespace tomograph::ingest::prometheus
