// YamlTree: YAML text as plain values that know their line, so that whoever reads them can say
// where something is wrong, and yaml-cpp (with its exceptions) is known to one file.
//
// Scalars, lists and maps with scalar keys. Anchors, aliases, a second document and a key twice are
// errors: what they would mean is easily misread. Bounded: text 4 MiB, 200 000 nodes, depth 32,
// 5000 keys a map.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tomograph::simulate {

struct YamlNode {
  enum class Kind { kNothing, kScalar, kList, kMap };
  Kind kind = Kind::kNothing;
  int line = 0;  // from 1
  std::string scalar;
  std::vector<std::string> keys;  // of a map, one for each of
  std::vector<YamlNode> values;   // a list's or a map's

  /// nullptr: no map, or no such key.
  const YamlNode* Find(std::string_view key) const;
};

/// kInvalidArgument "line 3: ...".
Result<YamlNode> ParseYaml(std::string_view text);

}  // namespace tomograph::simulate
