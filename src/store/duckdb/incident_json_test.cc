#include "store/duckdb/incident_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tomograph::store {
namespace {

using telemetry::EntityId;
using telemetry::Incident;
using ::testing::ElementsAre;

Incident FullIncident() {
  Incident i;
  i.id = "incident-1";
  i.opened = INT64_MAX;
  i.closed = INT64_MIN;
  i.members = {EntityId{UINT64_MAX}, EntityId{1}};
  telemetry::Diagnosis& d = i.diagnosis;
  d.alert = {EntityId{2},  telemetry::Quantity::kQueueDepth,        3,
             std::nan(""), std::numeric_limits<double>::infinity(), "Größe \"quoted\""};
  d.made_at = 4;
  telemetry::Hypothesis h;
  h.cause = "slow_dependency";
  h.entity = EntityId{5};
  h.onset = 6;
  h.onset_error = 7;
  h.posterior = 0.1;
  h.why = "why";
  h.next_check = "check";
  h.evidence_for = {{"trace:1", "text", -std::numeric_limits<double>::infinity()}};
  h.evidence_against = {{"event:a:b", "", 5e-324}, {"x", "y", 1, true}};
  d.hypotheses = {h, telemetry::Hypothesis()};
  d.unknown = 0.9;
  d.certainty = telemetry::Certainty::kConfirmed;
  d.summary = "summary";
  d.missing = "missing";
  d.ruled_out = {"payment: as it was", ""};
  telemetry::Movement m;
  m.entity = EntityId{8};
  m.quantity = telemetry::Quantity::kLatency;
  m.up = false;
  m.onset = 9;
  m.lower = -10;
  m.upper = 11;
  m.clock_known = true;
  m.from = EntityId{12};
  m.lag_s = 0.5;
  m.lag_lower_s = -1.5;
  m.lag_upper_s = 2.5;
  m.p_order = 0.75;
  m.order = telemetry::Order::kUnclear;
  i.propagation = {m, telemetry::Movement()};
  return i;
}

TEST(IncidentJsonTest, EveryFieldComesBack) {
  const Result<Incident> result = IncidentFromJson(IncidentToJson(FullIncident()));
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  const Incident& i = *result;
  EXPECT_EQ(i.id, "incident-1");
  EXPECT_EQ(i.opened, INT64_MAX);
  EXPECT_EQ(i.closed, INT64_MIN);
  EXPECT_THAT(i.members, ElementsAre(EntityId{UINT64_MAX}, EntityId{1}));
  const telemetry::Diagnosis& d = i.diagnosis;
  EXPECT_EQ(d.alert.entity, EntityId{2});
  EXPECT_EQ(d.alert.quantity, telemetry::Quantity::kQueueDepth);
  EXPECT_EQ(d.alert.time, 3);
  EXPECT_TRUE(std::isnan(d.alert.observed));
  EXPECT_EQ(d.alert.expected, std::numeric_limits<double>::infinity());
  EXPECT_EQ(d.alert.text, "Größe \"quoted\"");
  EXPECT_EQ(d.made_at, 4);
  EXPECT_EQ(d.unknown, 0.9);
  EXPECT_EQ(d.certainty, telemetry::Certainty::kConfirmed);
  EXPECT_EQ(d.summary, "summary");
  EXPECT_EQ(d.missing, "missing");
  EXPECT_THAT(d.ruled_out, ElementsAre("payment: as it was", ""));
  ASSERT_EQ(i.propagation.size(), 2u);
  const telemetry::Movement& m = i.propagation[0];
  EXPECT_EQ(m.entity, EntityId{8});
  EXPECT_EQ(m.quantity, telemetry::Quantity::kLatency);
  EXPECT_FALSE(m.up);
  EXPECT_THAT((std::vector<Nanos>{m.onset, m.lower, m.upper}), ElementsAre(9, -10, 11));
  EXPECT_TRUE(m.clock_known);
  EXPECT_EQ(m.from, EntityId{12});
  EXPECT_THAT((std::vector<double>{m.lag_s, m.lag_lower_s, m.lag_upper_s, m.p_order}),
              ElementsAre(0.5, -1.5, 2.5, 0.75));
  EXPECT_EQ(m.order, telemetry::Order::kUnclear);
  EXPECT_EQ(i.propagation[1].from, telemetry::kNoEntity);
  ASSERT_EQ(d.hypotheses.size(), 2u);
  const telemetry::Hypothesis& h = d.hypotheses[0];
  EXPECT_EQ(h.cause, "slow_dependency");
  EXPECT_EQ(h.entity, EntityId{5});
  EXPECT_EQ(h.onset, 6);
  EXPECT_EQ(h.onset_error, 7);
  EXPECT_EQ(h.posterior, 0.1);
  EXPECT_EQ(h.why, "why");
  EXPECT_EQ(h.next_check, "check");
  ASSERT_EQ(h.evidence_for.size(), 1u);
  EXPECT_EQ(h.evidence_for[0].id, "trace:1");
  EXPECT_EQ(h.evidence_for[0].text, "text");
  EXPECT_EQ(h.evidence_for[0].weight, -std::numeric_limits<double>::infinity());
  EXPECT_FALSE(h.evidence_for[0].of_place);
  EXPECT_TRUE(h.evidence_against[1].of_place);
  ASSERT_EQ(h.evidence_against.size(), 2u);
  EXPECT_EQ(h.evidence_against[0].weight, 5e-324);
}

TEST(IncidentJsonTest, InvalidTextIsReplacedAndNotThrown) {
  Incident i;
  i.diagnosis.summary = "bad \xff byte";
  const Result<Incident> back = IncidentFromJson(IncidentToJson(i));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->diagnosis.summary, "bad \xEF\xBF\xBD byte");
}

TEST(IncidentJsonTest, WhatIsNoIncidentIsCorrupt) {
  for (const char* text : {"", "{", "[1]", "{\"id\": 7}", "{\"members\": \"x\"}",
                           "{\"diagnosis\": {\"hypotheses\": [{\"onset_ns\": \"late\"}]}}"}) {
    const Result<Incident> result = IncidentFromJson(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.status().code(), StatusCode::kCorrupt) << text;
  }
  const Result<Incident> empty = IncidentFromJson("{}");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->diagnosis.unknown, 1);  // absent fields keep their defaults
}

}  // namespace
}  // namespace tomograph::store
