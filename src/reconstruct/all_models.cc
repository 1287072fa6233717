#include "reconstruct/missing_spans.h"
#include "reconstruct/queue.h"
#include "reconstruct/replica_lag.h"
#include "reconstruct/state_model.h"
#include "reconstruct/step.h"
#include "reconstruct/volume.h"

namespace tomograph::reconstruct {

std::vector<std::unique_ptr<StateModel>> AllModels() {
  std::vector<std::unique_ptr<StateModel>> models;
  models.push_back(std::make_unique<VolumeModel>());
  models.push_back(std::make_unique<QueueModel>());
  models.push_back(std::make_unique<MissingSpansModel>());
  models.push_back(std::make_unique<StepModel>());
  models.push_back(std::make_unique<ReplicaLagModel>());
  return models;
}

}  // namespace tomograph::reconstruct
