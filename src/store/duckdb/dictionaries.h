// Dictionaries: entities, resources and series are stored once and then referred to by number. A
// process's own ids mean nothing in the next process, so each gets a number of the store on its
// first sight, and rows are given back the ids of whatever Identities the reading process has.
//
// Thread-safe. What a transaction added becomes visible to readers by Committed(), or is forgotten
// by RolledBack(), so that a number is never given out twice.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/duckdb/database.h"
#include "telemetry/identities.h"

namespace tomograph::store {

class Dictionaries {
 public:
  explicit Dictionaries(telemetry::Identities* identities) : identities_(identities) {}

  /// Reads what is there, and makes the stored entities known to the registry.
  Status Load(Connection& connection);

  // Writing, by the one thread that has the transaction.
  uint32_t StoredId(telemetry::ResourceId id);
  uint32_t StoredId(telemetry::SeriesId id);
  /// The entity's name; it is stored if this is the first row that speaks of it.
  std::string_view NameOf(telemetry::EntityId id);
  Status Flush(Connection& connection);
  void Committed();
  void RolledBack();

  // Reading: stored number -> this process's id. `connection` is asked for what was not read yet.
  Result<telemetry::ResourceId> ResourceOf(uint32_t stored, Connection& connection);
  Result<telemetry::SeriesId> SeriesOf(uint32_t stored, Connection& connection);

 private:
  struct Hash {
    size_t operator()(const telemetry::Fingerprint& f) const { return f.lo; }
  };
  /// One dictionary; ids of the process are handled as plain numbers. Stored numbers start at 1.
  struct Table {
    std::unordered_map<telemetry::Fingerprint, uint32_t, Hash> by_fingerprint;
    std::vector<uint32_t> stored_of;   // by the process's id; 0: not known
    std::vector<uint32_t> process_of;  // by the stored number; 0: not known
    uint32_t last = 0;                 // highest number given out
    struct Added {
      uint32_t stored, process;
      telemetry::Fingerprint fingerprint;
      bool is_new;
    };
    std::vector<Added> added;  // by the open transaction

    uint32_t* Find(uint32_t process);
    uint32_t Add(uint32_t process, const telemetry::Fingerprint& fingerprint);
    void Committed();
    void RolledBack();
    void Learn(uint32_t stored, uint32_t process);
  };

  Status LoadNumbers(Connection& connection, const char* name, Table* table);
  Status LoadEntities(Connection& connection);
  Status ReadResources(Connection& connection);
  Status ReadSeries(Connection& connection);
  Status FlushEntities(Connection& connection);
  Status FlushResources(Connection& connection);
  Status FlushSeries(Connection& connection);

  telemetry::Identities* const identities_;
  std::mutex mutex_;
  Table resources_;
  Table series_;
  std::unordered_map<uint64_t, std::string> entities_;  // names of those stored
  std::vector<telemetry::Entity> added_entities_;
  uint32_t resources_read_ = 0;  // stored numbers up to this were rebuilt for reading
  uint32_t series_read_ = 0;
};

}  // namespace tomograph::store
