#include "evaluate/suites/suite.h"

namespace tomograph::evaluate {

std::string SuiteCase::NameOf(telemetry::EntityId id) const {
  const auto it = services.find(id);
  return it == services.end() ? "unknown" : it->second;
}

std::unique_ptr<Suite> MakeSuite(std::string_view name) {
  if (name == "petshop") return MakePetShop();
  if (name == "nezha") return MakeNezha();
  if (name == "rootcausebench") return MakeRootCauseBench();
  return nullptr;
}

}  // namespace tomograph::evaluate
