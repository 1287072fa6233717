#include "publish/example_traces.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tomograph::publish {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::SpanKind;

struct Example {
  telemetry::TraceId trace;
  EntityId service;
  std::string name;
  Nanos start, duration;
  bool failed;
};

using IsWanted = std::function<bool(const telemetry::SpanBatch&, size_t)>;

/// Those that speak most, kept while the spans go by.
class Best {
 public:
  Best(bool failed_first, const telemetry::Identities& identities)
      : failed_first_(failed_first), identities_(identities) {}

  /// Looks at the spans of one service.
  Status Look(store::Store* store, const std::string& service, TimeRange range,
              const IsWanted& is_wanted) {
    store::ScanFilter filter;
    filter.range = range;
    filter.service = service;
    filter.limit = kMostLookedAt;
    return store->Scan(telemetry::Signal::kSpan, filter, [&](const Batch& batch) {
      const telemetry::SpanBatch& s = batch.spans;
      for (size_t row = 0; row < s.rows(); ++row) {
        if (!s.trace_id[row].empty() && is_wanted(s, row)) Add(s, row);
      }
      return true;
    });
  }

  const std::vector<Example>& examples() const { return examples_; }

 private:
  void Add(const telemetry::SpanBatch& s, size_t row) {
    const Example example = {s.trace_id[row],
                             s.service[row],
                             std::string(identities_.strings.Get(s.name[row])),
                             s.corrected_start_ns[row],
                             s.end_ns[row] - s.start_ns[row],
                             s.failed[row] != 0};
    const auto speaks_more = [&](const Example& a, const Example& b) {
      return std::tuple(failed_first_ && a.failed, a.duration, b.start) >
             std::tuple(failed_first_ && b.failed, b.duration, a.start);
    };
    const auto same = std::find_if(examples_.begin(), examples_.end(),
                                   [&](const Example& e) { return e.trace == example.trace; });
    if (same != examples_.end()) {
      if (!speaks_more(example, *same)) return;
      examples_.erase(same);
    }
    examples_.insert(std::upper_bound(examples_.begin(), examples_.end(), example, speaks_more),
                     example);
    if (examples_.size() > kMostExamples) examples_.pop_back();
  }

  const bool failed_first_;
  const telemetry::Identities& identities_;
  std::vector<Example> examples_;
};

bool Serves(SpanKind kind) { return kind == SpanKind::kServer || kind == SpanKind::kConsumer; }

}  // namespace

Result<Json> ExampleTraces(EntityId entity, std::string_view quantity, TimeRange range,
                           const telemetry::Picture& picture, store::Store* store,
                           const telemetry::Identities& identities) {
  const EntityNames names(picture);
  Best best(quantity.find("error") != std::string_view::npos, identities);
  if (quantity.rfind("client_", 0) != 0) {
    TG_RETURN_IF_ERROR(
        best.Look(store, names.Name(entity), range, [&](const telemetry::SpanBatch& s, size_t row) {
          return s.service[row] == entity && Serves(s.kind[row]);
        }));
  }
  if (best.examples().empty()) {
    std::set<std::string> callers;
    for (const auto& edge : picture.edges) {
      if (edge.callee == entity) callers.insert(names.Name(edge.caller));
    }
    for (const std::string& caller : callers) {
      TG_RETURN_IF_ERROR(
          best.Look(store, caller, range, [&](const telemetry::SpanBatch& s, size_t row) {
            return s.peer[row] == entity && !Serves(s.kind[row]);
          }));
    }
  }
  Json out = Json::array();
  for (const Example& e : best.examples()) {
    out.push_back({{"evidence", "trace:" + telemetry::ToHex(e.trace)},
                   {"service_name", names.Name(e.service)},
                   {"name", e.name},
                   {"start_ms", ToMillis(e.start)},
                   {"times", "raw"},
                   {"duration_ms", Number(ToMillis(e.duration))},
                   {"failed", e.failed}});
  }
  return out;
}

}  // namespace tomograph::publish
