#include "ingest/otlp/otlp_test_fixture.h"

namespace tomograph::ingest::otlp {
namespace {

using namespace test;  // NOLINT: the builders are this file's language
using telemetry::Severity;

using LogsTest = OtlpTest;

TEST_F(LogsTest, FillsEveryColumn) {
  LogFields first, second;
  first.attributes = {Pair("code", Int(7))};
  first.event_name = "user.login";
  second.body = Map({Pair("msg", "x"), Pair("n", Int(1))});
  second.trace_id = "short";
  second.span_id = "";
  const Batch batch = Logs({Log(first), Log(second)});
  ASSERT_EQ(batch.logs.rows(), 2u);
  EXPECT_EQ(batch.logs.time_ns[0], static_cast<Nanos>(kTime));
  EXPECT_EQ(batch.logs.observed_ns[0], static_cast<Nanos>(kTime + 5));
  EXPECT_EQ(batch.logs.severity[0], Severity::kInfo);
  EXPECT_EQ(telemetry::SpanIdToHex(batch.logs.span_id[0]), "1112131415161718");
  EXPECT_EQ(Text(batch.logs.event_name[0]), "user.login");
  EXPECT_EQ(batch.logs.body(0), "hello");
  EXPECT_EQ(Attributes(batch.logs.attributes, 0), R"({"code":7})");
  EXPECT_EQ(batch.logs.body(1), R"({"msg":"x","n":1})");
  EXPECT_TRUE(batch.logs.trace_id[1].empty());
  EXPECT_EQ(batch.logs.span_id[1], 0u);
  EXPECT_EQ(Accepted(Signal::kLog), 2u);
}

TEST_F(LogsTest, ReadsBodiesOfEveryType) {
  const auto body = [&](const std::string& any) {
    LogFields l;
    l.body = any;
    return std::string(Logs({Log(l)}).logs.body(0));
  };
  EXPECT_EQ(body(Int(-3)), "-3");
  EXPECT_EQ(body(Real(0.5)), "0.5");
  EXPECT_EQ(body(Bool(false)), "false");
  EXPECT_EQ(body(Raw("abc")), "YWJj");
  EXPECT_EQ(body(List({Str("a"), Bool(true)})), R"(["a",true])");
  EXPECT_EQ(body(""), "");
}

TEST_F(LogsTest, TakesNoMoreOfARequestThanItsCells) {
  context_.limits.max_cells = 100;
  const Batch batch = Logs(Messages(1000, Log(LogFields{})));
  EXPECT_EQ(batch.logs.rows(), 100u);
  EXPECT_EQ(Lost(Signal::kLog, Reason::kTooLarge), 900u);
}

TEST_F(LogsTest, GroupsSeverities) {
  const auto severity = [&](uint64_t number, const std::string& text) {
    LogFields l;
    l.severity = number;
    l.severity_text = text;
    return Logs({Log(l)}).logs.severity[0];
  };
  EXPECT_EQ(severity(1, ""), Severity::kTrace);
  EXPECT_EQ(severity(8, ""), Severity::kDebug);
  EXPECT_EQ(severity(16, ""), Severity::kWarn);
  EXPECT_EQ(severity(17, "INFO"), Severity::kError);
  EXPECT_EQ(severity(24, ""), Severity::kFatal);
  EXPECT_EQ(severity(25, ""), Severity::kUnknown);
  EXPECT_EQ(severity(0, "Warning"), Severity::kWarn);
  EXPECT_EQ(severity(0, "ERROR"), Severity::kError);
  EXPECT_EQ(severity(0, "whatever"), Severity::kUnknown);
  EXPECT_EQ(severity(static_cast<uint64_t>(-4), ""), Severity::kUnknown);
}

TEST_F(LogsTest, FindsATime) {
  LogFields observed, neither, huge;
  observed.time = 0;
  neither.time = neither.observed = 0;
  huge.time = UINT64_MAX;
  const Batch batch = Logs({Log(observed), Log(neither), Log(huge)});
  ASSERT_EQ(batch.logs.rows(), 2u);
  EXPECT_EQ(batch.logs.time_ns[0], static_cast<Nanos>(kTime + 5));
  EXPECT_EQ(batch.logs.time_ns[1], clock_.Now());
  EXPECT_EQ(Lost(Signal::kLog, Reason::kTimeFromObserved), 2u);
  EXPECT_EQ(Lost(Signal::kLog, Reason::kBadTime), 1u);

  const VirtualClock unset;
  context_.clock = &unset;  // a recording: there is no arrival
  EXPECT_EQ(Logs({Log(neither)}).logs.rows(), 0u);
}

TEST_F(LogsTest, CutsLongBodies) {
  context_.limits.max_body_bytes = 4;
  LogFields l;
  l.body = Str("hello");
  const Batch batch = Logs({Log(l)});
  EXPECT_EQ(batch.logs.body(0), "hell");
  EXPECT_EQ(Lost(Signal::kLog, Reason::kTruncatedValue), 1u);
}

}  // namespace
}  // namespace tomograph::ingest::otlp
