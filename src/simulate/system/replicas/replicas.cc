#include "simulate/system/replicas/replicas.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "simulate/show/samples.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxDatabases = 1000, kMaxReplicas = 100;
constexpr double kHandOver_s = 0.05;
// A replica that is paused for good keeps no more than this many seconds of log apart.
constexpr size_t kMostWaiting = 1'000'000;

}  // namespace

Replicas::Database Replicas::Read(Section* section) {
  Database database;
  section->Require("name").Name("name", &database.name);
  section->Require("writes").Bytes("writes", &database.writes);
  section->Number("scatter", 0, 3, &database.scatter);
  Section wave = section->Child("wave");
  wave.Share("share", &database.wave_share);
  wave.Time("period", kSecond, 24 * kHour, &database.wave_period);
  wave.Done();
  std::set<std::string> names;
  for (Section& one : section->List("replicas", kMaxReplicas)) {
    Replica replica;
    one.Require("name").Name("name", &replica.name);
    one.Require("apply").Bytes("apply", &replica.apply);
    one.Done();
    if (!names.insert(replica.name).second) one.Wrong("'" + replica.name + "' twice");
    replica.full_name = database.name + "/" + replica.name;
    database.replicas.push_back(std::move(replica));
  }
  section->Done();
  return database;
}

Replicas::Replicas(Section* root, World* world) : world_(world) {
  std::set<std::string> names;
  for (Section& section : root->List("replicated", kMaxDatabases)) {
    databases_.push_back(Read(&section));
    if (!names.insert(databases_.back().name).second)
      section.Wrong("'" + databases_.back().name + "' twice");
  }
}

void Replicas::Start() {
  for (Database& database : databases_) {
    Sender sender;
    sender.service = database.name;
    sender.instance = "primary";
    database.sender = world_->audience->Enter(sender);
  }
}

bool Replicas::Takes(const Fault& fault) const {
  if (fault.kind != "pause_replication" && fault.kind != "slow_replication") return false;
  for (const Database& database : databases_)
    for (const Replica& replica : database.replicas)
      if (replica.full_name == fault.target) return true;
  return false;
}

void Replicas::Apply(const Fault& fault, bool begins) {
  for (Database& database : databases_)
    for (Replica& replica : database.replicas)
      if (replica.full_name == fault.target) replica.faults.Apply(fault, begins);
}

double Replicas::Lag(Nanos end, Replica* replica) const {
  double room = replica->faults.Any("pause_replication")
                    ? 0
                    : replica->apply * replica->faults.Factor("slow_replication");
  std::deque<Write>& waiting = replica->waiting;
  while (!waiting.empty() && room > 0) {
    const double taken = std::min(room, waiting.front().bytes);
    room -= taken;
    waiting.front().bytes -= taken;
    if (waiting.front().bytes > 0) break;
    waiting.pop_front();
  }
  Random random = world_->draws->For(NameKey("hand over"), NameKey(replica->full_name),
                                     static_cast<uint64_t>(end));
  const double behind = waiting.empty() ? 0 : ToSeconds(end - waiting.front().at) + 1;
  return behind + random.Exponential(kHandOver_s);
}

void Replicas::Second(Nanos end) {
  for (Database& database : databases_) {
    Random random =
        world_->draws->For(NameKey("writes"), NameKey(database.name), static_cast<uint64_t>(end));
    const double phase =
        2 * std::numbers::pi * ToSeconds(end - world_->start) / ToSeconds(database.wave_period);
    const double written = database.writes * (1 + database.wave_share * std::sin(phase)) *
                           std::max(0.0, random.Normal(1, database.scatter));
    const bool due = world_->ExportDue(NameKey(database.name), end);
    for (Replica& replica : database.replicas) {
      if (written > 0 && replica.waiting.size() < kMostWaiting)
        replica.waiting.push_back({end, written});
      const double lag = Lag(end, &replica);
      world_->truth->Say({end, "replica_lag", replica.full_name, "", "", lag});
      if (!due) continue;
      Export shown(world_->audience, database.sender, world_->start, end);
      shown.Gauge("postgresql.wal.delay", "s", lag,
                  {{"operation", "replay"}, {"replication_client", replica.name}});
    }
  }
}

}  // namespace tomograph::simulate
