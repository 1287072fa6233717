// Batches -> rows. One object a transaction: the appenders belong to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "store/duckdb/chunk_appender.h"
#include "store/duckdb/dictionaries.h"
#include "telemetry/batch.h"

namespace tomograph::store {

/// kInvalidArgument when the columns of a table are not of one length. The columns that normalize/
/// fills may be empty: raw times, the names as sent and "unknown" then stand for them.
Status CheckShape(const telemetry::Batch& batch);

/// The earliest time of any row as the store orders them; INT64_MAX when empty.
Nanos OldestOf(const telemetry::Batch& batch);

/// Not thread-safe. Appends within the connection's open transaction.
class RowAppender {
 public:
  RowAppender(Connection& connection, Dictionaries* dictionaries,
              telemetry::Identities* identities);
  ~RowAppender();

  Status Append(const telemetry::Batch& batch);
  /// Everything appended so far, and the dictionary entries that it needs, is in the transaction.
  Status Flush();

 private:
  struct Tables;
  Status AppendSpans(const telemetry::Batch& batch);
  Status AppendSamples(const telemetry::Batch& batch);
  Status AppendHistograms(const telemetry::Batch& batch);
  Status AppendLogs(const telemetry::Batch& batch);
  Status AppendFlows(const telemetry::Batch& batch);
  Status AppendEvents(const telemetry::Batch& batch);
  std::string_view Text(telemetry::StringId id) const { return identities_->strings.Get(id); }

  Connection& connection_;
  Dictionaries* const dictionaries_;
  telemetry::Identities* const identities_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace tomograph::store
