#include "ingest/otlp/otlp_decoder.h"

#include <nlohmann/json.hpp>
#include <protozero/exception.hpp>
#include <protozero/pbf_writer.hpp>

#include <utility>

#include "ingest/otlp/json_transcriber.h"
#include "ingest/otlp/signals.h"

namespace tomograph::ingest::otlp {

using telemetry::Batch;
using telemetry::Format;
using telemetry::Reason;
using telemetry::Signal;

namespace {

size_t RowsOf(const Batch& batch, Signal signal) {
  switch (signal) {
    case Signal::kSpan:
      return batch.spans.rows();
    case Signal::kSample:
      return batch.samples.rows() + batch.samples.histograms.rows();
    default:
      return batch.logs.rows();
  }
}

void ClearTable(Signal signal, Batch* batch) {
  switch (signal) {
    case Signal::kSpan:
      batch->spans = {};
      break;
    case Signal::kSample:
      batch->samples = {};
      break;
    default:
      batch->logs = {};
  }
}

/// Throws protozero::exception at damaged bytes, with part of them appended.
void Walk(ByteView request, Signal signal, Pass* pass, Batch* batch) {
  switch (signal) {
    case Signal::kSpan:
      return DecodeTraces(request, pass, &batch->spans);
    case Signal::kSample:
      return DecodeMetrics(request, pass, &batch->samples);
    default:
      return DecodeLogs(request, pass, &batch->logs);
  }
}

/// Bytes from outside may break off; what our own transcriber wrote does not.
enum class Source { kWire, kTranscriber };

/// All or nothing. A table that holds rows already cannot be cut back to them, so bytes from
/// outside are then tried on an empty one first. Only callers that fill a batch from several
/// messages pay for that.
Result<RecordTally> DecodeProtobuf(ByteView request, Signal signal, Source source,
                                   const DecodeContext& context, Batch* batch) {
  const bool was_empty = RowsOf(*batch, signal) == 0;
  try {
    if (!was_empty && source == Source::kWire) {
      Batch trial;
      Pass pass(context);
      Walk(request, signal, &pass, &trial);
    }
    Pass pass(context);
    Walk(request, signal, &pass, batch);
    return pass.tally;
  } catch (const protozero::exception& error) {
    if (was_empty) ClearTable(signal, batch);
    return Status::InvalidArgument(std::string("not an OTLP request in protobuf: ") + error.what());
  }
}

/// `left_out`: what the transcriber had to leave out; empty for bytes from outside.
Result<Decoded> DecodeCounted(ByteView protobuf, Signal signal, Source source,
                              const Transcript& left_out, Format format,
                              const DecodeContext& context, Batch* batch) {
  Result<RecordTally> tally = DecodeProtobuf(protobuf, signal, source, context, batch);
  if (!tally.ok()) return tally.status();
  tally->Received(left_out.wrong_type);
  tally->Drop(Reason::kWrongType, left_out.wrong_type);
  tally->Commit(format, signal, context.ledger);
  Decoded decoded{tally->dropped(), tally->Explain()};
  if (left_out.wrong_type > 0) decoded.message += "; " + left_out.first_wrong;
  return decoded;
}

Result<Decoded> DecodeTranscript(const Transcript& transcript, Signal signal, Format format,
                                 const DecodeContext& context, Batch* batch) {
  return DecodeCounted(transcript.protobuf, signal, Source::kTranscriber, transcript, format,
                       context, batch);
}

/// The whole message is lost, and nobody knows what it held.
Status CountLost(Status status, Format format, telemetry::LossLedger* ledger) {
  const bool too_deep = status.code() == StatusCode::kResourceExhausted;
  ledger->Received(format, Signal::kMessage);
  ledger->Lost(format, Signal::kMessage, too_deep ? Reason::kTooDeep : Reason::kMalformed);
  return Status::InvalidArgument(status.message());
}

class LinesDecoder : public StreamDecoder {
 public:
  explicit LinesDecoder(DecodeContext context)
      : context_(std::move(context)),
        max_line_bytes_(kRecordsPerLine * context_.limits.max_record_bytes) {
    context_.limits.max_cells *= kRecordsPerLine;
  }

  Status Push(ByteView chunk, const BatchSink& sink) override {
    while (!chunk.empty()) {
      const size_t end = chunk.find('\n');
      const ByteView part = chunk.substr(0, end);
      // Mostly a line lies whole in one chunk and need not be copied.
      if (end != ByteView::npos && line_.empty() && !skipping_ && part.size() <= max_line_bytes_) {
        ++line_number_;
        Line(part, sink);
      } else {
        Append(part);
        if (end != ByteView::npos) EndLine(sink);
      }
      if (end == ByteView::npos) break;
      chunk.remove_prefix(end + 1);
    }
    return Status::Ok();
  }

  Status Finish(const BatchSink& sink) override {
    if (skipping_ || !line_.empty()) EndLine(sink);
    HandOut(sink);
    return Status::Ok();
  }
  DamagedLines TakeDamaged() override { return std::exchange(damaged_, {}); }

 private:
  // A line is a request, and holds many records. This is as much as the HTTP listener takes.
  static constexpr size_t kRecordsPerLine = 16;

  void Append(ByteView part) {
    if (skipping_) return;
    if (line_.size() + part.size() > max_line_bytes_) {
      skipping_ = true;
      line_ = std::string();
      context_.ledger->Received(Format::kOtlpFile, Signal::kMessage);
      context_.ledger->Lost(Format::kOtlpFile, Signal::kMessage, Reason::kTooLarge);
      return;
    }
    line_.append(part);
  }

  void EndLine(const BatchSink& sink) {
    ++line_number_;
    if (skipping_) damaged_.Add(line_number_, "larger than the limit for one line");
    if (!skipping_) Line(line_, sink);
    skipping_ = false;
    line_.clear();
  }

  void Line(ByteView line, const BatchSink& sink) {
    if (line.find_first_not_of(" \t\r") == ByteView::npos) return;
    Signal signal = Signal::kMessage;
    const Result<Transcript> transcript = transcriber_.TranscribeAny(line, &signal);
    const Status status =
        transcript.ok()
            ? DecodeTranscript(*transcript, signal, Format::kOtlpFile, context_, &batch_).status()
            : transcript.status();
    // A lost line is in the ledger; the stream goes on.
    if (!status.ok()) {
      static_cast<void>(CountLost(status, Format::kOtlpFile, context_.ledger));
      damaged_.Add(line_number_, status.message());
    }
    if (batch_.rows() >= context_.limits.rows_per_batch) HandOut(sink);
  }

  void HandOut(const BatchSink& sink) {
    if (batch_.rows() == 0) return;
    batch_.origin.format = Format::kOtlpFile;
    batch_.origin.received_ns = context_.clock->Now();
    sink(std::exchange(batch_, Batch()));
  }

  DecodeContext context_;
  const size_t max_line_bytes_;
  JsonTranscriber transcriber_;
  Batch batch_;
  std::string line_;
  bool skipping_ = false;     // inside of a line that is too long
  uint64_t line_number_ = 0;  // of the line at hand, from 1
  DamagedLines damaged_;
};

}  // namespace

Result<Decoded> Decode(ByteView message, Signal signal, Encoding encoding, Format format,
                       const DecodeContext& context, Batch* batch) {
  const Result<Decoded> decoded = [&]() -> Result<Decoded> {
    if (encoding == Encoding::kProtobuf) {
      return DecodeCounted(message, signal, Source::kWire, {}, format, context, batch);
    }
    JsonTranscriber transcriber;
    const Result<Transcript> transcript = transcriber.Transcribe(message, signal);
    if (!transcript.ok()) return transcript.status();
    return DecodeTranscript(*transcript, signal, format, context, batch);
  }();
  if (!decoded.ok()) return CountLost(decoded.status(), format, context.ledger);
  return decoded;
}

std::string EncodeResponse(const Decoded& decoded, Signal signal, Encoding encoding) {
  if (encoding == Encoding::kJson) {
    if (decoded.rejected == 0) return "{}";
    const char* field = signal == Signal::kSpan     ? "rejectedSpans"
                        : signal == Signal::kSample ? "rejectedDataPoints"
                                                    : "rejectedLogRecords";
    nlohmann::json json;
    json["partialSuccess"][field] =
        std::to_string(decoded.rejected);  // int64: a string in proto3's JSON
    json["partialSuccess"]["errorMessage"] = decoded.message;
    return json.dump();
  }
  std::string bytes;
  if (decoded.rejected == 0) return bytes;
  protozero::pbf_writer response(bytes);
  {
    protozero::pbf_writer partial(response, 1);
    partial.add_int64(1, static_cast<int64_t>(decoded.rejected));
    partial.add_string(2, decoded.message);
  }
  return bytes;
}

std::unique_ptr<StreamDecoder> NewLinesDecoder(DecodeContext context) {
  return std::make_unique<LinesDecoder>(std::move(context));
}

}  // namespace tomograph::ingest::otlp
