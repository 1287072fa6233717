#include "evaluate/spans.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/random.h"
#include "correlate/correlator.h"
#include "engine/recorded_run.h"
#include "evaluate/resample.h"
#include "reconstruct/missing_spans.h"

namespace tomograph::evaluate {
namespace {

using telemetry::Basis;
using telemetry::Batch;
using telemetry::EntityId;
using telemetry::Estimate;
using telemetry::SpanKind;
using telemetry::WindowKey;
using telemetry::WindowSet;

constexpr size_t kWarmUpWindows = 6;  // in which loss rates are learned

struct Side {
  telemetry::TraceId trace;
  uint64_t id = 0;
  EntityId service = telemetry::kNoEntity;
  Nanos end = 0;
};

/// A call of which both sides were recorded.
struct Call {
  Side client, server;
};

std::vector<Call> CallsOf(const std::vector<Batch>& full) {
  std::map<std::pair<telemetry::TraceId, uint64_t>, Side> clients;
  const auto side = [](const telemetry::SpanBatch& s, size_t i) {
    return Side{s.trace_id[i], s.span_id[i], s.service[i], s.end_ns[i]};
  };
  for (const Batch& batch : full) {
    const telemetry::SpanBatch& s = batch.spans;
    for (size_t i = 0; i < s.rows(); ++i)
      if (s.kind[i] == SpanKind::kClient) clients[{s.trace_id[i], s.span_id[i]}] = side(s, i);
  }
  std::vector<Call> calls;
  for (const Batch& batch : full) {
    const telemetry::SpanBatch& s = batch.spans;
    for (size_t i = 0; i < s.rows(); ++i) {
      if (s.kind[i] != SpanKind::kServer) continue;
      const auto client = clients.find({s.trace_id[i], s.parent_span_id[i]});
      if (client != clients.end()) calls.push_back(Call{client->second, side(s, i)});
    }
  }
  return calls;
}

bool IsTaken(const Side& side, double share, uint64_t seed) {
  return Random(side.trace.lo ^ MixBits(side.trace.hi) ^ MixBits(side.id + MixBits(seed)))
             .Uniform() < share;
}

/// What of one call is left.
struct Left {
  bool client, server;
  Left(const Call& call, const SpanLoss& loss, uint64_t seed)
      : client(!IsTaken(call.client, loss.client, 2 * seed)),
        server(!IsTaken(call.server, loss.server, 2 * seed + 1)) {}
  Nanos settled_by(const Call& call) const {
    if (client == server) return std::min(call.client.end, call.server.end);
    return client ? call.client.end : call.server.end;
  }
};

std::vector<WindowSet> Correlate(const std::vector<Batch>& batches, telemetry::Identities* ids) {
  correlate::CorrelatorOptions options;
  options.correct_clocks = false;
  correlate::Correlator correlator(options, ids);
  for (const Batch& batch : batches) correlator.Add(batch);
  std::vector<WindowSet> sets;
  correlator.Finish([&](WindowSet&& set) { sets.push_back(std::move(set)); });
  return sets;
}

struct Taken {
  double client = 0, server = 0;
};

class Run {
 public:
  Run(const std::vector<Batch>& full, const std::vector<Call>& calls, telemetry::Identities* ids,
      const SpanLoss& loss, uint64_t seed)
      : loss_(loss), seed_(seed) {
    std::set<std::pair<telemetry::TraceId, uint64_t>> gone;
    for (const Call& call : calls) {
      const Left left(call, loss, seed);
      if (!left.client) gone.emplace(call.client.trace, call.client.id);
      if (!left.server) gone.emplace(call.server.trace, call.server.id);
    }
    sets_ = Correlate(WithoutSpans(full, gone), ids);
    for (const WindowSet& set : sets_) until_[set.sides_until] = set.start;
    for (const Call& call : calls) AddTruth(call);
  }

  void Score(std::map<SpansCell, SpansScore>* scores) const {
    reconstruct::MissingSpansModel model;
    std::vector<Estimate> estimates;
    for (size_t i = 0; i < sets_.size(); ++i) {
      estimates.clear();
      model.Update(sets_[i], &estimates);
      if (i < kWarmUpWindows) continue;
      for (const Estimate& e : estimates)
        if (e.state != "missing_traces") ScoreOne(e, scores);
    }
  }

 private:
  void AddTruth(const Call& call) {
    const Left left(call, loss_, seed_);
    const auto window = until_.upper_bound(left.settled_by(call));
    if (window == until_.end()) return;  // too near the end
    Taken& taken = truth_[{window->second, {call.server.service, call.client.service}}];
    taken.client += !left.client;
    taken.server += !left.server;
  }

  void ScoreOne(const Estimate& e, std::map<SpansCell, SpansScore>* scores) const {
    const auto at = truth_.find({e.start, {e.entity, e.caller}});
    if (e.basis == Basis::kMissing && at == truth_.end()) return;
    SpansScore& score = (*scores)[{loss_, e.state}];
    score.cell = {loss_, e.state};
    if (e.basis == Basis::kMissing) {
      ++score.missing;
      return;
    }
    const Taken taken = at == truth_.end() ? Taken() : at->second;
    const double x = e.state == "missing_client_spans" ? taken.client : taken.server;
    if (e.i90.lower == e.i90.upper) {
      ++score.certain;
      score.certain_right += x == e.value;
      return;
    }
    ++score.n;
    score.in50 += e.i50.Contains(x);
    score.in90 += e.i90.Contains(x);
    score.width += e.i90.upper - e.i90.lower;
    score.truth += x;
    score.value += e.value;
  }

  const SpanLoss loss_;
  const uint64_t seed_;
  std::vector<WindowSet> sets_;
  std::map<Nanos, Nanos> until_;  // WindowSet::sides_until to its start
  std::map<std::pair<Nanos, WindowKey>, Taken> truth_;
};

double Per(double sum, size_t n) { return n == 0 ? 0 : sum / static_cast<double>(n); }

void ScoreAll(const std::vector<Batch>& full, telemetry::Identities* ids,
              const SpansRunOptions& options, std::map<SpansCell, SpansScore>* scores) {
  const std::vector<Call> calls = CallsOf(full);
  for (const SpanLoss& loss : options.losses)
    for (int i = 0; i < options.repeats; ++i)
      Run(full, calls, ids, loss, options.seed + static_cast<uint64_t>(i)).Score(scores);
}

std::vector<SpansScore> InOrder(const std::map<SpansCell, SpansScore>& scores) {
  std::vector<SpansScore> ordered;
  for (const auto& [cell, score] : scores) ordered.push_back(score);
  return ordered;
}

}  // namespace

std::vector<SpansScore> EvaluateSpans(const std::vector<Batch>& full, telemetry::Identities* ids,
                                      const SpansRunOptions& options) {
  std::map<SpansCell, SpansScore> scores;
  ScoreAll(full, ids, options, &scores);
  return InOrder(scores);
}

Result<std::vector<SpansScore>> RunSpans(const std::vector<std::string>& paths,
                                         const SpansRunOptions& options) {
  std::map<SpansCell, SpansScore> scores;
  for (const std::string& path : paths) {
    telemetry::Identities ids;
    const auto batches = engine::ReadNormalised(path, &ids);
    if (!batches.ok()) return batches.status();
    ScoreAll(*batches, &ids, options, &scores);
  }
  return InOrder(scores);
}

double SpansScore::all90() const {
  return Per(static_cast<double>(in90 + certain_right), n + certain);
}

std::string SpansText(const std::vector<SpansScore>& scores) {
  std::string text =
      "client, server: share of the spans of that side that was taken away; n: intervals with "
      "room, of which in50 and in90 hold what was taken; certain: intervals of one number, where "
      "that is 90 % or the coin of a discrete interval says so; all90: in90 of both (should be "
      ".9); missing: no answer\n"
      "client server state                      n  in50  in90  mean taken  said  width90  certain  "
      "right all90  missing\n";
  for (const SpansScore& s : scores) {
    char line[200];
    std::snprintf(line, sizeof(line),
                  "%6.2f %6.2f %-20s %6zu %5.3f %5.3f %11.2f %5.2f %8.2f %8zu %6.3f %5.3f %8zu\n",
                  s.cell.loss.client, s.cell.loss.server, s.cell.state.c_str(), s.n,
                  Per(static_cast<double>(s.in50), s.n), Per(static_cast<double>(s.in90), s.n),
                  Per(s.truth, s.n), Per(s.value, s.n), Per(s.width, s.n), s.certain,
                  Per(static_cast<double>(s.certain_right), s.certain), s.all90(), s.missing);
    text += line;
  }
  return text;
}

std::string SpansJson(const std::vector<SpansScore>& scores) {
  nlohmann::json rows = nlohmann::json::array();
  for (const SpansScore& s : scores) {
    rows.push_back({{"client", s.cell.loss.client},
                    {"server", s.cell.loss.server},
                    {"state", s.cell.state},
                    {"n", s.n},
                    {"in50", Per(static_cast<double>(s.in50), s.n)},
                    {"in90", Per(static_cast<double>(s.in90), s.n)},
                    {"mean_taken", Per(s.truth, s.n)},
                    {"mean_said", Per(s.value, s.n)},
                    {"mean_width90", Per(s.width, s.n)},
                    {"certain", s.certain},
                    {"certain_right", Per(static_cast<double>(s.certain_right), s.certain)},
                    {"all90", s.all90()},
                    {"missing", s.missing}});
  }
  return rows.dump(1);
}

}  // namespace tomograph::evaluate
