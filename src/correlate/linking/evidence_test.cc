#include "correlate/linking/evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>

#include "base/random.h"

namespace tomograph::correlate::linking {
namespace {

/// Pairs whose attributes are drawn by `draw(random, request, call)`.
struct Pairs {
  std::deque<Attributes> attributes;
  std::vector<EvidencePair> pairs;

  template <typename Draw>
  Pairs(int n, uint64_t seed, Draw draw) {
    Random random(seed);
    for (int i = 0; i < n; ++i) {
      Attributes& request = attributes.emplace_back();
      Attributes& call = attributes.emplace_back();
      draw(random, &request, &call);
      pairs.push_back({&request, &call, static_cast<int>(random.Below(2))});
    }
  }
  /// Mean of exp(log ratio) over all requests with all calls: 1 for a ratio of distributions.
  double MeanRatio(const Evidence& evidence, Evidence::Kind kind) const {
    double sum = 0, n = 0;
    for (size_t i = 0; i < pairs.size(); i += 7) {
      for (size_t j = 0; j < pairs.size(); j += 3) {
        const EvidencePair pair{pairs[i].request, pairs[j].call, pairs[i].half};
        sum += std::exp(static_cast<double>(evidence.Log(kind, pair)));
        ++n;
      }
    }
    return sum / n;
  }
  double MeanLog(const Evidence& evidence, Evidence::Kind kind) const {
    double sum = 0;
    for (const EvidencePair& pair : pairs) sum += evidence.Log(kind, pair);
    return sum / static_cast<double>(pairs.size());
  }
};

Pairs Workers(uint64_t seed, double same) {
  return Pairs(3'000, seed, [same](Random& random, Attributes* request, Attributes* call) {
    request->worker = 1 + random.Below(8);
    call->worker = random.Uniform() < same ? request->worker : 1 + random.Below(8);
  });
}

TEST(Evidence, TheSameWorkerIsWorthWhatItTells) {
  const Pairs pairs = Workers(1, .9);
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  Attributes request, call, other;
  request.worker = call.worker = 3;
  other.worker = 5;
  const auto log = [&](const Attributes& of) {
    return evidence.Log(Evidence::kWorker, {&request, &of, 0});
  };
  EXPECT_NEAR(log(call), std::log((.9 + .1 / 8) * 8), .1);
  EXPECT_NEAR(log(other), std::log(.1), .35);
  EXPECT_NEAR(pairs.MeanRatio(evidence, Evidence::kWorker), 1, .03);
}

TEST(Evidence, IdsThatAreNewWithEachRequestAreTold) {
  uint64_t last = 0;
  const Pairs pairs(1'000, 2, [&last](Random& random, Attributes* request, Attributes* call) {
    request->worker = ++last;
    call->worker = random.Uniform() < .95 ? request->worker : ++last;
  });
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  Attributes request, call, other;
  request.worker = call.worker = 900'001;
  other.worker = 900'002;
  EXPECT_GT(evidence.Log(Evidence::kWorker, {&request, &call, 0}), 5);
  EXPECT_LT(evidence.Log(Evidence::kWorker, {&request, &other, 0}), -2);
}

TEST(Evidence, APinnedPoolIsLearnedThoughIdsDiffer) {
  const Pairs pairs(2'000, 3, [](Random& random, Attributes* request, Attributes* call) {
    const uint64_t came = random.Below(8);
    request->connection = 100 + came;
    call->connection = 200 + (random.Uniform() < .8 ? (came * 5) % 8 : random.Below(8));
  });
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  Attributes request, pinned, other, unseen;
  request.connection = 102;
  pinned.connection = 202;
  other.connection = 203;
  unseen.connection = 999;
  for (const int half : {0, 1}) {
    EXPECT_NEAR(evidence.Log(Evidence::kConnection, {&request, &pinned, half}),
                std::log((.8 + .2 / 8) * 8), .15);
    EXPECT_LT(evidence.Log(Evidence::kConnection, {&request, &other, half}), -1);
    EXPECT_NEAR(evidence.Log(Evidence::kConnection, {&request, &unseen, half}), 0, .05);
  }
  EXPECT_NEAR(pairs.MeanRatio(evidence, Evidence::kConnection), 1, .03);
}

TEST(Evidence, ChanceDoesNotProveItself) {
  // Many ids, each pair of them seen about once: counted among themselves they would fit all.
  const Pairs pairs(2'000, 4, [](Random& random, Attributes* request, Attributes* call) {
    request->connection = 1 + random.Below(40);
    call->connection = 1'000 + random.Below(40);
  });
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  EXPECT_LT(pairs.MeanLog(evidence, Evidence::kConnection), .002);
}

TEST(Evidence, SizesThatFollowEachOtherCount) {
  const auto draw = [](double follows) {
    return [follows](Random& random, Attributes* request, Attributes* call) {
      const double size = random.Normal(6, 1);
      request->bytes_in = static_cast<uint64_t>(std::exp(size));
      const double own = random.Normal(0, 1);
      const double log = 6 + follows * (size - 6) + std::sqrt(1 - follows * follows) * own;
      call->bytes_out = static_cast<uint64_t>(std::exp(log));
      call->bytes_in = 1 + random.Below(5'000);
    };
  };
  const Pairs related(3'000, 5, draw(.8));
  Evidence evidence;
  evidence.Learn(related.pairs);
  // The information that a correlation of .8 carries.
  EXPECT_NEAR(related.MeanLog(evidence, Evidence::kSize), -.5 * std::log(1 - .64), .06);
  EXPECT_NEAR(related.MeanRatio(evidence, Evidence::kSize), 1, .1);
  Attributes request, call;
  request.bytes_in = 400;
  EXPECT_EQ(evidence.Log(Evidence::kSize, {&request, &call, 0}), 0) << "a size is not known";

  const Pairs unrelated(3'000, 6, draw(0));
  evidence.Learn(unrelated.pairs);
  EXPECT_NEAR(unrelated.MeanLog(evidence, Evidence::kSize), 0, .003);
}

TEST(Evidence, FailuresGoTogether) {
  const Pairs pairs(5'000, 7, [](Random& random, Attributes* request, Attributes* call) {
    call->failed = random.Uniform() < .02;
    request->failed = call->failed ? random.Uniform() < .7 : random.Uniform() < .01;
  });
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  Attributes well, failed;
  failed.failed = true;
  const auto log = [&](const Attributes& request, const Attributes& call) {
    return evidence.Log(Evidence::kStatus, {&request, &call, 0});
  };
  EXPECT_GT(log(failed, failed), 2);
  EXPECT_LT(log(well, failed), -.5);
  EXPECT_LT(log(failed, well), -.3);
  EXPECT_NEAR(log(well, well), 0, .05);
  EXPECT_NEAR(pairs.MeanRatio(evidence, Evidence::kStatus), 1, .05);
}

TEST(Evidence, OnlyKindsInUseAreSummed) {
  const Pairs pairs = Workers(8, .9);
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  EXPECT_EQ(evidence.Log(pairs.pairs[0]), 0);
  EXPECT_FALSE(evidence.any());
  evidence.Use(Evidence::kWorker, true);
  EXPECT_EQ(evidence.Log(pairs.pairs[0]), evidence.Log(Evidence::kWorker, pairs.pairs[0]));
}

TEST(Evidence, FewPairsTeachNothing) {
  const Pairs pairs(20, 9, [](Random&, Attributes* request, Attributes* call) {
    request->worker = call->worker = 1;
    request->failed = call->failed = true;
  });
  Evidence evidence;
  evidence.Learn(pairs.pairs);
  for (int k = 0; k < Evidence::kKinds; ++k) {
    EXPECT_EQ(evidence.Log(static_cast<Evidence::Kind>(k), pairs.pairs[0]), 0);
  }
}

TEST(TellsApart, NeedsMoreThanChance) {
  Random random(10);
  int chance = 0;
  for (int trial = 0; trial < 200; ++trial) {
    TellsApart tells;
    for (int i = 0; i < 500; ++i) {
      const float logs[] = {static_cast<float>(random.Normal(0, 1)),
                            static_cast<float>(random.Normal(0, 1)),
                            static_cast<float>(random.Normal(0, 1))};
      tells.Add(logs[0], logs);
    }
    chance += static_cast<bool>(tells);
  }
  EXPECT_EQ(chance, 0);
  TellsApart tells;
  const float logs[] = {1, -1, -1};
  for (int i = 0; i < 50; ++i) tells.Add(1, logs);
  EXPECT_TRUE(static_cast<bool>(tells));
  TellsApart single;
  const float one[] = {5};
  for (int i = 0; i < 50; ++i) single.Add(5, one);
  EXPECT_FALSE(static_cast<bool>(single)) << "with one candidate there is nothing to tell";
}

TEST(TellsApart, SureEvidenceIsNotRefutedByOwnersThatAreOftenWrong) {
  TellsApart tells;
  const float logs[] = {5, -3, -3, -3};  // the first is the true one
  for (int i = 0; i < 100; ++i) tells.Add(logs[i % 2], logs);
  EXPECT_TRUE(static_cast<bool>(tells));
  TellsApart guessed;
  for (int i = 0; i < 100; ++i) guessed.Add(logs[i % 4], logs);
  EXPECT_FALSE(static_cast<bool>(guessed)) << "owners that know nothing prove nothing";
}

}  // namespace
}  // namespace tomograph::correlate::linking
