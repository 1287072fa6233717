// Rows -> batches: reads hot rows and Parquet files as one stream in time order.
#pragma once

#include <functional>
#include <string>

#include "store/duckdb/cold.h"
#include "store/duckdb/database.h"
#include "store/duckdb/dictionaries.h"
#include "store/store.h"

namespace tomograph::store {

struct ScanContext {
  Connection& rows;     // takes the snapshot, in a transaction that ends with the connection
  Connection& lookups;  // for dictionaries, while `rows` streams
  Dictionaries& dictionaries;
  telemetry::Identities& identities;
  ColdStorage& cold;
  std::string directory;  // that the paths of cold files start from
};

/// See Store::Scan. Goes hour by hour, so that no more than one hour is ever sorted at once. A
/// record that was delivered twice (the same time and key) is given out once; flows and logs have
/// no key. A Parquet file that turns out to be damaged is noted as unreadable, and the rest of the
/// scan reads on without it, from a new snapshot.
Status ScanSignal(ScanContext context, telemetry::Signal signal, const ScanFilter& filter,
                  const std::function<bool(const telemetry::Batch&)>& visit);

}  // namespace tomograph::store
