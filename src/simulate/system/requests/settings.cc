#include "simulate/system/requests/settings.h"

namespace tomograph::simulate {
namespace {

constexpr size_t kMaxLinks = 500;
constexpr size_t kMaxOperations = 200;
constexpr size_t kMaxSteps = 200;  // of one list
constexpr int kMaxNesting = 8;

LinkSettings ReadLink(Section* section) {
  LinkSettings link;
  section->Require("to").Name("to", &link.to);
  section->Random("network", &link.network);
  section->Count("connections", 0, 100'000, &link.connections);
  section->Time("timeout", 0, kHour, &link.timeout);
  section->Count("retries", 0, 10, &link.retries);
  section->Time("backoff", 0, kHour, &link.backoff);
  Section breaker = section->Child("breaker");
  breaker.Count("failures", 1, 1'000'000, &link.breaker_failures);
  breaker.Time("open", kMillisecond, kHour, &link.breaker_open);
  breaker.Done();
  section->Done();
  return link;
}

void ReadMemory(Section section, MemorySettings* memory) {
  section.Bytes("base", &memory->base);
  section.Bytes("held", &memory->held);
  section.Bytes("garbage", &memory->garbage);
  section.Bytes("young", &memory->young);
  section.Bytes("limit", &memory->limit);
  section.Random("pause", &memory->pause);
  section.Time("restart", kMillisecond, kHour, &memory->restart);
  if (memory->limit > 0 && memory->limit <= memory->base) section.Wrong("limit is below base");
  section.Done();
}

/// Reads the steps of one operation into its program.
class StepReader {
 public:
  StepReader(ServiceSettings* service, OperationSettings* operation)
      : service_(service), operation_(operation) {}

  void Read(Section* parent, std::string_view key, int depth) {
    if (depth > kMaxNesting) return parent->Wrong("nested more than 8 deep");
    for (Section& section : parent->List(key, kMaxSteps)) ReadStep(&section, depth);
  }

 private:
  void ReadStep(Section* section, int depth) {
    const std::vector<std::string> keys = section->Keys();
    if (keys.size() != 1)
      return section->Wrong(
          "a step is one of work, wait, call, together, "
          "publish, cache, maybe");
    const std::string& key = keys.front();
    if (key == "work" || key == "wait") return ReadTime(section, key);
    if (key == "call") return ReadCalls({section->Child(key)}, Step::Kind::kCalls);
    if (key == "together") return ReadCalls(section->List(key, 100), Step::Kind::kCalls);
    if (key == "publish") return ReadCalls({section->Child(key)}, Step::Kind::kPublish);
    if (key == "cache") return ReadCache(section->Child(key), depth);
    if (key == "maybe") return ReadMaybe(section->Child(key), depth);
    section->Wrong("unknown step '" + key + "'");
  }

  Step* Add(Step::Kind kind) {
    operation_->steps.emplace_back();
    operation_->steps.back().kind = kind;
    return &operation_->steps.back();
  }

  void ReadTime(Section* section, const std::string& key) {
    Step* step = Add(key == "work" ? Step::Kind::kWork : Step::Kind::kWait);
    section->Random(key, &step->time);
  }

  void ReadCalls(std::vector<Section> sections, Step::Kind kind) {
    Step* step = Add(kind);
    step->first_call = static_cast<uint32_t>(operation_->calls.size());
    step->calls = static_cast<uint32_t>(sections.size());
    for (Section& section : sections) {
      CallSettings call;
      section.Require("to").Name("to", &call.to);
      section.Require("operation").Name("operation", &call.operation);
      section.Share("chance", &call.chance);
      section.Flag("optional", &call.optional);
      section.Done();
      call.link = service_->LinkTo(call.to);
      operation_->calls.push_back(std::move(call));
    }
  }

  void ReadCache(Section section, int depth) {
    double hits = 0;
    section.Require("hits").Share("hits", &hits);
    ReadJump(&section, "miss", Step::Kind::kCache, hits, depth);
  }

  void ReadMaybe(Section section, int depth) {
    double chance = 0;
    section.Require("chance").Share("chance", &chance);
    ReadJump(&section, "steps", Step::Kind::kMaybe, 1 - chance, depth);
  }

  void ReadJump(Section* section, std::string_view key, Step::Kind kind, double chance, int depth) {
    const size_t at = operation_->steps.size();
    Add(kind)->chance = chance;
    section->Require(key);
    Read(section, key, depth + 1);
    section->Done();
    operation_->steps[at].jump = static_cast<uint32_t>(operation_->steps.size());
  }

  ServiceSettings* service_;
  OperationSettings* operation_;
};

OperationSettings ReadOperation(Section* section, ServiceSettings* service) {
  OperationSettings operation;
  section->Require("name").Name("name", &operation.name);
  section->Share("errors", &operation.errors);
  StepReader(service, &operation).Read(section, "steps", 0);
  section->Done();
  if (operation.steps.size() > 10'000) section->Wrong("more than 10000 steps");
  return operation;
}

void ReadOperations(Section* section, ServiceSettings* service) {
  section->Require("operations");
  for (Section& entry : section->List("operations", kMaxOperations)) {
    OperationSettings operation = ReadOperation(&entry, service);
    for (const OperationSettings& other : service->operations)
      if (other.name == operation.name) entry.Wrong("'" + operation.name + "' twice");
    service->operations.push_back(std::move(operation));
  }
}

}  // namespace

uint32_t ServiceSettings::LinkTo(const Mention& to) {
  for (uint32_t i = 0; i < links.size(); ++i)
    if (links[i].to.name == to.name) return i;
  links.emplace_back();
  links.back().to = to;
  return static_cast<uint32_t>(links.size() - 1);
}

ServiceSettings ReadService(Section* section) {
  ServiceSettings service;
  section->Require("name").Name("name", &service.name);
  section->Name("version", &service.version);
  section->Count("instances", 1, 1000, &service.instances);
  section->Names("hosts", 1000, &service.hosts);
  section->Count("workers", 0, 100'000, &service.workers);
  section->Count("queue", 0, 1'000'000, &service.queue);
  section->Number("slowdown", 0.01, 1000, &service.slowdown);
  section->Flag("show_queue", &service.show_queue);
  section->Name("db_system", &service.db_system);
  section->Flag("instrumented", &service.instrumented);
  ReadMemory(section->Child("memory"), &service.memory);
  for (Section& entry : section->List("links", kMaxLinks)) {
    LinkSettings link = ReadLink(&entry);
    for (const LinkSettings& other : service.links)
      if (other.to.name == link.to.name) entry.Wrong("a link to '" + link.to.name + "' twice");
    service.links.push_back(std::move(link));
  }
  ReadOperations(section, &service);
  section->Done();
  return service;
}

}  // namespace tomograph::simulate
