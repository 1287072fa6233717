#include "ingest/otlp/otlp_test_fixture.h"

namespace tomograph::ingest::otlp {
namespace {

using namespace test;  // NOLINT: the builders are this file's language
using telemetry::SpanKind;
using telemetry::SpanStatus;
using ::testing::HasSubstr;

using TracesTest = OtlpTest;

TEST_F(TracesTest, FillsEveryColumn) {
  SpanFields s;
  s.state = "ot=th:8";
  s.attributes = {Pair("http.route", "/cart"),
                  Pair("http.status", Int(-500)),
                  Pair("r", Real(0.25)),
                  Pair("b", Bool(true)),
                  Pair("raw", Raw("\x01\xff")),
                  Pair("list", List({Str("a\"b"), Int(1), List({})})),
                  Pair("map", Map({Pair("k", Real(1.5)), Pair("e", "")})),
                  Pair("none", std::string())};
  s.events = {Event(kTime + 7, "exception", {Pair("exception.type", "E")}),
              Event(kTime + 8, "second", {})};
  s.links = {Link(kTraceId, kParentId)};
  s.status = SpanStatusOf(2, "it broke");
  const Batch batch = MustDecode(
      Request({Block(Resource({Pair("service.name", "cart"), Pair("pid", Int(7))}), {Span(s)})}),
      Signal::kSpan);

  ASSERT_EQ(batch.spans.rows(), 1u);
  EXPECT_EQ(ToHex(batch.spans.trace_id[0]), "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(telemetry::SpanIdToHex(batch.spans.span_id[0]), "1112131415161718");
  EXPECT_EQ(telemetry::SpanIdToHex(batch.spans.parent_span_id[0]), "2122232425262728");
  EXPECT_EQ(batch.spans.start_ns[0], static_cast<Nanos>(kTime));
  EXPECT_EQ(batch.spans.end_ns[0], static_cast<Nanos>(kTime + 1'000'000));
  EXPECT_EQ(batch.spans.kind[0], SpanKind::kServer);
  EXPECT_EQ(batch.spans.status[0], SpanStatus::kError);
  EXPECT_EQ(Text(batch.spans.name[0]), "GET /cart");
  EXPECT_EQ(Text(batch.spans.trace_state[0]), "ot=th:8");
  EXPECT_EQ(
      Attributes(batch.spans.attributes, 0),
      R"({"http.route":"/cart","http.status":-500,"r":0.25,"b":true,"raw":"Af8=",)"
      R"("list":["a\"b",1,[]],"map":{"k":1.5,"e":""},"none":"","otel.status_description":"it broke"})");
  ASSERT_EQ(batch.spans.events.name.size(), 2u);
  EXPECT_EQ(batch.spans.events.time_ns[0], static_cast<Nanos>(kTime + 7));
  EXPECT_EQ(Text(batch.spans.events.name[1]), "second");
  EXPECT_EQ(Attributes(batch.spans.events.attributes, 0), R"({"exception.type":"E"})");
  ASSERT_EQ(batch.spans.links.span_id.size(), 1u);
  EXPECT_EQ(batch.spans.links.span[0], 0u);

  const telemetry::Resource& resource = identities_.resources.Get(batch.spans.resource[0]);
  ASSERT_EQ(resource.attributes.size(), 2u);
  EXPECT_EQ(Text(resource.attributes[0].second), "cart");
  EXPECT_EQ(Text(resource.attributes[1].second), "7");
  EXPECT_EQ(Accepted(Signal::kSpan), 1u);
}

TEST_F(TracesTest, ReadsAResourceOnceAndWhereverItStands) {
  const std::string resource = Resource({Pair("service.name", "a")});
  const std::string scope = Message().All(2, {Span({})});
  const std::string resource_last = Message().Bytes(2, scope).Bytes(1, resource);
  const Batch batch =
      MustDecode(Request({Block(resource, {Span({}), Span({})}), resource_last}), Signal::kSpan);
  ASSERT_EQ(batch.spans.rows(), 3u);
  EXPECT_EQ(batch.spans.resource[0], batch.spans.resource[2]);
  EXPECT_EQ(resources_completed_, 1);
  MustDecode(Request({Block(resource, {Span({})})}), Signal::kSpan);
  EXPECT_EQ(resources_completed_, 1);
}

TEST_F(TracesTest, RefusesSpansThatCannotBeJoinedAndSaysSo) {
  SpanFields no_trace, zero_trace, short_trace, no_span;
  no_trace.trace_id = "";
  zero_trace.trace_id = std::string(16, '\0');
  short_trace.trace_id = kTraceId.substr(1);
  no_span.span_id = std::string(8, '\0');
  Batch batch;
  const auto decoded = DecodeInto(&batch,
                                  Request({Block("", {Span(no_trace), Span({}), Span(zero_trace),
                                                      Span(short_trace), Span(no_span)})}),
                                  Signal::kSpan);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(batch.spans.rows(), 1u);
  EXPECT_EQ(decoded->rejected, 4u);
  EXPECT_THAT(decoded->message, HasSubstr("4 missing_id"));
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kMissingId), 4u);
}

TEST_F(TracesTest, JudgesTimes) {
  SpanFields none, huge, backwards, no_end;
  none.start = 0;
  huge.start = huge.end = UINT64_MAX;
  backwards.end = backwards.start - 1;
  no_end.end = 0;
  const Batch batch = Spans({Span(none), Span(huge), Span(backwards), Span(no_end)});
  ASSERT_EQ(batch.spans.rows(), 2u);
  EXPECT_EQ(batch.spans.end_ns[0], batch.spans.start_ns[0]);
  EXPECT_EQ(batch.spans.end_ns[1], batch.spans.start_ns[1]);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kBadTime), 2u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kNegativeDuration), 2u);
}

TEST_F(TracesTest, TakesUnknownEnumsAndFieldsCalmly) {
  SpanFields s;
  s.kind = 77;
  s.status = SpanStatusOf(9, "");
  std::string span = Span(s);
  span += std::string(
      Message().Bytes(99, "new").Int(16, 257).Int(1, 5));  // 1 as a number is no trace id
  const Batch batch = Spans({span});
  ASSERT_EQ(batch.spans.rows(), 1u);
  EXPECT_EQ(batch.spans.kind[0], SpanKind::kUnspecified);
  EXPECT_EQ(batch.spans.status[0], SpanStatus::kUnset);
  EXPECT_EQ(Accepted(Signal::kSpan), 1u);
}

TEST_F(TracesTest, RepairsTexts) {
  context_.limits.max_text_bytes = 10;
  SpanFields bad, longer;
  bad.attributes = {Pair("k", "a\xff\xc3\xa9\xe2\x82")};
  longer.attributes = {Pair("k", "123456789\xc3\xa9 and more")};
  const Batch batch = Spans({Span(bad), Span(longer)});
  EXPECT_EQ(Attributes(batch.spans.attributes, 0),
            "{\"k\":\"a\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD\"}");
  EXPECT_EQ(Attributes(batch.spans.attributes, 1), R"({"k":"123456789"})");
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kBadText), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTruncatedValue), 1u);
  EXPECT_EQ(Accepted(Signal::kSpan), 0u);
}

TEST_F(TracesTest, CountsEverySpanWithABadNameAlthoughNamesAreRemembered) {
  SpanFields bad;
  bad.name = "\xff name";
  const Batch batch = Spans({Span(bad), Span(bad)});
  EXPECT_EQ(Text(batch.spans.name[1]), "\xEF\xBF\xBD name");
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kBadText), 2u);
}

TEST_F(TracesTest, LimitsNumberOfAttributesDepthAndSize) {
  context_.limits.max_attributes = 2;
  context_.limits.max_depth = 3;
  context_.limits.max_record_bytes = 2000;
  SpanFields many, deep, large;
  many.attributes = {Pair("a", Int(1)), Pair("b", Int(2)), Pair("c", Int(3))};
  std::string nested = Int(1);
  for (int i = 0; i < 50; ++i) nested = List({nested});
  deep.attributes = {Pair("d", nested)};
  large.attributes = {Pair("l", Str(std::string(3000, 'l')))};
  const Batch batch = Spans({Span(many), Span(deep), Span(large)});
  ASSERT_EQ(batch.spans.rows(), 2u);
  EXPECT_EQ(Attributes(batch.spans.attributes, 0), R"({"a":1,"b":2})");
  EXPECT_EQ(Attributes(batch.spans.attributes, 1), R"({"d":[[[null]]]})");
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTooManyAttributes), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTruncatedValue), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTooLarge), 1u);
}

TEST_F(TracesTest, KeepsTheFirstLinksOfASpan) {
  context_.limits.max_links = 2;
  SpanFields few, many;
  few.links.assign(2, Link(kTraceId, kSpanId));
  many.links.assign(5, Link(kTraceId, kParentId));
  const Batch batch = Spans({Span(few), Span(many)});
  EXPECT_THAT(batch.spans.links.span, ::testing::ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTooManyLinks), 1u);
  EXPECT_EQ(Accepted(Signal::kSpan), 1u);
}

/// A part may be two bytes on the wire, and a hundred times as much in the tables.
TEST_F(TracesTest, TakesNoMoreOfARequestThanItsCells) {
  context_.limits.max_cells = 12;
  SpanFields plain, many, rich;
  many.events.assign(100'000, "");
  rich.attributes = {Pair("a", Int(1)), Pair("b", Int(2))};
  rich.links.assign(6, Link(kTraceId, kSpanId));
  const Batch batch = Spans({Span(many), Span(plain), Span(rich), Span(plain), Span(rich)});
  EXPECT_EQ(batch.spans.rows(), 3u);  // 1 + 9 + 1 cells
  EXPECT_EQ(batch.spans.links.span.size(), 6u);
  EXPECT_THAT(batch.spans.events.span, ::testing::IsEmpty());
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTooLarge), 2u);
}

TEST_F(TracesTest, SurvivesNestingThatFillsAMessage) {
  std::string nested = Int(1);
  for (int i = 0; i < 3'000; ++i) nested = List({nested});
  SpanFields deep;
  deep.attributes = {Pair("d", nested)};
  EXPECT_EQ(Spans({Span(deep)}).spans.rows(), 1u);
}

TEST_F(TracesTest, JsonThatIsCutIsATextAndNoJson) {
  context_.limits.max_text_bytes = 8;
  SpanFields s;
  s.attributes = {Pair("l", List({Str("0123456789")}))};
  EXPECT_EQ(Attributes(Spans({Span(s)}).spans.attributes, 0), R"({"l":"[\"012345"})");
}

TEST_F(TracesTest, GivesEventsWithoutTimeTheSpansTime) {
  SpanFields s;
  s.events = {Event(0, "e", {})};
  const Batch batch = Spans({Span(s)});
  EXPECT_EQ(batch.spans.events.time_ns[0], static_cast<Nanos>(kTime));
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kTimeFromObserved), 1u);
}

TEST_F(TracesTest, DropsSpansWhoseResourceHasNoRoom) {
  const std::unique_ptr<telemetry::Identities> small(
      new telemetry::Identities{telemetry::Interner(), telemetry::ResourceTable(1),
                                telemetry::SeriesTable(), telemetry::EntityRegistry()});
  context_.identities = small.get();
  const Batch batch =
      MustDecode(Request({Block(Resource({Pair("service.name", "a")}), {Span({})}),
                          Block(Resource({Pair("service.name", "b")}), {Span({})})}),
                 Signal::kSpan);
  EXPECT_EQ(batch.spans.rows(), 1u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kResourceLimit), 1u);
}

TEST_F(TracesTest, ANoisyServiceDoesNotTakeAQuietOnesNames) {
  const std::unique_ptr<telemetry::Identities> small(
      new telemetry::Identities{telemetry::Interner(1000), telemetry::ResourceTable(),
                                telemetry::SeriesTable(), telemetry::EntityRegistry()});
  context_.identities = small.get();
  context_.complete_resource = [&](telemetry::Resource* r) {
    r->share = telemetry::ShareOf(small->strings.Get(r->attributes.at(0).second));
  };
  const auto spans_named = [](const std::string& name, int count) {
    std::vector<std::string> spans;
    for (int i = 0; i < count; ++i) {
      SpanFields s;
      s.name = name + std::to_string(i);
      spans.push_back(Span(s));
    }
    return spans;
  };
  const Batch batch = MustDecode(
      Request({Block(Resource({Pair("service.name", "noisy")}), spans_named("GET /user/", 2000)),
               Block(Resource({Pair("service.name", "quiet")}), spans_named("GET /page/", 20))}),
      Signal::kSpan);
  ASSERT_EQ(batch.spans.rows(), 2020u) << "a span whose name has no room is kept";
  EXPECT_EQ(small->strings.Get(batch.spans.name[0]), "GET /user/0");
  EXPECT_EQ(batch.spans.name[1999], telemetry::kOverflow);
  for (size_t i = 0; i < 20; ++i)
    EXPECT_EQ(small->strings.Get(batch.spans.name[2000 + i]), "GET /page/" + std::to_string(i));
  EXPECT_GT(Lost(Signal::kSpan, Reason::kNameLimit), 1000u);
  EXPECT_EQ(Lost(Signal::kSpan, Reason::kNameLimit) + Accepted(Signal::kSpan), 2020u);
}

TEST_F(TracesTest, KeepsNothingOfADamagedMessageAndTheBatchAsItWas) {
  SpanFields s;
  s.attributes = {Pair("k", "v")};
  s.events = {Event(kTime, "e", {})};
  s.links = {Link(kTraceId, kSpanId)};
  const std::string good =
      Request({Block(Resource({Pair("service.name", "a")}), {Span(s), Span(s)})});
  Batch empty;
  Batch filled = MustDecode(good, Signal::kSpan);
  uint64_t refused = 0;
  for (size_t cut = 1; cut < good.size(); ++cut) {
    const auto into_empty = DecodeInto(&empty, good.substr(0, cut), Signal::kSpan);
    EXPECT_FALSE(into_empty.ok()) << cut;
    EXPECT_EQ(into_empty.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(empty.rows(), 0u);
    EXPECT_EQ(empty.spans.attributes.rows(), 0u);
    EXPECT_FALSE(DecodeInto(&filled, good.substr(0, cut), Signal::kSpan).ok());
    refused += 2;
  }
  EXPECT_EQ(filled.spans.rows(), 2u);
  EXPECT_EQ(filled.spans.attributes.rows(), 2u);
  EXPECT_EQ(filled.spans.events.name.size(), 2u);
  EXPECT_EQ(filled.spans.links.span.size(), 2u);
  EXPECT_EQ(Lost(Signal::kMessage, Reason::kMalformed), refused);
  EXPECT_EQ(Accepted(Signal::kSpan), 2u);
}

TEST_F(TracesTest, AppendsToABatch) {
  Batch batch;
  const std::string request = Request({Block("", {Span({})})});
  ASSERT_TRUE(DecodeInto(&batch, request, Signal::kSpan).ok());
  ASSERT_TRUE(DecodeInto(&batch, request, Signal::kSpan).ok());
  EXPECT_EQ(batch.spans.rows(), 2u);
  EXPECT_EQ(Accepted(Signal::kSpan), 2u);
  ASSERT_TRUE(DecodeInto(&batch, "", Signal::kSpan).ok());  // an empty request is a request
}

}  // namespace
}  // namespace tomograph::ingest::otlp
