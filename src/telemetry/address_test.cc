#include "telemetry/address.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tomograph::telemetry {
namespace {

TEST(Addresses, HaveOneSpelling) {
  const std::pair<const char*, std::vector<const char*>> spellings[] = {
      {"10.0.0.7", {"::ffff:10.0.0.7", "::FFFF:a00:7", "[::ffff:0a00:0007]", "10.00.000.07"}},
      {"127.0.0.1", {"127.000.000.001", "::ffff:127.0.0.1", "[::ffff:7f00:1]"}},
      {"::1", {"[::1]", "0:0:0:0:0:0:0:1", "0000::0001", "::1%lo"}},
      {"2001:db8::7", {"2001:DB8::7", "2001:db8:0:0:0:0:0:7", "[2001:0db8:0::0007%eth0]"}},
      {"2001:db8:0:1:1:1:1:1", {"2001:db8::1:1:1:1:1"}},
      {"2001:0:0:1::1", {"2001:0:0:1:0:0:0:1"}},
      {"2001:db8::1:0:0:1", {"2001:db8:0:0:1::1"}},
      {"fe80::1%eth0", {"FE80::1%eth0", "[fe80:0::1%eth0]"}},
      {"fe80::1%Eth0", {}},
      {"fe80::1", {}},
      {"cart", {"Cart", "CART.", "cart."}},
      {"api.example.com", {"API.Example.COM", "api.example.com."}},
      {"localhost", {"LocalHost", "localhost."}},
      {"/run/Cart.sock", {"unix:/run/Cart.sock", "unix:///run/Cart.sock"}},
      {"/run/cart.sock", {}},
      {"@cart", {"unix-abstract:cart"}},
      {"unix:cart.sock", {}},
      {"unix://cart.sock", {}},
  };
  for (const auto& [one, others] : spellings) {
    EXPECT_EQ(AddressOn(one, ""), one);
    for (const char* other : others) EXPECT_EQ(AddressOn(other, ""), one) << other;
  }
  std::set<EntityId> keys;
  for (const auto& [one, others] : spellings) keys.insert(AddressKey(AddressOn(one, "")));
  EXPECT_EQ(keys.size(), std::size(spellings));
}

TEST(Addresses, WhatIsNoAddressIsAName) {
  for (const char* name : {"",
                           ".",
                           "cart..",
                           "10.0.0",
                           "10.0.0.256",
                           "010.0.0.10",
                           "1.2.3.08",
                           "10.0.0.7.8",
                           "127.1",
                           ":",
                           "::",
                           ":::",
                           "1::2::3",
                           "12345::1",
                           "::1%",
                           "[",
                           "[]",
                           "]",
                           "[::1",
                           "%",
                           "1",
                           "1:2:3",
                           "fe80::1%",
                           "(too many distinct values)",
                           "::ffff:1.2.3",
                           "a b:c",
                           " 10.0.0.7"}) {
    const std::string once = AddressOn(name, "");
    EXPECT_EQ(AddressOn(once, ""), once) << name;
  }
  EXPECT_EQ(AddressOn("010.0.0.10", ""), "010.0.0.10") << "10 or 8";
  EXPECT_EQ(AddressOn("127.1", ""), "127.1");
  EXPECT_EQ(AddressOn(std::string(10'000, ':'), ""), std::string(10'000, ':'));
}

TEST(Addresses, APortComesBesideTheHostOrWithIt) {
  const auto named = [](const char* host, const char* port) {
    return AddressOn(WithPort(host, port), "");
  };
  for (const char* host : {"10.0.0.7", "10.0.0.7:80", "::ffff:10.0.0.7", "[::ffff:10.0.0.7]:80"})
    EXPECT_EQ(named(host, "80"), "10.0.0.7:80") << host;
  for (const char* host : {"10.0.0.7:80", "[::ffff:10.0.0.7]:80"})
    EXPECT_EQ(named(host, ""), "10.0.0.7:80") << host;
  for (const char* host : {"::7", "[::7]", "[0::7]", "[0::7]:80"})
    EXPECT_EQ(named(host, "80"), "[::7]:80") << host;
  EXPECT_EQ(named("[0::7]:80", ""), "[::7]:80");
  EXPECT_EQ(named("Cart.:80", ""), "cart:80");
  EXPECT_EQ(named("/run/cart.sock", ""), "/run/cart.sock");
  EXPECT_EQ(named("", "80"), "");
  EXPECT_NE(named("http://cart", "8080"), named("http://ledger", "8080"));
  EXPECT_EQ(named("dns:///cart", ""), "dns:///cart");
  EXPECT_EQ(AddressOn("[::1]:80", "web-1"), "[::1]:80 on web-1");
}

TEST(Addresses, AHomeIsAnAddressThatOthersSeeToo) {
  EXPECT_EQ(HomeKey("::ffff:10.0.0.7"), HomeKey("10.0.0.7"));
  EXPECT_EQ(HomeKey("::FFFF:0A00:7"), HomeKey("10.0.0.7"));
  EXPECT_EQ(HomeKey("[FD00:0::7]"), HomeKey("fd00::7"));
  EXPECT_NE(HomeKey("10.0.0.7"), HomeKey("10.0.0.8"));
  EXPECT_NE(HomeKey("10.0.0.7"), AddressKey("10.0.0.7"));
  for (const char* nobodys : {"", "127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0", "cart",
                              "10.0.0", "(too many distinct values)"})
    EXPECT_EQ(HomeKey(nobodys), kNoEntity) << nobodys;
  EXPECT_EQ(HostOfAddress("10.0.0.7:80"), "10.0.0.7");
  EXPECT_EQ(HostOfAddress("[fd00::7]:80"), "fd00::7");
  EXPECT_EQ(HostOfAddress("fd00::7"), "fd00::7");
  EXPECT_EQ(HostOfAddress("cart"), "cart");
}

TEST(Addresses, AHostLocalAddressIsOneOfItsNetwork) {
  for (const char* local : {"127.0.0.1",
                            "127.0.0.1:80",
                            "127.8.9.1:80",
                            "0.0.0.0:80",
                            "169.254.20.10:53",
                            "::1",
                            "[::1]:80",
                            "0:0:0:0:0:0:0:1",
                            "::",
                            "[::]:80",
                            "fe80::1",
                            "[FE80::1%eth0]:80",
                            "febf::2",
                            "0000:0000:0000:0000:0000:0000:0000:0001",
                            "::1%lo",
                            "127.000.000.001",
                            "::ffff:127.0.0.1",
                            "::FFFF:7F00:1",
                            "0:0:0:0:0:ffff:7f00:0001",
                            "[::ffff:7f00:1]:80",
                            "[::ffff:127.0.0.1]:80",
                            "localhost",
                            "LOCALHOST:80",
                            "localhost.:80",
                            "cart.localhost:80",
                            "/run/cart.sock",
                            "@cart",
                            "unix:/run/cart.sock",
                            "unix:cart.sock",
                            "unix-abstract:cart"}) {
    EXPECT_TRUE(IsHostLocal(local)) << local;
    EXPECT_EQ(HomeKey(local), kNoEntity) << local;
    EXPECT_NE(AddressKey(AddressOn(local, "web-1")), AddressKey(AddressOn(local, "app-1")))
        << local;
    EXPECT_NE(AddressKey(AddressOn(local, "web-1")), AddressKey(AddressOn(local, ""))) << local;
  }
  for (const char* global :
       {"", "10.0.0.7:80", "128.0.0.1", "12.7.0.0:80", "192.168.0.1", "[fd00::1]:80", "fec0::1",
        "2001:db8::1", "1::1", "::1:1", "::10", "::ffff:10.0.0.7", "localhost.example.com",
        "cart:80", "127.example.com", "notlocalhost"}) {
    EXPECT_FALSE(IsHostLocal(global)) << global;
    EXPECT_EQ(AddressOn(global, "web-1"), AddressOn(global, ""));
  }
  EXPECT_EQ(AddressOn("127.0.0.1:80", "web-1"), "127.0.0.1:80 on web-1");
  for (const char* local : {"127.0.0.1:80", "[::1]:80", "localhost"})
    EXPECT_EQ(HostOfAddress(AddressOn(local, "web-1")), HostOfAddress(local));
  EXPECT_EQ(HostKey(HostOfAddress(AddressOn("localhost", "web-1"))), kNoEntity);
}

TEST(Addresses, ALinkLocalOneMayBeAnothersHosts) {
  for (const char* here : {"127.0.0.1:80", "[::1]:80 on web-1", "localhost:80 on web-1", "0.0.0.0",
                           "::ffff:7f00:1", "/run/my cart.sock on web-1", "@cart"})
    EXPECT_TRUE(StaysOnHost(here)) << here;
  for (const char* there : {"169.254.20.10:53 on web-1", "fe80::1 on web-1", "10.0.0.7:80", "cart"})
    EXPECT_FALSE(StaysOnHost(there)) << there;
}

TEST(Addresses, AServiceIsCalledByItsHostsName) {
  EXPECT_NE(HostKey("payment"), kNoEntity);
  for (const char* same : {"Payment", "payment.", "payment.SVC"})
    EXPECT_EQ(HostKey(same), HostKey("payment")) << same;
  for (const char* same :
       {"payment.shop.svc", "Payment.shop.svc.", "payment.shop.svc.cluster.local"}) {
    EXPECT_EQ(HostKey(same), HostKey("payment", "shop")) << same;
    EXPECT_EQ(HostKeyAnywhere(same), HostKeyAnywhere("payment")) << same;
  }
  EXPECT_NE(HostKey("payment.shop.svc"), HostKey("payment"));
  EXPECT_NE(HostKey("payment.shop.svc"), HostKey("payment.test.svc"));
  EXPECT_NE(HostKeyAnywhere("payment"), HostKey("payment"));
  EXPECT_NE(HostKey("payment"), HostKey("cart"));
  EXPECT_NE(HostKey("payment"), AddressKey("payment"));
  for (const char* nobodys : {"", ".", ".svc", "localhost", "db.example.com", "payment.shop",
                              "payment.svc.example.com", "10.0.0.7", "fd00::7"})
    EXPECT_EQ(HostKey(nobodys), kNoEntity) << nobodys;
}

}  // namespace
}  // namespace tomograph::telemetry
