#include "telemetry/batch.h"

namespace tomograph::telemetry {
namespace {

/// By every eighth row: limits need no more, and each row's pairs would be walked once more.
size_t SizeOf(const AttributeTable& attributes) {
  constexpr size_t kStride = 8;
  size_t bytes = 0;
  for (size_t row = 0; row < attributes.rows(); row += kStride) {
    for (const Attribute& a : attributes.Row(row)) bytes += sizeof a + a.length;
  }
  const size_t looked_at = (attributes.rows() + kStride - 1) / kStride;
  return looked_at == 0 ? 0 : bytes * attributes.rows() / looked_at;
}

}  // namespace

size_t SizeOf(const Batch& b) {
  constexpr size_t kRow = 128;  // the fixed columns of the widest tables
  return b.rows() * kRow + SizeOf(b.spans.attributes) + SizeOf(b.spans.events.attributes) +
         b.samples.histograms.upper_bound.size() * 16 + b.logs.bodies.size() +
         SizeOf(b.logs.attributes) + SizeOf(b.events.attributes);
}

}  // namespace tomograph::telemetry
