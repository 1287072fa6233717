// What a simulated system shows of itself: records as its SDKs, exporters and control planes would
// make them, before anything is lost on the way (loss/) and before they are written in somebody's
// format (write/). Times are the sender's own clock's. Strings live as long as the world.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"

namespace tomograph::simulate {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Who shows something: OTLP's resource. Made once, numbered in the order of making.
struct Sender {
  std::string service, instance, version, host;
  Labels more;  // further resource attributes: "k8s.pod.name", "cloud.region"
};
enum class SenderId : uint32_t {};

struct SpanRecord {
  SenderId sender{};
  telemetry::TraceId trace;  // its low 56 bits are random (W3C trace context 2): sampling needs it
  uint64_t span = 0, parent = 0;  // parent 0: a root
  Nanos start = 0, end = 0;
  telemetry::SpanKind kind = telemetry::SpanKind::kServer;
  std::string_view name;       // "GET /items"
  std::string_view peer;       // of a client span: whom it called, as the caller names it
  std::string_view db_system;  // of a client span to a database; else empty
  uint16_t http_status = 0;    // 0: not HTTP
  bool failed = false;
  std::string_view trace_state;  // W3C tracestate; Loss sets it where traces are sampled
  Labels more;                   // further attributes
};

enum class SampleKind : uint8_t { kGauge, kCounter, kHistogram };

/// One point of one series. Counters and histograms are cumulative since `start`.
struct SampleRecord {
  SenderId sender{};
  std::string_view metric;  // semantic conventions: "http.server.request.duration"
  std::string_view unit;    // UCUM: "s", "By", "1", "{request}"
  SampleKind kind = SampleKind::kGauge;
  Labels labels;
  Nanos start = 0, time = 0;
  double value = 0;
  // Histograms: the bucket i counts what is <= bounds[i] and above the one before; the last has no
  // bound, so counts has one entry more than bounds.
  std::vector<double> bounds;
  std::vector<uint64_t> counts;
  double sum = 0;
};

struct LogRecord {
  SenderId sender{};
  Nanos time = 0;
  telemetry::Severity severity = telemetry::Severity::kInfo;
  std::string body;
  telemetry::TraceId trace;  // empty: none
  uint64_t span = 0;
  std::string event_name;  // OTLP event: "k8s.pod.scheduled"
  Labels more;
};

/// A deploy, a flag, a scale-out: a CDEvent.
struct ChangeRecord {
  Nanos time = 0;
  telemetry::ChangeKind kind = telemetry::ChangeKind::kDeploy;
  std::string service, version, text;
};

/// Gets what is shown, in the order of the time at which it is sent.
class Audience {
 public:
  virtual ~Audience() = default;
  virtual SenderId Enter(const Sender& sender) = 0;
  virtual void See(const SpanRecord& span) = 0;
  virtual void See(const SampleRecord& sample) = 0;
  virtual void See(const LogRecord& log) = 0;
  virtual void See(const ChangeRecord& change) = 0;
};

}  // namespace tomograph::simulate
