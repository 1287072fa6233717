// tomograph reconstruct PATH: the same from a recording.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "commands.h"
#include "engine/config.h"
#include "engine/recorded_run.h"
#include "engine/related_lines.h"
#include "net/http_server.h"
#include "progress_bar.h"
#include "publish/api.h"
#include "publish/publisher.h"
#include "publish/report.h"
#include "publish/request_json.h"
#include "temporary_folder.h"

namespace tomograph::app {
namespace {

struct Options {
  std::string path, report, links, serve, window = "5s", store_dir;
  bool json = false, quiet = false;
};

int Columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

int Fail(const std::string& message) {
  std::fprintf(stderr, "tomograph: %s\n", message.c_str());
  return 1;
}

void WaitForCtrlC() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
}

/// The page of --serve. Listens from the start, so that a busy address is said before the work and
/// not after it. Until there is a result the page says how much has been read, and what asks the
/// API for more is told to come again.
class Page {
 public:
  explicit Page(std::string source) : source_(std::move(source)) {}

  Status Listen(const std::string& address) {
    const auto parsed = engine::ParseAddress(address);
    if (!parsed.ok()) return parsed.status();
    host_ = parsed->host;
    auto server = net::HttpServer::Start(
        parsed->host, parsed->port, 2, {},
        [this](net::HttpRequest&& request, std::shared_ptr<net::Responder> responder) {
          if (publish::Publisher* publisher = shown_.load())
            return publisher->HandleHttp(std::move(request), std::move(responder));
          if (TellsOfReading(request.path))
            return reading_.HandleHttp(std::move(request), std::move(responder));
          net::HttpResponse wait = publish::ErrorResponse(503, "unavailable", kStillReading);
          wait.headers.emplace_back("Retry-After", "1");
          responder->Respond(std::move(wait));
        });
    if (!server.ok()) return server.status();
    server_ = std::move(server).value();
    reading_.SetReady(false, kStillReading);
    Tell(0);
    return Status::Ok();
  }

  /// How much of the recording has been read. At most one picture for each hundredth of it.
  void Read(uint64_t done, uint64_t total) {
    if (server_ == nullptr || total == 0) return;
    const double percent =
        std::floor(100.0 * static_cast<double>(done) / static_cast<double>(total));
    // When all is read the last windows are still to be reconstructed.
    if (percent > told_percent_) Tell(std::min(percent, 99.0));
  }

  /// Until Ctrl-C.
  void Show(const engine::RecordedResult& result) {
    publisher_ = std::make_unique<publish::Publisher>(result.store.get(), result.identities.get(),
                                                      engine::RelatedLines);
    publisher_->Publish(result.picture);
    publisher_->SetReady(true);
    shown_ = publisher_.get();
    reading_.Publish(result.picture);  // tells those who wait that there is something to fetch
    std::printf("\nThe page: http://%s:%u/   (Ctrl-C ends it)\n", host_.c_str(), server_->port());
    std::fflush(stdout);
    WaitForCtrlC();
    server_->Stop(kSecond);
    publisher_.reset();  // the result goes before the page
  }

 private:
  static constexpr const char* kStillReading = "the recording is still being read";

  static bool TellsOfReading(std::string_view path) {
    return path == "/" || path == "/index.html" || path == "/api/v1/picture" ||
           path == "/api/v1/stream" || path == "/api/v1/status" || path.starts_with("/-/");
  }

  void Tell(double percent) {
    told_percent_ = percent;
    auto picture = std::make_shared<telemetry::Picture>();
    picture->source = source_;
    picture->read = percent / 100;
    reading_.Publish(std::move(picture));
  }

  const std::string source_;
  std::string host_;
  double told_percent_ = 0;
  telemetry::Identities none_;
  publish::Publisher reading_{nullptr, &none_};
  std::unique_ptr<publish::Publisher> publisher_;
  std::atomic<publish::Publisher*> shown_{nullptr};
  std::unique_ptr<net::HttpServer> server_;
};

/// The file of --report. Opened before the work, so that a path that cannot be written is said at
/// once; what was there stays until there is something new.
class ReportFile {
 public:
  ~ReportFile() {
    if (created_ && !written_) std::filesystem::remove(path_);
  }

  Status Open(const std::string& path) {
    path_ = path;
    std::error_code error;
    created_ = !std::filesystem::exists(path, error);
    out_.open(path, std::ios::binary | std::ios::app);
    if (out_) return Status::Ok();
    created_ = false;
    return CannotBeWritten();
  }

  Status Write(const std::string& html) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path_, error))
      std::filesystem::resize_file(path_, 0, error);
    out_ << html;
    written_ = static_cast<bool>(out_.flush());
    return written_ ? Status::Ok() : CannotBeWritten();
  }

 private:
  Status CannotBeWritten() const { return Status::Io(path_ + ": cannot be written"); }

  std::string path_;
  std::ofstream out_;
  bool created_ = false, written_ = false;
};

/// The file of --links: one JSON object a join by inference, as it is decided.
class LinksFile {
 public:
  Status Open(const std::string& path) {
    path_ = path;
    out_.open(path, std::ios::binary | std::ios::trunc);
    return out_ ? Status::Ok() : Status::Io(path + ": cannot be written");
  }
  void Write(const telemetry::InferredJoin& join) { out_ << publish::JoinLine(join) << '\n'; }
  Status Close() {
    out_.close();
    return out_ ? Status::Ok() : Status::Io(path_ + ": cannot be written");
  }

 private:
  std::string path_;
  std::ofstream out_;
};

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
  TemporaryFolder temporary;  // goes after the result, which holds its store
  run.store_dir = options.store_dir;
  if (options.store_dir.empty() && !options.serve.empty()) {
    run.store_dir = temporary.Make();
    run.store_is_optional = true;
  }
  ReportFile report;
  if (!options.report.empty()) {
    if (const Status opened = report.Open(options.report); !opened.ok())
      return Fail(opened.message());
  }
  LinksFile links;
  if (!options.links.empty()) {
    if (const Status opened = links.Open(options.links); !opened.ok())
      return Fail(opened.message());
    run.on_join = [&](const telemetry::InferredJoin& join) { links.Write(join); };
  }
  Page page(options.path);
  if (!options.serve.empty()) {
    if (const Status listening = page.Listen(options.serve); !listening.ok())
      return Fail(listening.message());
  }
  Result<engine::RecordedResult> result = [&] {
    ProgressBar bar(!options.quiet);
    return engine::ReconstructRecording(options.path, run, [&](uint64_t done, uint64_t total) {
      bar.Update(done, total, 1e6, "MB");
      page.Read(done, total);
    });
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
  // Beside the JSON, not in it: what reads it looks into the ledger.
  FILE* const beside = options.json ? stderr : stdout;
  for (const std::string& file : result->troubles.broken_off)
    std::fprintf(beside, "broken off: %s\n", file.c_str());
  for (const std::string& file : result->troubles.Sentences())
    std::fprintf(beside, "damaged: %s\n", file.c_str());
  if (!options.report.empty()) {
    if (const Status written = report.Write(publish::HtmlReport(picture)); !written.ok())
      return Fail(written.message());
    if (!options.json) std::printf("report: %s\n", options.report.c_str());
  }
  if (!options.links.empty()) {
    if (const Status closed = links.Close(); !closed.ok()) return Fail(closed.message());
  }
  if (options.serve.empty()) return 0;
  page.Show(*result);
  return 0;
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
  command->add_option("--links", options->links,
                      "write every join of spans that is inferred, or looked for in vain, to this "
                      "file: a line of JSON each, with its posterior and runner-up "
                      "(docs/models/requests.md)");
  command->add_option("--serve", options->serve,
                      "afterwards serve the page here, e.g. 127.0.0.1:7600");
  command->add_option("--store-dir", options->store_dir, "also keep the telemetry in this store");
  command->add_option("--window", options->window, "length of one interval")->capture_default_str();
  command->add_flag("--json", options->json, "print everything as JSON");
  command->add_flag("--quiet", options->quiet, "no progress bar");
  command->callback([run, options] { *run = [options] { return Reconstruct(*options); }; });
}

}  // namespace tomograph::app
