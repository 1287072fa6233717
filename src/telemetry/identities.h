// Identities: the four tables that give things their numbers, shared by all stages of one engine.
#pragma once

#include "telemetry/entity.h"
#include "telemetry/interner.h"
#include "telemetry/resource.h"
#include "telemetry/series.h"

namespace tomograph::telemetry {

struct Identities {
  Interner strings;
  ResourceTable resources;
  SeriesTable series;
  EntityRegistry entities;
};

}  // namespace tomograph::telemetry
