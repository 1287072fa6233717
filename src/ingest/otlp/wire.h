// Short names for walking protobuf with protozero. A field is told by number and wire type
// together, so that one of a wrong type is skipped like an unknown one. protozero throws at damaged
// bytes; Decode catches that, nothing else may.
#pragma once

#include <protozero/pbf_reader.hpp>

#include "base/byte_view.h"

namespace tomograph::ingest::otlp {

constexpr uint32_t Bytes(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::length_delimited);
}
constexpr uint32_t Varint(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::varint);
}
constexpr uint32_t Fixed64(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::fixed64);
}

inline protozero::pbf_reader Reader(ByteView message) {
  return protozero::pbf_reader(message.data(), message.size());
}
inline ByteView View(protozero::pbf_reader& reader) {
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

}  // namespace tomograph::ingest::otlp
