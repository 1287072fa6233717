#include "simulate/system/requests/service.h"

namespace tomograph::simulate {
namespace {

/// "GET /items" as method and route; a name that is no such pair is a route.
Labels RouteOf(const std::string& operation) {
  const size_t space = operation.find(' ');
  const bool method = space != std::string::npos && space >= 3 && operation[space + 1] == '/';
  if (!method) return {{"http.route", operation}};
  return {{"http.request.method", operation.substr(0, space)},
          {"http.route", operation.substr(space + 1)}};
}

}  // namespace

void Service::ShowMetrics(Instance* instance, Nanos end) {
  Export shown(world_->audience, instance->sender, instance->started, end);
  ShowRequests(*instance, &shown);
  for (uint32_t link = 0; link < settings_.links.size(); ++link) {
    ShowCalls(*instance, link, &shown);
    if (settings_.links[link].connections > 0) ShowPool(*instance, link, &shown);
  }
  ShowProcess(instance, end, &shown);
}

void Service::ShowRequests(const Instance& instance, Export* shown) const {
  for (size_t i = 0; i < settings_.operations.size(); ++i) {
    for (size_t status = 0; status < Instance::kStatuses.size(); ++status) {
      const DurationHistogram& durations = instance.durations[i][status];
      if (durations.count() == 0) continue;
      Labels labels = RouteOf(settings_.operations[i].name);
      labels.emplace_back("http.response.status_code", std::to_string(Instance::kStatuses[status]));
      shown->Histogram("http.server.request.duration", durations, std::move(labels));
    }
  }
  ShowMessages(instance, shown);
  shown->Gauge("http.server.active_requests", "{request}", instance.serving());
  if (settings_.show_queue)
    shown->Gauge("http.server.queue.length", "{request}",
                 static_cast<double>(instance.door.waiting()));
}

void Service::ShowMessages(const Instance& instance, Export* shown) const {
  Labels labels = MessagingLabels(name());
  if (instance.processed.count() > 0)
    shown->Histogram("messaging.process.duration", instance.processed, labels);
  if (instance.failed_to_process.count() == 0) return;
  labels.emplace_back("error.type", "error");
  shown->Histogram("messaging.process.duration", instance.failed_to_process, std::move(labels));
}

void Service::ShowCalls(const Instance& instance, uint32_t link, Export* shown) const {
  const Outbound& outbound = instance.outbound[link];
  const std::string& callee = settings_.links[link].to.name;
  const std::string_view system = outgoing_.db_system(link);
  const auto show = [&](const DurationHistogram& durations, bool failed) {
    if (durations.count() == 0) return;
    Labels labels;
    if (system.empty()) {
      labels = {{"server.address", callee}};
    } else {
      labels = {{"db.system.name", std::string(system)}, {"db.namespace", callee}};
    }
    if (failed) labels.emplace_back("error.type", "error");
    shown->Histogram(
        system.empty() ? "http.client.request.duration" : "db.client.operation.duration", durations,
        std::move(labels));
  };
  show(outbound.ok_calls, false);
  show(outbound.failed_calls, true);
}

/// The conventions know connection pools of database clients alone; those of HTTP clients are shown
/// in the same way under http.
void Service::ShowPool(const Instance& instance, uint32_t link, Export* shown) const {
  const Outbound& outbound = instance.outbound[link];
  const std::string& callee = settings_.links[link].to.name;
  const bool database = !outgoing_.db_system(link).empty();
  const auto gauge = [&](std::string_view of_database, std::string_view of_http, double value,
                         Labels labels) {
    labels.emplace_back(database ? "db.client.connection.pool.name" : "server.address", callee);
    shown->Gauge(database ? of_database : of_http, "{connection}", value, std::move(labels));
  };
  const double in_use = outbound.in_use();
  const double most = outbound.connections();
  if (database) {
    gauge("db.client.connection.count", "", in_use, {{"db.client.connection.state", "used"}});
    gauge("db.client.connection.count", "", std::max(0.0, most - in_use),
          {{"db.client.connection.state", "idle"}});
  } else {
    gauge("", "http.client.connections.active", in_use, {});
  }
  gauge("db.client.connection.max", "http.client.connections.max", most, {});
  gauge("db.client.connection.pending_requests", "http.client.connections.pending",
        outbound.waiting(), {});
}

void Service::ShowProcess(Instance* instance, Nanos end, Export* shown) const {
  const Host::CpuTime cpu = instance->host->TimeOf(instance->process);
  const double passed_s = ToSeconds(end - instance->exported);
  const double cores = instance->host->cores() > 0 ? instance->host->cores() : 1;
  const double used_s = cpu.used_s - instance->at_export.used_s;
  if (passed_s > 0) shown->Gauge("process.cpu.utilization", "1", used_s / passed_s / cores);
  instance->at_export = cpu;
  instance->exported = end;
  const double since_start = cpu.used_s - instance->at_start.used_s;
  const double wanted = cpu.wanted_s - instance->at_start.wanted_s;
  shown->Counter("process.cpu.time", "s", since_start);
  shown->Counter("process.cpu.wait.time", "s", wanted - since_start);
  shown->Gauge("process.memory.usage", "By", instance->memory.used(instance->serving()));
  shown->Gauge("process.uptime", "s", ToSeconds(end - instance->started));
  if (instance->pauses.count() > 0) shown->Histogram("jvm.gc.duration", instance->pauses);
}

}  // namespace tomograph::simulate
