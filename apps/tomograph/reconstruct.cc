// tomograph reconstruct PATH: the same from a recording.
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "commands.h"
#include "engine/config.h"
#include "engine/recorded_run.h"
#include "net/http_server.h"
#include "publish/publisher.h"
#include "publish/report.h"

namespace tomograph::app {
namespace {

struct Options {
  std::string path, report, serve, window = "5s", store_dir;
  bool json = false, quiet = false;
};

// On a terminal only, and only when it takes long enough to be worth looking at.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled)
      : enabled_(enabled && isatty(STDERR_FILENO)), clock_(), started_(clock_.Now()) {}
  ~ProgressBar() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }
  void Update(uint64_t done, uint64_t total) {
    const Nanos now = clock_.Now();
    if (!enabled_ || total == 0 || now - started_ < kSecond / 2 || now - last_ < kSecond / 10)
      return;
    last_ = now;
    shown_ = true;
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    constexpr int kWidth = 40;
    const int full = static_cast<int>(share * kWidth);
    std::fprintf(stderr, "\r[%s%s] %3.0f %%  %.1f of %.1f MB",
                 std::string(static_cast<size_t>(full), '#').c_str(),
                 std::string(static_cast<size_t>(kWidth - full), ' ').c_str(), share * 100,
                 static_cast<double>(done) / 1e6, static_cast<double>(total) / 1e6);
  }

 private:
  bool enabled_;
  bool shown_ = false;
  WallClock clock_;
  Nanos started_, last_ = 0;
};

int Columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

int Fail(const std::string& message) {
  std::fprintf(stderr, "tomograph: %s\n", message.c_str());
  return 1;
}

int ServePage(const std::string& address, const engine::RecordedResult& result) {
  const auto parsed = engine::ParseAddress(address);
  if (!parsed.ok()) return Fail(parsed.status().message());
  publish::Publisher publisher(result.store.get(), result.identities.get());
  publisher.Publish(result.picture);
  publisher.SetReady(true);
  auto server = net::HttpServer::Start(
      parsed->host, parsed->port, 2, {},
      [&](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
        publisher.HandleHttp(std::move(request), std::move(responder));
      });
  if (!server.ok()) return Fail(server.status().message());
  std::printf("\nThe page: http://%s:%u/   (Ctrl-C ends it)\n", parsed->host.c_str(),
              (*server)->port());
  std::fflush(stdout);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Stop(kSecond);
  return 0;
}

int Reconstruct(const Options& options) {
  if (!options.serve.empty()) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  engine::RecordedOptions run;
  const auto window = ParseDuration(options.window);
  if (!window.ok()) return Fail("--window: " + window.status().message());
  if (*window < 100 * kMillisecond)
    return Fail("--window: 100ms or more is needed, not " + options.window);
  run.window = *window;
  run.store_dir = options.store_dir;
  Result<engine::RecordedResult> result = [&] {
    ProgressBar bar(!options.quiet);
    return engine::ReconstructRecording(
        options.path, run, [&](uint64_t done, uint64_t total) { bar.Update(done, total); });
  }();
  if (!result.ok()) return Fail(result.status().message());

  const telemetry::Picture& picture = *result->picture;
  if (options.json) {
    std::printf("%s\n", publish::JsonReport(picture).c_str());
  } else {
    const bool colour = isatty(STDOUT_FILENO) && std::getenv("NO_COLOR") == nullptr;
    std::printf("%s", publish::TerminalReport(picture, Columns(), colour).c_str());
    for (const std::string& path : result->ignored)
      std::printf("not telemetry, left out: %s\n", path.c_str());
  }
  if (!options.report.empty()) {
    std::ofstream out(options.report, std::ios::binary);
    out << publish::HtmlReport(picture);
    if (!out.flush()) return Fail(options.report + ": cannot be written");
    if (!options.json) std::printf("report: %s\n", options.report.c_str());
  }
  return options.serve.empty() ? 0 : ServePage(options.serve, *result);
}

}  // namespace

void AddReconstruct(CLI::App& app, Run* run) {
  CLI::App* command =
      app.add_subcommand("reconstruct", "Reconstruct a recording: a file or folder of telemetry");
  auto options = std::make_shared<Options>();
  command
      ->add_option("path", options->path,
                   "OTLP-JSON lines, Jaeger JSON, OpenMetrics, CSV, CDEvents; .gz too")
      ->required();
  command->add_option("--report", options->report, "write a self-contained HTML page to this file");
  command->add_option("--serve", options->serve,
                      "afterwards serve the page here, e.g. 127.0.0.1:7600");
  command->add_option("--store-dir", options->store_dir, "also keep the telemetry in this store");
  command->add_option("--window", options->window, "length of one interval")->capture_default_str();
  command->add_flag("--json", options->json, "print everything as JSON");
  command->add_flag("--quiet", options->quiet, "no progress bar");
  command->callback([run, options] { *run = [options] { return Reconstruct(*options); }; });
}

}  // namespace tomograph::app
