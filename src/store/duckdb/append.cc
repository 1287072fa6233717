#include "store/duckdb/append.h"

#include <algorithm>

#include "store/duckdb/row_json.h"

namespace tomograph::store {
namespace {

using telemetry::Batch;

/// The value, or what stands for a column that was not filled.
template <typename T>
T At(const std::vector<T>& column, size_t row, T missing) {
  return column.empty() ? missing : column[row];
}

/// JSON texts of one chunk's column, in one buffer.
class TextColumn {
 public:
  std::string* Begin() { return &buffer_; }
  void End() { ends_.push_back(buffer_.size()); }
  /// Points the rows at the buffer, which must then stay as it is until the chunk is appended.
  void Fill(ChunkAppender& out, size_t column) const {
    const std::string_view all = buffer_;
    for (size_t row = 0; row < ends_.size(); ++row) {
      const size_t from = row == 0 ? 0 : ends_[row - 1];
      out.SetTextOrNull(column, row, all.substr(from, ends_[row] - from));
    }
  }
  void Clear() {
    buffer_.clear();
    ends_.clear();
  }

 private:
  std::string buffer_;
  std::vector<size_t> ends_;
};

/// The slice of a sorted column of span numbers that belongs to `span`, starting the search at
/// *from.
std::pair<size_t, size_t> SliceOf(const std::vector<uint32_t>& spans, size_t span, size_t* from) {
  while (*from < spans.size() && spans[*from] < span) ++*from;
  const size_t begin = *from;
  while (*from < spans.size() && spans[*from] == span) ++*from;
  return {begin, *from};
}

uint64_t Number(telemetry::EntityId id) { return static_cast<uint64_t>(id); }

/// Calls fill(row of the batch, row of the chunk) for all rows, and append(count) after each chunk.
template <typename Fill, typename Append>
Status ByChunks(size_t rows, Fill fill, Append append) {
  for (size_t from = 0; from < rows; from += ChunkAppender::capacity()) {
    const size_t count = std::min<size_t>(ChunkAppender::capacity(), rows - from);
    for (size_t i = 0; i < count; ++i) fill(from + i, i);
    TG_RETURN_IF_ERROR(append(count));
  }
  return Status::Ok();
}

}  // namespace

struct RowAppender::Tables {
  std::unique_ptr<ChunkAppender> spans, samples, histograms, logs, flows, events;
  TextColumn attributes, span_events, span_links;

  void ClearTexts() {
    attributes.Clear();
    span_events.Clear();
    span_links.Clear();
  }
};

RowAppender::RowAppender(Connection& connection, Dictionaries* dictionaries,
                         telemetry::Identities* identities)
    : connection_(connection),
      dictionaries_(dictionaries),
      identities_(identities),
      tables_(std::make_unique<Tables>()) {}

RowAppender::~RowAppender() = default;

namespace {

Status OpenOnce(Connection& connection, const char* table,
                std::unique_ptr<ChunkAppender>* appender) {
  if (*appender != nullptr) return Status::Ok();
  auto opened = std::string_view(table) == "events"
                    ? ChunkAppender::OpenIgnoringConflicts(connection, table)
                    : ChunkAppender::Open(connection, table);
  if (!opened.ok()) return opened.status();
  *appender = std::move(*opened);
  return Status::Ok();
}

}  // namespace

Status RowAppender::Append(const Batch& batch) {
  if (batch.spans.rows() > 0) TG_RETURN_IF_ERROR(AppendSpans(batch));
  if (batch.samples.rows() > 0) TG_RETURN_IF_ERROR(AppendSamples(batch));
  if (batch.samples.histograms.rows() > 0) TG_RETURN_IF_ERROR(AppendHistograms(batch));
  if (batch.logs.rows() > 0) TG_RETURN_IF_ERROR(AppendLogs(batch));
  if (batch.flows.rows() > 0) TG_RETURN_IF_ERROR(AppendFlows(batch));
  if (batch.events.rows() > 0) TG_RETURN_IF_ERROR(AppendEvents(batch));
  return Status::Ok();
}

Status RowAppender::Flush() {
  for (ChunkAppender* table :
       {tables_->spans.get(), tables_->samples.get(), tables_->histograms.get(),
        tables_->logs.get(), tables_->flows.get(), tables_->events.get()}) {
    if (table != nullptr) TG_RETURN_IF_ERROR(table->Flush());
  }
  return dictionaries_->Flush(connection_);
}

Status RowAppender::AppendSpans(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "spans", &tables_->spans));
  ChunkAppender& out = *tables_->spans;
  const telemetry::SpanBatch& s = batch.spans;
  size_t next_event = 0, next_link = 0;
  const auto fill = [&](size_t row, size_t i) {
    const bool failed = At<uint8_t>(s.failed, row, s.status[row] == telemetry::SpanStatus::kError);
    const telemetry::EntityId peer = At(s.peer, row, telemetry::kNoEntity);
    const telemetry::Resource& resource = identities_->resources.Get(s.resource[row]);
    const telemetry::EntityId service = At(s.service, row, resource.service_entity);
    const std::string_view service_name = dictionaries_->NameOf(service);
    dictionaries_->NameOf(peer);
    out.SetUuid(0, i, s.trace_id[row]);
    out.Set<uint64_t>(1, i, s.span_id[row]);
    out.SetOrNull<uint64_t>(2, i, s.parent_span_id[row], 0);
    out.Set<int64_t>(3, i, s.start_ns[row]);
    out.Set<int64_t>(4, i, s.end_ns[row]);
    out.Set<int64_t>(5, i, At(s.corrected_start_ns, row, s.start_ns[row]));
    out.SetOrNull<int64_t>(6, i, At(s.clock_bound_ns, row, telemetry::kUnknownBound),
                           telemetry::kUnknownBound);
    out.SetText(7, i, service_name.empty() ? Text(resource.service) : service_name);
    out.SetText(8, i, Text(s.name[row]));
    out.SetText(9, i, Text(At(s.operation, row, s.name[row])));
    out.Set<uint8_t>(10, i, static_cast<uint8_t>(s.kind[row]));
    out.Set<uint8_t>(11, i, static_cast<uint8_t>(s.status[row]));
    out.Set<bool>(12, i, failed);
    out.Set<float>(13, i, At(s.weight, row, 1.0f));
    out.Set<bool>(14, i, At<uint8_t>(s.weight_known, row, 0) != 0);
    out.SetOrNull<uint64_t>(15, i, Number(service), 0);
    out.SetOrNull<uint64_t>(16, i, Number(peer), 0);
    out.Set<uint32_t>(17, i, dictionaries_->StoredId(s.resource[row]));
    out.SetTextOrNull(18, i, Text(s.trace_state[row]));
    s.attributes.AppendJson(row, identities_->strings, tables_->attributes.Begin());
    tables_->attributes.End();
    const auto [e, e_end] = SliceOf(s.events.span, row, &next_event);
    if (e < e_end) {
      AppendSpanEvents(s.events, e, e_end, identities_->strings, tables_->span_events.Begin());
    }
    tables_->span_events.End();
    const auto [l, l_end] = SliceOf(s.links.span, row, &next_link);
    if (l < l_end) AppendSpanLinks(s.links, l, l_end, tables_->span_links.Begin());
    tables_->span_links.End();
    out.SetOrNull<int64_t>(22, i, batch.origin.received_ns, 0);
  };
  return ByChunks(s.rows(), fill, [&](size_t count) {
    tables_->attributes.Fill(out, 19);
    tables_->span_events.Fill(out, 20);
    tables_->span_links.Fill(out, 21);
    Status status = out.Append(count);
    tables_->ClearTexts();
    return status;
  });
}

Status RowAppender::AppendSamples(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "samples", &tables_->samples));
  ChunkAppender& out = *tables_->samples;
  const telemetry::SampleBatch& s = batch.samples;
  const auto fill = [&](size_t row, size_t i) {
    out.Set<int64_t>(0, i, s.time_ns[row]);
    out.SetOrNull<int64_t>(1, i, s.start_ns[row], 0);
    out.Set<uint32_t>(2, i, dictionaries_->StoredId(s.series[row]));
    out.Set<double>(3, i, s.value[row]);
    out.SetOrNull<int64_t>(4, i, batch.origin.received_ns, 0);
  };
  return ByChunks(s.rows(), fill, [&](size_t count) { return out.Append(count); });
}

Status RowAppender::AppendHistograms(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "histograms", &tables_->histograms));
  ChunkAppender& out = *tables_->histograms;
  const telemetry::SampleBatch::Histograms& h = batch.samples.histograms;
  const auto fill = [&](size_t row, size_t i) {
    const uint32_t from = row == 0 ? 0 : h.bucket_end[row - 1];
    const uint32_t buckets = h.bucket_end[row] - from;
    out.Set<int64_t>(0, i, h.time_ns[row]);
    out.SetOrNull<int64_t>(1, i, h.start_ns[row], 0);
    out.Set<uint32_t>(2, i, dictionaries_->StoredId(h.series[row]));
    out.Set<uint64_t>(3, i, h.count[row]);
    out.Set<double>(4, i, h.sum[row]);
    out.Set<double>(5, i, h.min[row]);
    out.Set<double>(6, i, h.max[row]);
    out.SetList<double>(7, i, h.upper_bound.data() + from, buckets);
    out.SetList<uint64_t>(8, i, h.bucket_count.data() + from, buckets);
    out.SetOrNull<int64_t>(9, i, batch.origin.received_ns, 0);
  };
  return ByChunks(h.rows(), fill, [&](size_t count) { return out.Append(count); });
}

Status RowAppender::AppendLogs(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "logs", &tables_->logs));
  ChunkAppender& out = *tables_->logs;
  const telemetry::LogBatch& l = batch.logs;
  const auto fill = [&](size_t row, size_t i) {
    const telemetry::Resource& resource = identities_->resources.Get(l.resource[row]);
    out.Set<int64_t>(0, i, l.time_ns[row]);
    out.Set<int64_t>(1, i, l.observed_ns[row]);
    out.Set<int64_t>(2, i, At(l.corrected_ns, row, l.time_ns[row]));
    out.SetOrNull<int64_t>(3, i, At(l.clock_bound_ns, row, telemetry::kUnknownBound),
                           telemetry::kUnknownBound);
    out.Set<uint8_t>(4, i, static_cast<uint8_t>(l.severity[row]));
    out.SetText(5, i, Text(resource.service));
    out.Set<uint32_t>(6, i, dictionaries_->StoredId(l.resource[row]));
    if (l.trace_id[row].empty())
      out.SetNull(7, i);
    else
      out.SetUuid(7, i, l.trace_id[row]);
    out.SetOrNull<uint64_t>(8, i, l.span_id[row], 0);
    out.SetText(9, i, Text(l.event_name[row]));
    out.SetText(10, i, l.body(row));
    l.attributes.AppendJson(row, identities_->strings, tables_->attributes.Begin());
    tables_->attributes.End();
    out.SetOrNull<int64_t>(12, i, batch.origin.received_ns, 0);
  };
  return ByChunks(l.rows(), fill, [&](size_t count) {
    tables_->attributes.Fill(out, 11);
    Status status = out.Append(count);
    tables_->ClearTexts();
    return status;
  });
}

Status RowAppender::AppendFlows(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "flows", &tables_->flows));
  ChunkAppender& out = *tables_->flows;
  const telemetry::FlowBatch& f = batch.flows;
  const auto fill = [&](size_t row, size_t i) {
    out.Set<int64_t>(0, i, f.start_ns[row]);
    out.Set<int64_t>(1, i, f.end_ns[row]);
    out.SetText(2, i, Text(identities_->resources.Get(f.resource[row]).service));
    out.Set<uint32_t>(3, i, dictionaries_->StoredId(f.resource[row]));
    out.SetText(4, i, Text(f.source_address[row]));
    out.Set<uint16_t>(5, i, f.source_port[row]);
    out.SetText(6, i, Text(f.destination_address[row]));
    out.Set<uint16_t>(7, i, f.destination_port[row]);
    out.Set<uint8_t>(8, i, f.protocol[row]);
    out.Set<uint64_t>(9, i, f.bytes[row]);
    out.Set<uint64_t>(10, i, f.packets[row]);
    out.Set<float>(11, i, f.weight[row]);
    out.SetOrNull<int64_t>(12, i, batch.origin.received_ns, 0);
  };
  return ByChunks(f.rows(), fill, [&](size_t count) { return out.Append(count); });
}

Status RowAppender::AppendEvents(const Batch& batch) {
  TG_RETURN_IF_ERROR(OpenOnce(connection_, "events", &tables_->events));
  ChunkAppender& out = *tables_->events;
  const telemetry::EventBatch& e = batch.events;
  const auto fill = [&](size_t row, size_t i) {
    const telemetry::EntityId entity = At(e.entity, row, telemetry::kNoEntity);
    dictionaries_->NameOf(entity);
    out.Set<int64_t>(0, i, e.time_ns[row]);
    out.Set<uint8_t>(1, i, static_cast<uint8_t>(e.kind[row]));
    // Without an id a repeat cannot be told from a second event: NULLs never conflict.
    out.SetTextOrNull(2, i, Text(e.id[row]));
    out.SetText(3, i, Text(e.source[row]));
    out.SetText(4, i, Text(e.service[row]));
    out.SetText(5, i, Text(e.environment[row]));
    out.SetText(6, i, Text(e.version[row]));
    out.SetOrNull<uint64_t>(7, i, Number(entity), 0);
    e.attributes.AppendJson(row, identities_->strings, tables_->attributes.Begin());
    tables_->attributes.End();
  };
  return ByChunks(e.rows(), fill, [&](size_t count) {
    tables_->attributes.Fill(out, 8);
    Status status = out.Append(count);
    tables_->ClearTexts();
    return status;
  });
}

}  // namespace tomograph::store
