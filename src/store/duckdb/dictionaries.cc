#include "store/duckdb/dictionaries.h"

#include <algorithm>

#include "store/duckdb/chunk_appender.h"
#include "store/duckdb/row_json.h"

namespace tomograph::store {
namespace {

using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::Fingerprint;
using telemetry::Resource;
using telemetry::ResourceId;
using telemetry::Series;
using telemetry::SeriesId;

telemetry::TraceId AsUuid(const Fingerprint& f) { return {f.hi, f.lo}; }
EntityId ToEntity(uint64_t id) { return EntityId{id}; }

/// Lengths take part, so that fields cannot flow into each other.
void AppendField(std::string_view text, std::string* out) {
  *out += std::to_string(text.size()) + ':';
  *out += text;
}

std::string Canonical(const Resource& r, const telemetry::Interner& strings) {
  std::string text;
  for (auto id : {r.service, r.service_namespace, r.instance, r.version, r.environment, r.host}) {
    AppendField(strings.Get(id), &text);
  }
  AppendPairs(r.attributes, strings, &text);
  return text;
}

std::string Canonical(const Series& s, uint32_t resource, const telemetry::Interner& strings) {
  std::string text = std::to_string(resource) + ' ';
  AppendField(strings.Get(s.metric), &text);
  AppendField(strings.Get(s.unit), &text);
  for (int n : {static_cast<int>(s.kind), static_cast<int>(s.temporality),
                static_cast<int>(s.quantity), static_cast<int>(s.statistic)}) {
    text += std::to_string(n) + ' ';
  }
  text += std::to_string(static_cast<uint64_t>(s.entity)) + ' ';
  text += std::to_string(static_cast<uint64_t>(s.peer)) + ' ' + std::to_string(s.scale);
  AppendPairs(s.labels, strings, &text);
  return text;
}

/// The keys of addresses are registered nowhere, or for the address itself.
bool IsAddress(EntityId peer, const telemetry::EntityRegistry& entities) {
  if (peer == telemetry::kNoEntity) return false;
  const telemetry::Entity entity = entities.Get(peer);
  return entity.id == telemetry::kNoEntity || entity.kind == telemetry::EntityKind::kLink;
}

telemetry::Quantity QuantityOf(std::string_view name) {
  for (int i = 0; i < telemetry::kQuantityCount; ++i) {
    const auto quantity = static_cast<telemetry::Quantity>(i);
    if (telemetry::QuantityName(quantity) == name) return quantity;
  }
  return telemetry::Quantity::kOther;
}

void Resize(std::vector<uint32_t>* numbers, size_t index) {
  if (numbers->size() <= index) numbers->resize(std::max(index + 1, numbers->size() * 2));
}

}  // namespace

uint32_t* Dictionaries::Table::Find(uint32_t process) {
  Resize(&stored_of, process);
  return &stored_of[process];
}

uint32_t Dictionaries::Table::Add(uint32_t process, const Fingerprint& fingerprint) {
  auto [entry, is_new] = by_fingerprint.try_emplace(fingerprint, last + 1);
  if (is_new) ++last;
  added.push_back({entry->second, process, fingerprint, is_new});
  *Find(process) = entry->second;
  return entry->second;
}

void Dictionaries::Table::Learn(uint32_t stored, uint32_t process) {
  Resize(&process_of, stored);
  if (process_of[stored] == 0) process_of[stored] = process;
}

void Dictionaries::Table::Committed() {
  for (const Added& a : added) Learn(a.stored, a.process);
  added.clear();
}

void Dictionaries::Table::RolledBack() {
  // `last` stays: a COMMIT that reported a failure may yet have reached the disk.
  for (const Added& a : added) {
    stored_of[a.process] = 0;
    if (a.is_new) by_fingerprint.erase(a.fingerprint);
  }
  added.clear();
}

Status Dictionaries::Load(Connection& connection) {
  std::lock_guard lock(mutex_);
  TG_RETURN_IF_ERROR(LoadNumbers(connection, "resources", &resources_));
  TG_RETURN_IF_ERROR(LoadNumbers(connection, "series", &series_));
  return LoadEntities(connection);
}

Status Dictionaries::LoadNumbers(Connection& connection, const char* name, Table* table) {
  Result<Rows> rows = connection.Query(std::string("SELECT id, fingerprint FROM ") + name);
  if (!rows.ok()) return rows.status();
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    for (size_t i = 0; i < *n; ++i) {
      const auto id = rows->Get<uint32_t>(0, i);
      const telemetry::TraceId f = rows->Uuid(1, i);
      table->by_fingerprint.emplace(Fingerprint{f.hi, f.lo}, id);
      table->last = std::max(table->last, id);
    }
  }
}

Status Dictionaries::LoadEntities(Connection& connection) {
  Result<Rows> rows = connection.Query("SELECT id, kind, name, namespace, parent_id FROM entities");
  if (!rows.ok()) return rows.status();
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    for (size_t i = 0; i < *n; ++i) {
      entities_.emplace(rows->Get<uint64_t>(0, i), rows->Text(2, i));
      identities_->entities.FindOrAdd(static_cast<EntityKind>(rows->Get<uint8_t>(1, i)),
                                      rows->Text(3, i), rows->Text(2, i),
                                      ToEntity(rows->Get<uint64_t>(4, i)));
    }
  }
}

uint32_t Dictionaries::StoredId(ResourceId id) {
  const auto process = static_cast<uint32_t>(id);
  if (process == 0) return 0;
  std::lock_guard lock(mutex_);
  if (const uint32_t stored = *resources_.Find(process)) return stored;
  const Resource& resource = identities_->resources.Get(id);
  return resources_.Add(process,
                        telemetry::FingerprintOf(Canonical(resource, identities_->strings)));
}

uint32_t Dictionaries::StoredId(SeriesId id) {
  const auto process = static_cast<uint32_t>(id);
  if (process == 0) return 0;
  {
    std::lock_guard lock(mutex_);
    if (const uint32_t stored = *series_.Find(process)) return stored;
  }
  const Series& series = identities_->series.Get(id);
  const uint32_t resource = StoredId(series.resource);
  std::lock_guard lock(mutex_);
  return series_.Add(process,
                     telemetry::FingerprintOf(Canonical(series, resource, identities_->strings)));
}

std::string_view Dictionaries::NameOf(EntityId id) {
  if (id == telemetry::kNoEntity) return {};
  std::lock_guard lock(mutex_);
  const auto known = entities_.find(static_cast<uint64_t>(id));
  if (known != entities_.end()) return known->second;
  telemetry::Entity entity = identities_->entities.Get(id);
  if (entity.id == telemetry::kNoEntity) return {};
  added_entities_.push_back(entity);
  return entities_.emplace(static_cast<uint64_t>(id), std::move(entity.name)).first->second;
}

Status Dictionaries::Flush(Connection& connection) {
  TG_RETURN_IF_ERROR(FlushSeries(connection));
  TG_RETURN_IF_ERROR(FlushResources(connection));
  return FlushEntities(connection);  // last: the others speak of entities
}

void Dictionaries::Committed() {
  std::lock_guard lock(mutex_);
  resources_.Committed();
  series_.Committed();
  added_entities_.clear();
}

void Dictionaries::RolledBack() {
  std::lock_guard lock(mutex_);
  resources_.RolledBack();
  series_.RolledBack();
  for (const telemetry::Entity& e : added_entities_) entities_.erase(static_cast<uint64_t>(e.id));
  added_entities_.clear();
}

Status Dictionaries::FlushResources(Connection& connection) {
  if (resources_.added.empty()) return Status::Ok();
  Result<std::unique_ptr<ChunkAppender>> appender = ChunkAppender::Open(connection, "resources");
  if (!appender.ok()) return appender.status();
  ChunkAppender& out = **appender;
  const telemetry::Interner& strings = identities_->strings;
  for (const Table::Added& added : resources_.added) {
    if (!added.is_new) continue;
    const Resource& r = identities_->resources.Get(ResourceId{added.process});
    std::string attributes;
    AppendPairs(r.attributes, strings, &attributes);
    NameOf(r.service_entity);
    NameOf(r.instance_entity);
    out.Set<uint32_t>(0, 0, added.stored);
    out.SetUuid(1, 0, AsUuid(added.fingerprint));
    out.SetText(2, 0, strings.Get(r.service));
    out.SetText(3, 0, strings.Get(r.service_namespace));
    out.SetText(4, 0, strings.Get(r.instance));
    out.SetText(5, 0, strings.Get(r.version));
    out.SetText(6, 0, strings.Get(r.environment));
    out.SetText(7, 0, strings.Get(r.host));
    out.SetOrNull<uint64_t>(8, 0, static_cast<uint64_t>(r.service_entity), 0);
    out.SetOrNull<uint64_t>(9, 0, static_cast<uint64_t>(r.instance_entity), 0);
    out.SetText(10, 0, attributes);
    TG_RETURN_IF_ERROR(out.Append(1));
  }
  return out.Flush();
}

Status Dictionaries::FlushSeries(Connection& connection) {
  if (series_.added.empty()) return Status::Ok();
  Result<std::unique_ptr<ChunkAppender>> appender = ChunkAppender::Open(connection, "series");
  if (!appender.ok()) return appender.status();
  ChunkAppender& out = **appender;
  const telemetry::Interner& strings = identities_->strings;
  for (const Table::Added& added : series_.added) {
    if (!added.is_new) continue;
    const Series& s = identities_->series.Get(SeriesId{added.process});
    std::string labels;
    AppendPairs(s.labels, strings, &labels);
    NameOf(s.entity);
    NameOf(s.peer);
    out.Set<uint32_t>(0, 0, added.stored);
    out.SetUuid(1, 0, AsUuid(added.fingerprint));
    out.Set<uint32_t>(2, 0, StoredId(s.resource));
    out.SetText(3, 0, strings.Get(identities_->resources.Get(s.resource).service));
    out.SetText(4, 0, strings.Get(s.metric));
    out.SetText(5, 0, strings.Get(s.unit));
    out.Set<uint8_t>(6, 0, static_cast<uint8_t>(s.kind));
    out.Set<uint8_t>(7, 0, static_cast<uint8_t>(s.temporality));
    out.SetText(8, 0, labels);
    out.SetText(9, 0, telemetry::QuantityName(s.quantity));
    out.Set<uint8_t>(10, 0, static_cast<uint8_t>(s.statistic));
    out.SetOrNull<uint64_t>(11, 0, static_cast<uint64_t>(s.entity), 0);
    out.SetOrNull<uint64_t>(12, 0, static_cast<uint64_t>(s.peer), 0);
    out.Set<double>(13, 0, s.scale);
    TG_RETURN_IF_ERROR(out.Append(1));
  }
  return out.Flush();
}

Status Dictionaries::FlushEntities(Connection& connection) {
  if (added_entities_.empty()) return Status::Ok();
  Result<std::unique_ptr<ChunkAppender>> appender = ChunkAppender::Open(connection, "entities");
  if (!appender.ok()) return appender.status();
  ChunkAppender& out = **appender;
  // By index: naming a parent may add it to the list.
  for (size_t i = 0; i < added_entities_.size(); ++i) {
    NameOf(added_entities_[i].parent);
    const telemetry::Entity& e = added_entities_[i];
    out.Set<uint64_t>(0, 0, static_cast<uint64_t>(e.id));
    out.Set<uint8_t>(1, 0, static_cast<uint8_t>(e.kind));
    out.SetText(2, 0, e.name);
    out.SetText(3, 0, e.service_namespace);
    out.SetOrNull<uint64_t>(4, 0, static_cast<uint64_t>(e.parent), 0);
    TG_RETURN_IF_ERROR(out.Append(1));
  }
  return out.Flush();
}

Result<ResourceId> Dictionaries::ResourceOf(uint32_t stored, Connection& connection) {
  if (stored == 0) return telemetry::kNoResource;
  std::lock_guard lock(mutex_);
  Resize(&resources_.process_of, stored);
  if (resources_.process_of[stored] == 0 && stored > resources_read_) {
    TG_RETURN_IF_ERROR(ReadResources(connection));
  }
  return ResourceId{resources_.process_of[stored]};
}

Result<SeriesId> Dictionaries::SeriesOf(uint32_t stored, Connection& connection) {
  if (stored == 0) return telemetry::kNoSeries;
  std::lock_guard lock(mutex_);
  Resize(&series_.process_of, stored);
  if (series_.process_of[stored] == 0 && stored > series_read_) {
    TG_RETURN_IF_ERROR(ReadResources(connection));
    TG_RETURN_IF_ERROR(ReadSeries(connection));
  }
  return SeriesId{series_.process_of[stored]};
}

Status Dictionaries::ReadResources(Connection& connection) {
  Result<Rows> rows = connection.Query(
      "SELECT id, service, namespace, instance, version, environment, host, service_id, "
      "instance_id, attributes, fingerprint FROM resources WHERE id > ? ORDER BY id",
      {uint64_t{resources_read_}});
  if (!rows.ok()) return rows.status();
  RowJsonReader json(&identities_->strings);
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    for (size_t i = 0; i < *n; ++i) {
      const auto stored = rows->Get<uint32_t>(0, i);
      resources_read_ = stored;
      Resize(&resources_.process_of, stored);
      if (resources_.process_of[stored] != 0) continue;
      const telemetry::TraceId f = rows->Uuid(10, i);
      const ResourceId id = identities_->resources.FindOrAdd({f.hi, f.lo}, [&] {
        telemetry::Interner& strings = identities_->strings;
        Resource r;
        r.attributes = json.Pairs(rows->Text(9, i));
        r.service = strings.Intern(rows->Text(1, i));
        r.service_namespace = strings.Intern(rows->Text(2, i));
        r.instance = strings.Intern(rows->Text(3, i));
        r.version = strings.Intern(rows->Text(4, i));
        r.environment = strings.Intern(rows->Text(5, i));
        r.host = strings.Intern(rows->Text(6, i));
        r.share = telemetry::ShareOf(rows->Text(1, i));
        r.service_entity = ToEntity(rows->Get<uint64_t>(7, i));
        r.instance_entity = ToEntity(rows->Get<uint64_t>(8, i));
        return r;
      });
      resources_.Learn(stored, static_cast<uint32_t>(id));
    }
  }
}

Status Dictionaries::ReadSeries(Connection& connection) {
  Result<Rows> rows = connection.Query(
      "SELECT id, resource, metric, unit, kind, temporality, labels, quantity, statistic, "
      "entity_id, peer_id, scale, fingerprint FROM series WHERE id > ? ORDER BY id",
      {uint64_t{series_read_}});
  if (!rows.ok()) return rows.status();
  RowJsonReader json(&identities_->strings);
  for (;;) {
    Result<size_t> n = rows->NextChunk();
    if (!n.ok()) return n.status();
    if (*n == 0) return Status::Ok();
    for (size_t i = 0; i < *n; ++i) {
      const auto stored = rows->Get<uint32_t>(0, i);
      series_read_ = stored;
      Resize(&series_.process_of, stored);
      if (series_.process_of[stored] != 0) continue;
      const auto resource = rows->Get<uint32_t>(1, i);
      Resize(&resources_.process_of, resource);
      const telemetry::TraceId f = rows->Uuid(12, i);
      const SeriesId id = identities_->series.FindOrAdd({f.hi, f.lo}, [&] {
        telemetry::Interner& strings = identities_->strings;
        Series s;
        s.resource = ResourceId{resources_.process_of[resource]};
        s.share = identities_->resources.Get(s.resource).share;
        s.metric = strings.Intern(rows->Text(2, i));
        s.unit = strings.Intern(rows->Text(3, i));
        s.kind = static_cast<telemetry::MetricKind>(rows->Get<uint8_t>(4, i));
        s.temporality = static_cast<telemetry::Temporality>(rows->Get<uint8_t>(5, i));
        s.labels = json.Pairs(rows->Text(6, i));
        s.quantity = QuantityOf(rows->Text(7, i));
        s.statistic = static_cast<telemetry::Statistic>(rows->Get<uint8_t>(8, i));
        s.entity = ToEntity(rows->Get<uint64_t>(9, i));
        s.peer = ToEntity(rows->Get<uint64_t>(10, i));
        s.peer_is_address = IsAddress(s.peer, identities_->entities);
        s.scale = rows->Get<double>(11, i);
        return s;
      });
      series_.Learn(stored, static_cast<uint32_t>(id));
    }
  }
}

}  // namespace tomograph::store
