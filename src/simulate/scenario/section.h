// Section: strict reading of a map of a scenario. Each key that is asked for may be missing (what
// is written to keeps its value) unless Require says otherwise; what is there must be right; Done()
// refuses keys that nobody asked for. The first thing that is wrong is kept, with line and path
// ("line 12: services[2].workers: must be between 0 and 100000"), so readers need not stop at each.
//
// The tree and the Wrongs outlive a Section.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/nanotime.h"
#include "base/status.h"
#include "simulate/kernel/draws.h"
#include "simulate/scenario/yaml_tree.h"

namespace tomograph::simulate {

/// A place in the text, to say what is wrong there when it turns out later.
struct Place {
  int line = 0;
  std::string path;
  Status Wrong(const std::string& what) const;
};

/// A name of something that is described elsewhere.
struct Mention {
  std::string name;
  Place place;
};

/// The first thing that was found wrong.
class Wrongs {
 public:
  void Add(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

class Section {
 public:
  /// `node` nullptr or without anything: a section without keys.
  Section(const YamlNode* node, std::string path, Wrongs* wrongs);

  bool Has(std::string_view key);
  Section& Require(std::string_view key);
  void Text(std::string_view key, std::string* value);
  void Name(std::string_view key, std::string* value);  // 1 to 100 visible characters or spaces
  void Name(std::string_view key, Mention* value);
  void Names(std::string_view key, size_t most, std::vector<Mention>* values);
  void Flag(std::string_view key, bool* value);
  void Number(std::string_view key, double least, double most, double* value);
  void Share(std::string_view key, double* value) { Number(key, 0, 1, value); }
  void Count(std::string_view key, uint64_t least, uint64_t most, uint32_t* value);
  void Count(std::string_view key, uint64_t least, uint64_t most, uint64_t* value);
  void Bytes(std::string_view key, double* value);  // "64MB", "20kB", "1.5GB"
  void Time(std::string_view key, Nanos least, Nanos most, Nanos* value);  // "200ms", "10m"
  /// "5ms" (always the same), {mean: 5ms, cv: 0.5} or {mean: 5ms, exponential: true}; up to 1 h.
  void Random(std::string_view key, Duration* value);

  Section Child(std::string_view key);
  std::vector<Section> List(std::string_view key, size_t most);
  /// The keys there are, asked for herewith.
  std::vector<std::string> Keys();
  void Done();

  Place place() const { return {node_->line, path_}; }
  Place PlaceOf(std::string_view key) const;
  void Wrong(const std::string& what) { wrongs_->Add(place().Wrong(what)); }
  Wrongs* wrongs() const { return wrongs_; }

 private:
  const YamlNode* Ask(std::string_view key);
  /// nullptr: missing, or no single value (which is wrong).
  const std::string* AskScalar(std::string_view key);
  void WrongKey(std::string_view key, const std::string& what);
  std::string PathOf(std::string_view key) const;

  const YamlNode* node_;
  std::string path_;
  Wrongs* wrongs_;
  std::vector<std::string> asked_;
};

}  // namespace tomograph::simulate
