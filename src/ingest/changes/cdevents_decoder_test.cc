#include "ingest/changes/cdevents_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/changes/artifact.h"
#include "ingest/decoder_harness.h"

namespace tomograph::ingest::changes {
namespace {

using telemetry::ChangeKind;
using telemetry::Format;
using testing::HasSubstr;

DecoderHarness::Make Decoder() {
  return [](DecodeContext context) { return NewLinesDecoder(std::move(context)); };
}

constexpr char kUpgrade[] =
    R"({"specversion":"1.0","id":"e1","source":"/ci","type":"dev.cdevents.service.upgraded.0.2.0",)"
    R"("time":"2023-11-14T22:13:20Z","datacontenttype":"application/json","data":{"context":{"version":"0.4.1",)"
    R"("id":"e1","source":"/ci","type":"dev.cdevents.service.upgraded.0.2.0","timestamp":"2023-11-14T22:13:20Z"},)"
    R"("subject":{"id":"cart","type":"service","content":{"environment":{"id":"prod"},)"
    R"("artifactId":"pkg:oci/cart@sha256%3Aab?tag=1.4.0"}}}})";

TEST(CdEvents, ReadsAnUpgrade) {
  DecoderHarness harness;
  telemetry::Batch batch;
  ASSERT_TRUE(DecodeCdEvents(kUpgrade, Format::kCdEvents, harness.context, &batch).ok());
  EXPECT_THAT(SpellBatch(batch, harness.identities),
              HasSubstr("change 1700000000000000000 deploy e1 /ci cart prod 1.4.0 "
                        "{\"type\":\"dev.cdevents.service.upgraded.0.2.0\",\"data\":{"));
  EXPECT_EQ(harness.SpellLedger(), "cdevents event received=1 accepted=1\n");
}

TEST(CdEvents, KnowsTheKinds) {
  const std::pair<const char*, ChangeKind> cases[] = {
      {"dev.cdevents.service.deployed.0.1.1", ChangeKind::kDeploy},
      {"dev.cdevents.service.deployed", ChangeKind::kDeploy},
      {"dev.cdevents.service.published.0.1.1", ChangeKind::kDeploy},
      {"dev.cdevents.service.rolledback.0.1.1", ChangeKind::kRollback},
      {"dev.cdevents.service.removed.0.1.1", ChangeKind::kRemove},
      {"dev.cdevents.pipelinerun.started.0.2.0", ChangeKind::kPipeline},
      {"dev.cdevents.taskrun.finished.0.2.0", ChangeKind::kPipeline},
      {"dev.cdevents.incident.detected.0.1.0", ChangeKind::kOther},
      {"dev.cdevents.", ChangeKind::kOther},
      {"com.example.FeatureFlag.changed", ChangeKind::kFlag},
      {"com.example.config.updated", ChangeKind::kConfig},
      {"com.example.other", ChangeKind::kOther},
  };
  for (const auto& [type, kind] : cases) {
    DecoderHarness harness;
    telemetry::Batch batch;
    const std::string body =
        std::string(R"({"id":"1","time":"2023-11-14T22:13:20Z","type":")") + type + "\"}";
    ASSERT_TRUE(DecodeCdEvents(body, Format::kCdEvents, harness.context, &batch).ok());
    EXPECT_EQ(ChangeKindName(batch.events.kind.at(0)), ChangeKindName(kind)) << type;
  }
}

TEST(CdEvents, ReadsFlagEventsAndBareCdEvents) {
  DecoderHarness harness;
  telemetry::Batch batch;
  const std::string body =
      R"([{"id":"f","source":"flags","type":"flag.changed","subject":"checkout","time":"2023-11-14T22:13:20Z",)"
      R"("data":{"environment":"prod","message":"new-payment on"}},)"
      R"({"context":{"id":"c","source":"s","type":"dev.cdevents.service.removed.0.1.1",)"
      R"("timestamp":"2023-11-14T22:13:20Z"},"subject":{"id":"cart"}}])";
  ASSERT_TRUE(DecodeCdEvents(body, Format::kCdEvents, harness.context, &batch).ok());
  const std::string spelled = SpellBatch(batch, harness.identities);
  EXPECT_THAT(
      spelled,
      HasSubstr(
          "flag f flags checkout prod  {\"type\":\"flag.changed\",\"text\":\"new-payment on\""));
  EXPECT_THAT(spelled, HasSubstr("remove c s cart   {"));
}

TEST(CdEvents, BadInputIsCounted) {
  DecoderHarness harness;
  telemetry::Batch batch;
  EXPECT_EQ(DecodeCdEvents("{not json", Format::kCdEvents, harness.context, &batch).code(),
            StatusCode::kInvalidArgument);
  const std::string body =
      R"([1,{},{"id":"1"},{"type":"a"},{"id":"1","type":"a","time":"yesterday"},{"id":"1","type":"a"}])";
  ASSERT_TRUE(DecodeCdEvents(body, Format::kCdEvents, harness.context, &batch).ok());
  EXPECT_EQ(harness.SpellLedger(),
            "cdevents message received=1 accepted=0 malformed=1\n"
            "cdevents event received=6 accepted=0 malformed=4 bad_time=1 time_from_observed=1\n");
  EXPECT_EQ(batch.events.time_ns.at(0), harness.clock.Now());
}

TEST(CdEvents, StreamsLinesArraysAndPrettyPrintedObjects) {
  const std::string event = R"({"id":"1","type":"a.b","time":"2023-11-14T22:13:20Z"})";
  for (const std::string& text : {event + "\n" + event + "\n", "[" + event + ",\n" + event + "]",
                                  "{\n  \"id\": \"1\",\n  \"type\": \"a\"\n}\n" + event}) {
    EXPECT_EQ(CheckAnyChunking(Decoder(), text), "");
    DecoderHarness harness;
    ASSERT_TRUE(harness.Run(Decoder(), text).ok());
    EXPECT_EQ(harness.batches.at(0).events.rows(), 2u) << text;
  }
}

TEST(CdEvents, FindsVersionsInArtifacts) {
  const std::pair<const char*, const char*> cases[] = {
      {"pkg:oci/cart@sha256%3Aab12?repository_url=r.io/x&tag=1.4", "1.4"},
      {"pkg:oci/cart@sha256%3Aab12", "sha256:ab12"},
      {"pkg:npm/%40shop/cart@2.0.1", "2.0.1"},
      {"registry:5000/shop/cart:v3", "v3"},
      {"registry:5000/shop/cart", "registry:5000/shop/cart"},
      {"cart:v3@sha256:ab", "v3"},
      {"cart@sha256:ab", "sha256:ab"},
      {"1.2.3", "1.2.3"},
      {"pkg:npm/cart", "pkg:npm/cart"},
      {"", ""},
  };
  for (const auto& [artifact, version] : cases) EXPECT_EQ(VersionOfArtifact(artifact), version);
}

}  // namespace
}  // namespace tomograph::ingest::changes
