// Prometheus text format 0.0.4 and OpenMetrics 1.0 -> samples; classic histograms become histogram
// rows, summaries series with a `quantile` label beside `_sum` and `_count`. Lines that don't parse
// are counted and skipped. A histogram is one record, every other sample line is one; `_created`
// lines are not samples but the start of others. Exemplars are not read.
//
// The two formats differ in what a timestamp is: milliseconds in the text format (whole numbers),
// seconds in OpenMetrics. A timestamp is taken as seconds when it has a fraction or exponent, when
// a `# UNIT` line came before (there is none in the text format), or when it is below 10^11 (as
// milliseconds that would be before March 1973; as seconds 10^11 is in the year 5138). `# EOF`
// comes too late to help; what stands behind it is no part of the exposition and counted as one
// lost message.
#pragma once

#include "ingest/decoder.h"

namespace tomograph::ingest::prometheus {

struct ExpositionOptions {
  telemetry::Format format = telemetry::Format::kOpenMetrics;
  Nanos default_time = 0;  // of samples without a timestamp; 0: such samples are dropped (kBadTime)
  /// Added to the resource: job and instance of a scrape, say.
  std::vector<std::pair<std::string, std::string>> target_labels;
};

std::unique_ptr<StreamDecoder> NewExpositionDecoder(DecodeContext context,
                                                    ExpositionOptions options);

}  // namespace tomograph::ingest::prometheus
