#include "engine/recorded_run.h"

#include <map>
#include <string>
#include <utility>

#include "engine/merge.h"
#include "normalize/normalizer.h"
#include "store/duckdb/duckdb_store.h"

namespace tomograph::engine {

using telemetry::Batch;

namespace {

ingest::DecodeContext ContextOf(telemetry::Identities* identities, telemetry::LossLedger* ledger,
                                const Clock* clock, const normalize::Normalizer* normalizer) {
  ingest::DecodeContext context;
  context.identities = identities;
  context.ledger = ledger;
  context.clock = clock;
  context.complete_resource = [=](telemetry::Resource* r) { normalizer->CompleteResource(r); };
  context.complete_series = [=](telemetry::Series* s) { normalizer->CompleteSeries(s); };
  return context;
}

/// An error that names the reasons when all that was there is lost: no picture says that better.
Status SomethingWasKept(const telemetry::LossLedger& ledger, const std::string& path,
                        const ingest::ReadingTroubles& troubles) {
  std::map<telemetry::Reason, uint64_t> dropped;
  uint64_t kept = 0;
  for (const auto& row : ledger.Rows()) {
    kept += row.kept();
    for (const auto& [reason, n] : row.reasons) {
      if (telemetry::OutcomeOf(reason) == telemetry::Outcome::kDropped) dropped[reason] += n;
    }
  }
  if (kept > 0 || dropped.empty()) return Status::Ok();
  std::string why;
  for (const auto& [reason, n] : dropped) {
    why += (why.empty() ? "" : "; ") + std::to_string(n) +
           " dropped: " + std::string(telemetry::ReasonSentence(reason));
  }
  for (const std::string& file : troubles.broken_off) why += "; " + file;
  std::string message = path + ": nothing in it can be kept (" + why + ")";
  for (const std::string& file : troubles.Sentences()) message += "; " + file;
  return Status::InvalidArgument(std::move(message));
}

}  // namespace

Result<RecordedResult> ReconstructRecording(
    const std::string& path, const RecordedOptions& options,
    const std::function<void(uint64_t, uint64_t)>& progress) {
  RecordedResult result;
  const auto files = ingest::FindRecording(path, &result.ignored);
  if (!files.ok()) return files.status();
  uint64_t total_bytes = 0;
  for (const auto& file : *files) total_bytes += file.bytes;

  result.identities = std::make_unique<telemetry::Identities>();
  telemetry::Identities* identities = result.identities.get();
  if (!options.store_dir.empty()) {
    store::StoreOptions store_options;
    store_options.directory = options.store_dir;
    auto opened = store::OpenDuckDbStore(store_options, identities);
    if (!opened.ok() && !options.store_is_optional) return opened.status();
    if (opened.ok()) result.store = std::move(opened).value();
  }

  telemetry::LossLedger ledger;
  VirtualClock clock;
  normalize::Normalizer normalizer(identities);
  const ingest::DecodeContext context = ContextOf(identities, &ledger, &clock, &normalizer);

  AnalysisOptions analysis_options;
  analysis_options.correlator.window_length = options.window;
  analysis_options.correlator.lateness = options.lateness;
  analysis_options.history = options.history;
  analysis_options.max_estimates *= 10;  // made once, not at each window
  Analysis analysis(analysis_options, identities, &ledger);
  analysis.OnJoin(options.on_join);

  Status stored;
  const auto take = [&](Batch&& decoded, Progress at) {
    normalizer.Normalize(&decoded);
    const auto batch = std::make_shared<const Batch>(std::move(decoded));
    if (result.store != nullptr && stored.ok()) {
      // Nobody waits for an answer here, so a full queue is simply waited for.
      do stored = result.store->Append(batch, [](const Status&) {});
      while (stored.retryable() && result.store->stats().writable);
    }
    analysis.Add(*batch, at.believable);
    clock.AdvanceTo(analysis.newest());
    analysis.Advance(at.watermark);
    if (result.store != nullptr && stored.ok())
      stored = result.store->PutEstimates(analysis.TakeEstimates());
    else
      analysis.TakeEstimates();
  };
  result.troubles = MergeRecording(*files, context, take, [&](uint64_t bytes) {
    if (progress) progress(bytes, total_bytes);
  });
  TG_RETURN_IF_ERROR(SomethingWasKept(ledger, path, result.troubles));
  analysis.Finish();
  if (result.store != nullptr) {
    if (stored.ok()) stored = result.store->PutEstimates(analysis.TakeEstimates());
    for (const auto& incident : analysis.incidents())
      if (stored.ok()) stored = result.store->PutIncident(incident);
    if (!stored.ok() && !options.store_is_optional) return stored;
    if (!stored.ok()) result.store.reset();
  }

  auto picture = std::make_shared<telemetry::Picture>();
  analysis.Fill(picture.get());
  picture->windows_to_learn = analysis.windows_to_learn();
  picture->now = clock.Now();
  picture->broke_off = analysis.newest();
  picture->source = path;
  picture->loss = ledger.Rows();
  picture->broken_off_files = result.troubles.broken_off;
  picture->damaged_files = result.troubles.Sentences();
  result.picture = std::move(picture);
  return result;
}

Result<std::vector<Batch>> ReadNormalised(const std::string& path,
                                          telemetry::Identities* identities) {
  const auto files = ingest::FindRecording(path, nullptr);
  if (!files.ok()) return files.status();
  telemetry::LossLedger ledger;
  VirtualClock clock;
  const normalize::Normalizer normalizer(identities);
  std::vector<Batch> batches;
  const ingest::ReadingTroubles troubles = MergeRecording(
      *files, ContextOf(identities, &ledger, &clock, &normalizer),
      [&](Batch&& batch, Progress) {
        normalizer.Normalize(&batch);
        batches.push_back(std::move(batch));
      },
      nullptr);
  if (!troubles.broken_off.empty()) return Status::Corrupt(troubles.broken_off.front());
  return batches;
}

}  // namespace tomograph::engine
