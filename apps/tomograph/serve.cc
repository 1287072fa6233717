// tomograph serve: listens, stores, reconstructs, shows.
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>

#include "commands.h"
#include "config_flags.h"
#include "engine/live_engine.h"

namespace tomograph::app {
namespace {

// Batches are filled by one thread and freed by another. With an arena for each, glibc keeps what
// was freed in all of them: gigabytes under load, on machines of many cores.
constexpr int kArenas = 2;

int Serve(const ConfigFlags& flags) {
  mallopt(M_ARENA_MAX, kArenas);
  // Blocked before any thread starts, so that only sigwait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const Result<engine::Config> config = ReadConfig(flags);
  if (!config.ok()) {
    std::fprintf(stderr, "tomograph: %s\n", config.status().message().c_str());
    return 1;
  }
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  auto engine = engine::LiveEngine::Start(*config);
  if (!engine.ok()) {
    std::fprintf(stderr, "tomograph: %s\n", engine.status().message().c_str());
    return 1;
  }
  const auto line = [](const char* what, const std::string& address, uint16_t port,
                       const char* scheme) {
    if (port == 0) return;
    const auto parsed = engine::ParseAddress(address);
    std::printf("  %-34s %s%s:%u\n", what, scheme, parsed.ok() ? parsed->host.c_str() : "", port);
  };
  std::printf("Tomograph is running.\n");
  line("page, API, /metrics", config->http_address, (*engine)->http_port(), "http://");
  line("OTLP/gRPC", config->otlp_grpc_address, (*engine)->otlp_grpc_port(), "");
  line("OTLP/HTTP, remote write, changes", config->otlp_http_address, (*engine)->otlp_http_port(),
       "http://");
  std::printf("  %-34s %s\n", "store",
              config->store_dir.empty() ? "none" : config->store_dir.c_str());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  std::printf("stopping\n");
  (*engine)->Stop();
  return 0;
}

}  // namespace

void AddServe(CLI::App& app, Run* run) {
  CLI::App* command = app.add_subcommand(
      "serve", "Watch a running system: listen for telemetry, show its state and what broke");
  auto flags = std::make_shared<ConfigFlags>();
  AddConfigFlags(command, flags);
  command->callback([run, flags] { *run = [flags] { return Serve(*flags); }; });
}

}  // namespace tomograph::app
