#include "evaluate/workload.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"

namespace tomograph::evaluate {
namespace {

using telemetry::EntityId;
using telemetry::SpanKind;

constexpr size_t kBatchRows = 512;

struct Row {
  telemetry::TraceId trace;
  uint64_t id, parent;
  Nanos start, end;
  SpanKind kind;
  EntityId service, peer;
  bool failed;
};

class System {
 public:
  System(const WorkloadOptions& options, telemetry::Identities* ids)
      : options_(options), random_(options.seed) {
    const auto service = [&](const char* name) {
      return ids->entities.FindOrAdd(telemetry::EntityKind::kService, "workload", name);
    };
    front_ = service("front");
    basket_ = service("basket");
    payment_ = service("payment");
    stock_ = service("stock");
    database_ = ids->entities.FindOrAdd(telemetry::EntityKind::kDatabase, "", "workload database");
  }

  std::vector<Row> Run() {
    const double peak = options_.traces_per_s * 1.6;
    for (Nanos t = options_.start; t < options_.start + options_.length;) {
      t += FromSeconds(random_.Exponential(1 / peak));
      if (random_.Uniform() * 1.6 < Wave(t)) Request(t);
    }
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return a.end != b.end ? a.end < b.end : a.id < b.id;
    });
    return std::move(rows_);
  }

 private:
  /// A slow wave and a fast one: up to 1.6, down to 0.4.
  double Wave(Nanos t) const {
    const double s = ToSeconds(t - options_.start) * 2 * std::numbers::pi;
    return 1 + 0.4 * std::sin(s / 300) + 0.2 * std::sin(s / 23);
  }

  Nanos Takes(double median_ms, double sigma) {
    return FromSeconds(median_ms * 1e-3 * std::exp(random_.Normal(0, sigma)));
  }

  /// A client's and a server's span around `work`, which returns when it is done.
  template <typename Work>
  Nanos Call(EntityId caller, EntityId callee, uint64_t parent, Nanos at, double fail, Nanos queued,
             Work&& work) {
    const uint64_t client = random_.Next(), server = random_.Next();
    const Nanos there = at + queued + Takes(0.4, 0.5);
    const Nanos done = work(server, there);
    const Nanos back = done + Takes(0.4, 0.5);
    const bool failed = random_.Uniform() < fail;
    rows_.push_back(Row{trace_, client, parent, at, back, SpanKind::kClient, caller,
                        telemetry::kNoEntity, failed});
    rows_.push_back(Row{trace_, server, client, there, done, SpanKind::kServer, callee,
                        telemetry::kNoEntity, failed});
    return back;
  }

  Nanos Query(EntityId caller, uint64_t parent, Nanos at) {
    const Nanos done = at + Takes(4, 0.8);
    rows_.push_back(Row{trace_, random_.Next(), parent, at, done, SpanKind::kClient, caller,
                        database_, random_.Uniform() < 0.005});
    return done;
  }

  void Request(Nanos at) {
    trace_ = {random_.Next(), random_.Next()};
    const uint64_t root = random_.Next();
    const bool ill = options_.incident.Contains(at);
    Nanos t = at + Takes(3, 0.7);
    if (random_.Uniform() < 0.9) {
      t = Call(front_, basket_, root, t, 0.02, 0, [&](uint64_t span, Nanos now) {
        for (uint64_t n = 1 + random_.Below(4); n > 0; --n)
          now = Query(basket_, span, now + Takes(2, 0.8));
        return now;
      });
    }
    if (random_.Uniform() < 0.4) {
      t = Call(front_, payment_, root, t, ill ? 0.3 : 0.03, ill ? Takes(120, 1) : 0,
               [&](uint64_t span, Nanos now) {
                 now += ill ? Takes(400, 0.9) : Takes(30, 0.9);
                 for (uint64_t n = random_.Below(4); n > 0; --n)
                   now = Call(payment_, stock_, span, now, 0.01, 0,
                              [&](uint64_t, Nanos inner) { return inner + Takes(12, 1); });
                 return now;
               });
    }
    rows_.push_back(Row{trace_, root, 0, at, t + Takes(1, 0.5), SpanKind::kServer, front_,
                        telemetry::kNoEntity, random_.Uniform() < (ill ? 0.1 : 0.02)});
  }

  const WorkloadOptions options_;
  Random random_;
  EntityId front_, basket_, payment_, stock_, database_;
  telemetry::TraceId trace_;
  std::vector<Row> rows_;
};

void Append(telemetry::SpanBatch* s, const Row& r) {
  s->trace_id.push_back(r.trace);
  s->span_id.push_back(r.id);
  s->parent_span_id.push_back(r.parent);
  s->start_ns.push_back(r.start);
  s->end_ns.push_back(r.end);
  s->corrected_start_ns.push_back(r.start);
  s->kind.push_back(r.kind);
  s->service.push_back(r.service);
  s->peer.push_back(r.peer);
  s->failed.push_back(r.failed);
  s->weight.push_back(1);
  s->weight_known.push_back(1);
}

}  // namespace

std::vector<telemetry::Batch> MakeWorkload(const WorkloadOptions& options,
                                           telemetry::Identities* ids) {
  std::vector<telemetry::Batch> batches;
  for (const Row& row : System(options, ids).Run()) {
    if (batches.empty() || batches.back().spans.rows() >= kBatchRows) batches.emplace_back();
    Append(&batches.back().spans, row);
  }
  return batches;
}

}  // namespace tomograph::evaluate
