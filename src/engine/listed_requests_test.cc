#include "engine/listed_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tomograph::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const telemetry::RebuiltRequest> Request(size_t spans = 1) {
  telemetry::RebuiltRequest request;
  request.spans.resize(spans);
  return std::make_shared<const telemetry::RebuiltRequest>(std::move(request));
}

TEST(ListedRequests, WhatWasListedCanBeOpenedForAMinute) {
  ListedRequests requests;
  const auto a = Request(), b = Request(), c = Request();
  EXPECT_THAT(requests.Before(0, {a, b}), IsEmpty());
  EXPECT_THAT(requests.Before(5 * kSecond, {b}), ElementsAre(a));
  EXPECT_THAT(requests.Before(60 * kSecond, {c}), ElementsAre(b, a));
  EXPECT_THAT(requests.Before(79 * kSecond, {}), ElementsAre(c, b));
  EXPECT_THAT(requests.Before(81 * kSecond, {b}), ElementsAre(c))
      << "one that comes back is no past one";
  EXPECT_THAT(requests.Before(500 * kSecond, {}), IsEmpty());
}

TEST(ListedRequests, IsBounded) {
  ListedRequests requests;
  const size_t half = ListedRequests::kMostSpans / 2;
  const auto a = Request(half), b = Request(half), c = Request(half);
  requests.Before(0, {a});
  requests.Before(1, {b});
  requests.Before(2, {c});
  EXPECT_THAT(requests.Before(3, {}), ElementsAre(c, b));
}

}  // namespace
}  // namespace tomograph::engine
