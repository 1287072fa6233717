#include "normalize/normalizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "normalize/schema/attribute_names.h"
#include "normalize/schema/operation_template.h"
#include "normalize/schema/sampling.h"
#include "normalize/schema/series_meaning.h"
#include "normalize/schema/service_name.h"
#include "normalize/schema/span_meaning.h"
#include "telemetry/address.h"

namespace tomograph::normalize {
namespace {

using telemetry::Batch;
using telemetry::EntityId;
using telemetry::EntityKind;
using telemetry::Identities;
using telemetry::Resource;
using telemetry::ResourceId;
using telemetry::SpanBatch;
using telemetry::SpanKind;
using telemetry::StringId;

/// The few answers that the spans of one batch need again and again. Direct-mapped: a collision
/// costs a second computation and nothing else.
template <typename Key, typename Value>
class RecentAnswers {
 public:
  template <typename Make>
  const Value& Get(Key key, const Make& make) {
    Slot& slot = slots_[static_cast<size_t>(key) % slots_.size()];
    if (!slot.used || slot.key != key) slot = Slot{key, true, make()};
    return slot.value;
  }

 private:
  struct Slot {
    Key key{};
    bool used = false;
    Value value{};
  };
  std::array<Slot, 256> slots_{};
};

/// When each entity of a batch was first and last seen, told to the registry once a batch.
class Sightings {
 public:
  void Add(EntityId id, Nanos at) {
    if (id == telemetry::kNoEntity) return;
    if (id != last_id_) {
      last_id_ = id;
      last_ = &times_.try_emplace(id, Times{at, at}).first->second;
    }
    last_->first = std::min(last_->first, at);
    last_->last = std::max(last_->last, at);
  }
  void TellTo(telemetry::EntityRegistry* entities) const {
    for (const auto& [id, times] : times_) {
      entities->Seen(id, times.first);
      entities->Seen(id, times.last);
    }
  }

 private:
  struct Times {
    Nanos first, last;
  };
  std::unordered_map<EntityId, Times> times_;  // nodes stay where they are
  EntityId last_id_ = telemetry::kNoEntity;
  Times* last_ = nullptr;
};

struct Sampling {
  float weight = 1;
  uint8_t known = 0;
};

Sampling SamplingOf(std::string_view trace_state) {
  const auto probability = SamplingProbability(trace_state);
  if (!probability) return {};
  return {static_cast<float>(1.0 / *probability), 1};
}

class SpanNormalizer {
 public:
  SpanNormalizer(const AttributeNames& names, Identities* identities, SpanBatch* spans,
                 Sightings* sightings)
      : identities_(identities),
        spans_(spans),
        sightings_(sightings),
        meaning_(names, spans),
        take_connection_(identities->strings.Intern(telemetry::kTakeConnection)) {}

  void Run() {
    const size_t rows = spans_->rows();
    spans_->corrected_start_ns = spans_->start_ns;
    spans_->clock_bound_ns.assign(rows, telemetry::kUnknownBound);
    spans_->operation.resize(rows);
    spans_->service.resize(rows);
    spans_->peer.assign(rows, telemetry::kNoEntity);
    spans_->peer_address.assign(rows, telemetry::kEmptyString);
    spans_->own_address.assign(rows, telemetry::kNoEntity);
    spans_->caller_address.assign(rows, telemetry::kNoEntity);
    spans_->connection.resize(rows);
    spans_->worker.resize(rows);
    spans_->bytes_in.resize(rows);
    spans_->bytes_out.resize(rows);
    spans_->failed.resize(rows);
    spans_->weight.resize(rows);
    spans_->weight_known.resize(rows);
    for (size_t row = 0; row < rows; ++row) One(row);
  }

 private:
  void One(size_t row) {
    meaning_.Read(row);
    const Resource& resource = identities_->resources.Get(spans_->resource[row]);
    spans_->service[row] = resource.service_entity;
    sightings_->Add(resource.service_entity, spans_->start_ns[row]);
    const bool connects = meaning_.OnlyConnects(identities_->strings.Get(spans_->name[row]));
    spans_->operation[row] = connects ? take_connection_ : OperationOf(row, resource.share);
    spans_->failed[row] = meaning_.Failed() ? 1 : 0;
    const SpanKind kind = spans_->kind[row];
    const bool calls = kind == SpanKind::kClient || kind == SpanKind::kProducer;
    if (calls && !connects) NamePeer(row, resource);
    const bool takes = kind == SpanKind::kConsumer && NameQueue(row);
    if (kind == SpanKind::kServer || (kind == SpanKind::kConsumer && !takes)) NameAddresses(row);
    Mark(row);
    if (const StringId state = spans_->trace_state[row]; state != telemetry::kEmptyString) {
      const Sampling& s =
          samplings_.Get(state, [&] { return SamplingOf(identities_->strings.Get(state)); });
      spans_->weight[row] = s.weight;
      spans_->weight_known[row] = s.known;
    } else {
      spans_->weight[row] = 1;
    }
  }

  void Mark(size_t row) {
    const SpanMeaning::Marks marks = meaning_.MarksOfCall();
    spans_->connection[row] = marks.connection;
    const uint64_t process = static_cast<uint64_t>(spans_->resource[row]);
    spans_->worker[row] =
        static_cast<uint32_t>(MixBits(process ^ MixBits(static_cast<uint64_t>(marks.thread))) | 1);
    spans_->bytes_in[row] = marks.bytes_in;
    spans_->bytes_out[row] = marks.bytes_out;
  }

  StringId OperationOf(size_t row, telemetry::Share sender) {
    if (const std::string_view operation = meaning_.Operation(); !operation.empty())
      return identities_->strings.Intern(operation, sender);
    const StringId name = spans_->name[row];
    return templates_.Get(name, [&] {
      return identities_->strings.Intern(OperationTemplate(identities_->strings.Get(name)), sender);
    });
  }

  void NamePeer(size_t row, const Resource& caller) {
    PeerFacts facts = meaning_.Peer();
    const std::string& address = AddressMeant(&facts, row);
    const StringId address_id = identities_->strings.Intern(address, caller.share);
    spans_->peer_address[row] = address_id;
    const EntityId peer = FindPeer(
        facts, address, identities_->strings.Get(caller.service_namespace), &identities_->entities);
    spans_->peer[row] = peer;
    sightings_->Add(peer, spans_->start_ns[row]);
  }

  /// From which a message was taken: the server of its consumer is the broker, at which nobody
  /// calls it. False: it does not tell of any.
  bool NameQueue(size_t row) {
    const PeerFacts facts = meaning_.Peer();
    if (facts.messaging_system.empty()) return false;
    spans_->peer[row] = FindQueue(facts, Spell(facts, row).address, &identities_->entities);
    sightings_->Add(spans_->peer[row], spans_->start_ns[row]);
    return true;
  }

  /// As numbers: callers from all over the internet have more addresses than there is room for.
  void NameAddresses(size_t row) {
    if (const std::string& own = Spell(meaning_.Own(), row).address; !own.empty())
      spans_->own_address[row] = telemetry::AddressKey(own);
    const std::string_view caller = meaning_.CallerAddress();
    if (caller.empty()) return;
    spans_->caller_address[row] =
        homes_.Get(telemetry::FingerprintOf(caller).lo, [&] { return telemetry::HomeKey(caller); });
  }

  /// What listens on the caller's own host may pass calls on, to the host that they ask for. Valid
  /// until the next call.
  const std::string& AddressMeant(PeerFacts* facts, size_t row) {
    const Spelt& called = Spell(*facts, row);
    if (!called.stays_on_host) return called.address;
    const std::string_view asked_for = meaning_.HostAskedFor();
    if (asked_for.empty() || telemetry::StaysOnHost(asked_for)) return called.address;
    facts->address = asked_for;
    facts->port = {};
    return Spell(*facts, row).address;
  }

  struct Spelt {
    std::string address;
    bool stays_on_host = false;
  };
  /// Valid until the next call.
  const Spelt& Spell(PeerFacts facts, size_t row) {
    const uint64_t of_port = telemetry::FingerprintOf(facts.port).lo;
    const uint64_t where = MixBits(of_port ^ static_cast<uint64_t>(spans_->resource[row]));
    return spelt_.Get(telemetry::FingerprintOf(facts.address, where).lo, [&] {
      facts.network = NetworkOf(row);
      const std::string address = AddressOf(facts);
      return Spelt{address, !address.empty() && telemetry::StaysOnHost(address)};
    });
  }

  std::string_view NetworkOf(size_t row) {
    const ResourceId resource = spans_->resource[row];
    if (std::exchange(network_of_, resource) != resource)
      network_ = telemetry::NetworkOf(identities_->resources.Get(resource), identities_->strings);
    return network_;
  }

  Identities* identities_;
  SpanBatch* spans_;
  Sightings* sightings_;
  SpanMeaning meaning_;
  StringId take_connection_;
  RecentAnswers<StringId, StringId> templates_;
  RecentAnswers<StringId, Sampling> samplings_;
  // By fingerprints of what is spelt, and where:
  RecentAnswers<uint64_t, Spelt> spelt_;
  RecentAnswers<uint64_t, EntityId> homes_;
  ResourceId network_of_ = telemetry::kNoResource;  // of which it is:
  std::string network_;
};

}  // namespace

struct Normalizer::Impl {
  explicit Impl(Identities* ids) : identities(ids), names(&ids->strings) {}

  void NormalizeEvents(telemetry::EventBatch* events) const {
    events->entity.assign(events->rows(), telemetry::kNoEntity);
    for (size_t row = 0; row < events->rows(); ++row) {
      const std::string_view name = identities->strings.Get(events->service[row]);
      if (!name.empty()) events->entity[row] = identities->entities.ServiceNamed(name);
    }
  }

  /// Both directions of a connection, and all who tell of it, are to name its ends alike.
  void NormalizeFlows(telemetry::FlowBatch* flows) const {
    RecentAnswers<StringId, StringId> spelt;
    for (std::vector<StringId>* column : {&flows->source_address, &flows->destination_address}) {
      for (size_t row = 0; row < column->size(); ++row) {
        StringId& address = (*column)[row];
        address = spelt.Get(address, [&] {
          return identities->strings.Intern(
              telemetry::AddressOn(identities->strings.Get(address), {}),
              identities->resources.Get(flows->resource[row]).share);
        });
      }
    }
  }

  Identities* identities;
  AttributeNames names;
};

Normalizer::Normalizer(Identities* identities) : impl_(new Impl(identities)) {}
Normalizer::~Normalizer() = default;

void Normalizer::CompleteResource(Resource* resource) const {
  Identities& ids = *impl_->identities;
  const ResourceNames names = NamesOf(*resource, ids.strings);
  resource->share = telemetry::ShareOf(names.service);
  resource->service = ids.strings.Intern(names.service);
  resource->service_namespace = ids.strings.Intern(names.service_namespace);
  resource->instance = ids.strings.Intern(names.instance);
  resource->version = ids.strings.Intern(names.version);
  resource->environment = ids.strings.Intern(names.environment);
  resource->host = ids.strings.Intern(names.host);
  resource->service_entity =
      ids.entities.FindOrAdd(EntityKind::kService, names.service_namespace, names.service);
  if (names.instance.empty()) return;
  // An instance is one of its service: "10.0.0.7:9090" alone may be another one tomorrow.
  resource->instance_entity =
      ids.entities.FindOrAdd(EntityKind::kInstance, names.service_namespace,
                             names.service + "/" + names.instance, resource->service_entity);
}

void Normalizer::CompleteSeries(telemetry::Series* series) const {
  CompleteSeriesMeaning(series, impl_->identities);
}

void Normalizer::Normalize(Batch* batch) const {
  Sightings sightings;
  if (batch->spans.rows() > 0)
    SpanNormalizer(impl_->names, impl_->identities, &batch->spans, &sightings).Run();
  batch->logs.corrected_ns = batch->logs.time_ns;
  batch->logs.clock_bound_ns.assign(batch->logs.rows(), telemetry::kUnknownBound);
  impl_->NormalizeEvents(&batch->events);
  impl_->NormalizeFlows(&batch->flows);
  for (size_t row = 0; row < batch->samples.rows(); ++row) {
    const EntityId entity = impl_->identities->series.Get(batch->samples.series[row]).entity;
    sightings.Add(entity, batch->samples.time_ns[row]);
  }
  const auto see_senders = [&](const auto& resources, const std::vector<Nanos>& times) {
    for (size_t row = 0; row < resources.size(); ++row)
      sightings.Add(impl_->identities->resources.Get(resources[row]).service_entity, times[row]);
  };
  see_senders(batch->logs.resource, batch->logs.time_ns);
  see_senders(batch->flows.resource, batch->flows.end_ns);
  sightings.TellTo(&impl_->identities->entities);
}

}  // namespace tomograph::normalize
