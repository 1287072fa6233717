#include "traffic.h"

#include <cstring>
#include <map>

#include "base/check.h"
#include "base/random.h"
#include "ingest/otlp/otlp_test_messages.h"

namespace tomograph::bench {
namespace {

using namespace ingest::otlp::test;  // NOLINT: the builders are this file's language

// One request through the system: which service, its span's parent, kind, begin and length.
struct Step {
  const char* service;
  const char* name;
  int parent;  // index in kSteps, -1: root
  uint64_t kind;
  Nanos begin, length;
  const char* database;  // nullptr: HTTP
};
constexpr Step kSteps[] = {
    {"gateway", "POST /checkout", -1, 2, 0, 40 * kMillisecond, nullptr},
    {"gateway", "POST", 0, 3, 1 * kMillisecond, 8 * kMillisecond, nullptr},
    {"cart", "GET /cart/{id}", 1, 2, 2 * kMillisecond, 6 * kMillisecond, nullptr},
    {"cart", "GET", 2, 3, 3 * kMillisecond, 1 * kMillisecond, "redis"},
    {"gateway", "POST", 0, 3, 10 * kMillisecond, 28 * kMillisecond, nullptr},
    {"checkout", "POST /orders", 4, 2, 11 * kMillisecond, 26 * kMillisecond, nullptr},
    {"checkout", "INSERT orders", 5, 3, 12 * kMillisecond, 20 * kMillisecond, "postgresql"},
    {"checkout", "validate", 5, 1, 33 * kMillisecond, 1 * kMillisecond, nullptr},
};
constexpr int kStepCount = static_cast<int>(std::size(kSteps));

// Eight bytes that occur once in the message, so that their place can be found.
std::string Mark(uint64_t n) {
  const uint64_t word = MixBits(0xbe9c4000ULL + n);
  return std::string(reinterpret_cast<const char*>(&word), sizeof word);
}

Messages AttributesOf(const Step& step, int trace) {
  if (step.database != nullptr)
    return {Pair("db.system.name", step.database), Pair("db.operation.name", step.name),
            Pair("db.namespace", "shop"), Pair("server.address", "db.internal"),
            Pair("server.port", Int(5432))};
  return {Pair("http.request.method", "POST"),
          Pair("http.route", step.name),
          Pair("http.response.status_code", Int(200)),
          Pair("url.path", Str("/checkout/" + std::to_string(trace))),
          Pair("server.address", "shop.internal"),
          Pair("server.port", Int(8080)),
          Pair("network.protocol.version", "1.1"),
          Pair("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101")};
}

}  // namespace

Traffic::Traffic(int traces, uint64_t sender)
    : traces_(traces), spans_(traces * kStepCount), round_(sender << 40) {
  std::map<std::string, Messages> spans_of;
  uint64_t marks = 0;
  std::vector<std::pair<std::string, Slot>> wanted;
  const auto want = [&](Slot slot) {
    std::string mark = Mark(marks++);
    wanted.emplace_back(mark, slot);
    return mark;
  };
  for (int t = 0; t < traces; ++t) {
    for (int s = 0; s < kStepCount; ++s) {
      const Step& step = kSteps[s];
      SpanFields span;
      span.name = step.name;
      span.kind = step.kind;
      span.trace_id = want({0, t, -1, 0, Slot::Kind::kTraceId}) + std::string(8, '\x42');
      span.span_id = want({0, t, s, 0, Slot::Kind::kSpanId});
      span.parent_id = step.parent < 0 ? "" : want({0, t, step.parent, 0, Slot::Kind::kSpanId});
      const auto time = [&](Nanos at) {
        uint64_t word;
        std::memcpy(&word, want({0, t, s, at, Slot::Kind::kTime}).data(), sizeof word);
        return word;
      };
      span.start = time(step.begin);
      span.end = time(step.begin + step.length);
      span.attributes = AttributesOf(step, t);
      spans_of[step.service].push_back(Span(span));
    }
  }
  Messages blocks;
  for (const auto& [service, spans] : spans_of)
    blocks.push_back(Block(
        Resource({Pair("service.name", Str(service)), Pair("service.version", "1.0.0"),
                  Pair("service.instance.id", Str(service + "-1")), Pair("host.name", "host-1")}),
        spans));
  bytes_ = Request(blocks);
  // The marks lie in the order of the message, service by service; a map from mark to place finds
  // them in one walk.
  std::map<std::string, size_t> places;
  for (const auto& [mark, slot] : wanted) places.emplace(mark, std::string::npos);
  for (size_t at = 0; at + 8 <= bytes_.size(); ++at)
    if (const auto it = places.find(bytes_.substr(at, 8)); it != places.end()) it->second = at;
  for (auto& [mark, slot] : wanted) {
    slot.offset = places.at(mark);
    TG_CHECK(slot.offset != std::string::npos);
    slots_.push_back(slot);
  }
}

const std::string& Traffic::Next(Nanos now, Nanos spread) {
  ++round_;
  for (const Slot& slot : slots_) {
    uint64_t word;
    const uint64_t trace =
        round_ * static_cast<uint64_t>(traces_) + static_cast<uint64_t>(slot.trace);
    if (slot.kind == Slot::Kind::kTime)
      word = static_cast<uint64_t>(now + spread * slot.trace / traces_ + slot.time);
    else if (slot.kind == Slot::Kind::kTraceId)
      word = MixBits(trace);
    else
      word = MixBits(trace * kStepCount + static_cast<uint64_t>(slot.span)) | 1;
    std::memcpy(bytes_.data() + slot.offset, &word, sizeof word);
  }
  return bytes_;
}

}  // namespace tomograph::bench
