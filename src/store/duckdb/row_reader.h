// One reader a signal: which columns it wants, and how one row of them becomes a row of a batch.
#pragma once

#include <memory>

#include "store/duckdb/database.h"
#include "store/duckdb/scan.h"
#include "telemetry/batch.h"

namespace tomograph::store {

class RowReader {
 public:
  virtual ~RowReader() = default;
  /// The SELECT list.
  virtual const char* columns() const = 0;
  /// Adds the row to the batch unless it repeats the row before. True when it was added.
  virtual Result<bool> Add(const Rows& rows, size_t row, telemetry::Batch* batch) = 0;
};

/// kInvalidArgument for a signal that no rows are kept of.
Result<std::unique_ptr<RowReader>> MakeRowReader(telemetry::Signal signal,
                                                 const ScanContext& context);

}  // namespace tomograph::store
