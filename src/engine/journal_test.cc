#include "engine/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tomograph::engine {
namespace {

using telemetry::EntityId;
using telemetry::Picture;

std::vector<std::string> Texts(const std::vector<JournalLine>& lines) {
  std::vector<std::string> texts;
  for (const JournalLine& line : lines) texts.push_back((line.warning ? "! " : "") + line.text);
  return texts;
}

telemetry::Incident Broken(const std::string& cause, const std::string& summary) {
  telemetry::Incident incident;
  incident.id = "i1";
  incident.opened = kSecond;
  telemetry::Hypothesis first;
  first.cause = cause;
  first.entity = EntityId{7};
  incident.diagnosis.hypotheses.push_back(first);
  incident.diagnosis.summary = summary;
  return incident;
}

TEST(Journal, TelemetryArrivesOnce) {
  Journal journal;
  Picture picture;
  EXPECT_TRUE(journal.Tell(picture).empty());
  picture.entities.emplace_back().last_seen = kSecond;
  EXPECT_THAT(Texts(journal.Tell(picture)),
              testing::ElementsAre("telemetry arrives: 1 service so far"));
  picture.entities.emplace_back().last_seen = 2 * kSecond;
  EXPECT_TRUE(journal.Tell(picture).empty());
}

TEST(Journal, WhatAnEarlierRunHeardDoesNotArrive) {
  Journal journal;
  Picture picture;
  picture.entities.resize(2);
  for (telemetry::Entity& entity : picture.entities) entity.last_seen = 5 * kSecond;
  EXPECT_TRUE(journal.Tell(picture).empty());
  EXPECT_TRUE(journal.Tell(picture).empty());
  picture.entities[1].last_seen = 9 * kSecond;
  EXPECT_THAT(Texts(journal.Tell(picture)),
              testing::ElementsAre("telemetry arrives: 2 services so far"));
}

TEST(Journal, AnIncidentIsToldWhenItOpensChangesAndCloses) {
  Journal journal;
  Picture picture;
  journal.Tell(picture);
  picture.incidents = {Broken("failing", "payment fails")};
  EXPECT_THAT(Texts(journal.Tell(picture)),
              testing::ElementsAre("! incident i1 opened: payment fails"));
  picture.incidents = {Broken("failing", "payment fails, 60 %")};
  EXPECT_TRUE(journal.Tell(picture).empty());
  picture.incidents = {Broken("crash_loop", "payment\ncrashes")};
  EXPECT_THAT(Texts(journal.Tell(picture)), testing::ElementsAre("! incident i1: payment crashes"));
  picture.incidents.front().closed = 5 * kSecond;
  EXPECT_THAT(Texts(journal.Tell(picture)), testing::ElementsAre("incident i1 closed"));
  EXPECT_TRUE(journal.Tell(picture).empty());
}

TEST(Journal, WhatEarlierRunsFoundIsNoNews) {
  Journal journal;
  Picture picture;
  picture.incidents = {Broken("failing", "payment fails")};
  picture.incidents.front().closed = 5 * kSecond;
  picture.replaying = true;
  EXPECT_TRUE(journal.Tell(picture).empty());
  picture.replaying = false;
  EXPECT_TRUE(journal.Tell(picture).empty());
}

TEST(Journal, AnIncidentThatTheReplayOpenedAgainIsTold) {
  Journal journal;
  Picture picture;
  picture.incidents = {Broken("failing", "payment fails")};
  EXPECT_EQ(journal.Tell(picture).size(), 1u);
}

TEST(Journal, AScrapeIsToldWhenItChanges) {
  Journal journal;
  Picture picture;
  picture.scrapes.resize(1);
  telemetry::ScrapeState& scrape = picture.scrapes.front();
  scrape.job = "shop";
  scrape.url = "http://a:1/metrics";
  EXPECT_TRUE(journal.Tell(picture).empty());
  scrape.last = kSecond;
  scrape.error = "connection refused";
  EXPECT_THAT(
      Texts(journal.Tell(picture)),
      testing::ElementsAre("! scraping shop fails: http://a:1/metrics: connection refused"));
  EXPECT_TRUE(journal.Tell(picture).empty());
  scrape.up = true;
  EXPECT_THAT(Texts(journal.Tell(picture)),
              testing::ElementsAre("scraping shop works again: http://a:1/metrics"));
}

TEST(Journal, TargetsThatDifferInTheirQueryAloneAreToldApart) {
  Journal journal;
  Picture picture;
  picture.scrapes.resize(2);
  for (telemetry::ScrapeState& scrape : picture.scrapes) {
    scrape.job = "probe";
    scrape.url = "http://a:1/probe";
    scrape.last = kSecond;
  }
  picture.scrapes[0].up = true;
  picture.scrapes[1].error = "http://a:1/probe: 500";
  EXPECT_THAT(Texts(journal.Tell(picture)),
              testing::ElementsAre("scraping probe works: http://a:1/probe",
                                   "! scraping probe fails: http://a:1/probe: 500"));
  EXPECT_TRUE(journal.Tell(picture).empty());
}

}  // namespace
}  // namespace tomograph::engine
