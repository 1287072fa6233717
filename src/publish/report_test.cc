#include "publish/report.h"
#include "publish/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "publish/json.h"
#include "publish/sample_picture_test.h"

namespace tomograph::publish {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

size_t LongestLine(const std::string& text) {
  std::istringstream in(text);
  size_t longest = 0;
  for (std::string line; std::getline(in, line);) longest = std::max(longest, line.size());
  return longest;
}

TEST(TerminalReport, SaysWhatIsBrokenHowSureAndWhatToCheck) {
  const std::string report = TerminalReport(IncidentPicture(), 100, false);
  EXPECT_THAT(report, HasSubstr("OPEN since 2025-10-09T09:07:10Z"));
  EXPECT_THAT(report, HasSubstr("checkout is slow most likely because payment is slow"));
  EXPECT_THAT(report, HasSubstr("1. ##############......   68 %  bad_deploy in payment"));
  EXPECT_THAT(report, HasSubstr("+ payment 2.4.1 was deployed"));
  EXPECT_THAT(report, HasSubstr("- CPU of payment is what it was"));
  EXPECT_THAT(report, HasSubstr("19 %  slow_dependency in bank.example"));
  EXPECT_THAT(report, Not(HasSubstr("crash_loop")));  // nothing measured speaks for it
  EXPECT_THAT(report, HasSubstr("4 %  also possible; for 2 % nothing measured speaks"));
  EXPECT_THAT(report, HasSubstr("9 %  none of these (unknown)"));
  EXPECT_THAT(report, HasSubstr("Ruled out: postgresql shop"));
  EXPECT_THAT(report,
              HasSubstr("First changed: 2025-10-09T09:07:01Z [-3, +3 s] payment latency up\n"));
  EXPECT_THAT(report, HasSubstr("checkout latency up, 7 s after payment\n"));
  EXPECT_THAT(report, HasSubstr("Check next: Roll one payment instance back"));
  EXPECT_THAT(report,
              HasSubstr("Records: 300734 received, 312 repaired, 97 dropped. Kept, but in no "));
  EXPECT_THAT(report, Not(HasSubstr("Parents found by id")));
  EXPECT_THAT(report, HasSubstr("Requests by what called them: 90 % by id, 6 % inferred"));
  EXPECT_THAT(report, HasSubstr("61 named and never"));
  EXPECT_THAT(report, HasSubstr("silent in the newest window: up or down is not known"));
  EXPECT_LE(LongestLine(report), 100u);
}

TEST(TerminalReport, SaysOfWhichWindowItsTableIs) {
  const Picture picture = NormalPicture();
  const std::string report = TerminalReport(picture, 80, false);
  EXPECT_THAT(report, HasSubstr("In the 10 s from " + FormatTime(NewestWholeWindow(picture)) +
                                ", the newest window that is whole:\nservice "));
  EXPECT_LE(LongestLine(report), 80u);
}

TEST(TerminalReport, NearlyAllParentsAreNotAll) {
  Picture picture = IncidentPicture();
  picture.parents = {.by_id = 99'999, .lost = 1};
  const std::string report = TerminalReport(picture, 100, false);
  EXPECT_THAT(report, HasSubstr("called them: > 99.9 % by id, < 0.1 % unknown (1 named"));
}

TEST(TerminalReport, HasColourOnlyWhenAsked) {
  EXPECT_THAT(TerminalReport(IncidentPicture(), 100, false), Not(HasSubstr("\033")));
  EXPECT_THAT(TerminalReport(IncidentPicture(), 100, true), HasSubstr("\033[1m"));
}

TEST(TerminalReport, TellsNoDataFromGoodHealth) {
  EXPECT_THAT(TerminalReport(EmptyPicture(), 80, false), HasSubstr("No telemetry yet"));
  EXPECT_THAT(TerminalReport(NormalPicture(), 80, false),
              HasSubstr("Nothing is out of its normal"));
  EXPECT_THAT(TerminalReport(Picture{}, 1, false), HasSubstr("No telemetry yet"));
}

TEST(TerminalReport, DoesNotCallHealthyWhatNobodyJudged) {
  Picture picture = NormalPicture();
  for (auto& line : picture.lines) line.name = "in_flight";
  std::erase_if(picture.estimates, [](const auto& e) { return e.state != "in_flight"; });
  EXPECT_THAT(TerminalReport(picture, 100, false),
              AllOf(HasSubstr("Not judged: no service tells its calls, failures or latency."),
                    Not(HasSubstr("Nothing is out of its normal"))));
  for (auto& line : picture.lines) line.name = "latency_p90";  // a quantile alone is judged
  EXPECT_THAT(TerminalReport(picture, 100, false), HasSubstr("Nothing is out of its normal"));
}

TEST(TerminalReport, DoesNotCallNormalWhatItHasHardlySeen) {
  Picture picture = NormalPicture();
  picture.windows_to_learn = picture.window_starts.size() + 1;
  EXPECT_THAT(TerminalReport(picture, 100, false),
              AllOf(HasSubstr("Normal is not known: 60 of 61 windows."),
                    Not(HasSubstr("Nothing is out of its normal"))));
}

TEST(TerminalReport, SaysWhatFailsThoughItAlwaysDid) {
  Picture picture = NormalPicture();
  std::map<std::tuple<telemetry::EntityId, telemetry::EntityId, Nanos>, double> calls;
  for (const auto& e : picture.estimates)
    if (e.state == "call_volume") calls[{e.entity, e.caller, e.start}] = e.value;
  for (auto& e : picture.estimates)
    if (e.state == "failed_calls") e.value = .6 * calls[{e.entity, e.caller, e.start}];
  EXPECT_THAT(
      TerminalReport(picture, 100, false),
      AllOf(HasSubstr("payment fails 60 % of its calls."), HasSubstr("No incident is open for it"),
            Not(HasSubstr("Nothing is out of its normal"))));
}

TEST(TerminalReport, ShowsTroubleFirstThenTheBusiestAndSaysHowManyItLeavesOut) {
  Picture picture = NormalPicture();
  picture.entities.clear(), picture.edges.clear(), picture.lines.clear(), picture.estimates.clear();
  const Nanos newest = NewestWholeWindow(picture);
  const auto add = [&](const std::string& name, double calls, double failed) {
    const auto id = telemetry::MakeEntityId(telemetry::EntityKind::kService, "", name);
    picture.entities.push_back({id, telemetry::EntityKind::kService, name, "", telemetry::kNoEntity,
                                newest, picture.watermark});
    for (const auto& [state, value] : {std::pair{"call_volume", calls}, {"failed_calls", failed}}) {
      telemetry::Estimate& e = picture.estimates.emplace_back();
      e.state = state;
      e.entity = id;
      e.start = newest;
      e.length = picture.window_length;
      e.basis = telemetry::Basis::kObserved;
      e.value = e.i50.lower = e.i50.upper = e.i90.lower = e.i90.upper = value;
    }
  };
  for (int i = 0; i < 8; ++i) add("a" + std::to_string(i), 10 + i, 0);
  add("failing", 20, 15);
  add("zbusy", 900, 0);
  const std::string report = TerminalReport(picture, 100, false);
  const size_t failing = report.find("! failing"), busy = report.find("  zbusy"),
               next = report.find("  a7");
  ASSERT_NE(next, std::string::npos) << report;
  EXPECT_LT(failing, busy);
  EXPECT_LT(busy, next);
  EXPECT_THAT(report, HasSubstr("and 2 more, less busy, none of them in trouble"));
  EXPECT_THAT(report, Not(HasSubstr("  a0 ")));
}

TEST(TerminalReport, TellsOfClocksThatAreOff) {
  Picture picture = NormalPicture();
  EXPECT_THAT(TerminalReport(picture, 100, false), Not(HasSubstr("Clocks:")));
  sample::AddClocks(&picture);
  sample::AddHopClocks(&picture, picture.entities.front().id);
  const std::string report = TerminalReport(picture, 100, false);
  EXPECT_THAT(report,
              HasSubstr("  node-2 is 5 ms ahead of node-1, give or take 0.8 ms at most: its"));
  EXPECT_THAT(
      report,
      HasSubstr("  pay-1 is 80.3 ms behind web-1 (standard error 0.4 ms) since it jumped back,"));
  EXPECT_THAT(report, HasSubstr("  The clocks of 1 pair of hosts"));
  EXPECT_LE(LongestLine(report), 100u);
}

TEST(TerminalReport, AReferenceThatJumpedIsNotOffFromItself) {
  Picture picture = NormalPicture();
  sample::AddClocks(&picture);
  picture.clocks.resize(1);
  picture.clocks[0].segments.back().offset = -400 * kMillisecond;
  picture.clocks[0].segments.back().applied = true;
  const Nanos at = SamplePicture::kStart + 42 * kSecond;
  picture.clocks[0].steps = {{at, at, -400 * kMillisecond}};
  const std::string report = TerminalReport(picture, 200, false);
  EXPECT_THAT(report,
              HasSubstr("  node-1, which others are measured against, jumped back by 400 ms "
                        "at 2025-10-09T09:00:42Z: its times since are corrected by 400 ms."));
  EXPECT_THAT(report, Not(HasSubstr("behind node-1")));
}

TEST(TerminalReport, TellsOfCallsThatAreLaidToNobodyKnown) {
  Picture picture = NormalPicture();
  EXPECT_THAT(TerminalReport(picture, 100, false), Not(HasSubstr("Calls to nobody known")));
  ASSERT_FALSE(picture.edges.empty());
  const auto callee = picture.edges.front().callee;
  picture.owner_unknown.insert(callee);
  picture.self["unplaced_calls_total"] = 12;
  const std::string report = TerminalReport(picture, 200, false);
  EXPECT_THAT(report, HasSubstr("Calls to nobody known: "));
  Picture untold = picture;
  untold.lines.clear();
  untold.estimates.clear();
  EXPECT_THAT(TerminalReport(untold, 200, false),
              HasSubstr("Calls to nobody known: how many is not known in the newest window, to "));
  EXPECT_THAT(report, HasSubstr("to " + EntityNames(picture).Name(callee) + ". No service was"));
  EXPECT_THAT(report, HasSubstr("12 calls are in no edge: whose address they went to is not known "
                                "for sure."));
  picture.unplaced_calls = {{"10.0.0.9:80", 7}, {"10.0.0.8:80", 3}, {"a:80", 1}, {"b:80", 1}};
  EXPECT_THAT(TerminalReport(picture, 200, false),
              HasSubstr("for sure (10.0.0.9:80: 7, 10.0.0.8:80: 3, a:80: 1, and 1 more)."));
}

TEST(TerminalReport, WhatIsCountedHasNoInterval) {
  Picture picture = NormalPicture();
  for (auto& e : picture.estimates) {
    if (e.state != "in_flight") continue;
    e.value = 9.6;
    e.i90 = {9.6, 9.6};
  }
  const std::string counted = TerminalReport(picture, 100, false);
  EXPECT_THAT(counted, HasSubstr(" 9.6 counted\n"));
  EXPECT_THAT(counted, Not(HasSubstr("[9.6, 9.6]")));
  for (auto& e : picture.estimates)
    if (e.state == "in_flight") e.i90 = {9.599, 9.601};
  EXPECT_THAT(TerminalReport(picture, 100, false), HasSubstr(" 9.6 [9.599, 9.601]\n"));
}

TEST(TerminalReport, TellsHowFarAReplicaIsBehind) {
  Picture picture = NormalPicture();
  telemetry::Estimate lag = picture.estimates.front();
  picture.estimates.clear();
  picture.lines.clear();
  lag.state = "replica_lag";
  lag.caller = telemetry::kNoEntity;
  lag.start = NewestWholeWindow(picture);
  lag.basis = telemetry::Basis::kInferred;
  lag.value = 2.5;
  lag.i90 = {0.5, 9};
  picture.estimates = {lag};
  EXPECT_THAT(TerminalReport(picture, 100, false),
              AllOf(HasSubstr("replica, 2500 ms behind [500 ms, 9000 ms]"),
                    Not(HasSubstr("No estimate of requests in flight"))));
}

TEST(TerminalReport, SaysWhyRecordsWereLost) {
  Picture picture = NormalPicture();
  telemetry::LossLedger ledger;
  ledger.Received(telemetry::Format::kOtlpFile, telemetry::Signal::kMessage, 7);
  ledger.Lost(telemetry::Format::kOtlpFile, telemetry::Signal::kMessage,
              telemetry::Reason::kMalformed, 7);
  picture.loss = ledger.Rows();
  EXPECT_THAT(TerminalReport(picture, 100, false),
              HasSubstr("7 dropped: the bytes are not what the format allows."));
}

TEST(TerminalReport, DoesNotLetTelemetryDriveTheTerminal) {
  Picture picture = IncidentPicture();
  picture.entities[0].name = "evil\033[2J\r\nname";
  picture.incidents[0].diagnosis.summary = "a\033]0;b\007c";
  const std::string report = TerminalReport(picture, 100, false);
  EXPECT_THAT(report, Not(HasSubstr("\033")));
  EXPECT_THAT(report, Not(HasSubstr("\r")));
}

TEST(TerminalReport, CutsLongNamesBetweenCodePoints) {
  Picture picture = NormalPicture();
  picture.entities[0].name = std::string(300, 'x');
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "\xc3\xa4";
  picture.entities[1].name = wide;
  const std::string report = TerminalReport(picture, 80, false);
  EXPECT_THAT(Json::parse(Dump(Json(report))).get<std::string>(), report);  // still valid UTF-8
}

TEST(JsonReport, HoldsTheHistoryOfEveryEntity) {
  const Json report = Json::parse(JsonReport(IncidentPicture()));
  EXPECT_EQ(report["topology"]["nodes"].size(), 11u);
  const Json axis = report["axes"][report["topology"]["nodes"][0]["id"].get<std::string>()];
  EXPECT_EQ(axis["starts_ms"].size(), kShopWindows);
  EXPECT_EQ(axis["lines"][0]["values"].size(), kShopWindows);
}

TEST(JsonReport, HoldsTheRebuiltRequestsWithTheirSpans) {
  const Json requests = Json::parse(JsonReport(IncidentPicture()))["requests"];
  ASSERT_EQ(requests["requests"].size(), 1u);
  EXPECT_EQ(requests["total"], 1);
  EXPECT_EQ(requests["requests"][0]["spans"].size(), 5u);
  EXPECT_EQ(requests["linking"]["inferred"], 8'211);
}

TEST(HtmlReport, HoldsAsManyRequestsAsFit) {
  Picture picture = IncidentPicture();
  auto wide = *picture.requests.front();
  wide.spans.resize(2'000, wide.spans.back());
  picture.requests.assign(12, std::make_shared<const telemetry::RebuiltRequest>(wide));
  picture.requests.push_back(IncidentPicture().requests.front());
  const std::string page = HtmlReport(picture);
  EXPECT_LT(page.size(), 17u << 20);
  const std::string slot = "id=\"tomograph-data\">";
  const size_t begin = page.find(slot) + slot.size();
  const Json requests =
      Json::parse(page.substr(begin, page.find("</script>", begin) - begin))["requests"];
  EXPECT_EQ(requests["total"], 13);
  EXPECT_LT(requests["requests"].size(), 13u);
  EXPECT_GT(requests["requests"].size(), 2u);
  EXPECT_EQ(requests["requests"].back()["spans"].size(), 5u) << "a small one still fits";
}

TEST(JsonReport, IsTheSameForTheSamePicture) {
  EXPECT_EQ(JsonReport(IncidentPicture()), JsonReport(IncidentPicture()));
}

TEST(HtmlReport, HoldsTheDataAndCannotBeBrokenOutOf) {
  Picture picture = IncidentPicture();
  picture.entities[0].name = "</script><img src=x onerror=alert(1)>";
  const std::string page = HtmlReport(picture);
  EXPECT_THAT(page, Not(HasSubstr("</script><img")));
  EXPECT_THAT(page, HasSubstr("\\u003c/script>\\u003cimg"));
  const std::string slot = "id=\"tomograph-data\">";
  const size_t begin = page.find(slot) + slot.size();
  const Json data = Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  EXPECT_EQ(data["topology"]["nodes"][0]["name"], picture.entities[0].name);
}

/// The page is developed and tested against these: what they hold must be what the API says.
/// TOMOGRAPH_UPDATE_FIXTURES=1 writes them anew.
TEST(Fixtures, AreWhatTheApiSays) {
  const std::pair<const char*, Picture> fixtures[] = {{"empty", EmptyPicture()},
                                                      {"normal", NormalPicture()},
                                                      {"incident", IncidentPicture()},
                                                      {"unknown", UnknownPicture()},
                                                      {"huge", HugePicture()}};
  for (const auto& [name, picture] : fixtures) {
    const std::string path =
        std::string(TOMOGRAPH_SOURCE_DIR) + "/test/system/fixtures/" + name + ".json";
    if (std::getenv("TOMOGRAPH_UPDATE_FIXTURES") != nullptr) {
      std::ofstream(path, std::ios::binary) << JsonReport(picture);
    }
    EXPECT_TRUE(ReadFile(path) == JsonReport(picture)) << path << " is not current";
  }
}

}  // namespace
}  // namespace tomograph::publish
