// tomograph simulate SCENARIO: telemetry of a system that does not exist, with the truth about it.
#include <algorithm>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "commands.h"
#include "progress_bar.h"
#include "simulate/loss/loss.h"
#include "simulate/scenario/scenario.h"
#include "simulate/simulation.h"
#include "simulate/write/impact.h"
#include "simulate/write/otlp_json.h"
#include "simulate/write/otlp_post.h"
#include "simulate/write/recording.h"
#include "simulate/write/time_shift.h"

namespace tomograph::app {
namespace {

using simulate::TruthFault;

struct Options {
  std::string path, out, live;
  std::optional<uint64_t> seed;
  double speed = 1;
  bool twin = false, quiet = false;
};

volatile std::sig_atomic_t stop_asked = 0;

/// The first Ctrl-C ends the run in order, a second one at once.
void StopInOrder(int signal) {
  stop_asked = 1;
  std::signal(signal, SIG_DFL);
}

void SleepUntil(const Clock& clock, Nanos wake) {
  for (Nanos now = clock.Now(); now < wake && stop_asked == 0; now = clock.Now())
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wake - now, kSecond / 20)));
}

class NoTruth : public simulate::TruthLog {
 public:
  void Say(const simulate::TruthRow&) override {}
};

/// One run, with all that hears it: simulation -> impact (with a twin) -> loss -> shift -> writer.
class SimulatedRun {
 public:
  SimulatedRun(const Options& options, simulate::Scenario scenario, std::string yaml)
      : options_(options), scenario_(std::move(scenario)), yaml_(std::move(yaml)) {}

  Status Prepare() {
    TG_RETURN_IF_ERROR(Try());
    TG_RETURN_IF_ERROR(PrepareLive());
    if (!options_.out.empty()) {
      auto recording = simulate::Recording::Create(options_.out, yaml_);
      if (!recording.ok()) return recording.status();
      recording_ = std::move(recording).value();
    }
    shift_.emplace(shift_by_, &writer_, recording_ != nullptr ? recording_->truth() : &no_truth_);
    loss_.emplace(scenario_.loss, scenario_.seed, scenario_.start, &*shift_);
    simulate::Audience* audience = &*loss_;
    if (options_.twin) {
      impact_.emplace(Faults());
      audience = impact_->WithFaults(audience);
      auto twin =
          simulate::Simulation::Make(scenario_.WithoutFaults(), impact_->Twin(), &no_truth_);
      if (!twin.ok()) return twin.status();
      twin_ = std::move(twin).value();
    }
    auto simulation = simulate::Simulation::Make(scenario_, audience, &*shift_);
    if (!simulation.ok()) return simulation.status();
    simulation_ = std::move(simulation).value();
    return Status::Ok();
  }

  Status Go() {
    ProgressBar bar(!options_.quiet);
    started_ = clock_.Now();
    const auto second = [this] {
      if (twin_ != nullptr) static_cast<void>(twin_->RunSecond());
      return simulation_->RunSecond();
    };
    while (stop_asked == 0 && second()) {
      loss_->Pass(simulation_->now());
      TG_RETURN_IF_ERROR(HandOut());
      bar.Update(static_cast<uint64_t>(simulation_->now() - scenario_.start),
                 static_cast<uint64_t>(scenario_.length), 1e9, "s");
    }
    loss_->Pass(INT64_MAX);  // what is still on its way arrives after the end
    TG_RETURN_IF_ERROR(HandOut());
    took_ = clock_.Now() - started_;
    faults_ = impact_ ? impact_->Felt() : Faults();
    if (recording_ == nullptr) return Status::Ok();
    std::vector<TruthFault> shifted = faults_;
    for (TruthFault& fault : shifted) {
      fault.from += shift_by_;
      fault.until += shift_by_;
    }
    return recording_->Finish(shifted, impact_.has_value());
  }

  void Report() const {
    const double simulated = ToSeconds(simulation_->now() - scenario_.start);
    const double took = std::max(1e-9, ToSeconds(took_));
    const uint64_t events = simulation_->events() + (twin_ != nullptr ? twin_->events() : 0);
    std::printf("%s, seed %" PRIu64 ": %.0f s simulated in %.1f s%s\n", scenario_.name.c_str(),
                scenario_.seed, simulated, took, stop_asked != 0 ? ", then stopped" : "");
    std::printf("events    %" PRIu64 ", %.0f a second%s\n", events,
                static_cast<double>(events) / took, twin_ != nullptr ? ", the twin's too" : "");
    const simulate::LossCount& lost = loss_->count();
    std::printf("shown     %" PRIu64 " records; on the way %" PRIu64 " withheld, %" PRIu64
                " sampled out, %" PRIu64 " lost, %" PRIu64 " sent twice, %" PRIu64 " late\n",
                lost.shown, lost.withheld, lost.sampled_out, lost.lost, lost.duplicated,
                lost.delayed);
    const simulate::OtlpJson::Written& written = writer_.written();
    std::printf("arrived   %" PRIu64 " spans, %" PRIu64 " samples, %" PRIu64 " logs, %" PRIu64
                " changes\n",
                written.spans, written.samples, written.logs, written.changes);
    if (recording_ != nullptr) {
      std::printf("recording %s, %.1f MB\n", options_.out.c_str(),
                  static_cast<double>(recording_->bytes()) / 1e6);
    }
    ReportPosts();
    for (const TruthFault& fault : faults_) ReportFault(fault);
  }

  /// Nothing of what was to go to a live receiver got there.
  bool AllPostsFailed() const {
    return post_ && post_->count().requests > 0 && post_->count().failed == post_->count().requests;
  }

 private:
  /// What is wrong with the scenario is said before anything is made for it.
  Status Try() {
    simulate::OtlpJson nobody;
    return simulate::Simulation::Make(scenario_, &nobody, &no_truth_).status();
  }

  /// Live time begins now; a run that is quicker ends when it says that it does.
  Status PrepareLive() {
    if (options_.live.empty()) return Status::Ok();
    const Result<std::string> url = simulate::OtlpPost::BaseUrlOf(options_.live);
    if (!url.ok()) return url.status();
    post_.emplace(*url, [this](Nanos pause) { SleepUntil(clock_, clock_.Now() + pause); });
    const Nanos quick = Paced(scenario_.length);
    shift_by_ = clock_.Now() - scenario_.start - std::max<Nanos>(0, scenario_.length - quick);
    return Status::Ok();
  }
  Nanos Paced(Nanos simulated) const { return FromSeconds(ToSeconds(simulated) / options_.speed); }

  Status HandOut() {
    const simulate::OtlpJson::Lines lines = writer_.Take();
    if (recording_ != nullptr) TG_RETURN_IF_ERROR(recording_->Write(lines));
    if (!post_) return Status::Ok();
    SleepUntil(clock_, started_ + Paced(simulation_->now() - scenario_.start));
    post_->Send(lines);
    return Status::Ok();
  }

  std::vector<TruthFault> Faults() const {
    std::vector<TruthFault> faults;
    for (const simulate::Fault& fault : scenario_.faults)
      faults.push_back({fault.kind,
                        fault.target,
                        scenario_.start + fault.from,
                        scenario_.start + fault.until,
                        fault.by,
                        {}});
    return faults;
  }

  void ReportPosts() const {
    if (!post_) return;
    const simulate::OtlpPost::Count& count = post_->count();
    std::printf("sent      %" PRIu64 " requests to %s, %" PRIu64 " tried again, %" PRIu64
                " given up\n",
                count.requests, options_.live.c_str(), count.retries, count.failed);
    if (count.failed > 0) std::printf("          the first: %s\n", count.first_failure.c_str());
  }

  void ReportFault(const TruthFault& fault) const {
    std::printf("fault     %s of %s from %.0f s to %.0f s", fault.kind.c_str(),
                fault.target.c_str(), ToSeconds(fault.from - scenario_.start),
                ToSeconds(fault.until - scenario_.start));
    if (impact_) std::printf(": felt by%s", fault.felt_by.empty() ? " nobody" : "");
    for (const std::string& service : fault.felt_by)
      std::printf("%s %s", service == fault.felt_by.front() ? "" : ",", service.c_str());
    std::printf("\n");
  }

  const Options& options_;
  const simulate::Scenario scenario_;
  const std::string yaml_;
  WallClock clock_;
  NoTruth no_truth_;
  simulate::OtlpJson writer_;
  std::unique_ptr<simulate::Recording> recording_;
  std::optional<simulate::OtlpPost> post_;
  Nanos shift_by_ = 0;
  std::optional<simulate::TimeShift> shift_;
  std::optional<simulate::Loss> loss_;
  std::optional<simulate::Impact> impact_;
  std::unique_ptr<simulate::Simulation> twin_, simulation_;
  Nanos started_ = 0, took_ = 0;
  std::vector<TruthFault> faults_;
};

int Fail(const std::string& message) {
  std::fprintf(stderr, "tomograph: %s\n", message.c_str());
  return 1;
}

int Simulate(const Options& options) {
  if (options.out.empty() && options.live.empty())
    return Fail("where to? --out FOLDER, --live otlp://HOST:PORT or both");
  std::error_code error;
  if (std::filesystem::is_directory(options.path, error))
    return Fail(options.path + " is a folder: a scenario is a file");
  std::ifstream in(options.path, std::ios::binary);
  if (!in) return Fail("cannot open " + options.path);
  std::string yaml((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return Fail("cannot read " + options.path);
  Result<simulate::Scenario> scenario = simulate::ReadScenario(yaml);
  if (!scenario.ok()) return Fail(options.path + ": " + scenario.status().message());
  if (options.seed) scenario->seed = *options.seed;
  std::signal(SIGINT, StopInOrder);
  std::signal(SIGTERM, StopInOrder);
  SimulatedRun run(options, std::move(scenario).value(), std::move(yaml));
  if (const Status ready = run.Prepare(); !ready.ok()) return Fail(ready.message());
  if (const Status done = run.Go(); !done.ok()) return Fail(done.message());
  run.Report();
  return run.AllPostsFailed() ? 1 : 0;
}

}  // namespace

void AddSimulate(CLI::App& app, Run* run) {
  CLI::App* command = app.add_subcommand(
      "simulate", "Simulate a system: its telemetry, and the truth about its hidden state");
  auto options = std::make_shared<Options>();
  command->add_option("scenario", options->path, "what is simulated (YAML)")->required();
  command->add_option("--out", options->out, "write a recording, with its truth, to this folder");
  command->add_option("--live", options->live,
                      "send it as it happens to an OTLP/HTTP receiver, e.g. otlp://127.0.0.1:4318");
  command
      ->add_option("--speed", options->speed,
                   "with --live: so many times as fast; it then begins in the past")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1000.0));
  command->add_option("--seed", options->seed, "instead of the scenario's");
  command->add_flag("--twin", options->twin,
                    "also run it without its faults, to find out which services felt them");
  command->add_flag("--quiet", options->quiet, "no progress bar");
  command->callback([run, options] { *run = [options] { return Simulate(*options); }; });
}

}  // namespace tomograph::app
