#include "simulate/system/parts.h"

#include "simulate/system/hosts/hosts.h"
#include "simulate/system/replicas/replicas.h"
#include "simulate/system/requests/requests.h"
#include "simulate/system/users/users.h"

namespace tomograph::simulate {
namespace {

using Make = std::unique_ptr<Part> (*)(Section*, World*);

template <typename T>
std::unique_ptr<Part> Made(Section* root, World* world) {
  return std::make_unique<T>(root, world);
}

// Hosts first, since others are placed on them; users last, so that all is there when they come.
constexpr Make kParts[] = {
    Made<Hosts>,
    Made<Requests>,
    Made<Replicas>,
    Made<Users>,
};

}  // namespace

std::vector<std::unique_ptr<Part>> MakeParts(Section* root, World* world) {
  std::vector<std::unique_ptr<Part>> parts;
  for (const Make make : kParts) parts.push_back(make(root, world));
  Wrongs* const wrongs = root->wrongs();
  for (const auto& part : parts)
    if (wrongs->status().ok()) wrongs->Add(part->Enter(world));
  for (const auto& part : parts)
    if (wrongs->status().ok()) wrongs->Add(part->Link(world));
  return parts;
}

}  // namespace tomograph::simulate
