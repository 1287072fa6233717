// Suite: the reader of one public layout of labelled incidents. It maps columns, units and clocks
// to a diagnose::Case and knows nothing else: no labels are opened here, no choice depends on the
// data set.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "diagnose/case.h"

namespace tomograph::evaluate {

struct SuiteCase {
  std::string name;  // path of the case below the data folder
  diagnose::Case incident;
  std::map<telemetry::EntityId, std::string> services;  // as the layout names them
  std::string NameOf(telemetry::EntityId id) const;
};

using CaseSink = std::function<void(const SuiteCase&)>;

class Suite {
 public:
  virtual ~Suite() = default;
  virtual std::string_view name() const = 0;
  /// Hands every case below `data_dir` to `sink`, in the order of their names. A case that cannot
  /// be read ends it with a Status that names the file.
  virtual Status ReadCases(const std::string& data_dir, const CaseSink& sink) const = 0;
  /// Fault-free windows, as if an alert had fired in them: for specificity.
  virtual Status ReadQuiet(const std::string& data_dir, const CaseSink& sink) const = 0;
  /// The answer is a commit (or none) and not a service.
  virtual bool names_commits() const { return false; }
};

/// "petshop", "nezha", "rootcausebench"; nullptr for anything else.
std::unique_ptr<Suite> MakeSuite(std::string_view name);

std::unique_ptr<Suite> MakePetShop();
std::unique_ptr<Suite> MakeNezha();
std::unique_ptr<Suite> MakeRootCauseBench();

}  // namespace tomograph::evaluate
