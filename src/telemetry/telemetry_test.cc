#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include "base/random.h"
#include "telemetry/address.h"
#include "telemetry/attributes.h"
#include "telemetry/batch.h"
#include "telemetry/ddsketch.h"
#include "telemetry/identities.h"
#include "telemetry/loss_ledger.h"
#include "telemetry/window.h"

namespace tomograph::telemetry {
namespace {

TEST(Interner, GivesEqualTextEqualIds) {
  Interner strings;
  const StringId a = strings.Intern("checkout");
  EXPECT_EQ(strings.Intern(std::string("check") + "out"), a);
  EXPECT_NE(strings.Intern("cart"), a);
  EXPECT_EQ(strings.Get(a), "checkout");
  EXPECT_EQ(strings.Intern(""), kEmptyString);
  EXPECT_EQ(strings.Get(kEmptyString), "");
  EXPECT_EQ(strings.Find("never seen"), kEmptyString);
}

TEST(Interner, OverflowsInsteadOfGrowing) {
  Interner strings(10, 1 << 20);
  for (int i = 0; i < 100; ++i) strings.Intern("name " + std::to_string(i));
  EXPECT_LE(strings.size(), 10u);
  EXPECT_EQ(strings.Intern("one more"), kOverflow);
  EXPECT_GT(strings.overflows(), 80u);
  Interner few_bytes(1000, 40);
  few_bytes.Intern(std::string(30, 'x'));
  EXPECT_EQ(few_bytes.Intern(std::string(30, 'y')), kOverflow);
}

TEST(Interner, IsTheSameFromManyThreads) {
  Interner strings;
  std::vector<std::vector<StringId>> ids(4, std::vector<StringId>(5000));
  std::vector<std::thread> threads;
  for (auto& mine : ids)
    threads.emplace_back([&strings, &mine] {
      for (size_t i = 0; i < mine.size(); ++i) mine[i] = strings.Intern("s" + std::to_string(i));
    });
  for (auto& t : threads) t.join();
  for (const auto& mine : ids) EXPECT_EQ(mine, ids[0]);
  EXPECT_EQ(strings.Get(ids[0][4999]), "s4999");
}

TEST(Fingerprint, DependsOnEveryByteAndOnLength) {
  std::set<std::pair<uint64_t, uint64_t>> seen;
  std::string text(70, '\0');
  for (size_t length = 0; length <= text.size(); ++length) {
    const Fingerprint f = FingerprintOf(std::string_view(text).substr(0, length));
    seen.emplace(f.hi, f.lo);
  }
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = 1;
    const Fingerprint f = FingerprintOf(text);
    seen.emplace(f.hi, f.lo);
    text[i] = 0;
  }
  EXPECT_EQ(seen.size(), 71u + 70u);
}

TEST(ResourceTable, MakesOnceAndStopsAtItsLimit) {
  ResourceTable resources(2);
  int made = 0;
  const auto make = [&] {
    ++made;
    return Resource();
  };
  const ResourceId a = resources.FindOrAdd({1, 1}, make);
  EXPECT_EQ(resources.FindOrAdd({1, 1}, make), a);
  EXPECT_EQ(made, 1);
  resources.FindOrAdd({2, 2}, make);
  EXPECT_EQ(resources.FindOrAdd({3, 3}, make), kNoResource);
  EXPECT_EQ(resources.FindOrAdd({1, 1}, make), a);
}

TEST(FairShare, ANoisySenderLeavesRoomForAQuietOne) {
  Interner strings(1000);
  const Share noisy = ShareOf("noisy"), quiet = ShareOf("quiet");
  ASSERT_NE(noisy, quiet);
  for (int i = 0; i < 10'000; ++i) strings.Intern("noise " + std::to_string(i), noisy);
  EXPECT_GT(strings.size(), 700u) << "while there is plenty nobody is held back";
  EXPECT_LT(strings.size(), 800u);
  EXPECT_EQ(strings.Intern("one more", noisy), kOverflow);
  EXPECT_GT(strings.overflows(), 9000u);
  for (int i = 0; i < 50; ++i) {
    const std::string name = "quiet " + std::to_string(i);
    EXPECT_EQ(strings.Get(strings.Intern(name, quiet)), name);
  }
  EXPECT_EQ(strings.Get(strings.Intern("noise 5", noisy)), "noise 5") << "what is there stays";
  EXPECT_EQ(strings.Get(strings.Intern("our own")), "our own");
}

TEST(FairShare, CountsBytesToo) {
  Interner strings(1000, 100'000);
  const std::string big(1000, 'x');
  for (int i = 0; i < 1000; ++i) strings.Intern(big + std::to_string(i), ShareOf("noisy"));
  EXPECT_LT(strings.bytes(), 80'000u);
  EXPECT_NE(strings.Intern(big, ShareOf("quiet")), kOverflow);
}

TEST(FairShare, ManyNoisySendersLeaveRoomToo) {
  Interner strings(10'000);
  for (int i = 0; i < 50'000; ++i)
    strings.Intern(std::to_string(i), ShareOf("noisy " + std::to_string(i % 10)));
  EXPECT_NE(strings.Intern("quiet", ShareOf("quiet")), kOverflow);
}

TEST(FairShare, HoldsForResourcesAndSeries) {
  ResourceTable resources(100);
  SeriesTable series(100);
  const auto resource_of = [](const char* service) {
    return [=] {
      Resource r;
      r.share = ShareOf(service);
      return r;
    };
  };
  const auto series_of = [](const char* service) {
    return [=] {
      Series s;
      s.share = ShareOf(service);
      return s;
    };
  };
  for (uint64_t i = 1; i <= 1000; ++i) {
    resources.FindOrAdd({i, i}, resource_of("noisy"));
    series.FindOrAdd({i, i}, series_of("noisy"));
  }
  EXPECT_NE(resources.FindOrAdd({5000, 1}, resource_of("quiet")), kNoResource);
  EXPECT_NE(series.FindOrAdd({5000, 1}, series_of("quiet")), kNoSeries);
  EXPECT_EQ(series.FindOrAdd({6000, 1}, series_of("noisy")), kNoSeries);
}

TEST(Entity, IdIsStableAndTellsKindAndNamespaceApart) {
  EXPECT_EQ(MakeEntityId(EntityKind::kService, "shop", "cart"),
            MakeEntityId(EntityKind::kService, "shop", "cart"));
  EXPECT_NE(MakeEntityId(EntityKind::kService, "shop", "cart"),
            MakeEntityId(EntityKind::kDatabase, "shop", "cart"));
  EXPECT_NE(MakeEntityId(EntityKind::kService, "a", "bc"),
            MakeEntityId(EntityKind::kService, "ab", "c"));
  EntityRegistry registry(1);
  const EntityId id = registry.FindOrAdd(EntityKind::kService, "", "cart");
  registry.Seen(id, 5);
  registry.Seen(id, 3);
  EXPECT_EQ(registry.Get(id).first_seen, 3);
  EXPECT_EQ(registry.Get(id).last_seen, 5);
  EXPECT_EQ(registry.FindOrAdd(EntityKind::kService, "", "other"), kNoEntity);
}

TEST(Attributes, BecomeJson) {
  Interner strings;
  AttributeTable table;
  table.AddText(strings.Intern("s"), "a\"b\\\n\x01\xff\xc3\xa9");
  table.AddInt(strings.Intern("i"), -5);
  table.AddDouble(strings.Intern("d"), 0.5);
  table.AddDouble(strings.Intern("nan"), std::nan(""));
  table.AddBool(strings.Intern("b"), true);
  table.AddText(strings.Intern("bytes"), "ab", ValueType::kBytes);
  table.AddText(strings.Intern("list"), "[1,2]", ValueType::kJson);
  table.EndRow();
  table.EndRow();
  std::string json;
  table.AppendJson(0, strings, &json);
  EXPECT_EQ(json,
            "{\"s\":\"a\\\"b\\\\\\n\\u0001\xEF\xBF\xBD\xc3\xa9\",\"i\":-5,\"d\":0.5,\"nan\":"
            "\"NaN\",\"b\":true,"
            "\"bytes\":\"YWI=\",\"list\":[1,2]}");
  EXPECT_EQ(table.Row(1).size(), 0u);
  ASSERT_NE(table.Find(0, strings.Intern("i")), nullptr);
  EXPECT_EQ(table.ToText(*table.Find(0, strings.Intern("i"))), "-5");
  EXPECT_EQ(table.Find(0, strings.Intern("none")), nullptr);
}

TEST(Ids, ReadAndWriteHex) {
  TraceId id;
  ASSERT_TRUE(ParseTraceId("0af7651916cd43dd8448eb211c80319c", &id));
  EXPECT_EQ(ToHex(id), "0af7651916cd43dd8448eb211c80319c");
  ASSERT_TRUE(ParseTraceId("8448EB211C80319C", &id));
  EXPECT_EQ(ToHex(id), "00000000000000008448eb211c80319c");
  EXPECT_FALSE(ParseTraceId("xyz", &id));
  EXPECT_FALSE(ParseTraceId("0af7651916cd43dd8448eb211c80319g", &id));
  uint64_t span;
  EXPECT_FALSE(ParseSpanId("", &span));
}

TEST(DDSketch, KeepsOnePercentAtEveryRank) {
  Random random(3);
  DDSketch sketch;
  std::vector<double> values;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(std::exp(random.Normal(-4, 2)));
    sketch.Add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = values[static_cast<size_t>(std::max(0.0, std::ceil(q * 20000) - 1))];
    EXPECT_NEAR(sketch.Quantile(q) / exact, 1, 0.0101) << q;
  }
  EXPECT_NEAR(sketch.RankOf(sketch.Quantile(0.9)), 0.9, 0.01);
}

TEST(DDSketch, MergesInAnyOrderToTheSame) {
  Random random(4);
  DDSketch parts[3], whole, forward, backward;
  for (int i = 0; i < 3000; ++i) {
    const double value = random.Exponential(i % 3 == 0 ? 1e-6 : 100);
    parts[i % 3].Add(value);
    whole.Add(value);
  }
  for (int i = 0; i < 3; ++i) {
    forward.Merge(parts[i]);
    backward.Merge(parts[2 - i]);
  }
  for (const double q : {0.0, 0.2, 0.5, 0.9, 1.0}) {
    EXPECT_EQ(forward.Quantile(q), whole.Quantile(q));
    EXPECT_EQ(backward.Quantile(q), whole.Quantile(q));
  }
  EXPECT_EQ(forward.count(), 3000);
}

TEST(DDSketch, TakesOddValues) {
  DDSketch sketch;
  EXPECT_TRUE(std::isnan(sketch.Quantile(0.5)));
  sketch.Add(std::nan(""));
  sketch.Add(-1);
  sketch.Add(INFINITY);
  EXPECT_TRUE(sketch.empty());
  sketch.Add(0);
  EXPECT_EQ(sketch.Quantile(0.5), 0);
  sketch.Add(1e-8);
  sketch.Add(1e12);  // far apart: the lowest collapse, memory stays bounded, the top stays right
  EXPECT_NEAR(sketch.Quantile(1) / 1e12, 1, 0.01);
}

TEST(LossLedger, SumsAddUp) {
  LossLedger ledger;
  ledger.Received(Format::kOtlpHttp, Signal::kSpan, 10);
  ledger.Accepted(Format::kOtlpHttp, Signal::kSpan, 7);
  ledger.Lost(Format::kOtlpHttp, Signal::kSpan, Reason::kMissingId, 2);
  ledger.Lost(Format::kOtlpHttp, Signal::kSpan, Reason::kNegativeDuration);
  auto rows = ledger.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].balanced());
  EXPECT_EQ(rows[0].dropped, 2u);
  EXPECT_EQ(rows[0].repaired, 1u);
  EXPECT_EQ(ReasonName(Reason::kNegativeDuration), "negative_duration");
  EXPECT_TRUE(IsRepair(Reason::kNegativeDuration));
}

TEST(LossLedger, WhatIsSetAsideStaysAcceptedOrRepaired) {
  LossLedger ledger;
  ledger.Received(Format::kOtlpHttp, Signal::kSpan, 3);
  ledger.Accepted(Format::kOtlpHttp, Signal::kSpan, 1);
  ledger.Lost(Format::kOtlpHttp, Signal::kSpan, Reason::kNegativeDuration, 2);
  ledger.SetAside(Format::kOtlpHttp, Signal::kSpan, Reason::kTooLate, 2);
  ledger.SetAside(Format::kOtlpHttp, Signal::kSpan, Reason::kDuplicate);
  const auto rows = ledger.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].balanced());
  EXPECT_EQ(rows[0].accepted, 1u);
  EXPECT_EQ(rows[0].repaired, 2u);
  EXPECT_EQ(rows[0].dropped, 0u);
  EXPECT_EQ(rows[0].set_aside, 3u);
  ledger.SetAside(Format::kOtlpHttp, Signal::kSpan, Reason::kTooOld);
  EXPECT_FALSE(ledger.Rows()[0].balanced()) << "more was set aside than was kept";
}

TEST(LossLedger, ARefusedRequestDropsWhatWasKeptOfItRepairsIncluded) {
  LossLedger request;
  request.Received(Format::kScrape, Signal::kSample, 10);
  request.Accepted(Format::kScrape, Signal::kSample, 6);
  request.Lost(Format::kScrape, Signal::kSample, Reason::kBucketsRepaired, 3);
  request.Lost(Format::kScrape, Signal::kSample, Reason::kBadTime, 1);
  LossLedger ledger;
  ledger.Add(request, Reason::kStoreFailed);
  const std::vector<std::pair<Reason, uint64_t>> refused = {{Reason::kBadTime, 1},
                                                            {Reason::kStoreFailed, 9}};
  ASSERT_EQ(ledger.Rows().size(), 1u);
  EXPECT_TRUE(ledger.Rows()[0].balanced());
  EXPECT_EQ(ledger.Rows()[0].reasons, refused);
  ledger.Add(request, std::nullopt);
  EXPECT_TRUE(ledger.Rows()[0].balanced());
  EXPECT_EQ(ledger.Rows()[0].accepted, 6u);
  EXPECT_EQ(ledger.Rows()[0].repaired, 3u);
}

TEST(WindowSet, FindsByKey) {
  WindowSet set;
  for (uint64_t i = 1; i <= 5; ++i) {
    Window w;
    w.key.entity = EntityId{i * 2};
    set.windows.push_back(w);
  }
  EXPECT_NE(set.Find({EntityId{4}, kNoEntity}), nullptr);
  EXPECT_EQ(set.Find({EntityId{5}, kNoEntity}), nullptr);
}

TEST(Addresses, ANetworkIsAPodsElseAContainersElseAHosts) {
  Interner strings;
  const auto network = [&](std::vector<std::pair<const char*, const char*>> attributes) {
    Resource resource;
    for (const auto& [key, value] : attributes)
      resource.attributes.emplace_back(strings.Intern(key), strings.Intern(value));
    resource.host = strings.Intern("node-7");
    return NetworkOf(resource, strings);
  };
  EXPECT_EQ(NetworkOf(Resource(), strings), "") << "not known";
  EXPECT_EQ(network({}), "node-7");
  EXPECT_EQ(network({{"container.id", "c1"}}), "c1") << "containers of a host have their own";
  EXPECT_EQ(network({{"container.id", "c1"}, {"k8s.pod.name", "cart-0"}}), "cart-0");
  EXPECT_EQ(network({{"container.id", "c2"}, {"k8s.pod.name", "cart-0"}}), "cart-0")
      << "those of a pod share one";
  EXPECT_NE(network({{"k8s.namespace.name", "shop"}, {"k8s.pod.name", "cart-0"}}),
            network({{"k8s.namespace.name", "test"}, {"k8s.pod.name", "cart-0"}}));
  EXPECT_EQ(network({{"k8s.pod.uid", "u1"}, {"container.id", "c1"}}), "u1");
}

TEST(Addresses, AResourceSaysWhereItLives) {
  Interner strings;
  Resource resource;
  const auto say = [&](const char* key, const char* value) {
    resource.attributes.emplace_back(strings.Intern(key), strings.Intern(value));
  };
  say("host.ip", "[\"10.0.0.7\",\"fe80::1\",\"127.0.0.1\"]");
  say("k8s.pod.ip", "10.0.0.7");
  say("ip", "10.0.0.9");
  say("service.name", "10.0.0.8");
  EXPECT_EQ(HomesOf(resource, strings),
            (std::vector<EntityId>{HomeKey("10.0.0.7"), HomeKey("10.0.0.9")}));
  resource.service = strings.Intern("cart");
  EXPECT_EQ(HomesOf(resource, strings),
            (std::vector<EntityId>{HostKey("cart"), HostKeyAnywhere("cart"), HomeKey("10.0.0.7"),
                                   HomeKey("10.0.0.9")}));
  say("k8s.namespace.name", "shop");
  EXPECT_EQ(HomesOf(resource, strings),
            (std::vector<EntityId>{HostKey("cart"), HostKey("cart.shop.svc"), HomeKey("10.0.0.7"),
                                   HomeKey("10.0.0.9")}));
}

}  // namespace
}  // namespace tomograph::telemetry
