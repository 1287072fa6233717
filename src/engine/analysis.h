// Analysis: the read side of the engine. Batches go in, windows are closed at the watermark, and
// each window set passes the models and the diagnoser; what people see of it is a Picture. Not
// thread-safe: one thread owns it, live or recorded.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "correlate/correlator.h"
#include "diagnose/baseline/baseline.h"
#include "diagnose/diagnoser.h"
#include "engine/unit_book.h"
#include "reconstruct/state_model.h"
#include "telemetry/batch.h"
#include "telemetry/identities.h"
#include "telemetry/picture.h"
#include "validate/holdout.h"

namespace tomograph::engine {

struct AnalysisOptions {
  correlate::CorrelatorOptions correlator;
  diagnose::DiagnoserOptions diagnoser;
  Nanos history = 30 * kMinute;
  size_t max_changes = 1000;       // kept for the picture
  size_t max_estimates = 100'000;  // kept for the picture: of many entities fewer windows
  size_t max_hop_clocks = 1000;    // kept for the picture: those of most calls
  size_t max_lines = 30'000;  // kept for the picture; of more entities the later ones have none
};

class Analysis {
 public:
  /// What is left out is counted in `ledger` (may be null), which outlives this, as set aside.
  Analysis(AnalysisOptions options, telemetry::Identities* identities,
           telemetry::LossLedger* ledger = nullptr);

  /// What ended before `from` is stored at most; before the first Add.
  void Begin(Nanos from) { correlator_.Begin(from); }
  /// Every join of spans by inference, as it is decided; before the first Add.
  void OnJoin(correlate::RequestRebuilder::JoinSink sink) { correlator_.OnJoin(std::move(sink)); }
  /// Records from outside of `believable` are left out; changes from more than a month outside.
  void Add(const telemetry::Batch& batch, TimeRange believable = correlate::kAnyTime);
  /// What the store kept: it was counted when it came, and is not counted again.
  void Replay(const telemetry::Batch& batch);
  /// Closes what the watermark allows; true when at least one window closed.
  bool Advance(Nanos watermark);
  void Finish();

  /// Results of the windows closed since the last call, for the store.
  std::vector<telemetry::Estimate> TakeEstimates() { return std::move(fresh_estimates_); }
  const std::vector<telemetry::Incident>& incidents() const { return diagnoser_.incidents(); }
  Nanos newest() const { return correlator_.newest(); }
  /// That tell of an entity, before it can be called out of its normal range.
  size_t windows_to_learn() const {
    return std::max(
        diagnose::Baseline::kLeast,
        static_cast<size_t>(options_.diagnoser.warm_up / options_.correlator.window_length));
  }

  /// Fills all that the analysis knows, its own figures too; the caller adds time, source, losses
  /// and what it knows of itself.
  void Fill(telemetry::Picture* picture) const;

 private:
  struct LineKey {
    telemetry::EntityId entity, caller;
    std::string name, unit;
    auto operator<=>(const LineKey&) const = default;
  };

  void AddChanges(const telemetry::Batch& batch, TimeRange believable,
                  telemetry::LossLedger* counted_in);
  void Close(telemetry::WindowSet&& windows);
  void AddToLines(const telemetry::WindowSet& windows);
  void TrimHistory();
  void FillHopClocks(telemetry::Picture* picture) const;
  void FillOwnFigures(std::map<std::string, double>* self) const;

  AnalysisOptions options_;
  telemetry::Identities* identities_;
  telemetry::LossLedger* ledger_;
  correlate::Correlator correlator_;
  std::vector<std::unique_ptr<reconstruct::StateModel>> models_;
  validate::Holdout holdout_;
  diagnose::Diagnoser diagnoser_;

  std::deque<Nanos> window_starts_;
  std::map<LineKey, std::deque<double>> lines_;  // each as long as window_starts_
  UnitBook units_;
  uint64_t points_left_out_ = 0;                                  // of lines beyond the limit
  std::deque<std::vector<telemetry::Estimate>> estimates_;        // one entry a window
  std::deque<std::pair<uint64_t, uint64_t>> joined_and_orphans_;  // one entry a window
  uint64_t all_orphans_ = 0;                                      // of all windows so far
  size_t estimate_count_ = 0;                                     // in estimates_
  std::vector<telemetry::Estimate> fresh_estimates_;
  std::deque<telemetry::ChangeEvent> changes_;
  std::set<std::pair<telemetry::StringId, telemetry::StringId>>
      change_ids_;  // (source, id): repeats are dropped
};

}  // namespace tomograph::engine
