// The JSON encoding, its lines, and that equal content gives equal batches in both encodings.
#include <cmath>

#include "base/random.h"
#include "ingest/otlp/base64.h"
#include "ingest/otlp/otlp_test_fixture.h"

namespace tomograph::ingest::otlp {
namespace {

using namespace test;  // NOLINT: the builders are this file's language
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JsonTest : public OtlpTest {
 protected:
  std::vector<Batch> Lines(const std::string& text, size_t step) {
    std::vector<Batch> batches;
    const auto decoder = NewLinesDecoder(context_);
    const BatchSink sink = [&](Batch&& batch) { batches.push_back(std::move(batch)); };
    for (size_t at = 0; at < text.size(); at += step) {
      EXPECT_TRUE(decoder->Push(ByteView(text).substr(at, step), sink).ok());
    }
    EXPECT_TRUE(decoder->Finish(sink).ok());
    return batches;
  }
};

constexpr char kSpanJson[] = R"({"resourceSpans":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"cart"}}],"unknown":{"a":[1]}},
  "scopeSpans":[{"scope":{"name":"lib"},"spans":[{
    "traceId":"0102030405060708090A0b0c0d0e0f10","spanId":"1112131415161718","parentSpanId":"2122232425262728",
    "traceState":"ot=th:8","name":"GET /cart","kind":2,
    "startTimeUnixNano":"1700000000000000000","endTimeUnixNano":1700000000001000000,
    "attributes":[{"key":"s","value":{"stringValue":"é"}},{"key":"i","value":{"intValue":"-5"}},
      {"key":"d","value":{"doubleValue":0.5}},{"key":"b","value":{"boolValue":true}},
      {"key":"raw","value":{"bytesValue":"Af8="}},
      {"key":"list","value":{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"}]}}},
      {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":false}}]}}}],
    "droppedAttributesCount":3,"flags":257,
    "events":[{"timeUnixNano":"1700000000000000007","name":"exception","attributes":[]}],
    "links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"2122232425262728"}],
    "status":{"code":2,"message":"broke"}}]}],"schemaUrl":null}]})";

/// What JSON.stringify makes of a string that was cut through a character, and bytes that are no
/// text.
TEST_F(JsonTest, ReplacesWhatIsNoText) {
  const auto log = [](const std::string& body) {
    return R"({"timeUnixNano":"1700000000000000000","body":{"stringValue":")" + body + R"("}})";
  };
  const std::string json = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)" +
                           log(R"(a\\ud83d \ud83d\ude00 \ud83d)") + "," +
                           log(R"(\ude00\ud83dx\\)") + "," + log("b\xFF\xE2\x82") + "," +
                           log("good \\u00e9 \xC3\xA9") + "]}]}]}";
  const Batch batch = MustDecode(json, Signal::kLog, Encoding::kJson);
  ASSERT_EQ(batch.logs.rows(), 4u);
  EXPECT_EQ(batch.logs.body(0), "a\\ud83d \xF0\x9F\x98\x80 \xEF\xBF\xBD");
  EXPECT_EQ(batch.logs.body(1), "\xEF\xBF\xBD\xEF\xBF\xBDx\\");
  EXPECT_EQ(batch.logs.body(2), "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(batch.logs.body(3), "good \xC3\xA9 \xC3\xA9");
  EXPECT_EQ(Lost(Signal::kLog, Reason::kBadText), 3u);
  EXPECT_EQ(Accepted(Signal::kLog), 1u);
}

/// A record of which nothing is set is one all the same.
TEST_F(JsonTest, CountsEmptyRecords) {
  const std::string json[] = {
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{},{"name":"x"},null]}]}]})",
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]})",
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[{},{}]}},{}]}]}]})"};
  const Signal signals[] = {Signal::kSpan, Signal::kLog, Signal::kSample};
  for (int i = 0; i < 3; ++i) {
    Batch batch;
    EXPECT_TRUE(DecodeInto(&batch, json[i], signals[i], Encoding::kJson).ok());
  }
  EXPECT_EQ(Received(Signal::kSpan), 3u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kMissingId), 2u);
  EXPECT_EQ(Received(Signal::kLog), 2u);
  EXPECT_EQ(Lost(Signal::kLog, Reason::kTimeFromObserved), 2u);
  EXPECT_EQ(Received(Signal::kSample), 2u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kBadTime), 2u);

  for (const Signal signal : {Signal::kSpan, Signal::kLog})
    MustDecode(Request({Block("", {"", ""})}), signal);
  EXPECT_EQ(Received(Signal::kSpan), 5u) << "the same in protobuf";
  EXPECT_EQ(Received(Signal::kLog), 4u);
}

std::string SpanProtobuf() {
  SpanFields s;
  s.state = "ot=th:8";
  s.attributes = {Pair("s", "é"),
                  Pair("i", Int(-5)),
                  Pair("d", Real(0.5)),
                  Pair("b", Bool(true)),
                  Pair("raw", Raw("\x01\xff")),
                  Pair("list", List({Int(1), Str("x")})),
                  Pair("map", Map({Pair("k", Bool(false))}))};
  s.events = {Event(kTime + 7, "exception", {})};
  s.links = {Link(kTraceId, kParentId)};
  s.status = SpanStatusOf(2, "broke");
  return Request({Block(Resource({Pair("service.name", "cart")}), {Span(s)})});
}

TEST_F(JsonTest, SpansEqualTheirProtobuf) {
  const Batch json = MustDecode(kSpanJson, Signal::kSpan, Encoding::kJson);
  const Batch wire = MustDecode(SpanProtobuf(), Signal::kSpan);
  ASSERT_EQ(json.spans.rows(), 1u);
  EXPECT_EQ(json.spans.trace_id, wire.spans.trace_id);
  EXPECT_EQ(json.spans.span_id, wire.spans.span_id);
  EXPECT_EQ(json.spans.parent_span_id, wire.spans.parent_span_id);
  EXPECT_EQ(json.spans.start_ns, wire.spans.start_ns);
  EXPECT_EQ(json.spans.end_ns, wire.spans.end_ns);
  EXPECT_EQ(json.spans.kind, wire.spans.kind);
  EXPECT_EQ(json.spans.status, wire.spans.status);
  EXPECT_EQ(json.spans.resource, wire.spans.resource);
  EXPECT_EQ(json.spans.name, wire.spans.name);
  EXPECT_EQ(json.spans.trace_state, wire.spans.trace_state);
  EXPECT_EQ(Attributes(json.spans.attributes, 0), Attributes(wire.spans.attributes, 0));
  EXPECT_EQ(json.spans.events.time_ns, wire.spans.events.time_ns);
  EXPECT_EQ(json.spans.events.name, wire.spans.events.name);
  EXPECT_EQ(json.spans.links.span_id, wire.spans.links.span_id);
}

TEST_F(JsonTest, MetricsEqualTheirProtobuf) {
  const std::string json =
      R"({"resource_metrics":[{"resource":{},"scopeMetrics":[{"scope":{"name":"lib"},"metrics":[
    {"name":"g","unit":"1","gauge":{"dataPoints":[{"startTimeUnixNano":"1699999999999999940",
      "timeUnixNano":"1700000000000000000","asDouble":1.5,"attributes":[{"key":"a","value":{"stringValue":"b"}}]}]}},
    {"name":"c","unit":"By","sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","isMonotonic":true,
      "dataPoints":[{"timeUnixNano":"1700000000000000000","asInt":"-7"}]}},
    {"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1700000000000000000",
      "count":"3","sum":4.5,"bucketCounts":["1",2],"explicitBounds":[0.5]}]}},
    {"name":"e","unit":"s","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{
      "timeUnixNano":"1700000000000000000","count":4,"scale":-1,"zeroCount":1,
      "positive":{"offset":-1,"bucketCounts":[1,"2"]}}]}},
    {"name":"s","unit":"ms","summary":{"dataPoints":[{"timeUnixNano":"1700000000000000000","count":2,"sum":"3.5",
      "quantileValues":[{"quantile":0.5,"value":1}]}]}}]}]}]})";
  const std::string histogram =
      Message().Fixed(3, kTime).Fixed(4, 3).Double(5, 4.5).PackedFixed(6, {1, 2}).PackedDouble(
          7, {0.5});
  const std::string exponential =
      Message().Fixed(3, kTime).Fixed(4, 4).Signed(6, -1).Fixed(7, 1).Bytes(
          8, std::string(Message().Signed(1, -1).PackedInt(2, {1, 2})));
  const std::string summary = Message().Fixed(3, kTime).Fixed(4, 2).Double(5, 3.5).Bytes(
      6, std::string(Message().Double(1, 0.5).Double(2, 1)));
  const Batch a = MustDecode(json, Signal::kSample, Encoding::kJson);
  const Batch b = Metrics({Gauge("g", {NumberPoint(1.5, {Pair("a", "b")})}),
                           Sum("c", 2, true, {IntPoint(-7, {})}), Histogram("h", {histogram}),
                           ExponentialHistogram("e", {exponential}), Summary("s", {summary})});
  ASSERT_EQ(a.samples.rows(), 5u);
  EXPECT_EQ(a.samples.series, b.samples.series);
  EXPECT_EQ(a.samples.time_ns, b.samples.time_ns);
  EXPECT_EQ(a.samples.start_ns, b.samples.start_ns);
  EXPECT_EQ(a.samples.value, b.samples.value);
  ASSERT_EQ(a.samples.histograms.rows(), 2u);
  EXPECT_EQ(a.samples.histograms.series, b.samples.histograms.series);
  EXPECT_EQ(a.samples.histograms.count, b.samples.histograms.count);
  EXPECT_EQ(a.samples.histograms.upper_bound, b.samples.histograms.upper_bound);
  EXPECT_EQ(a.samples.histograms.bucket_count, b.samples.histograms.bucket_count);
}

TEST_F(JsonTest, LogsEqualTheirProtobuf) {
  const std::string json =
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1700000000000000000",
    "observedTimeUnixNano":"1700000000000000005","severityNumber":"SEVERITY_NUMBER_INFO2","body":{"stringValue":"hello"},
    "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","eventName":"e"}]}]}]})";
  LogFields l;
  l.event_name = "e";
  const Batch a = MustDecode(json, Signal::kLog, Encoding::kJson);
  const Batch b = Logs({Log(l)});
  ASSERT_EQ(a.logs.rows(), 1u);
  EXPECT_EQ(a.logs.time_ns, b.logs.time_ns);
  EXPECT_EQ(a.logs.observed_ns, b.logs.observed_ns);
  EXPECT_EQ(a.logs.severity, b.logs.severity);
  EXPECT_EQ(a.logs.bodies, b.logs.bodies);
  EXPECT_EQ(a.logs.span_id, b.logs.span_id);
  EXPECT_EQ(a.logs.event_name, b.logs.event_name);
  EXPECT_EQ(a.logs.resource, b.logs.resource);
}

TEST_F(JsonTest, RefusesARequestOfAnotherSignal) {
  const std::string spans = R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]})";
  for (const Signal signal : {Signal::kSample, Signal::kLog}) {
    Batch batch;
    const auto decoded = DecodeInto(&batch, spans, signal, Encoding::kJson);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(decoded.status().message().find("resource_spans"), std::string::npos);
  }
  Batch batch;  // what nobody knows is left out, as the protocol says
  EXPECT_TRUE(DecodeInto(&batch, R"({"somethingNew":[]})", Signal::kLog, Encoding::kJson).ok());
}

TEST_F(JsonTest, RefusesWhatIsNotARequest) {
  for (const char* bad : {"", "{", "[]", "1", "nonsense", R"({"resourceSpans":5})",
                          R"({"resourceSpans":"x"})", "{\"a\":\"\xff"}) {
    Batch batch;
    EXPECT_EQ(DecodeInto(&batch, bad, Signal::kSpan, Encoding::kJson).status().code(),
              StatusCode::kInvalidArgument)
        << bad;
    EXPECT_EQ(batch.rows(), 0u);
  }
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kMalformed), 8u);
  const std::string deep = std::string(5000, '[') + std::string(5000, ']') + "}";
  Batch batch;
  EXPECT_FALSE(DecodeInto(&batch, "{\"a\":" + deep, Signal::kSpan, Encoding::kJson).ok());
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kTooDeep), 1u);
  EXPECT_TRUE(DecodeInto(&batch, "{}", Signal::kSpan, Encoding::kJson).ok());
}

TEST_F(JsonTest, DropsTheRecordWithAValueOfTheWrongTypeAndKeepsTheRest) {
  const auto span = [](const std::string& more) {
    return R"({"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718",)"
           R"("startTimeUnixNano":"5")" +
           more + "}";
  };
  for (const std::string& bad :
       {span(R"(,"startTimeUnixNano":"soon")"), span(R"(,"name":{})"), span(R"(,"attributes":[7])"),
        span(R"(,"attributes":[{"key":"k","value":{"intValue":"many"}}])"),
        span(R"(,"events":[{"timeUnixNano":"5","name":[[]]}])"), span(R"(,"status":"fine")"),
        std::string("null"), std::string("17")}) {
    Batch batch;
    const auto decoded = DecodeInto(&batch,
                                    R"({"resourceSpans":[{"scopeSpans":[{"spans":[)" + span("") +
                                        "," + bad + "," + span("") + "]}]}]}",
                                    Signal::kSpan, Encoding::kJson);
    ASSERT_TRUE(decoded.ok()) << bad << decoded.status().ToString();
    EXPECT_EQ(decoded->rejected, 1u) << bad;
    EXPECT_THAT(decoded->message, ::testing::HasSubstr("1 wrong_type")) << bad;
    EXPECT_EQ(batch.spans.rows(), 2u) << bad;
  }
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kWrongType), 8u);
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kMalformed), 0u);
}

// Without its resource, scope or metric a record would be somebody else's: it goes with it.
TEST_F(JsonTest, DropsWhatAWrongResourceScopeOrMetricHolds) {
  const std::string span =
      R"({"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","startTimeUnixNano":5})";
  const std::string good = R"({"scopeSpans":[{"spans":[)" + span + "]}]}";
  const std::string bad_span = R"({"name":[{}]})";
  struct Case {
    std::string resource_spans;
    uint64_t rejected;
  };
  for (const Case& c :
       {Case{R"({"scopeSpans":[{"spans":[)" + span + "," + bad_span + "," + span +
                 R"(]}],"resource":{"attributes":5}})",
             3},
        Case{R"({"scopeSpans":[{"spans":[)" + bad_span + "," + span + R"(],"scope":"s"}]})", 2},
        Case{R"({"scopeSpans":[{"spans":"none"},{"scope":1}]})", 2}, Case{"1", 1}}) {
    Batch batch;
    const auto decoded =
        DecodeInto(&batch, R"({"resourceSpans":[)" + c.resource_spans + "," + good + "]}",
                   Signal::kSpan, Encoding::kJson);
    ASSERT_TRUE(decoded.ok()) << c.resource_spans << decoded.status().ToString();
    EXPECT_EQ(decoded->rejected, c.rejected) << c.resource_spans;
    EXPECT_EQ(batch.spans.rows(), 1u) << c.resource_spans;
  }
  Batch batch;
  const auto decoded = DecodeInto(&batch,
                                  R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
      {"name":5,"gauge":{"dataPoints":[{"timeUnixNano":1,"asInt":1},{"timeUnixNano":2,"asInt":1}]}},
      {"name":"m","gauge":{"dataPoints":[{"timeUnixNano":1,"asInt":"x"},{"timeUnixNano":2,"asInt":1}]}}]}]}]})",
                                  Signal::kSample, Encoding::kJson);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->rejected, 3u);
  EXPECT_EQ(batch.samples.rows(), 1u);
  EXPECT_EQ(Lost(Signal::kSample, Reason::kWrongType), 3u);
}

TEST_F(JsonTest, CountsIdsThatAreNone) {
  Batch batch;
  const auto decoded = DecodeInto(&batch, R"({"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"AQIDBAUGBwgJCgsMDQ4PEA==","spanId":"1112131415161718","startTimeUnixNano":1},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"zz","startTimeUnixNano":1}]}]}]})",
                                  Signal::kSpan, Encoding::kJson);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->rejected, 2u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kMissingId), 2u);
}

std::string OneLine(std::string json) {
  std::erase(json, '\n');
  return json;
}

TEST_F(JsonTest, LinesGiveTheSameBatchesInAnyChunks) {
  const std::string span = OneLine(kSpanJson);
  const std::string log =
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"5","body":{"stringValue":"b"}}]}]}]})";
  const std::string text = span + "\n\r\n  \n" + log + "\r\nnot json\n{}\n" + span + "\n" + span;
  context_.limits.rows_per_batch = 2;
  uint64_t runs = 0;
  for (size_t step : {size_t{1}, size_t{3}, size_t{64}, size_t{1000}, text.size()}) {
    const std::vector<Batch> batches = Lines(text, step);
    ASSERT_EQ(batches.size(), 2u) << step;
    EXPECT_EQ(batches[0].spans.rows(), 1u);
    EXPECT_EQ(batches[0].logs.rows(), 1u);
    EXPECT_EQ(batches[0].origin.format, Format::kOtlpFile);
    EXPECT_EQ(batches[1].spans.rows(), 2u);
    EXPECT_EQ(batches[1].spans.attributes.rows(), 2u);
    ++runs;
    EXPECT_EQ(Lost(Signal::kMessage, Reason::kMalformed, Format::kOtlpFile), 2 * runs);
    EXPECT_EQ(Accepted(Signal::kSpan, Format::kOtlpFile), 3 * runs);
  }
}

TEST_F(JsonTest, SkipsLinesThatAreTooLongAndGoesOn) {
  context_.limits.max_record_bytes = 200;  // so a line may have 3200
  const std::string log =
      R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"5"}]}]}]})";
  const std::string text =
      log + "\n" + std::string(3201, 'x') + "\n" + log + "\n" + std::string(9000, 'y');
  for (size_t step : {size_t{7}, text.size()}) {
    const std::vector<Batch> batches = Lines(text, step);
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_EQ(batches[0].logs.rows(), 2u);
  }
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kTooLarge, Format::kOtlpFile), 4u);
}

TEST(OtlpResponse, SaysWhatWasRejected) {
  EXPECT_EQ(EncodeResponse({}, Signal::kSpan, Encoding::kProtobuf), "");
  EXPECT_EQ(EncodeResponse({}, Signal::kSpan, Encoding::kJson), "{}");
  EXPECT_EQ(EncodeResponse({3, "why"}, Signal::kLog, Encoding::kProtobuf),
            std::string(Message().Bytes(1, std::string(Message().Int(1, 3).Bytes(2, "why")))));
  EXPECT_EQ(EncodeResponse({3, "why"}, Signal::kSample, Encoding::kJson),
            R"({"partialSuccess":{"errorMessage":"why","rejectedDataPoints":"3"}})");
}

TEST(Base64, GoesBothWays) {
  Random random(3);
  for (size_t n = 0; n < 50; ++n) {
    std::string bytes(n, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    std::string text, back;
    AppendBase64(bytes, &text);
    ASSERT_TRUE(DecodeBase64(text, &back));
    EXPECT_EQ(back, bytes);
  }
  std::string out;
  EXPECT_TRUE(DecodeBase64("-_8", &out));  // the URL alphabet, no padding
  EXPECT_EQ(out, "\xfb\xff");
  EXPECT_FALSE(DecodeBase64("a", &out));
  EXPECT_FALSE(DecodeBase64("ab c", &out));
}

}  // namespace
}  // namespace tomograph::ingest::otlp
