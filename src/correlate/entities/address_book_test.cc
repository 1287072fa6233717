#include "correlate/entities/address_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tomograph::correlate {
namespace {

using telemetry::EntityId;
using telemetry::kNoEntity;
using Certainty = AddressBook::Certainty;

constexpr EntityId kAddress{100}, kA{1}, kB{2};

/// `owner` is seen at kAddress at each of `seconds`, window by window of 5 s.
void See(AddressBook* book, EntityId owner, int from_s, int to_s) {
  for (int s = from_s; s < to_s; ++s) {
    book->Observe(kAddress, owner, s * kSecond, s * kSecond);
    if (s % 5 == 4) book->Settle();
  }
  book->Settle();
}

Certainty At(const AddressBook& book, int s) {
  return book.Resolve(kAddress, s * kSecond).certainty;
}
EntityId OwnerAt(const AddressBook& book, int s) {
  return book.Resolve(kAddress, s * kSecond).entity;
}

TEST(AddressBook, ChangesHandsOnce) {
  AddressBook book;
  EXPECT_EQ(At(book, 0), Certainty::kNobody);
  See(&book, kA, 0, 30);
  See(&book, kB, 40, 70);
  EXPECT_EQ(OwnerAt(book, 10), kA);
  EXPECT_EQ(At(book, 10), Certainty::kKnown);
  EXPECT_EQ(OwnerAt(book, 35), kNoEntity);
  EXPECT_EQ(At(book, 35), Certainty::kUnknown) << "nobody knows when it changed hands";
  EXPECT_EQ(OwnerAt(book, 50), kB);
  EXPECT_EQ(OwnerAt(book, 90), kB);
  EXPECT_EQ(At(book, 90), Certainty::kBelieved);
  EXPECT_LT(book.Resolve(kAddress, 10 * kHour).confidence,
            book.Resolve(kAddress, 90 * kSecond).confidence);
  EXPECT_EQ(book.Resolve(kAddress, 25 * kSecond, 45 * kSecond).certainty, Certainty::kUnknown);
  EXPECT_EQ(book.Resolve(kAddress, 41 * kSecond, 45 * kSecond).entity, kB);
}

TEST(AddressBook, WhatIsToldLateOfTheOwnerBeforeIsNoReturn) {
  AddressBook book;
  See(&book, kA, 0, 30);
  See(&book, kB, 40, 70);
  book.Observe(kAddress, kA, 31 * kSecond, 35 * kSecond);  // joined by inference, say
  book.Settle();
  EXPECT_EQ(OwnerAt(book, 33), kA);
  EXPECT_EQ(At(book, 37), Certainty::kUnknown);
  EXPECT_EQ(OwnerAt(book, 50), kB);
  EXPECT_FALSE(book.Shared(kAddress));
}

TEST(AddressBook, SharedIsNobodysAndBecomesOnesAgain) {
  AddressBook book;
  for (int s = 0; s < 60; ++s) {
    book.Observe(kAddress, s % 2 == 0 ? kA : kB, s * kSecond, s * kSecond);
    if (s % 5 == 4) book.Settle();
  }
  EXPECT_TRUE(book.Shared(kAddress));
  EXPECT_EQ(At(book, 30), Certainty::kShared);
  EXPECT_EQ(OwnerAt(book, 30), kNoEntity);
  See(&book, kB, 60, 100);
  EXPECT_FALSE(book.Shared(kAddress));
  EXPECT_EQ(OwnerAt(book, 90), kB);
  EXPECT_EQ(At(book, 30), Certainty::kShared) << "what was, was";
}

TEST(AddressBook, ARelaysIsNobodysWhoeverAnswers) {
  AddressBook book;
  See(&book, kA, 0, 30);  // on the host itself, and then another one
  See(&book, kB, 33, 40);
  EXPECT_EQ(OwnerAt(book, 40), kB);
  book.ObserveRelayed(kAddress, kB, 42 * kSecond, 42 * kSecond);
  book.Settle();
  See(&book, kA, 50, 600);
  for (const int s : {10, 35, 42, 55, 599, 3600}) {
    EXPECT_EQ(At(book, s), Certainty::kRelayed) << s;
    EXPECT_EQ(OwnerAt(book, s), kNoEntity) << s;
    EXPECT_EQ(book.OwnerOrSelf(kAddress, s * kSecond), kNoEntity) << s;
  }
  EXPECT_EQ(book.Resolve(kAddress, kSecond, 45 * kSecond).certainty, Certainty::kRelayed);
  EXPECT_FALSE(book.Shared(kAddress)) << "operations tell nothing either";
  EXPECT_EQ(book.Owners(kAddress, 100 * kSecond).size(), 2u) << "who may be meant";
}

TEST(AddressBook, WhomARelayTurnsToIsNoChangeOfHands) {
  const auto confidence_elsewhere = [](bool relayed) {
    AddressBook book;
    book.Observe(EntityId{200}, kA, 0, 0, 100);
    for (int s = 0; s < 1000; ++s) {
      const EntityId turn{static_cast<uint64_t>(1000 + s)};
      if (relayed) {
        book.ObserveRelayed(kAddress, turn, s * kSecond, s * kSecond);
      } else {
        book.Observe(kAddress, turn, s * kSecond, s * kSecond);
      }
      book.Settle();
    }
    return book.Resolve(EntityId{200}, kHour).confidence;
  };
  EXPECT_GT(confidence_elsewhere(true), 0.9);
  EXPECT_LT(confidence_elsewhere(false), 0.1);
}

TEST(AddressBook, WhoComesBackSoonSharedAndWhoComesBackLateMovedInAgain) {
  const auto returned_after = [](int s) {
    AddressBook book;
    See(&book, kA, 0, 30);
    See(&book, kB, 40, 70);
    See(&book, kA, 30 + s, 35 + s);
    return book;
  };
  const AddressBook soon = returned_after(20 * 60);
  EXPECT_TRUE(soon.Shared(kAddress));
  EXPECT_EQ(At(soon, 50), Certainty::kShared) << "its calls may have been the other's";
  const AddressBook late = returned_after(3 * 3600);
  EXPECT_FALSE(late.Shared(kAddress));
  EXPECT_EQ(At(late, 50), Certainty::kKnown);
  EXPECT_EQ(OwnerAt(late, 50), kB);
  EXPECT_EQ(OwnerAt(late, 3 * 3600 + 32), kA);
}

/// `owner` is seen to live at `home` in each window of 5 s.
void Live(AddressBook* book, EntityId home, EntityId owner, int from_s, int to_s) {
  for (int s = from_s; s < to_s; s += 5) {
    book->ObserveHome(home, owner, s * kSecond, (s + 4) * kSecond);
    book->Settle();
  }
}

TEST(AddressBook, WhoHasMovedInElsewhereSinceIsNotBelievedAlone) {
  constexpr EntityId kHome{200}, kElsewhere{201}, kThird{202};
  AddressBook book;
  Live(&book, kHome, kA, 0, 30);
  EXPECT_TRUE(book.Resolve(kHome, 40 * kSecond).sole);
  Live(&book, kThird, kB, 30, 60);
  book.Observe(kAddress, kA, 35 * kSecond, 36 * kSecond);
  book.Settle();
  EXPECT_TRUE(book.Resolve(kHome, 40 * kSecond).sole) << "another port or name is no move";
  Live(&book, kElsewhere, kA, 30, 60);
  EXPECT_EQ(OwnerAt(book, 36), kA);
  EXPECT_EQ(book.Resolve(kHome, 40 * kSecond).entity, kA) << "it may live at both";
  EXPECT_FALSE(book.Resolve(kHome, 40 * kSecond).sole);
  EXPECT_TRUE(book.Resolve(kElsewhere, 70 * kSecond).sole);
}

TEST(AddressBook, WhoLivesAtSeveralPlacesHasNotMoved) {
  constexpr EntityId kHome{200}, kElsewhere{201};
  AddressBook book;
  Live(&book, kHome, kA, 0, 5);
  Live(&book, kElsewhere, kA, 5, 10);
  Live(&book, kHome, kA, 10, 30);
  Live(&book, kElsewhere, kA, 30, 60);
  EXPECT_TRUE(book.Resolve(kHome, 40 * kSecond).sole);
}

TEST(AddressBook, WhoAnsweredAtAPortOfAHomeLivesThereStill) {
  constexpr EntityId kHome{200};
  AddressBook book;
  Live(&book, kHome, kA, 0, 60);
  See(&book, kA, 0, 60);
  const auto at = [&](int s) { return book.Resolve(kAddress, kHome, s * kSecond, s * kSecond); };
  EXPECT_EQ(at(70).entity, kA);
  EXPECT_EQ(at(70).certainty, Certainty::kBelieved);
  Live(&book, kHome, kB, 80, 120);
  EXPECT_EQ(at(30).entity, kA);
  EXPECT_EQ(at(30).certainty, Certainty::kKnown);
  EXPECT_EQ(at(70).entity, kNoEntity) << "somebody else's or still its own: not known";
  EXPECT_EQ(at(70).certainty, Certainty::kUnknown);
  EXPECT_EQ(at(100).entity, kB);
  EXPECT_EQ(at(100).certainty, Certainty::kKnown);
  EXPECT_LT(at(100).confidence, .8) << "of its host, not of its port";
  EXPECT_EQ(at(130).certainty, Certainty::kBelieved);
  EXPECT_EQ(at(130).entity, kB);
  Live(&book, kHome, kA, 120, 140);
  EXPECT_EQ(at(130).certainty, Certainty::kBelieved) << "both live there, and A answered";
  EXPECT_EQ(at(130).entity, kA);
}

TEST(AddressBook, AHomeTellsNothingOfWhoNeverLivedThere) {
  constexpr EntityId kHome{200};
  AddressBook book;
  See(&book, kA, 0, 60);  // behind the address of a virtual IP, say
  Live(&book, kHome, kB, 0, 120);
  const AddressBook::Answer answer = book.Resolve(kAddress, kHome, 70 * kSecond, 70 * kSecond);
  EXPECT_EQ(answer.entity, kA);
  EXPECT_EQ(answer.certainty, Certainty::kBelieved);
}

TEST(AddressBook, OneStrayAnswerDoesNotTakeAnAddressAway) {
  AddressBook book;
  See(&book, kA, 0, 60);
  book.Observe(kAddress, kB, 59 * kSecond, 59 * kSecond);
  See(&book, kA, 60, 65);
  EXPECT_EQ(OwnerAt(book, 62), kA);
}

TEST(AddressBook, IsBoundedAndCountsWhatItRefuses) {
  AddressBook book(10);
  for (uint64_t i = 1; i <= 20; ++i) {
    book.Observe(EntityId{i}, kA, kSecond, kSecond);
    book.Settle();
  }
  EXPECT_EQ(book.size(), 10u);
  EXPECT_EQ(book.refused(), 10u);
  book.Observe(EntityId{30}, kA, 30 * kHour, 30 * kHour);
  book.Settle();
  EXPECT_NE(book.Resolve(EntityId{30}, 30 * kHour).certainty, Certainty::kNobody)
      << "what nobody answered at for a day makes room";
}

TEST(AddressBook, WhoMovedInIsBoundedAndForgottenWithTheAddressesThatItTellsOf) {
  AddressBook book(4);
  const auto move_in = [&](uint64_t service, uint64_t home, Nanos at) {
    book.ObserveHome(EntityId{home}, EntityId{service}, at, at);
    book.Settle();
  };
  Nanos now = 0;
  // Jobs come and go, all at one host.
  for (uint64_t job = 1; job <= 10; ++job) move_in(job, 100, now += kMinute);
  EXPECT_EQ(book.refused(), 6u);
  now += 26 * kHour;
  move_in(20, 101, now);
  move_in(20, 102, now += kMinute);
  EXPECT_EQ(book.refused(), 6u) << "a day later they are forgotten";
  EXPECT_FALSE(book.Resolve(EntityId{101}, now).sole) << "it may have left";
  EXPECT_TRUE(book.Resolve(EntityId{102}, now).sole);
}

/// Random tenancies: whoever is named as known was the tenant at that instant.
TEST(AddressBook, NeverNamesAnotherThanTheTenant) {
  Random random(3);
  int named = 0;
  for (int round = 0; round < 300; ++round) {
    AddressBook book;
    std::vector<std::pair<double, EntityId>> tenants;  // since
    for (double t = 0; t < 600;) {
      tenants.emplace_back(t, EntityId{1 + random.Next() % 5});
      t += 5 + 200 * random.Uniform() * random.Uniform();
    }
    const auto tenant = [&](double t) {
      EntityId who = kNoEntity;
      for (const auto& [since, entity] : tenants) who = since <= t ? entity : who;
      return who;
    };
    const double pause = 0.2 + 10 * random.Uniform();
    int window = 0;
    for (double t = 0; t < 600; t += 2 * pause * random.Uniform()) {
      for (; window < static_cast<int>(t / 5); ++window) book.Settle();
      book.Observe(kAddress, tenant(t), FromSeconds(t), FromSeconds(t));
    }
    book.Settle();
    for (int i = 0; i < 200; ++i) {
      const double t = 600 * random.Uniform();
      const AddressBook::Answer answer = book.Resolve(kAddress, FromSeconds(t));
      if (answer.certainty != Certainty::kKnown) continue;
      // A tenancy may have come and gone between two sights; no sights, no knowledge.
      const bool hidden = tenant(t) != tenant(t - 2 * pause) || tenant(t) != tenant(t + 2 * pause);
      if (hidden) continue;
      ++named;
      EXPECT_EQ(answer.entity, tenant(t)) << round << " at " << t;
    }
  }
  EXPECT_GT(named, 10'000);
}

}  // namespace
}  // namespace tomograph::correlate
