// The tables, and how a file of an older version becomes one of this version. People read these
// tables with any DuckDB client, so names are words, times are timestamps and kinds are enums.
//
// The writers append by position: the order of columns here is the order in append.cc.
#pragma once

#include <span>
#include <string_view>

#include "base/status.h"
#include "store/duckdb/database.h"
#include "telemetry/loss_ledger.h"

namespace tomograph::store {

/// What one SQL step each, applied in order, has made of the file. Append to kMigrations, never
/// edit.
int LatestSchemaVersion();

/// Brings the file to `target`, each version in a transaction of its own. kCorrupt when it is newer
/// than this program knows.
Status Migrate(Connection& connection, int target = LatestSchemaVersion());

/// A table whose old hours move to Parquet.
struct SignalTable {
  telemetry::Signal signal;
  const char* name;
  const char* time;      // orders its rows and decides on their hour
  const char* key;       // further ordering; rows equal in time and key are one record sent twice
  const char* exported;  // SELECT list and FROM that make a Parquet file readable on its own
};
std::span<const SignalTable> SignalTables();

}  // namespace tomograph::store
