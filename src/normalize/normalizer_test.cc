#include "normalize/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <variant>

#include "telemetry/address.h"

namespace tomograph::normalize {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::Quantity;
using telemetry::SpanKind;
using telemetry::SpanStatus;
using telemetry::Statistic;

/// In JSON.
struct List {
  std::string text;
};
using Value = std::variant<std::string, int, List>;
using Attributes = std::vector<std::pair<std::string, Value>>;
using Texts = std::vector<std::pair<std::string, std::string>>;

class NormalizerTest : public testing::Test {
 protected:
  NormalizerTest() : normalizer_(&ids_) {}

  telemetry::ResourceId ResourceOf(const Texts& attributes) {
    std::string key;
    for (const auto& [k, v] : attributes) key += k + "=" + v + ";";
    return ids_.resources.FindOrAdd(telemetry::FingerprintOf(key), [&] {
      telemetry::Resource resource;
      for (const auto& [k, v] : attributes)
        resource.attributes.emplace_back(ids_.strings.Intern(k), ids_.strings.Intern(v));
      normalizer_.CompleteResource(&resource);
      return resource;
    });
  }

  void AddSpan(SpanKind kind, const std::string& name, const Attributes& attributes,
               SpanStatus status = SpanStatus::kUnset, const std::string& trace_state = "") {
    auto& s = batch_.spans;
    s.trace_id.push_back({1, 2});
    s.span_id.push_back(s.rows() + 1);
    s.parent_span_id.push_back(0);
    s.start_ns.push_back(1000 + static_cast<Nanos>(s.rows()));
    s.end_ns.push_back(5000);
    s.kind.push_back(kind);
    s.status.push_back(status);
    s.resource.push_back(ResourceOf({{"service.name", "cart"}, {"service.namespace", "shop"}}));
    s.name.push_back(ids_.strings.Intern(name));
    s.trace_state.push_back(ids_.strings.Intern(trace_state));
    for (const auto& [k, v] : attributes) {
      if (std::holds_alternative<int>(v)) {
        s.attributes.AddInt(ids_.strings.Intern(k), std::get<int>(v));
      } else if (std::holds_alternative<List>(v)) {
        s.attributes.AddText(ids_.strings.Intern(k), std::get<List>(v).text,
                             telemetry::ValueType::kJson);
      } else {
        s.attributes.AddText(ids_.strings.Intern(k), std::get<std::string>(v));
      }
    }
    s.attributes.EndRow();
  }

  std::string Operation(size_t row) const {
    return std::string(ids_.strings.Get(batch_.spans.operation[row]));
  }
  std::string Json(size_t row) const {
    std::string out;
    batch_.spans.attributes.AppendJson(row, ids_.strings, &out);
    return out;
  }

  telemetry::Series SeriesOf(const std::string& metric, const Texts& labels, const Texts& resource,
                             telemetry::MetricKind kind = telemetry::MetricKind::kGauge) {
    telemetry::Series series;
    series.metric = ids_.strings.Intern(metric);
    series.kind = kind;
    series.resource = ResourceOf(resource);
    for (const auto& [k, v] : labels)
      series.labels.emplace_back(ids_.strings.Intern(k), ids_.strings.Intern(v));
    normalizer_.CompleteSeries(&series);
    return series;
  }

  telemetry::Identities ids_;
  Normalizer normalizer_;
  Batch batch_;
};

const EntityId kCart = MakeEntityId(EntityKind::kService, "shop", "cart");

TEST_F(NormalizerTest, BringsOldNamesToTodaysAndKeepsTheRest) {
  AddSpan(SpanKind::kServer, "GET /cart/7",
          {{"http.method", "GET"},
           {"http.status_code", 200},
           {"http.route", "/cart/{id}"},
           {"my.key", "x"}});
  AddSpan(SpanKind::kClient, "GET", {{"http.method", "GET"}, {"http.request.method", "GET"}});
  normalizer_.Normalize(&batch_);
  EXPECT_EQ(
      Json(0),
      R"({"http.request.method":"GET","http.response.status_code":200,"http.route":"/cart/{id}","my.key":"x"})");
  EXPECT_EQ(Json(1), R"({"http.method":"GET","http.request.method":"GET"})")
      << "both given: nothing twice";
}

TEST_F(NormalizerTest, LagIsTheReplicasWhoeverTellsIt) {
  const Texts primary = {{"service.name", "orders-db"}, {"service.instance.id", "pg-0"}};
  const auto by_primary = [&](const char* operation) {
    return SeriesOf("postgresql.wal.delay",
                    {{"operation", operation}, {"replication_client", "standby1"}}, primary);
  };
  const telemetry::Series replayed = by_primary("replay");
  EXPECT_EQ(replayed.quantity, telemetry::Quantity::kReplicaLag);
  EXPECT_EQ(ids_.entities.Get(replayed.entity).name, "orders-db/standby1");
  EXPECT_EQ(ids_.entities.Get(replayed.entity).kind, EntityKind::kDatabase);
  EXPECT_EQ(by_primary("flush").quantity, telemetry::Quantity::kOther);
  const telemetry::Series own =
      SeriesOf("pg_replication_lag_seconds", {},
               {{"service.name", "orders-db"}, {"service.instance.id", "pg-1"}});
  EXPECT_EQ(own.quantity, telemetry::Quantity::kReplicaLag);
  EXPECT_EQ(ids_.entities.Get(own.entity).kind, EntityKind::kDatabase);
  EXPECT_EQ(ids_.entities.Name(own.entity), "orders-db/pg-1");
}

TEST_F(NormalizerTest, FillsOperations) {
  AddSpan(SpanKind::kServer, "GET /cart/7", {{"http.method", "GET"}, {"http.route", "/cart/{id}"}});
  AddSpan(SpanKind::kServer, "x",
          {{"rpc.system", "grpc"}, {"rpc.service", "shop.Cart"}, {"rpc.method", "Get"}});
  AddSpan(SpanKind::kClient, "x",
          {{"db.system", "postgresql"}, {"db.operation", "SELECT"}, {"db.sql.table", "items"}});
  AddSpan(SpanKind::kProducer, "x",
          {{"messaging.system", "kafka"},
           {"messaging.operation", "publish"},
           {"messaging.destination", "orders"}});
  AddSpan(SpanKind::kServer, "GET /cart/123", {});
  AddSpan(SpanKind::kInternal, "render", {{"http.route", "/cart"}});
  normalizer_.Normalize(&batch_);
  const char* expected[] = {"GET /cart/{id}", "shop.Cart/Get",  "SELECT items",
                            "publish orders", "GET /cart/{id}", "render"};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(Operation(i), expected[i]);
}

TEST_F(NormalizerTest, TakingAConnectionIsNoCallOfTheDatabase) {
  const Attributes db = {
      {"db.system.name", "postgresql"}, {"db.namespace", "shop"}, {"server.address", "10.0.0.1"}};
  Attributes query = db, old_query = db;
  query.push_back({"db.query.text", "SELECT 1"});
  old_query.push_back({"db.statement", "SELECT 1"});
  AddSpan(SpanKind::kClient, "pg-pool.connect", db);
  AddSpan(SpanKind::kClient, "connect", db);
  AddSpan(SpanKind::kClient, "pg.query:SELECT shop", query);
  AddSpan(SpanKind::kClient, "disconnected_users", old_query);
  AddSpan(SpanKind::kClient, "shop", db);  // says little, but nothing of connecting
  AddSpan(SpanKind::kClient, "GET /connect", {{"peer.service", "payments"}});
  AddSpan(SpanKind::kInternal, "pool.acquire", db);
  normalizer_.Normalize(&batch_);
  for (const size_t taking : {0, 1, 6}) EXPECT_EQ(Operation(taking), telemetry::kTakeConnection);
  for (const size_t other : {2, 3, 4, 5}) EXPECT_NE(Operation(other), telemetry::kTakeConnection);
  const EntityId database = MakeEntityId(EntityKind::kDatabase, "", "postgresql shop");
  const auto& s = batch_.spans;
  EXPECT_EQ(s.peer[0], telemetry::kNoEntity);
  EXPECT_EQ(s.peer[1], telemetry::kNoEntity);
  EXPECT_EQ(s.peer_address[0], telemetry::kEmptyString);
  for (const size_t row : {2u, 3u, 4u}) EXPECT_EQ(s.peer[row], database) << row;
  EXPECT_NE(s.peer[5], telemetry::kNoEntity);
}

TEST_F(NormalizerTest, NamesServiceAndPeer) {
  AddSpan(SpanKind::kServer, "a", {{"net.peer.name", "api.example.com"}});
  AddSpan(SpanKind::kClient, "b", {{"db.system", "postgresql"}, {"db.name", "orders"}});
  AddSpan(SpanKind::kClient, "c", {{"server.address", "payments"}, {"server.port", 8080}});
  AddSpan(SpanKind::kClient, "d", {{"net.peer.name", "api.example.com"}, {"net.peer.port", "443"}});
  AddSpan(SpanKind::kClient, "e", {{"peer.service", "payments"}});
  normalizer_.Normalize(&batch_);
  const auto& s = batch_.spans;
  for (size_t i = 0; i < s.rows(); ++i) EXPECT_EQ(s.service[i], kCart);
  EXPECT_EQ(s.peer[0], telemetry::kNoEntity) << "a server's peer is its client";
  EXPECT_EQ(ids_.strings.Get(s.peer_address[0]), "");
  EXPECT_EQ(s.peer[1], MakeEntityId(EntityKind::kDatabase, "", "postgresql orders"));
  EXPECT_EQ(s.peer[2], telemetry::kNoEntity) << "joins tell who answers inside";
  EXPECT_EQ(ids_.strings.Get(s.peer_address[2]), "payments:8080");
  EXPECT_EQ(s.peer[3], MakeEntityId(EntityKind::kThirdParty, "", "api.example.com:443"));
  EXPECT_EQ(s.peer[4], MakeEntityId(EntityKind::kService, "shop", "payments"));
  const telemetry::Entity cart = ids_.entities.Get(kCart);
  EXPECT_EQ(cart.first_seen, s.start_ns.front());
  EXPECT_EQ(cart.last_seen, s.start_ns.back());
}

TEST_F(NormalizerTest, ACalleeSaysWhereItWasCalledAndByWhom) {
  AddSpan(SpanKind::kServer, "a",
          {{"server.address", "10.0.0.9"},
           {"server.port", 8080},
           {"network.peer.address", "::ffff:10.0.0.7"},
           {"client.address", "203.0.113.9"}});
  AddSpan(SpanKind::kServer, "b", {{"http.client_ip", "203.0.113.9"}, {"server.address", "shop"}});
  AddSpan(SpanKind::kServer, "c",
          {{"network.local.address", "10.0.0.9"},
           {"network.local.port", 8080},
           {"client.address", "a browser"}});
  AddSpan(SpanKind::kClient, "d", {{"server.address", "10.0.0.9"}, {"server.port", 8080}});
  normalizer_.Normalize(&batch_);
  const auto& s = batch_.spans;
  EXPECT_EQ(s.own_address[0], telemetry::AddressKey("10.0.0.9:8080"));
  EXPECT_EQ(s.caller_address[0], telemetry::HomeKey("10.0.0.7")) << "who called, not for whom";
  EXPECT_EQ(s.own_address[1], telemetry::kNoEntity) << "no port";
  EXPECT_EQ(s.caller_address[1], telemetry::HomeKey("203.0.113.9"));
  EXPECT_EQ(s.own_address[2], s.own_address[0]);
  EXPECT_EQ(s.caller_address[2], telemetry::kNoEntity) << "no address";
  EXPECT_EQ(s.own_address[3], telemetry::kNoEntity);
}

TEST_F(NormalizerTest, AQueueSpeltAsAUriAtOneEndIsTheSame) {
  const auto named = [](const char* name) {
    return Attributes{{"messaging.system", "activemq"}, {"messaging.destination.name", name}};
  };
  AddSpan(SpanKind::kProducer, "x", named("queue://shipments"));
  AddSpan(SpanKind::kConsumer, "x", named("shipments"));
  AddSpan(SpanKind::kConsumer, "x", named("topic://shipments"));
  AddSpan(SpanKind::kConsumer, "x", named("queue/shipments"));  // a topic of MQTT, say
  normalizer_.Normalize(&batch_);
  const auto& s = batch_.spans;
  for (const size_t row : {0u, 1u})
    EXPECT_EQ(s.peer[row], MakeEntityId(EntityKind::kQueue, "", "activemq shipments")) << row;
  EXPECT_EQ(s.peer[2], MakeEntityId(EntityKind::kQueue, "", "activemq topic://shipments"));
  EXPECT_EQ(s.peer[3], MakeEntityId(EntityKind::kQueue, "", "activemq queue/shipments"));
}

TEST_F(NormalizerTest, AConsumerNamesItsQueueAsItsProducerDoesAndItsServerIsTheBroker) {
  const Attributes today = {
      {"messaging.system", "kafka"},        {"messaging.destination.name", "jobs"},
      {"server.address", "kafka-1"},        {"server.port", 9092},
      {"network.peer.address", "10.0.0.9"}, {"network.peer.port", 9092}};
  const Attributes old = {{"messaging.system", "kafka"},
                          {"messaging.destination", "jobs"},
                          {"net.peer.name", "kafka-1"},
                          {"net.peer.port", 9092}};
  const Attributes number = {{"messaging.system", "redis"},
                             {"messaging.destination.name", "7"},
                             {"net.peer.name", "cache"}};
  for (const SpanKind kind : {SpanKind::kProducer, SpanKind::kConsumer})
    for (const Attributes& said : {today, old, number}) AddSpan(kind, "x", said);
  AddSpan(SpanKind::kConsumer, "job", {{"network.peer.address", "10.0.0.9"}});
  normalizer_.Normalize(&batch_);
  const auto& s = batch_.spans;
  for (const size_t row : {0u, 1u, 3u, 4u})
    EXPECT_EQ(s.peer[row], MakeEntityId(EntityKind::kQueue, "", "kafka jobs")) << row;
  for (const size_t row : {2u, 5u})
    EXPECT_EQ(s.peer[row], MakeEntityId(EntityKind::kQueue, "", "redis cache")) << row;
  for (const size_t row : {3u, 4u, 5u}) {
    EXPECT_EQ(s.own_address[row], telemetry::kNoEntity);
    EXPECT_EQ(s.caller_address[row], telemetry::kNoEntity);
    EXPECT_EQ(s.peer_address[row], telemetry::kEmptyString);
    EXPECT_EQ(s.connection[row], 0u) << "the broker's port";
  }
  EXPECT_EQ(s.peer[6], telemetry::kNoEntity);
  EXPECT_EQ(s.caller_address[6], telemetry::HomeKey("10.0.0.9")) << "of no queue";
}

TEST_F(NormalizerTest, ThroughWhatListensOnItsOwnHostACallGoesToTheHostItAsksFor) {
  const Attributes sidecar = {{"server.address", "127.0.0.1"}, {"server.port", 15001}};
  const char* const host = "http.request.header.host";
  const std::string none = "127.0.0.1:15001";
  const std::vector<std::pair<Attributes, std::string>> cases = {
      {{{host, "orders:8080"}}, "orders:8080"},
      {{{host, List{R"(["Orders:8080","cart"])"}}}, "orders:8080"},
      {{{"http.host", "orders:8080"}, {"url.full", "http://127.0.0.1:15001/"}}, "orders:8080"},
      {{{"url.full", "http://me:secret@orders:8080/list@all?of=x"}}, "orders:8080"},
      {{{"http.url", "http://orders"}}, "orders"},
      {{{host, List{"[1]"}}, {"url.full", "http://orders:8080"}}, "orders:8080"},
      {{}, none},
      {{{"url.full", "http://127.0.0.1:15001/"}}, none},
      {{{"url.full", "http://[::1]:15001/"}}, none},
      {{{"url.full", "/list"}}, none},
      {{{"url.full", "http://"}}, none},
      {{{host, "localhost"}}, none},
      {{{host, ""}}, none},
      {{{host, List{"[]"}}}, none},
      {{{host, List{R"([")"}}}, none},
      {{{host, 7}}, none},
  };
  for (const auto& [said, address] : cases) {
    Attributes all = sidecar;
    all.insert(all.end(), said.begin(), said.end());
    AddSpan(SpanKind::kClient, "x", all);
  }
  AddSpan(SpanKind::kClient, "x",
          {{"network.peer.address", "127.0.0.1"}, {"url.full", "http://orders:8080/"}});
  AddSpan(SpanKind::kClient, "x", {{"server.address", "10.0.0.9"}, {host, "orders"}});
  AddSpan(SpanKind::kClient, "x",
          {{"server.address", "pay"}, {"network.peer.address", "127.0.0.1"}});
  AddSpan(SpanKind::kClient, "x", {{"server.address", "::1"}, {host, "api.example.com"}});
  normalizer_.Normalize(&batch_);
  const auto address = [&](size_t row) {
    return std::string(ids_.strings.Get(batch_.spans.peer_address[row]));
  };
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(address(i), cases[i].second) << i;
  EXPECT_EQ(address(cases.size()), "orders:8080");
  EXPECT_EQ(address(cases.size() + 1), "10.0.0.9") << "where it goes is told";
  EXPECT_EQ(address(cases.size() + 2), "pay");
  EXPECT_EQ(batch_.spans.peer[cases.size() + 3],
            MakeEntityId(EntityKind::kThirdParty, "", "api.example.com"));
}

TEST_F(NormalizerTest, AHostLocalAddressGoesWithItsNetwork) {
  const auto from = [&](SpanKind kind, const char* host, const Attributes& attributes) {
    AddSpan(kind, "x", attributes);
    batch_.spans.resource.back() =
        ResourceOf({{"service.name", "cart"}, {"service.namespace", "shop"}, {"host.name", host}});
  };
  const Attributes loopback = {{"server.address", "127.0.0.1"}, {"server.port", 8080}};
  const Attributes cache = {
      {"db.system", "redis"}, {"server.address", "::1"}, {"server.port", 6379}};
  for (const char* host : {"web-1", "app-1", ""}) {
    from(SpanKind::kServer, host, loopback);
    from(SpanKind::kClient, host, loopback);
    from(SpanKind::kClient, host, cache);
  }
  normalizer_.Normalize(&batch_);
  const auto& s = batch_.spans;
  const std::string called[] = {"127.0.0.1:8080 on web-1", "127.0.0.1:8080 on app-1",
                                "127.0.0.1:8080"};
  const std::string caches[] = {"redis [::1]:6379 on web-1", "redis [::1]:6379 on app-1",
                                "redis [::1]:6379"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(s.own_address[3 * i], telemetry::AddressKey(called[i]));
    EXPECT_EQ(ids_.strings.Get(s.peer_address[3 * i + 1]), called[i]);
    EXPECT_EQ(s.peer[3 * i + 2], MakeEntityId(EntityKind::kCache, "", caches[i]));
  }
  const auto peer = [&](const char* host) {
    return SeriesOf("http.client.request.duration",
                    {{"server.address", "localhost"}, {"server.port", "8080"}},
                    {{"service.name", "cart"}, {"host.name", host}},
                    telemetry::MetricKind::kHistogram)
        .peer;
  };
  EXPECT_EQ(peer("web-1"), telemetry::AddressKey("localhost:8080 on web-1"));
  EXPECT_EQ(peer("app-1"), telemetry::AddressKey("localhost:8080 on app-1"));
}

TEST_F(NormalizerTest, LoopbackIsNotTheAddressOfWhoIsCalledFromAnotherHost) {
  const auto called_from = [&](const char* address, Attributes more = {}) {
    more.insert(more.end(), {{"server.address", "localhost"},
                             {"server.port", 15001},
                             {"network.peer.address", address}});
    AddSpan(SpanKind::kServer, "x", more);
  };
  called_from("10.0.0.7");
  called_from("10.0.0.7", {{"network.local.address", "10.0.0.9"}, {"network.local.port", 8080}});
  called_from("::ffff:127.0.0.1");
  normalizer_.Normalize(&batch_);
  const std::vector<EntityId>& own = batch_.spans.own_address;
  EXPECT_EQ(own[0], telemetry::kNoEntity);
  EXPECT_EQ(own[1], telemetry::AddressKey("10.0.0.9:8080"));
  EXPECT_EQ(own[2], telemetry::AddressKey("localhost:15001"));
}

TEST_F(NormalizerTest, AnAddressHasOneSpelling) {
  const Attributes stripe = {{"server.address", "API.Stripe.com."}, {"server.port", 443}};
  const Attributes cache = {{"db.system", "redis"},
                            {"server.address", "[0:0:0:0:0:FFFF:0A00:0001]"},
                            {"server.port", 6379}};
  AddSpan(SpanKind::kClient, "x", stripe);
  AddSpan(SpanKind::kClient, "x", cache);
  AddSpan(SpanKind::kClient, "x", {{"server.address", "::ffff:808:808"}});
  telemetry::FlowBatch& flows = batch_.flows;
  for (const char* address : {"2001:DB8::1", "2001:db8:0::1", "::ffff:10.0.0.1"}) {
    flows.source_address.push_back(ids_.strings.Intern(address));
    flows.destination_address.push_back(ids_.strings.Intern("10.0.0.1"));
    flows.start_ns.push_back(0);
    flows.end_ns.push_back(0);
    flows.resource.push_back(telemetry::kNoResource);
  }
  normalizer_.Normalize(&batch_);
  const std::vector<EntityId>& peer = batch_.spans.peer;
  EXPECT_EQ(peer[0], MakeEntityId(EntityKind::kThirdParty, "", "api.stripe.com:443"));
  EXPECT_EQ(peer[1], MakeEntityId(EntityKind::kCache, "", "redis 10.0.0.1:6379"));
  EXPECT_EQ(peer[2], MakeEntityId(EntityKind::kThirdParty, "", "8.8.8.8"));
  EXPECT_EQ(ids_.strings.Get(flows.source_address[0]), "2001:db8::1");
  EXPECT_EQ(flows.source_address[1], flows.source_address[0]);
  EXPECT_EQ(flows.source_address[2], flows.destination_address[0]);
}

TEST_F(NormalizerTest, WhoSendsLogsOrFlowsIsSeen) {
  telemetry::LogBatch& logs = batch_.logs;
  telemetry::FlowBatch& flows = batch_.flows;
  for (const Nanos t : {20, 10, 30}) {
    logs.time_ns.push_back(t);
    logs.resource.push_back(ResourceOf({{"service.name", "mailer"}}));
    flows.start_ns.push_back(t);
    flows.end_ns.push_back(t + 5);
    flows.resource.push_back(ResourceOf({{"service.name", "exporter"}}));
  }
  normalizer_.Normalize(&batch_);
  const auto seen = [&](const char* name) {
    const telemetry::Entity entity =
        ids_.entities.Get(MakeEntityId(EntityKind::kService, "", name));
    return std::pair(entity.first_seen, entity.last_seen);
  };
  EXPECT_EQ(seen("mailer"), std::pair(Nanos{10}, Nanos{30}));
  EXPECT_EQ(seen("exporter"), std::pair(Nanos{15}, Nanos{35}));
}

TEST_F(NormalizerTest, KnowsFailure) {
  const auto add = [&](SpanKind kind, const char* key, int code,
                       SpanStatus status = SpanStatus::kUnset) {
    AddSpan(kind, "x", {{key, code}}, status);
  };
  add(SpanKind::kServer, "http.status_code", 500);
  add(SpanKind::kServer, "http.response.status_code", 404);
  add(SpanKind::kClient, "http.status_code", 404);
  add(SpanKind::kClient, "http.status_code", 302);
  add(SpanKind::kServer, "rpc.grpc.status_code", 5);   // NOT_FOUND: the caller's doing
  add(SpanKind::kServer, "rpc.grpc.status_code", 14);  // UNAVAILABLE
  add(SpanKind::kClient, "rpc.grpc.status_code", 5);
  add(SpanKind::kServer, "http.status_code", 200, SpanStatus::kError);
  add(SpanKind::kServer, "http.status_code", 500, SpanStatus::kOk);
  add(SpanKind::kInternal, "x", 0, SpanStatus::kError);
  AddSpan(SpanKind::kServer, "text", {{"http.status_code", "503"}});
  normalizer_.Normalize(&batch_);
  EXPECT_THAT(batch_.spans.failed, testing::ElementsAre(1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1));
}

TEST_F(NormalizerTest, WeighsSampledSpans) {
  AddSpan(SpanKind::kServer, "a", {}, SpanStatus::kUnset, "ot=th:c");
  AddSpan(SpanKind::kServer, "a", {}, SpanStatus::kUnset, "ot=th:0");
  AddSpan(SpanKind::kServer, "a", {}, SpanStatus::kUnset, "vendor=1");
  AddSpan(SpanKind::kServer, "a", {});
  normalizer_.Normalize(&batch_);
  EXPECT_THAT(batch_.spans.weight, testing::ElementsAre(4, 1, 1, 1));
  EXPECT_THAT(batch_.spans.weight_known, testing::ElementsAre(1, 1, 0, 0));
  EXPECT_EQ(batch_.spans.corrected_start_ns, batch_.spans.start_ns);
  EXPECT_THAT(batch_.spans.clock_bound_ns, testing::Each(telemetry::kUnknownBound));
}

TEST_F(NormalizerTest, SpansWithoutResourceOrAttributesAreNoReasonToFail) {
  AddSpan(SpanKind::kClient, "", {});
  batch_.spans.resource[0] = telemetry::kNoResource;
  normalizer_.Normalize(&batch_);
  EXPECT_EQ(batch_.spans.service[0], telemetry::kNoEntity);
  EXPECT_EQ(Operation(0), "");
}

TEST_F(NormalizerTest, CompletesResources) {
  const telemetry::Resource& r =
      ids_.resources.Get(ResourceOf({{"service.name", "cart"}, {"service.instance.id", "i1"}}));
  EXPECT_EQ(r.service_entity, MakeEntityId(EntityKind::kService, "", "cart"));
  const telemetry::Entity instance = ids_.entities.Get(r.instance_entity);
  EXPECT_EQ(instance.kind, EntityKind::kInstance);
  EXPECT_EQ(instance.parent, r.service_entity);
  const telemetry::Resource& nobody = ids_.resources.Get(ResourceOf({}));
  EXPECT_EQ(ids_.strings.Get(nobody.service), "unknown_service");
  EXPECT_EQ(nobody.instance_entity, telemetry::kNoEntity);
}

TEST_F(NormalizerTest, CompletesSeriesByTheirLabels) {
  const Texts cart = {{"service.name", "cart"}};
  EXPECT_EQ(SeriesOf("db.client.connection.count", {{"db.client.connection.state", "used"}}, cart)
                .quantity,
            Quantity::kConnectionsInUse);
  EXPECT_EQ(SeriesOf("db_client_connections_usage", {{"state", "idle"}}, cart).quantity,
            Quantity::kOther);
  EXPECT_EQ(SeriesOf("system.memory.utilization", {{"state", "free"}}, cart).quantity,
            Quantity::kOther);
  EXPECT_EQ(SeriesOf("system.cpu.utilization", {{"cpu.mode", "idle"}}, cart).quantity,
            Quantity::kOther);
  EXPECT_EQ(SeriesOf("process.cpu.utilization", {{"process.cpu.state", "user"}}, cart).quantity,
            Quantity::kCpuUtilization);
  EXPECT_EQ(SeriesOf("rpc_duration_seconds", {{"quantile", "0.99"}}, cart).statistic,
            Statistic::kP99);
  EXPECT_EQ(SeriesOf("rpc_duration_seconds", {{"quantile", "0.75"}}, cart).quantity,
            Quantity::kOther);
}

TEST_F(NormalizerTest, KnowsWhoseASeriesIs) {
  const auto service = [](const char* name) {
    return MakeEntityId(EntityKind::kService, "", name);
  };
  const telemetry::Series client =
      SeriesOf("http_client_request_duration_seconds",
               {{"server_address", "api.example.com"}, {"server_port", "443"}}, {{"job", "cart"}},
               telemetry::MetricKind::kHistogram);
  EXPECT_EQ(client.entity, service("cart"));
  EXPECT_EQ(client.peer, MakeEntityId(EntityKind::kThirdParty, "", "api.example.com:443"));
  const telemetry::Series restarts =
      SeriesOf("kube_pod_container_status_restarts_total", {},
               {{"job", "kube-state-metrics"}, {"pod", "cart-74594bd569-x2x5k"}},
               telemetry::MetricKind::kCounter);
  EXPECT_EQ(restarts.entity, service("cart"));
  EXPECT_EQ(
      SeriesOf("system.memory.utilization", {{"state", "used"}}, {{"host.name", "h1"}}).entity,
      MakeEntityId(EntityKind::kHost, "", "h1"));
}

TEST_F(NormalizerTest, LinksChangesToKnownServicesOnly) {
  ResourceOf({{"service.name", "cart"}});
  for (const char* name : {"cart", "team/cart", "unheard-of", ""}) {
    batch_.events.time_ns.push_back(1);
    batch_.events.service.push_back(ids_.strings.Intern(name));
  }
  normalizer_.Normalize(&batch_);
  const EntityId cart = MakeEntityId(EntityKind::kService, "", "cart");
  EXPECT_THAT(batch_.events.entity,
              testing::ElementsAre(cart, cart, telemetry::kNoEntity, telemetry::kNoEntity));
}

}  // namespace
}  // namespace tomograph::normalize
