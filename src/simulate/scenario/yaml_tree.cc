#include "simulate/scenario/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>
#include <sstream>

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxText = 4 << 20;
constexpr size_t kMaxNodes = 200'000;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxKeys = 5'000;  // of one map

Status WrongAt(int line, const std::string& what) {
  return Status::InvalidArgument("line " + std::to_string(line) + ": " + what);
}

/// Thrown to make yaml-cpp stop, and caught in ParseYaml.
struct Refused {
  Status status;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Place(mark, YamlNode::Kind::kNothing, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{WrongAt(mark.line + 1, "aliases are not read")};
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    Place(mark, YamlNode::Kind::kScalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(mark, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(mark, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { open_.pop_back(); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refused{WrongAt(mark.line + 1, "anchors are not read")};
  }

  YamlNode& root() { return root_; }

 private:
  /// A map that still waits for a key has the value of its last key filled.
  struct OpenNode {
    YamlNode* node;
    bool has_key;
  };

  void Open(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (open_.size() >= kMaxDepth) throw Refused{WrongAt(mark.line + 1, "nested too deeply")};
    // The parent's vector does not grow while its last element is open, so the address holds.
    YamlNode* node = Place(mark, kind, "");
    open_.push_back({node, false});
  }

  YamlNode* Place(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& scalar) {
    const int line = mark.line + 1;
    if (++nodes_ > kMaxNodes) throw Refused{WrongAt(line, "too long")};
    YamlNode* node = Next(line, kind, scalar);
    if (node == nullptr) return nullptr;
    node->kind = kind;
    node->line = line;
    node->scalar = scalar;
    return node;
  }

  /// nullptr: it was a key.
  YamlNode* Next(int line, YamlNode::Kind kind, const std::string& scalar) {
    if (open_.empty()) return &root_;
    OpenNode& top = open_.back();
    if (top.node->kind == YamlNode::Kind::kList) return &top.node->values.emplace_back();
    if (top.has_key) {
      top.has_key = false;
      return &top.node->values.back();
    }
    if (kind != YamlNode::Kind::kScalar) throw Refused{WrongAt(line, "a key must be a plain word")};
    if (top.node->keys.size() >= kMaxKeys) throw Refused{WrongAt(line, "too many keys")};
    if (top.node->Find(scalar) != nullptr) throw Refused{WrongAt(line, "'" + scalar + "' twice")};
    top.node->keys.push_back(scalar);
    top.node->values.emplace_back().line = line;
    top.has_key = true;
    return nullptr;
  }

  YamlNode root_;
  std::vector<OpenNode> open_;
  size_t nodes_ = 0;
};

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  const auto found = std::find(keys.begin(), keys.end(), key);
  return found == keys.end() ? nullptr : &values[static_cast<size_t>(found - keys.begin())];
}

Result<YamlNode> ParseYaml(std::string_view text) {
  if (text.size() > kMaxText) return Status::InvalidArgument("longer than 4 MiB");
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    TreeBuilder second;
    if (parser.HandleNextDocument(second))
      return WrongAt(second.root().line, "a second document in one file");
    return std::move(builder.root());
  } catch (const Refused& refused) {
    return refused.status;
  } catch (const YAML::Exception& e) {
    return WrongAt(e.mark.line + 1, e.msg);
  } catch (const std::exception& e) {
    return Status::InvalidArgument(e.what());
  }
}

}  // namespace tomograph::simulate
