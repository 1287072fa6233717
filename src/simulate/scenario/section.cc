#include "simulate/scenario/section.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace tomograph::simulate {
namespace {

const YamlNode kNoNode;

bool ReadNumber(std::string_view text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

std::string Spell(double x) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.10g", x);
  return {text.data(), static_cast<size_t>(length)};
}

std::string SpellTime(Nanos t) {
  return t % kSecond == 0 ? std::to_string(t / kSecond) + "s" : Spell(ToSeconds(t)) + "s";
}

bool ReadBytes(std::string_view text, double* bytes) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  static constexpr std::array<Unit, 4> kUnits = {{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    if (!ReadNumber(text.substr(0, text.size() - unit.name.size()), bytes)) return false;
    *bytes *= unit.bytes;
    return *bytes >= 0 && *bytes <= 1e13;
  }
  return false;
}

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > 100 || text.front() == ' ' || text.back() == ' ') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c != 127; });
}

}  // namespace

Status Place::Wrong(const std::string& what) const {
  const std::string where = path.empty() ? "" : path + ": ";
  return Status::InvalidArgument("line " + std::to_string(std::max(line, 1)) + ": " + where + what);
}

Section::Section(const YamlNode* node, std::string path, Wrongs* wrongs)
    : node_(node == nullptr ? &kNoNode : node), path_(std::move(path)), wrongs_(wrongs) {
  if (node_->kind == YamlNode::Kind::kScalar || node_->kind == YamlNode::Kind::kList)
    Wrong("must be a map of keys");
}

std::string Section::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

Place Section::PlaceOf(std::string_view key) const {
  const YamlNode* node = node_->Find(key);
  return {node == nullptr ? node_->line : node->line, PathOf(key)};
}

void Section::WrongKey(std::string_view key, const std::string& what) {
  wrongs_->Add(PlaceOf(key).Wrong(what));
}

const YamlNode* Section::Ask(std::string_view key) {
  asked_.emplace_back(key);
  const YamlNode* node = node_->Find(key);
  return node == nullptr || node->kind == YamlNode::Kind::kNothing ? nullptr : node;
}

const std::string* Section::AskScalar(std::string_view key) {
  const YamlNode* node = Ask(key);
  if (node == nullptr) return nullptr;
  if (node->kind == YamlNode::Kind::kScalar) return &node->scalar;
  WrongKey(key, "must be a single value");
  return nullptr;
}

bool Section::Has(std::string_view key) { return Ask(key) != nullptr; }

Section& Section::Require(std::string_view key) {
  if (Ask(key) == nullptr) Wrong("'" + std::string(key) + "' is missing");
  return *this;
}

void Section::Text(std::string_view key, std::string* value) {
  if (const std::string* text = AskScalar(key)) *value = *text;
}

void Section::Name(std::string_view key, std::string* value) {
  const std::string* text = AskScalar(key);
  if (text == nullptr) return;
  if (!IsName(*text)) return WrongKey(key, "must be a name of 1 to 100 characters");
  *value = *text;
}

void Section::Name(std::string_view key, Mention* value) {
  Name(key, &value->name);
  value->place = PlaceOf(key);
}

void Section::Names(std::string_view key, size_t most, std::vector<Mention>* values) {
  const YamlNode* node = Ask(key);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::kList) return WrongKey(key, "must be a list");
  if (node->values.size() > most)
    return WrongKey(key, "more than " + std::to_string(most) + " entries");
  values->clear();
  for (const YamlNode& entry : node->values) {
    const Place place{entry.line, PathOf(key) + "[" + std::to_string(values->size()) + "]"};
    if (entry.kind != YamlNode::Kind::kScalar || !IsName(entry.scalar))
      return wrongs_->Add(place.Wrong("must be a name of 1 to 100 characters"));
    values->push_back({entry.scalar, place});
  }
}

void Section::Flag(std::string_view key, bool* value) {
  const std::string* text = AskScalar(key);
  if (text == nullptr) return;
  if (*text != "true" && *text != "false") return WrongKey(key, "must be true or false");
  *value = *text == "true";
}

void Section::Number(std::string_view key, double least, double most, double* value) {
  const std::string* text = AskScalar(key);
  if (text == nullptr) return;
  double number = 0;
  if (!ReadNumber(*text, &number) || number < least || number > most)
    return WrongKey(key, "must be a number between " + Spell(least) + " and " + Spell(most));
  *value = number;
}

void Section::Count(std::string_view key, uint64_t least, uint64_t most, uint64_t* value) {
  const std::string* text = AskScalar(key);
  if (text == nullptr) return;
  uint64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stopped != end || number < least || number > most)
    return WrongKey(key, "must be a whole number between " + std::to_string(least) + " and " +
                             std::to_string(most));
  *value = number;
}

void Section::Count(std::string_view key, uint64_t least, uint64_t most, uint32_t* value) {
  uint64_t number = *value;
  Count(key, least, most, &number);
  *value = static_cast<uint32_t>(number);
}

void Section::Bytes(std::string_view key, double* value) {
  const std::string* text = AskScalar(key);
  if (text != nullptr && !ReadBytes(*text, value))
    WrongKey(key, "must be a size up to 10000GB, as in 64MB (B, kB, MB or GB)");
}

void Section::Time(std::string_view key, Nanos least, Nanos most, Nanos* value) {
  const std::string* text = AskScalar(key);
  if (text == nullptr) return;
  const Result<Nanos> time = ParseDuration(*text);
  if (!time.ok() || *time < least || *time > most)
    return WrongKey(key, "must be a time between " + SpellTime(least) + " and " + SpellTime(most) +
                             ", as in 200ms (ns, us, ms, s, m, h or d)");
  *value = *time;
}

void Section::Random(std::string_view key, Duration* value) {
  const YamlNode* node = Ask(key);
  if (node == nullptr) return;
  Nanos mean = 0;
  if (node->kind == YamlNode::Kind::kScalar) {
    Time(key, 0, kHour, &mean);
    *value = {ToSeconds(mean), 0};
    return;
  }
  Section duration(node, PathOf(key), wrongs_);
  bool exponential = false;
  *value = {};
  duration.Require("mean").Time("mean", 0, kHour, &mean);
  duration.Number("cv", 0, 10, &value->cv);
  duration.Flag("exponential", &exponential);
  if (exponential && value->cv != 0) duration.Wrong("either cv or exponential");
  duration.Done();
  value->mean_s = ToSeconds(mean);
  if (exponential) value->cv = -1;
}

Section Section::Child(std::string_view key) { return {Ask(key), PathOf(key), wrongs_}; }

std::vector<Section> Section::List(std::string_view key, size_t most) {
  std::vector<Section> sections;
  const YamlNode* node = Ask(key);
  if (node == nullptr) return sections;
  if (node->kind != YamlNode::Kind::kList) {
    WrongKey(key, "must be a list");
  } else if (node->values.size() > most) {
    WrongKey(key, "more than " + std::to_string(most) + " entries");
  } else {
    for (const YamlNode& entry : node->values)
      sections.emplace_back(&entry, PathOf(key) + "[" + std::to_string(sections.size()) + "]",
                            wrongs_);
  }
  return sections;
}

std::vector<std::string> Section::Keys() {
  asked_.insert(asked_.end(), node_->keys.begin(), node_->keys.end());
  return node_->keys;
}

void Section::Done() {
  for (size_t i = 0; i < node_->keys.size(); ++i) {
    const std::string& key = node_->keys[i];
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
      return wrongs_->Add(Place{node_->values[i].line, path_}.Wrong("unknown key '" + key + "'"));
  }
}

}  // namespace tomograph::simulate
