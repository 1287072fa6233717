#include "ingest/otlp/signals.h"

#include <cstring>

#include "ingest/otlp/wire.h"

namespace tomograph::ingest::otlp {

using telemetry::Resource;

namespace {

/// Who pays for the names of the resource itself, which it is not yet known by.
telemetry::Share SenderOf(ByteView resource) {
  protozero::pbf_reader reader = Reader(resource);
  while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
    protozero::pbf_reader pair = Reader(View(reader));
    if (pair.next() && pair.tag_and_type() == Bytes(1) && View(pair) == "service.name" &&
        pair.next() && pair.tag_and_type() == Bytes(2))
      return telemetry::ShareOf(View(pair));
  }
  return telemetry::ShareOf({});
}

Resource DecodeResource(ByteView bytes, Pass* pass) {
  Resource resource;
  pass->values.set_sender(SenderOf(bytes));
  Repairs unnamed;  // a repair of a resource belongs to none of its records
  protozero::pbf_reader reader = Reader(bytes);
  while (reader.next(1, protozero::pbf_wire_type::length_delimited)) {
    const ByteView pair = View(reader);
    if (resource.attributes.size() >= pass->context.limits.max_attributes) continue;
    resource.attributes.push_back(pass->values.Label(pair, &unnamed));
  }
  if (pass->context.complete_resource) pass->context.complete_resource(&resource);
  return resource;
}

uint64_t BigEndian(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return __builtin_bswap64(word);
}

}  // namespace

ResourceBlock FindResource(ByteView resource_block, Pass* pass) {
  ByteView bytes = "";  // no resource is an empty one
  protozero::pbf_reader reader = Reader(resource_block);
  while (reader.next(1, protozero::pbf_wire_type::length_delimited)) bytes = View(reader);
  ResourceBlock block;
  block.fingerprint = telemetry::FingerprintOf(bytes);
  block.resource = pass->context.identities->resources.FindOrAdd(
      block.fingerprint, [&] { return DecodeResource(bytes, pass); });
  pass->values.set_sender(pass->context.identities->resources.Get(block.resource).share);
  return block;
}

telemetry::TraceId ReadTraceId(ByteView bytes) {
  if (bytes.size() != 16) return {};
  return {BigEndian(bytes.data()), BigEndian(bytes.data() + 8)};
}

uint64_t ReadSpanId(ByteView bytes) { return bytes.size() == 8 ? BigEndian(bytes.data()) : 0; }

std::optional<Nanos> ReadTime(uint64_t unix_nanos) {
  if (unix_nanos > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<Nanos>(unix_nanos);
}

}  // namespace tomograph::ingest::otlp
