#include "ingest/csv/csv_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "ingest/csv/csv_values.h"
#include "ingest/decoder_harness.h"

namespace tomograph::ingest::csv {
namespace {

using testing::HasSubstr;

DecoderHarness::Make Decoder(const std::string& yaml) {
  Result<Mapping> mapping = Mapping::FromYaml(yaml);
  EXPECT_TRUE(mapping.ok()) << mapping.status().ToString();
  return [m = *mapping](DecodeContext context) { return NewCsvDecoder(std::move(context), m); };
}

std::string Read(const std::string& yaml, ByteView text, std::string* ledger = nullptr) {
  DecoderHarness harness;
  EXPECT_TRUE(harness.Run(Decoder(yaml), text).ok());
  EXPECT_TRUE(harness.Balanced());
  EXPECT_EQ(CheckAnyChunking(Decoder(yaml), text), "");
  if (ledger != nullptr) *ledger = harness.SpellLedger();
  return harness.Spell();
}

constexpr char kLong[] =
    "signal: samples\ntime: {column: timestamp, unit: s}\nservice: {column: service}\n"
    "metric: metric\nvalue: {column: value}\nunit: unit\n";

TEST(Csv, ReadsLongSamples) {
  EXPECT_EQ(
      Read(kLong,
           "\xEF\xBB\xBFtimestamp,service,metric,value,unit,zone\r\n"
           "1700000000,cart,\"latency, p90\",12.5,ms,a\r\n"
           "1700000001.25,cart,\"latency, p90\",13,ms,a\r\n"
           "1700000000,\"the \"\"db\"\"\",cpu,0.5,,\n"),
      "batch csv\n"
      "sample {service.name=cart,} latency, p90 [zone=a,] kind=1 unit=ms 1700000000000000000 0 "
      "12.5\n"
      "sample {service.name=cart,} latency, p90 [zone=a,] kind=1 unit=ms 1700000001250000000 0 13\n"
      "sample {service.name=the \"db\",} cpu [] kind=1 unit= 1700000000000000000 0 0.5\n");
}

TEST(Csv, ReadsWideSamples) {
  std::string ledger;
  EXPECT_EQ(
      Read("signal: samples\ntime: {column: TimeStamp, unit: ms}\npod: PodName\nvalues: "
           "all\nlabels: [zone]\n"
           "environment: {constant: test}\n",
           "TimeStamp,PodName,zone,Cpu(%),\"Mem\n(Mi)\"\n"
           "1700000000000,cart-0,a,50,\n"
           "1700000000000,db-0,,nan,7\n",
           &ledger),
      "batch csv\n"
      "sample {k8s.pod.name=cart-0,deployment.environment.name=test,} Cpu(%) [zone=a,] kind=1 "
      "unit= "
      "1700000000000000000 0 50\n"
      "sample {k8s.pod.name=db-0,deployment.environment.name=test,} Mem\n(Mi) [] kind=1 unit= "
      "1700000000000000000 0 7\n");
  EXPECT_EQ(ledger, "csv sample received=3 accepted=2 non_finite=1\n")
      << "an empty cell is no record";
}

TEST(Csv, ReadsSpans) {
  std::string ledger;
  EXPECT_EQ(
      Read("signal: spans\ntime: {column: start, unit: us}\nduration: {column: took, unit: ms}\n"
           "trace_id: trace\nspan_id: span\nparent_span_id: parent\nservice: svc\nname: op\nkind: "
           "kind\n"
           "status: status\n",
           "trace,span,parent,svc,op,kind,status,start,took,extra\n"
           "0af7651916cd43dd8448eb211c80319c,b7ad6b7169203331,,cart,GET "
           "/,SERVER,error,1700000000000000,1.5,x\n"
           "abc,1,2,cart,q,SPAN_KIND_CLIENT,,1700000000000000,0,\n"
           "abc,2,,cart,q,,,1700000000000000,-1,\n"
           "abc,,,cart,q,,,1700000000000000,1,\n"
           "abc,2,,cart,q,,,,1,\n",
           &ledger),
      "batch csv\n"
      "span 0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 0000000000000000 1700000000000000000 "
      "1700000000001500000 kind=2 status=2 {service.name=cart,} GET /  {\"extra\":\"x\"}\n"
      "span 00000000000000000000000000000abc 0000000000000001 0000000000000002 1700000000000000000 "
      "1700000000000000000 kind=3 status=0 {service.name=cart,} q  {}\n"
      "span 00000000000000000000000000000abc 0000000000000002 0000000000000000 1700000000000000000 "
      "1700000000000000000 kind=0 status=0 {service.name=cart,} q  {}\n");
  EXPECT_EQ(ledger, "csv span received=5 accepted=2 missing_id=1 bad_time=1 negative_duration=1\n");
}

TEST(Csv, AnAccessLogHasNoIdsAndGetsSome) {
  const std::string mapping =
      "signal: spans\ntime: {column: t, unit: s}\nduration: {column: took, unit: ms}\n"
      "service: {constant: gate}\nkind: {constant: server}\nstatus: code\n"
      "client_address: client\n";
  const std::string row = "1700000000,12,200,10.0.0.7\n";
  std::string ledger;
  const std::string spans = Read(mapping, "t,took,code,client\n" + row + row, &ledger);
  EXPECT_EQ(ledger, "csv span received=2 accepted=2\n");
  EXPECT_THAT(spans, HasSubstr("{\"client.address\":\"10.0.0.7\"}"));
  const size_t first = spans.find("span "), second = spans.find("span ", first + 1);
  ASSERT_NE(second, std::string::npos);
  EXPECT_NE(spans.substr(first, 54), spans.substr(second, 54)) << "equal rows are two calls";
  EXPECT_EQ(Read(mapping, "t,took,code,client\n" + row + row), spans) << "and the same ones again";
}

TEST(Csv, WithoutIdsWhereOthersHaveThemIsARepair) {
  std::string ledger;
  Read("signal: spans\ntime: {column: t, unit: s}\nend: e\nservice: s\ntrace_id: tr\nspan_id: sp\n",
       "t,e,s,tr,sp\n1700000000,1700000001,a,,\n1700000000,1700000001,a,1,2\n"
       "1700000000,1700000001,a,1,\n",
       &ledger);
  EXPECT_EQ(ledger, "csv span received=3 accepted=1 missing_id=1 no_ids=1\n");
  EXPECT_THAT(Mapping::FromYaml("signal: spans\ntime: t\nend: e\ntrace_id: x\n").status().message(),
              HasSubstr("or neither"));
}

TEST(Csv, ReadsFlows) {
  const std::string mapping =
      "signal: flows\ntime: {column: t, unit: s}\nend: e\nservice: {constant: probe}\n"
      "source_address: src\nsource_port: sport\ndestination_address: dst\n"
      "destination_port: dport\nprotocol: proto\nbytes: b\npackets: p\nsampling: rate\n";
  std::string ledger;
  EXPECT_EQ(Read(mapping,
                 "t,e,src,sport,dst,dport,proto,b,p,rate\n"
                 "1700000000,1700000001,10.0.0.1,40000,fd00::2,443,TCP,900,7,0.01\n"
                 "1700000000,1699999999,10.0.0.1,40000,10.0.0.2,53,17,,,\n"
                 "1700000000,1700000001,10.0.0.1,70000,10.0.0.2,80,tcp,1,1,\n"
                 "1700000000,1700000001,,1,10.0.0.2,80,tcp,1,1,\n"
                 "1700000000,1700000001,10.0.0.1,1,10.0.0.2,80,tcp,1,1,0\n"
                 ",1700000001,10.0.0.1,1,10.0.0.2,80,tcp,1,1,1\n",
                 &ledger),
            "batch csv\n"
            "flow 1700000000000000000 1700000001000000000 {service.name=probe,} 10.0.0.1 40000 "
            "fd00::2 443 6 900 7 100\n"
            "flow 1700000000000000000 1700000000000000000 {service.name=probe,} 10.0.0.1 40000 "
            "10.0.0.2 53 17 0 0 1\n");
  EXPECT_EQ(ledger, "csv flow received=6 accepted=1 malformed=3 bad_time=1 negative_duration=1\n");
  EXPECT_THAT(Mapping::FromYaml("signal: flows\ntime: t\nsource_address: a\n").status().message(),
              HasSubstr("flows need source_port"));
}

TEST(Csv, ReadsLogs) {
  EXPECT_EQ(Read("signal: logs\ntime: {column: t, unit: rfc3339}\nbody: message\nseverity: level\n"
                 "service: {constant: cart}\ntrace_id: trace\nresource.cloud.region: region\n",
                 "t,level,message,trace,region,thread\n"
                 "2023-11-14T22:13:20.5Z,WARN,\"two\nlines\",abc,eu,main\n"
                 "2023-11-14 22:13:20,17,plain,,eu,\n"),
            "batch csv\n"
            "log 1700000000500000000 severity=13 {service.name=cart,cloud.region=eu,} "
            "00000000000000000000000000000abc 0000000000000000 two\nlines {\"thread\":\"main\"}\n"
            "log 1700000000000000000 severity=17 {service.name=cart,cloud.region=eu,} "
            "00000000000000000000000000000000 0000000000000000 plain {}\n");
}

TEST(Csv, CountsRowsThatDoNotFit) {
  std::string ledger;
  Read(kLong,
       "timestamp,service,metric,value,unit\n1,a,b\n1,a,b,1,,6\nx,a,b,1,\n0,a,b,1,\n1,a,,1,\n1,a,b,"
       "one,\n1,a,b,,\n\n"
       "1,a,b,2,\n1,a,b,inf,\n99999999999999,a,b,1,\n1,a,\"b,3\n",
       &ledger);
  EXPECT_EQ(ledger, "csv sample received=10 accepted=1 malformed=5 bad_time=3 non_finite=1\n");
}

TEST(Csv, AStrayQuoteCostsItsOwnRow) {
  const auto rows = [](int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += std::to_string(i) + ",a,b,1,\n";
    return text;
  };
  const std::string header = "timestamp,service,metric,value,unit\n";
  std::string ledger;
  Read(kLong, header + rows(1, 4) + "4,\"a,b,1,\n" + rows(5, 105), &ledger);
  EXPECT_EQ(ledger, "csv sample received=104 accepted=103 malformed=1\n") << "no other quote";
  Read(kLong, header + "1,\"a,b,1,\n" + rows(2, 5) + "5,a,\"b\",1,\n" + rows(6, 9), &ledger);
  EXPECT_EQ(ledger, "csv sample received=8 accepted=7 malformed=1\n") << "a good one later";
  Read(kLong, header + "1,\"a,b,1,\n2,\"a,b,1,\n3,\"a\",b,1,\n" + rows(4, 6), &ledger);
  EXPECT_EQ(ledger, "csv sample received=5 accepted=3 malformed=2\n") << "two of them";
  Read(kLong, header + "1,a,\"b\nc\",1,\n2,a,\"b\nc\"\"\n\",1,\r\n3,a,\"b\"c,1,\n", &ledger);
  EXPECT_EQ(ledger, "csv sample received=3 accepted=3\n") << "line breaks and sloppy quotes";

  Limits limits;
  limits.max_body_bytes = 40;
  const std::string text = header + "1,\"a,b,1,\n" + rows(2, 9) + "9,a,\"b\nc\",1,\n" +
                           rows(10, 12) + "12,\"a,b,1,\n" + rows(13, 30);
  EXPECT_EQ(CheckAnyChunking(Decoder(kLong), text, limits), "");
  DecoderHarness harness;
  harness.context.limits = limits;
  ASSERT_TRUE(harness.Run(Decoder(kLong), text).ok());
  EXPECT_EQ(harness.SpellLedger(), "csv sample received=29 accepted=27 malformed=2\n")
      << "the end is not waited for";
}

TEST(Csv, ACarriageReturnBelongsToItsOwnField) {
  std::string ledger;
  EXPECT_THAT(
      Read(kLong, "timestamp,service,metric,value,unit\n1,a,b\r,1,\n\r,\n1,a,b,1,u\r\n", &ledger),
      HasSubstr("b\r [] kind=1 unit= 1000000000 0 1\n"));
  EXPECT_EQ(ledger, "csv sample received=3 accepted=2 malformed=1\n");
}

TEST(Csv, KeepsToItsLimits) {
  Limits limits;
  limits.max_record_bytes = 50;
  limits.rows_per_batch = 2;
  std::string text = "timestamp,service,metric,value,unit\n1,a,b,1,\n1,a," + std::string(100, 'x') +
                     ",1,\n" + std::string(100, ',') + "\n1,a,b,2,\n1,a,b,3,\n";
  EXPECT_EQ(CheckAnyChunking(Decoder(kLong), text, limits), "");
  DecoderHarness harness;
  harness.context.limits = limits;
  ASSERT_TRUE(harness.Run(Decoder(kLong), text).ok());
  EXPECT_EQ(harness.batches.size(), 2u);
  EXPECT_EQ(harness.SpellLedger(), "csv sample received=5 accepted=3 too_large=2\n");
}

TEST(Csv, AHeaderThatDoesNotFitIsAnError) {
  DecoderHarness harness;
  const Status status = harness.Run(Decoder(kLong), "time,service,metric,value,unit\n1,a,b,1,\n");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("timestamp"));
}

TEST(CsvMapping, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"- a", "not a YAML map"},
      {"{", "CSV mapping"},
      {"signal: traces", "'traces'"},
      {"signal: samples\nvalues: all", "time needs a column"},
      {"time: t\nmetric: m", "metric and value"},
      {"time: {column: t, unit: weeks}\nvalues: all", "'weeks'"},
      {"time: t\nvalues: some", "'all'"},
      {"time: t\nvalues: all\nfoo: bar", "'foo'"},
      {"signal: spans\ntime: t\ntrace_id: a", "span_id"},
      {"signal: spans\ntime: t\ntrace_id: a\nspan_id: b", "end or duration"},
      {"signal: logs\ntime: t", "body"},
      {"time: [a]\nvalues: all", "time"},
      {"", "not a YAML map"},
  };
  for (const auto& [yaml, message] : cases) {
    const Result<Mapping> mapping = Mapping::FromYaml(yaml);
    ASSERT_FALSE(mapping.ok()) << yaml;
    EXPECT_THAT(mapping.status().message(), HasSubstr(message)) << yaml;
  }
}

TEST(CsvValues, ReadsTimesExactly) {
  const auto time = [](const char* text, const char* unit) {
    Nanos t = -1;
    return ParseTimeIn(text, unit, &t) ? t : -1;
  };
  EXPECT_EQ(time("1700000000.123456789", "s"), 1'700'000'000'123'456'789);
  EXPECT_EQ(time(" 1700000000123 ", "ms"), 1'700'000'000'123 * kMillisecond);
  EXPECT_EQ(time("1700000000123456", "us"), 1'700'000'000'123'456 * kMicrosecond);
  EXPECT_EQ(time("1700000000123456789", "ns"), 1'700'000'000'123'456'789);
  EXPECT_EQ(time("1.7e9", "s"), 1'700'000'000 * kSecond);
  // With an exponent: as well as a double holds it.
  EXPECT_NEAR(static_cast<double>(time("1.700000000123E+12", "ms") - 1'700'000'000'123'000'000), 0,
              1000);
  EXPECT_NEAR(static_cast<double>(time("1700000000000.5e-3", "s") - 1'700'000'000'000'500'000), 0,
              1000);
  for (const char* bad : {"", "x", "0", "nan", "inf", "1e300", "9223372036854775807", "1.2.3", "."})
    EXPECT_EQ(time(bad, "s"), -1) << bad;
}

TEST(CsvValues, ReadsLengths) {
  const std::tuple<const char*, const char*, Nanos> cases[] = {
      {"-1.5", "ms", -1'500'000}, {"-0.5", "s", -500'000'000}, {"0", "s", 0},
      {"1.5e-05", "s", 15'000},   {"2.5E-4", "s", 250'000},    {"-2.5e-4", "s", -250'000},
      {"1e-3", "s", 1'000'000},   {"1.5e3", "us", 1'500'000},  {".5", "s", 500'000'000},
      {"1.", "s", kSecond},       {"1.5e+1", "ms", 15'000'000}};
  for (const auto& [text, unit, expected] : cases) {
    Nanos length = -1;
    ASSERT_TRUE(ParseLengthIn(text, unit, &length)) << text;
    EXPECT_EQ(length, expected) << text;
  }
  Nanos length = 0;
  for (const char* bad : {"", ".", "1.5x", "1.5e", "1.-5", "1.5e300", "1.5 s", "1.5e-"})
    EXPECT_FALSE(ParseLengthIn(bad, "s", &length)) << bad;
}

}  // namespace
}  // namespace tomograph::ingest::csv
