#include "simulate/system/users/users.h"

#include <algorithm>
#include <cmath>

#include "simulate/kernel/slots.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxGroups = 100;
constexpr double kMaxRate = 100'000;

constexpr uint64_t kArrivals = NameKey("arrivals");
constexpr uint64_t kExtra = NameKey("extra arrivals");
constexpr uint64_t kRequest = NameKey("request");
constexpr uint64_t kTrace = NameKey("trace");
constexpr uint64_t kMix = NameKey("mix");
constexpr uint64_t kSession = NameKey("session");

struct Entry {
  Mention to, operation;
  double share = 1;
  Callee* callee = nullptr;
  uint32_t introduced = 0, callee_operation = 0;
};

struct GroupSettings {
  std::string name;
  double rate = 0;
  double depth = 0;
  Nanos period = kHour;
  bool sessions = false;
  double pages = 1;
  Duration think;
  uint32_t population = 10'000;
  std::vector<Entry> entries;
};

std::vector<Entry> ReadEntries(Section* section) {
  std::vector<Entry> entries;
  double sum = 0;
  section->Require("operations");
  for (Section& from : section->List("operations", 1000)) {
    Entry entry;
    from.Require("to").Name("to", &entry.to);
    from.Require("operation").Name("operation", &entry.operation);
    from.Number("share", 0, 1e6, &entry.share);
    from.Done();
    sum += entry.share;
    entries.push_back(std::move(entry));
  }
  if (!(sum > 0)) section->Wrong("operations: none has a share");
  for (Entry& entry : entries) entry.share /= sum;
  return entries;
}

GroupSettings ReadGroup(Section* section) {
  GroupSettings group;
  section->Require("name").Name("name", &group.name);
  section->Require("rate").Number("rate", 0, kMaxRate, &group.rate);
  Section wave = section->Child("wave");
  wave.Share("depth", &group.depth);
  wave.Time("period", kSecond, 7 * 24 * kHour, &group.period);
  wave.Done();
  group.sessions = section->Has("sessions");
  Section sessions = section->Child("sessions");
  sessions.Number("pages", 1, 10'000, &group.pages);
  sessions.Random("think", &group.think);
  sessions.Count("population", 1, 10'000'000, &group.population);
  sessions.Done();
  group.entries = ReadEntries(section);
  section->Done();
  return group;
}

}  // namespace

class Users::Group : public Caller, public EventQueue::Subject {
 public:
  Group(GroupSettings settings, World* world)
      : settings_(std::move(settings)),
        world_(world),
        key_(NameKey(settings_.name)),
        arrivals_(world->draws->For(kArrivals, key_)),
        extra_(world->draws->For(kExtra, key_)) {}

  const GroupSettings& settings() const { return settings_; }

  Status Link(World* world) {
    for (Entry& entry : settings_.entries) {
      const Result<Callee*> callee = world->directory.Find(entry.to);
      if (!callee.ok()) return callee.status();
      entry.callee = *callee;
      entry.introduced = entry.callee->Introduce("");
      const auto operation = entry.callee->FindOperation(entry.operation.name);
      if (!operation) {
        return entry.operation.place.Wrong("'" + entry.to.name + "' has no operation '" +
                                           entry.operation.name + "'");
      }
      entry.callee_operation = *operation;
    }
    return Status::Ok();
  }

  void Start() {
    if (settings_.rate > 0) ScheduleNext(kArrival, &arrivals_, 1, 0);
  }

  void Apply(const Fault& fault, bool begins) {
    faults_.Apply(fault, begins);
    factor_ = faults_.Factor("overload");
    ++extra_generation_;
    if (factor_ > 1 && settings_.rate > 0)
      ScheduleNext(kExtraArrival, &extra_, factor_ - 1, extra_generation_);
  }

  /// The token is the time at which it was asked.
  void Answered(uint64_t token, const Answer& answer) override {
    ++ended_;
    failed_ += answer.failed ? 1 : 0;
    time_s_ += ToSeconds(world_->events->now() - static_cast<Nanos>(token));
  }

  void Second(Nanos end) {
    const auto say = [&](std::string_view state, double value) {
      world_->truth->Say({end, state, settings_.name, "", "", value});
    };
    say("user_requests", static_cast<double>(ended_));
    say("user_failed", static_cast<double>(failed_));
    say("user_time", ended_ > 0 ? time_s_ / static_cast<double>(ended_) : 0);
    ended_ = failed_ = 0;
    time_s_ = 0;
  }

  void Happen(uint32_t a, uint64_t b) override {
    switch (a) {
      case kArrival:
        ScheduleNext(kArrival, &arrivals_, 1, 0);
        return Come(kArrivals, arrived_++, Accepted(&arrivals_) && arrivals_.Uniform() < factor_);
      case kExtraArrival:
        if (b != extra_generation_) return;
        ScheduleNext(kExtraArrival, &extra_, factor_ - 1, b);
        return Come(kExtra, extra_arrived_++, Accepted(&extra_));
      default:
        return NextPage(b);
    }
  }

 private:
  enum Event : uint32_t { kArrival, kExtraArrival, kPage };
  struct Session {
    uint64_t key = 0;
    uint32_t user = 0, page = 0, pages = 1;
  };

  void ScheduleNext(Event event, Random* random, double factor, uint64_t generation) {
    const double most = settings_.rate * (1 + settings_.depth) * factor;
    world_->events->After(FromSeconds(random->Exponential(1 / most)), this, event, generation);
  }

  bool Accepted(Random* random) const {
    const double t = ToSeconds(world_->events->now() - world_->start);
    const double wave = std::sin(2 * M_PI * t / ToSeconds(settings_.period));
    return random->Uniform() * (1 + settings_.depth) < 1 + settings_.depth * wave;
  }

  void Come(uint64_t stream, uint64_t number, bool accepted) {
    if (!accepted) return;
    const uint64_t key = world_->draws->For(kRequest, key_ ^ stream, number).Next();
    if (!settings_.sessions) return Ask(key, {});
    Random random = world_->draws->For(kSession, key);
    Session session;
    session.key = key;
    session.user = static_cast<uint32_t>(random.Below(settings_.population)) + 1;
    const double leaves = 1 / settings_.pages;
    while (random.Uniform() >= leaves && session.pages < 100'000) ++session.pages;
    NextPage(sessions_.Add(session));
  }

  void NextPage(Handle handle) {
    Session* session = sessions_.Find(handle);
    if (session == nullptr) return;
    const uint64_t key = MixBits(session->key ^ session->page);
    const Visitor visitor{session->key, session->user};
    if (++session->page < session->pages) {
      Random random = world_->draws->For(kSession, session->key, session->page);
      world_->events->After(FromSeconds(settings_.think.Draw(&random)), this, kPage, handle);
    } else {
      sessions_.Remove(handle);
    }
    Ask(key, visitor);
  }

  void Ask(uint64_t key, const Visitor& visitor) {
    double u = world_->draws->For(kMix, key).Uniform();
    size_t i = 0;
    while (i + 1 < settings_.entries.size() && u >= settings_.entries[i].share)
      u -= settings_.entries[i++].share;
    const Entry& entry = settings_.entries[i];
    Random random = world_->draws->For(kTrace, key);
    Call call;
    call.trace.hi = random.Next() | 1;
    call.trace.lo = random.Next();
    call.key = key;
    call.operation = entry.callee_operation;
    call.caller = entry.introduced;
    call.visitor = visitor;
    call.from = this;
    call.token = static_cast<uint64_t>(world_->events->now());
    entry.callee->Receive(call);
  }

  GroupSettings settings_;
  World* world_;
  uint64_t key_;
  Random arrivals_, extra_;
  uint64_t arrived_ = 0, extra_arrived_ = 0;
  uint64_t extra_generation_ = 0;
  uint64_t ended_ = 0, failed_ = 0;  // since the last second
  double time_s_ = 0;
  double factor_ = 1;
  ActiveFaults faults_;
  Slots<Session> sessions_;
};

Users::Users(Section* root, World* world) {
  double rate = 0;
  for (Section& section : root->List("users", kMaxGroups)) {
    GroupSettings settings = ReadGroup(&section);
    rate += settings.rate * settings.pages;
    if (rate > kMaxRate) section.Wrong("more than 100000 requests/s in all");
    for (const auto& group : groups_) {
      if (group->settings().name == settings.name) section.Wrong("'" + settings.name + "' twice");
    }
    groups_.push_back(std::make_unique<Group>(std::move(settings), world));
  }
}

Users::~Users() = default;

Status Users::Link(World* world) {
  for (const auto& group : groups_) TG_RETURN_IF_ERROR(group->Link(world));
  return Status::Ok();
}

void Users::Start() {
  for (const auto& group : groups_) group->Start();
}

bool Users::Takes(const Fault& fault) const {
  if (fault.kind != "overload") return false;
  return std::any_of(groups_.begin(), groups_.end(),
                     [&](const auto& group) { return group->settings().name == fault.target; });
}

void Users::Apply(const Fault& fault, bool begins) {
  for (const auto& group : groups_)
    if (group->settings().name == fault.target) group->Apply(fault, begins);
}

void Users::Second(Nanos end) {
  for (const auto& group : groups_) group->Second(end);
}

}  // namespace tomograph::simulate
