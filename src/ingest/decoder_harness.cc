#include "ingest/decoder_harness.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/random.h"

namespace tomograph::ingest {
namespace {

using telemetry::Batch;
using telemetry::Identities;

class Speller {
 public:
  explicit Speller(const Identities& ids) : ids_(ids) {}

  std::string Spell(const Batch& batch) {
    Line("batch ").Text(FormatName(batch.origin.format)).End();
    Samples(batch.samples);
    Histograms(batch.samples.histograms);
    Spans(batch.spans);
    Logs(batch.logs);
    Flows(batch.flows);
    Events(batch.events);
    return std::move(out_);
  }

 private:
  Speller& Line(const char* start) {
    out_ += start;
    return *this;
  }
  Speller& Text(std::string_view text) {
    out_.append(text).append(" ");
    return *this;
  }
  Speller& Id(telemetry::StringId id) { return Text(ids_.strings.Get(id)); }
  Speller& Number(double x) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.17g ", x);
    out_ += digits;
    return *this;
  }
  Speller& Time(Nanos t) { return Text(std::to_string(t)); }
  void End() { out_.back() = '\n'; }

  Speller& Resource(telemetry::ResourceId id) {
    Line("{");
    for (const auto& [key, value] : ids_.resources.Get(id).attributes) {
      out_.append(ids_.strings.Get(key)).append("=").append(ids_.strings.Get(value)).append(",");
    }
    return Line("} ");
  }
  Speller& Series(telemetry::SeriesId id) {
    const telemetry::Series& series = ids_.series.Get(id);
    Resource(series.resource).Id(series.metric);
    Line("[");
    for (const auto& [key, value] : series.labels)
      out_.append(ids_.strings.Get(key)).append("=").append(ids_.strings.Get(value)).append(",");
    Line("] ");
    return Text("kind=" + std::to_string(static_cast<int>(series.kind)))
        .Text("unit=" + std::string(ids_.strings.Get(series.unit)));
  }
  Speller& Attributes(const telemetry::AttributeTable& table, size_t row) {
    table.AppendJson(row, ids_.strings, &out_);
    return Line(" ");
  }

  void Samples(const telemetry::SampleBatch& s) {
    for (size_t i = 0; i < s.rows(); ++i)
      Line("sample ")
          .Series(s.series[i])
          .Time(s.time_ns[i])
          .Time(s.start_ns[i])
          .Number(s.value[i])
          .End();
  }
  void Histograms(const telemetry::SampleBatch::Histograms& h) {
    for (size_t i = 0; i < h.rows(); ++i) {
      Line("histogram ").Series(h.series[i]).Time(h.time_ns[i]).Time(h.start_ns[i]);
      Text("count=" + std::to_string(h.count[i])).Number(h.sum[i]);
      for (uint32_t b = i == 0 ? 0 : h.bucket_end[i - 1]; b < h.bucket_end[i]; ++b)
        Number(h.upper_bound[b]).Text(":" + std::to_string(h.bucket_count[b]));
      End();
    }
  }
  void Spans(const telemetry::SpanBatch& s) {
    for (size_t i = 0; i < s.rows(); ++i) {
      Line("span ").Text(ToHex(s.trace_id[i])).Text(telemetry::SpanIdToHex(s.span_id[i]));
      Text(telemetry::SpanIdToHex(s.parent_span_id[i])).Time(s.start_ns[i]).Time(s.end_ns[i]);
      Text("kind=" + std::to_string(static_cast<int>(s.kind[i])));
      Text("status=" + std::to_string(static_cast<int>(s.status[i])));
      Resource(s.resource[i]).Id(s.name[i]).Id(s.trace_state[i]).Attributes(s.attributes, i).End();
    }
    for (size_t i = 0; i < s.events.span.size(); ++i) {
      Line("event ").Text(std::to_string(s.events.span[i])).Time(s.events.time_ns[i]);
      Id(s.events.name[i]).Attributes(s.events.attributes, i).End();
    }
    for (size_t i = 0; i < s.links.span.size(); ++i) {
      Line("link ").Text(std::to_string(s.links.span[i])).Text(ToHex(s.links.trace_id[i]));
      Text(telemetry::SpanIdToHex(s.links.span_id[i])).End();
    }
  }
  void Logs(const telemetry::LogBatch& l) {
    for (size_t i = 0; i < l.rows(); ++i) {
      Line("log ")
          .Time(l.time_ns[i])
          .Text("severity=" + std::to_string(static_cast<int>(l.severity[i])));
      Resource(l.resource[i]).Text(ToHex(l.trace_id[i])).Text(telemetry::SpanIdToHex(l.span_id[i]));
      Text(l.body(i)).Attributes(l.attributes, i).End();
    }
  }
  void Flows(const telemetry::FlowBatch& f) {
    for (size_t i = 0; i < f.rows(); ++i) {
      Line("flow ").Time(f.start_ns[i]).Time(f.end_ns[i]);
      Resource(f.resource[i]).Id(f.source_address[i]).Text(std::to_string(f.source_port[i]));
      Id(f.destination_address[i]).Text(std::to_string(f.destination_port[i]));
      Text(std::to_string(f.protocol[i])).Text(std::to_string(f.bytes[i]));
      Text(std::to_string(f.packets[i])).Text(std::to_string(std::lround(f.weight[i]))).End();
    }
  }
  void Events(const telemetry::EventBatch& e) {
    for (size_t i = 0; i < e.rows(); ++i) {
      Line("change ")
          .Time(e.time_ns[i])
          .Text(ChangeKindName(e.kind[i]))
          .Id(e.id[i])
          .Id(e.source[i]);
      Id(e.service[i]).Id(e.environment[i]).Id(e.version[i]).Attributes(e.attributes, i).End();
    }
  }

  const Identities& ids_;
  std::string out_;
};

}  // namespace

std::string SpellBatch(const Batch& batch, const Identities& identities) {
  return Speller(identities).Spell(batch);
}

DecoderHarness::DecoderHarness() {
  context.identities = &identities;
  context.ledger = &ledger;
  context.clock = &clock;
}

Status DecoderHarness::Run(const Make& make, ByteView input, const std::vector<size_t>& pieces) {
  const auto decoder = make(context);
  const BatchSink sink = [this](Batch&& batch) { batches.push_back(std::move(batch)); };
  for (size_t at = 0, i = 0; at < input.size(); ++i) {
    const size_t piece = pieces.empty() ? input.size() : pieces[std::min(i, pieces.size() - 1)];
    // A copy of its own for each piece, so that a sanitizer sees reads beyond it.
    const std::vector<char> bytes(
        input.begin() + static_cast<ptrdiff_t>(at),
        input.begin() + static_cast<ptrdiff_t>(std::min(at + piece, input.size())));
    TG_RETURN_IF_ERROR(decoder->Push(ByteView(bytes.data(), bytes.size()), sink));
    at += bytes.size();
  }
  return decoder->Finish(sink);
}

std::string DecoderHarness::Spell() const {
  std::string out;
  for (const Batch& batch : batches) out += SpellBatch(batch, identities);
  return out;
}

std::string DecoderHarness::SpellLedger() const {
  std::string out;
  for (const auto& row : ledger.Rows()) {
    out.append(FormatName(row.format)).append(" ").append(SignalName(row.signal));
    out +=
        " received=" + std::to_string(row.received) + " accepted=" + std::to_string(row.accepted);
    for (const auto& [reason, n] : row.reasons)
      out.append(" ").append(ReasonName(reason)).append("=").append(std::to_string(n));
    out += '\n';
  }
  return out;
}

bool DecoderHarness::Balanced() const {
  const auto rows = ledger.Rows();
  return std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row.balanced(); });
}

std::string CheckAnyChunking(const DecoderHarness::Make& make, ByteView input,
                             const Limits& limits) {
  const auto run = [&](const std::vector<size_t>& pieces) {
    DecoderHarness harness;
    harness.context.limits = limits;
    const Status status = harness.Run(make, input, pieces);
    return status.ToString() + "\n" + harness.Spell() + harness.SpellLedger() +
           (harness.Balanced() ? "" : "ledger is not balanced\n");
  };
  const std::string whole = run({});
  if (whole.find("ledger is not balanced") != std::string::npos) return whole;
  if (const std::string bytes = run({1}); bytes != whole)
    return "byte by byte:\n" + bytes + "whole:\n" + whole;
  Random random(input.size());
  for (int round = 0; round < 20; ++round) {
    std::vector<size_t> pieces;
    for (size_t sum = 0; sum < input.size(); sum += pieces.back())
      pieces.push_back(1 + random.Below(round < 10 ? 7 : 200));
    if (const std::string cut = run(pieces); cut != whole)
      return "in pieces:\n" + cut + "whole:\n" + whole;
  }
  return {};
}

}  // namespace tomograph::ingest
