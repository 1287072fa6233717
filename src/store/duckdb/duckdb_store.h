// The default store: DuckDB embedded, through its C API. Layout and durability: docs/store.md.
#pragma once

#include "store/store.h"

namespace tomograph::store {

/// kFailedPrecondition, naming the owner's pid, when another process owns the directory; kCorrupt
/// when the schema is newer than this program; older schemas are migrated.
Result<std::unique_ptr<Store>> OpenDuckDbStore(const StoreOptions& options,
                                               telemetry::Identities* identities);

}  // namespace tomograph::store
