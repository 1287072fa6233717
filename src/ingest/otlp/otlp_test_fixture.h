// What the tests of OTLP share: the tables, a context, and columns as readable text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ingest/otlp/otlp_decoder.h"
#include "ingest/otlp/otlp_test_messages.h"

namespace tomograph::ingest::otlp {

using telemetry::Batch;
using telemetry::Format;
using telemetry::Reason;
using telemetry::Signal;

class OtlpTest : public ::testing::Test {
 protected:
  OtlpTest() {
    context_.identities = &identities_;
    context_.ledger = &ledger_;
    context_.clock = &clock_;
    context_.complete_resource = [this](telemetry::Resource*) { ++resources_completed_; };
    context_.complete_series = [this](telemetry::Series*) { ++series_completed_; };
  }
  void TearDown() override {
    for (const auto& row : ledger_.Rows()) {
      EXPECT_TRUE(row.balanced()) << FormatName(row.format) << " " << SignalName(row.signal);
    }
  }

  Result<Decoded> DecodeInto(Batch* batch, const std::string& bytes, Signal signal,
                             Encoding encoding = Encoding::kProtobuf) {
    return Decode(bytes, signal, encoding, Format::kOtlpHttp, context_, batch);
  }
  Batch MustDecode(const std::string& bytes, Signal signal,
                   Encoding encoding = Encoding::kProtobuf) {
    Batch batch;
    const auto decoded = DecodeInto(&batch, bytes, signal, encoding);
    EXPECT_TRUE(decoded.ok()) << decoded.status().ToString();
    return batch;
  }
  Batch Spans(const std::vector<std::string>& spans) {
    return MustDecode(test::Request({test::Block(test::Resource({}), spans)}), Signal::kSpan);
  }
  Batch Metrics(const std::vector<std::string>& metrics) {
    return MustDecode(test::Request({test::Block(test::Resource({}), metrics)}), Signal::kSample);
  }
  Batch Logs(const std::vector<std::string>& logs) {
    return MustDecode(test::Request({test::Block(test::Resource({}), logs)}), Signal::kLog);
  }

  std::string Text(telemetry::StringId id) const {
    return std::string(identities_.strings.Get(id));
  }
  std::string Attributes(const telemetry::AttributeTable& table, size_t row) const {
    std::string json;
    table.AppendJson(row, identities_.strings, &json);
    return json;
  }
  /// "metric{label=value,...}"
  std::string SeriesText(telemetry::SeriesId id) const {
    const telemetry::Series& series = identities_.series.Get(id);
    std::string out = Text(series.metric) + "{";
    for (const auto& [key, value] : series.labels) {
      if (out.back() != '{') out += ",";
      out += Text(key) + "=" + Text(value);
    }
    return out + "}";
  }
  uint64_t Lost(Signal signal, Reason reason, Format format = Format::kOtlpHttp) const {
    for (const auto& row : ledger_.Rows()) {
      if (row.format != format || row.signal != signal) continue;
      for (const auto& [r, n] : row.reasons) {
        if (r == reason) return n;
      }
    }
    return 0;
  }
  uint64_t Received(Signal signal, Format format = Format::kOtlpHttp) const {
    for (const auto& row : ledger_.Rows()) {
      if (row.format == format && row.signal == signal) return row.received;
    }
    return 0;
  }
  uint64_t Accepted(Signal signal, Format format = Format::kOtlpHttp) const {
    for (const auto& row : ledger_.Rows()) {
      if (row.format == format && row.signal == signal) return row.accepted;
    }
    return 0;
  }

  telemetry::Identities identities_;
  telemetry::LossLedger ledger_;
  VirtualClock clock_{test::kTime + kSecond};
  DecodeContext context_;
  int resources_completed_ = 0;
  int series_completed_ = 0;
};

}  // namespace tomograph::ingest::otlp
