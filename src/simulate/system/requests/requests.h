// Requests: the services (YAML `services`), and that their calls end: an operation that calls
// itself by way of others, and one that makes more than 100 000 calls with all its retries, are
// errors.
#pragma once

#include <memory>
#include <vector>

#include "simulate/system/part.h"
#include "simulate/system/requests/service.h"

namespace tomograph::simulate {

class Requests : public Part {
 public:
  Requests(Section* root, World* world);
  Status Enter(World* world) override;
  Status Link(World* world) override;
  void Start() override;
  bool Takes(const Fault& fault) const override;
  void Apply(const Fault& fault, bool begins) override;
  void Second(Nanos end) override;

 private:
  std::vector<std::unique_ptr<Service>> services_;
};

}  // namespace tomograph::simulate
