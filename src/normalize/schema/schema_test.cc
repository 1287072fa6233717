#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "normalize/schema/attribute_names.h"
#include "normalize/schema/operation_template.h"
#include "normalize/schema/peer.h"
#include "normalize/schema/sampling.h"
#include "normalize/schema/service_name.h"

namespace tomograph::normalize {
namespace {

using telemetry::EntityKind;
using testing::Eq;
using testing::Optional;

using Attributes = std::vector<std::pair<std::string, std::string>>;

ResourceNames NamesOfAttributes(const Attributes& attributes) {
  telemetry::Interner strings;
  telemetry::Resource resource;
  for (const auto& [k, v] : attributes)
    resource.attributes.emplace_back(strings.Intern(k), strings.Intern(v));
  return NamesOf(resource, strings);
}

TEST(ServiceName, IsTheFirstOfTheChain) {
  const std::vector<std::pair<Attributes, std::string>> cases = {
      {{{"service.name", "cart"}, {"k8s.deployment.name", "x"}}, "cart"},
      {{{"service.name", "unknown_service:node"}, {"k8s.deployment.name", "cart"}}, "cart"},
      {{{"service.name", "unknown_service:node"}}, "unknown_service"},
      {{{"k8s.pod.annotation.resource.opentelemetry.io/service.name", "a"},
        {"k8s.pod.label.app.kubernetes.io/instance", "b"}},
       "a"},
      {{{"k8s.pod.labels.app.kubernetes.io/name", "c"},
        {"k8s.pod.labels.app.kubernetes.io/instance", "b"}},
       "b"},
      {{{"k8s.replicaset.name", "cart-74594bd569"}}, "cart"},
      {{{"k8s.replicaset.name", "cart-worker"}}, "cart-worker"},
      {{{"k8s.job.name", "report-28472910"}}, "report"},
      {{{"k8s.pod.name", "cart-74594bd569-x2x5k"}, {"k8s.container.name", "server"}}, "cart"},
      {{{"container.name", "server"}}, "server"},
      {{{"job", "api"}, {"instance", "10.0.0.1:80"}}, "api"},
      {{{"job", "kubernetes-pods"}, {"service", "api"}}, "api"},
      {{{"pod", "db-0"}, {"container", "postgres"}}, "db"},
      {{{"host.name", "h"}}, "unknown_service"},
      {{}, "unknown_service"},
  };
  for (const auto& [attributes, service] : cases)
    EXPECT_EQ(NamesOfAttributes(attributes).service, service);
}

TEST(ServiceName, NamesInstanceVersionAndEnvironment) {
  const ResourceNames otel = NamesOfAttributes({{"service.name", "cart"},
                                                {"service.namespace", "shop"},
                                                {"service.version", "1.4"},
                                                {"deployment.environment", "prod"},
                                                {"host.name", "h1"},
                                                {"process.pid", "12"}});
  EXPECT_EQ(otel.instance, "h1:12");
  EXPECT_EQ(otel.service_namespace, "shop");
  EXPECT_EQ(otel.version, "1.4");
  EXPECT_EQ(otel.environment, "prod");
  EXPECT_EQ(otel.host, "h1");
  EXPECT_EQ(NamesOfAttributes({{"job", "a"}, {"instance", "h:1"}}).instance, "h:1");
}

TEST(ServiceName, StripsOnlyWhatKubernetesAppends) {
  EXPECT_EQ(WorkloadOfPod("cart-74594bd569-x2x5k"), "cart");
  EXPECT_EQ(WorkloadOfPod("my-cart-service-5d4c7b-zk8tw"), "my-cart-service");
  EXPECT_EQ(WorkloadOfPod("agent-zk8tw"), "agent");
  EXPECT_EQ(WorkloadOfPod("db-0"), "db");
  EXPECT_EQ(WorkloadOfPod("frontend"), "frontend");
  EXPECT_EQ(WorkloadOfPod("order-api"), "order-api");
  EXPECT_EQ(WorkloadOfPod("-x2x5k"), "-x2x5k");
  EXPECT_EQ(WorkloadOfPod(""), "");
}

TEST(Sampling, ReadsTheRejectionThreshold) {
  EXPECT_THAT(SamplingProbability("ot=th:8"), Optional(0.5));
  EXPECT_THAT(SamplingProbability("ot=rv:ababababababab;th:c"), Optional(0.25));
  EXPECT_THAT(SamplingProbability("vendor=x, ot=th:0"), Optional(1.0));
  EXPECT_THAT(SamplingProbability("ot=th:fffffffffffff0"), Optional(0x1p-52));
  EXPECT_THAT(SamplingProbability("ot=th:ffffffffffffff"), Optional(0x1p-56));
  for (const char* none : {"", "ot=", "ot=th:", "ot=th:xyz", "ot=th:123456789012345", "th:8",
                           "ot=rv:1", "other=th:8", ",,;"})
    EXPECT_EQ(SamplingProbability(none), std::nullopt) << none;
}

TEST(OperationTemplate, TakesIdsOutOfNames) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET /cart/42?x=1", "GET /cart/{id}"},
      {"/users/3fa85f64-5717-4562-b3fc-2c963f66afa6/orders", "/users/{id}/orders"},
      {"/api/v1/items", "/api/v1/items"},
      {"GET /o/65a1b2c3d4e5f60718293a4b", "GET /o/{id}"},
      {"HTTP GET", "HTTP GET"},
      {"step 2", "step 2"},
      {"job 123456", "job {id}"},
      {"/deadbeef", "/deadbeef"},
      {"oteldemo.CartService/GetCart", "oteldemo.CartService/GetCart"},
      {"SELECT shop", "SELECT shop"},
      {"what?", "what?"},
      {"", ""},
      {"//", "//"},
  };
  for (const auto& [name, pattern] : cases) EXPECT_EQ(OperationTemplate(name), pattern);
}

TEST(Peer, KnowsInsideFromOutside) {
  const auto is_outside = [](const char* host) {
    PeerFacts facts;
    facts.address = host;
    return IsOutside(AddressOf(facts));
  };
  for (const char* outside : {"api.stripe.com", "8.8.8.8", "example.io.", "2001:4860:4860::8888",
                              "API.Example.COM", "::ffff:8.8.8.8", "[2001:4860::1]"})
    EXPECT_TRUE(is_outside(outside)) << outside;
  for (const char* inside : {"",
                             "localhost",
                             "cart",
                             "cart.shop.svc.cluster.local",
                             "cart.shop",
                             "127.0.0.1",
                             "10.1.2.3",
                             "172.20.0.5",
                             "192.168.1.1",
                             "169.254.169.254",
                             "100.64.0.1",
                             "::1",
                             "[::1]",
                             "fd00::1",
                             "fe80::1",
                             "db.internal",
                             "1.2.3",
                             ".",
                             "::ffff:10.1.2.3",
                             "::ffff:7f00:1"})
    EXPECT_FALSE(is_outside(inside)) << inside;
  EXPECT_TRUE(is_outside("172.32.0.1"));
  EXPECT_TRUE(IsOutside("[2001:4860::1]:443"));
  EXPECT_FALSE(IsOutside("127.0.0.1:80 on web-1.example.com"));
}

TEST(Peer, IsNamedByWhatItIs) {
  telemetry::EntityRegistry entities;
  const auto name_of = [&](const PeerFacts& facts) {
    const telemetry::Entity e = entities.Get(FindPeer(facts, AddressOf(facts), "shop", &entities));
    return e.id == telemetry::kNoEntity
               ? ""
               : std::string(telemetry::EntityKindName(e.kind)) + ":" + e.name;
  };
  PeerFacts db;
  db.db_system = "postgresql";
  db.db_namespace = "orders";
  db.address = "10.0.0.3";
  db.port = "5432";
  EXPECT_EQ(name_of(db), "database:postgresql orders");
  db.db_namespace = "";
  EXPECT_EQ(name_of(db), "database:postgresql 10.0.0.3:5432");
  db.db_system = "redis";
  db.db_namespace = "0";
  EXPECT_EQ(name_of(db), "cache:redis 10.0.0.3:5432");
  db.address = "";
  EXPECT_EQ(name_of(db), "cache:redis");
  db.address = "redis";
  db.port = "6379";
  EXPECT_EQ(name_of(db), "cache:redis:6379") << "its name is not said twice";
  db.address = "redis-2";
  EXPECT_EQ(name_of(db), "cache:redis redis-2:6379");
  PeerFacts queue;
  queue.messaging_system = "kafka";
  queue.messaging_destination = "orders";
  EXPECT_EQ(name_of(queue), "queue:kafka orders");
  PeerFacts service;
  service.peer_service = "payments";
  service.address = "api.example.com";
  EXPECT_EQ(name_of(service), "service:payments");
  EXPECT_EQ(FindPeer(service, AddressOf(service), "shop", &entities),
            MakeEntityId(EntityKind::kService, "shop", "payments"));
  service.peer_service = "";
  EXPECT_EQ(name_of(service), "third_party:api.example.com");
  service.address = "cart";
  EXPECT_EQ(name_of(service), "");
  EXPECT_EQ(name_of({}), "");
  PeerFacts v6;
  v6.address = "2001:db8::1";
  v6.port = "443";
  EXPECT_EQ(AddressOf(v6), "[2001:db8::1]:443");
}

TEST(AttributeNames, DependOnWhoseSpanItIs) {
  telemetry::Interner strings;
  const AttributeNames names(&strings);
  const auto today = [&](const char* old_name, bool callee) {
    return strings.Get(names.Of(strings.Intern(old_name), callee).name);
  };
  EXPECT_EQ(today("http.status_code", false), "http.response.status_code");
  EXPECT_EQ(today("net.peer.name", false), "server.address");
  EXPECT_EQ(today("net.peer.name", true), "client.address");
  EXPECT_EQ(today("net.host.name", true), "server.address");
  EXPECT_EQ(today("http.route", true), "http.route");
  EXPECT_EQ(today("my.own.key", true), "");
}

}  // namespace
}  // namespace tomograph::normalize
