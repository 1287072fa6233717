// What must hold of any OTLP message, shared by the fuzz targets of its signals.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "ingest/otlp/otlp_decoder.h"

namespace tomograph::fuzz {

struct OtlpTables {
  // Small, so that the limits are reached, too.
  telemetry::Identities identities{telemetry::Interner(1000, 100'000), telemetry::ResourceTable(20),
                                   telemetry::SeriesTable(50), telemetry::EntityRegistry(10)};
  telemetry::LossLedger ledger;
  VirtualClock clock{1'700'000'000'000'000'000};

  ingest::DecodeContext Context() {
    ingest::DecodeContext context;
    context.identities = &identities;
    context.ledger = &ledger;
    context.clock = &clock;
    context.limits.max_record_bytes = 4096;
    context.limits.max_attributes = 8;
    context.limits.max_text_bytes = 64;
    context.limits.max_depth = 4;
    return context;
  }
  void CheckBalance() const {
    for (const auto& row : ledger.Rows()) TG_CHECK(row.balanced());
  }
};

inline void CheckTables(const telemetry::Batch& batch) {
  TG_CHECK(batch.spans.attributes.rows() == batch.spans.rows());
  TG_CHECK(batch.spans.status.size() == batch.spans.rows());
  TG_CHECK(batch.spans.events.attributes.rows() == batch.spans.events.span.size());
  for (size_t i = 0; i < batch.spans.rows(); ++i) {
    TG_CHECK(batch.spans.end_ns[i] >= batch.spans.start_ns[i] && batch.spans.start_ns[i] > 0);
  }
  for (const uint32_t row : batch.spans.events.span) TG_CHECK(row < batch.spans.rows());
  TG_CHECK(batch.samples.value.size() == batch.samples.rows());
  const auto& h = batch.samples.histograms;
  TG_CHECK(h.bucket_end.size() == h.rows() && h.upper_bound.size() == h.bucket_count.size());
  for (size_t row = 0; row < h.rows(); ++row) {
    uint64_t total = 0;
    for (size_t i = row == 0 ? 0 : h.bucket_end[row - 1]; i < h.bucket_end[row]; ++i) {
      total += h.bucket_count[i];
    }
    TG_CHECK(total == h.count[row]);
  }
  TG_CHECK(batch.logs.attributes.rows() == batch.logs.rows());
  for (const Nanos t : batch.logs.time_ns) TG_CHECK(t > 0);
}

inline int DecodeOtlp(ByteView message, telemetry::Signal signal) {
  OtlpTables tables;
  telemetry::Batch batch;
  const auto decoded = ingest::otlp::Decode(message, signal, ingest::otlp::Encoding::kProtobuf,
                                            telemetry::Format::kOtlpHttp, tables.Context(), &batch);
  if (!decoded.ok()) TG_CHECK(batch.rows() == 0);
  CheckTables(batch);
  tables.CheckBalance();
  return 0;
}

}  // namespace tomograph::fuzz
