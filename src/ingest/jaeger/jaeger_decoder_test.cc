#include "ingest/jaeger/jaeger_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/decoder_harness.h"

namespace tomograph::ingest::jaeger {
namespace {

using testing::HasSubstr;

DecoderHarness::Make Decoder() {
  return [](DecodeContext context) { return NewJaegerDecoder(std::move(context)); };
}

std::string Read(ByteView text, std::string* ledger = nullptr) {
  DecoderHarness harness;
  EXPECT_TRUE(harness.Run(Decoder(), text).ok());
  EXPECT_TRUE(harness.Balanced());
  EXPECT_EQ(CheckAnyChunking(Decoder(), text), "");
  if (ledger != nullptr) *ledger = harness.SpellLedger();
  return harness.Spell();
}

constexpr char kTrace[] = R"({"traceID":"abc","spans":[
  {"traceID":"abc","spanID":"1","operationName":"GET /","references":[],"startTime":1700000000000001,"duration":250,
   "tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"http.status_code","type":"int64","value":500},
           {"key":"error","type":"bool","value":true},{"key":"w3c.tracestate","type":"string","value":"ot=th:8"},
           {"key":"ratio","type":"float64","value":0.5},{"key":"ok","type":"bool","value":false}],
   "logs":[{"timestamp":1700000000000101,"fields":[{"key":"event","type":"string","value":"exception"},
                                                   {"key":"message","type":"string","value":"no {braces} \"left\""}]}],
   "processID":"p1"},
  {"traceID":"0000000000000abc","spanID":"00000000000000ff","operationName":"query",
   "references":[{"refType":"CHILD_OF","traceID":"abc","spanID":"1"},
                 {"refType":"FOLLOWS_FROM","traceID":"def","spanID":"2"}],
   "startTime":1700000000000010,"duration":0,"tags":[{"key":"span.kind","type":"string","value":"client"}],
   "logs":[],"processID":"p2"}],
  "processes":{"p1":{"serviceName":"cart","tags":[{"key":"hostname","type":"string","value":"h1"}]},
               "p2":{"serviceName":"db","tags":[]}}})";

constexpr char kSpelled[] =
    "batch jaeger\n"
    "span 00000000000000000000000000000abc 0000000000000001 0000000000000000 1700000000000001000 "
    "1700000000000251000 kind=2 status=2 {service.name=cart,hostname=h1,} GET / ot=th:8 "
    "{\"http.status_code\":500,\"ratio\":0.5,\"ok\":false}\n"
    "span 00000000000000000000000000000abc 00000000000000ff 0000000000000001 1700000000000010000 "
    "1700000000000010000 kind=3 status=0 {service.name=db,} query  {}\n"
    "event 0 1700000000000101000 exception {\"message\":\"no {braces} \\\"left\\\"\"}\n"
    "link 1 00000000000000000000000000000def 0000000000000002\n";

TEST(Jaeger, ReadsOneTrace) { EXPECT_EQ(Read(kTrace), kSpelled); }

TEST(Jaeger, ReadsTheQueryApisAnswerAndArrays) {
  EXPECT_EQ(Read(std::string("{\"total\":0,\"data\":[") + kTrace + "],\"errors\":null}\n"),
            kSpelled);
  EXPECT_EQ(Read(std::string("[") + kTrace + "]"), kSpelled);
  EXPECT_EQ(Read("{\"data\":[]}"), "");
}

TEST(Jaeger, ReadsOneSpanALine) {
  std::string ledger;
  EXPECT_EQ(
      Read(
          R"({"traceID":"1","spanID":"2","parentSpanID":"3","operationName":"a","startTime":"1700000000000000",)"
          R"("duration":1,"tags":[],"tag":{"http@method":"GET","span@kind":"client"},)"
          R"("process":{"serviceName":"cart","tag":{"host@name":"h"}}})"
          "\n"
          R"({"traceID":"1","spanID":"3","operationName":"b","startTime":1700000000000000})",
          &ledger),
      "batch jaeger\n"
      "span 00000000000000000000000000000001 0000000000000002 0000000000000003 1700000000000000000 "
      "1700000000000001000 kind=3 status=0 {service.name=cart,host.name=h,} a  "
      "{\"http.method\":\"GET\"}\n"
      "span 00000000000000000000000000000001 0000000000000003 0000000000000000 1700000000000000000 "
      "1700000000000000000 kind=0 status=0 {} b  {}\n");
  EXPECT_EQ(ledger, "jaeger span received=2 accepted=2\n");
}

TEST(Jaeger, DamageCostsItsRecordAlone) {
  std::string ledger;
  const std::string span = R"({"traceID":"1","spanID":"2","startTime":1700000000000000})";
  const std::string rows = Read("nonsense\n" + span + "\n{\"traceID\":\"1\",\"spanID\":\"brok\n" +
                                    span + "\n{\"a\":[1,\n" + span + "\nnonsense\n" + span +
                                    "\n{\"other\":1}\n{\"bad\":tru}\n{\"cut\":",
                                &ledger);
  EXPECT_EQ(ledger,
            "jaeger message received=6 accepted=0 malformed=6\n"
            "jaeger span received=3 accepted=3\n")
      << rows << "what follows '[1,' stands where a value may, and goes with it";
}

TEST(Jaeger, CountsSpansThatItCannotKeep) {
  std::string ledger;
  Read(
      R"({"spans":[{"spanID":"1","startTime":1},{"traceID":"1","spanID":"0","startTime":1},{"traceID":"x","spanID":"1",)"
      R"("startTime":1},{"traceID":"1","spanID":"1"},{"traceID":"1","spanID":"1","startTime":9223372036854775807},)"
      R"({"traceID":"1","spanID":"11111111111111111","startTime":1},7,)"
      R"({"traceID":"1","spanID":"1","startTime":1700000000000000,"duration":-5}],"processes":{}})",
      &ledger);
  EXPECT_EQ(ledger,
            "jaeger span received=8 accepted=0 malformed=1 missing_id=4 bad_time=2 "
            "negative_duration=1\n");
}

TEST(Jaeger, KeepsToItsLimits) {
  Limits limits;
  limits.max_record_bytes = 16;  // a trace may have 16 times that
  limits.max_attributes = 1;
  limits.max_text_bytes = 4;
  limits.rows_per_batch = 1;
  const std::string span =
      R"({"traceID":"1","spanID":"2","startTime":1,"tags":[{"key":"a","value":"\u00e9\u00e9\u00e9"},{"key":"b","value":1}]})";
  const std::string text = span + "\n{\"x\":\"" + std::string(300, 'x') + "\"}\n" + span;
  EXPECT_EQ(CheckAnyChunking(Decoder(), text, limits), "");
  DecoderHarness harness;
  harness.context.limits = limits;
  ASSERT_TRUE(harness.Run(Decoder(), text).ok());
  EXPECT_EQ(harness.batches.size(), 2u);
  EXPECT_THAT(harness.Spell(), HasSubstr("{\"a\":\"\xC3\xA9\xC3\xA9\"}"))
      << "cut between characters";
  EXPECT_EQ(harness.SpellLedger(),
            "jaeger message received=1 accepted=0 too_large=1\njaeger span received=2 accepted=0 "
            "truncated_value=2\n");
}

TEST(Jaeger, KeepsTheFirstLinksOfASpan) {
  Limits limits;
  limits.max_links = 1;
  DecoderHarness harness;
  harness.context.limits = limits;
  const std::string text = R"({"traceID":"1","spanID":"2","startTime":1,"references":[)"
                           R"({"refType":"FOLLOWS_FROM","traceID":"a","spanID":"b"},)"
                           R"({"refType":"FOLLOWS_FROM","traceID":"c","spanID":"d"},)"
                           R"({"refType":"CHILD_OF","traceID":"1","spanID":"3"}]})";
  ASSERT_TRUE(harness.Run(Decoder(), text).ok());
  EXPECT_THAT(harness.Spell(), HasSubstr("0000000000000002 0000000000000003"))
      << "the parent is no link";
  EXPECT_THAT(harness.Spell(), HasSubstr("link 0 0000000000000000000000000000000a"));
  EXPECT_THAT(harness.Spell(), ::testing::Not(HasSubstr("0000000000000000000000000000000c")));
  EXPECT_EQ(harness.SpellLedger(), "jaeger span received=1 accepted=0 too_many_links=1\n");
}

TEST(Jaeger, ReadsFractionsOfMicroseconds) {
  const auto span = [](const char* id, const char* duration) {
    return std::string(R"({"traceID":"a","spanID":")") + id +
           R"(","startTime":1700000000000000,"duration":)" + duration + "}\n";
  };
  std::string ledger;
  const std::string text = Read(span("1", "1.5") + span("2", "\"2.25\"") + span("3", "1e3") +
                                    span("4", "1e300") + span("5", "\"long\""),
                                &ledger);
  for (const char* end : {"1700000000000001500", "1700000000000002250", "1700000000001000000"})
    EXPECT_THAT(text, HasSubstr(end));
  EXPECT_EQ(ledger, "jaeger span received=5 accepted=3 bad_time=2\n");
}

}  // namespace
}  // namespace tomograph::ingest::jaeger
