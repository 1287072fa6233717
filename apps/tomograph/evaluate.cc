// tomograph evaluate: how right is it? Predictions first, labels afterwards (docs/figures.md).
#include <cstdio>

#include "commands.h"
#include "evaluate/alignment.h"
#include "evaluate/clocks.h"
#include "evaluate/incidents.h"
#include "evaluate/recordings.h"
#include "evaluate/requests.h"
#include "evaluate/simulated_states.h"
#include "evaluate/spans.h"

namespace tomograph::app {
namespace {

struct IncidentsOptions {
  std::string suite, data, predictions, change_point = "given";
  bool json = false;
};

int Fail(const Status& status) {
  std::fprintf(stderr, "tomograph: %s\n", status.message().c_str());
  return 1;
}

int EvaluateIncidents(const IncidentsOptions& options) {
  const auto change_point = evaluate::ParseChangePoint(options.change_point);
  if (!change_point.ok()) return Fail(change_point.status());
  const auto result =
      evaluate::RunIncidents(options.suite, options.data, options.predictions, *change_point);
  if (!result.ok()) return Fail(result.status());
  std::printf(
      "%s\n",
      (options.json ? evaluate::IncidentsJson(*result) : evaluate::IncidentsText(*result)).c_str());
  return 0;
}

struct SamplingCommand {
  std::vector<std::string> paths;
  evaluate::SamplingRunOptions run;
  bool json = false;
};

int EvaluateSampling(const SamplingCommand& options) {
  const auto scores = evaluate::RunSampling(options.paths, options.run);
  if (!scores.ok()) return Fail(scores.status());
  std::printf("%s\n",
              (options.json ? evaluate::ToJson(*scores) : evaluate::ToTable(*scores)).c_str());
  return 0;
}

struct StatesCommand {
  evaluate::StatesOptions run;
  std::string loss = "light";
  bool json = false;
};

int EvaluateStates(StatesCommand options) {
  options.run.loss =
      options.loss == "light" ? evaluate::TelemetryLoss::kLight : evaluate::TelemetryLoss::kHeavy;
  const auto scores = evaluate::EvaluateStates(options.run);
  if (!scores.ok()) return Fail(scores.status());
  std::printf(
      "%s\n",
      (options.json ? evaluate::StatesJson(*scores) : evaluate::StatesText(*scores)).c_str());
  return 0;
}

struct RequestsCommand {
  evaluate::RequestsOptions run;
  bool no_speed = false;
  bool json = false;
};

int EvaluateRequests(RequestsCommand options) {
  options.run.speed = !options.no_speed;
  const auto result = evaluate::RunRequests(options.run);
  if (!result.ok()) return Fail(result.status());
  std::printf(
      "%s\n",
      (options.json ? evaluate::RequestsJson(*result) : evaluate::RequestsText(*result)).c_str());
  return 0;
}

void AddIncidents(CLI::App* command, Run* run) {
  CLI::App* incidents =
      command->add_subcommand("incidents", "Root causes: AC@k, calibration, specificity");
  auto options = std::make_shared<IncidentsOptions>();
  incidents->add_option("--suite", options->suite, "petshop, nezha or rootcausebench")->required();
  incidents->add_option("path,--data", options->data, "folder of the suite's cases")->required();
  incidents->add_option("--predictions", options->predictions,
                        "also write the predictions here, as JSON lines");
  incidents->add_option("--change-point", options->change_point, "given, given+60s or inferred")
      ->capture_default_str();
  incidents->add_flag("--json", options->json, "print one JSON object");
  incidents->callback([run, options] { *run = [options] { return EvaluateIncidents(*options); }; });
}

void AddSampling(CLI::App* command, Run* run) {
  CLI::App* sampling = command->add_subcommand(
      "sampling", "Reconstructed states: do their intervals hold what was withheld?");
  auto options = std::make_shared<SamplingCommand>();
  sampling
      ->add_option("path,--data", options->paths,
                   "recordings with every trace kept; several are pooled")
      ->required();
  sampling->add_option("--seed", options->run.seed, "of the sampler")->capture_default_str();
  sampling->add_option("--repeats", options->run.repeats, "pool this many seeds from --seed on")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sampling->add_option("--incident-after", options->run.incident_after,
                       "the incident starts here (unix ns; 0: there is none); else the recording's "
                       "own diagnosis says");
  sampling->add_flag("--json", options->json, "print a JSON array");
  sampling->callback([run, options] { *run = [options] { return EvaluateSampling(*options); }; });
}

void AddStates(CLI::App* command, Run* run) {
  CLI::App* states = command->add_subcommand(
      "states", "Reconstructed states against simulated systems that know the truth");
  auto options = std::make_shared<StatesCommand>();
  states->add_option("--model", options->run.model, "a model's name, or all")
      ->capture_default_str();
  states
      ->add_option("--scenario", options->run.scenario, "one that the program brings along, or all")
      ->capture_default_str();
  states->add_option("--seed", options->run.seed, "added to those of the scenarios")
      ->capture_default_str();
  states->add_option("--loss", options->loss, "how much telemetry is lost on the way")
      ->check(CLI::IsMember({"light", "heavy"}))
      ->capture_default_str();
  states->add_flag("--json", options->json, "print a JSON array");
  states->callback([run, options] { *run = [options] { return EvaluateStates(*options); }; });
}

void AddRequests(CLI::App* command, Run* run) {
  CLI::App* requests =
      command->add_subcommand("requests", "Requests without ids: which request caused which call?");
  auto options = std::make_shared<RequestsCommand>();
  evaluate::RequestsOptions& to = options->run;
  requests->add_option("path,--data", to.data, "folder of the set (observed.csv)")->required();
  requests->add_option("--predictions", to.predictions,
                       "also write the predictions here, as JSON lines");
  requests->add_option("--seed", to.seed, "of the sampler, and of what is left out")
      ->capture_default_str();
  requests->add_option("--ids", to.ids, "share of the calls whose request is given")
      ->check(CLI::Range(0.0, 1.0));
  requests->add_option("--drop", to.drop, "share of the calls that are taken away")
      ->check(CLI::Range(0.0, 1.0));
  requests->add_option("--drop-requests", to.drop_requests, "the same of received requests")
      ->check(CLI::Range(0.0, 1.0));
  requests
      ->add_option_function<std::vector<std::string>>(
          "--evidence",
          [&to](const std::vector<std::string>& names) {
            for (const std::string& name : names) to.evidence.Add(name);
          },
          "make up from the truth what records show beside their times, of connection, worker, "
          "size, status: 8 connections per pair of services, a call goes out on the one that "
          "belongs to its request's in 70 % of the cases, else on any; 8 workers per service, "
          "taken by requests in order of arrival, 5 % of the calls made by another one; log sizes "
          "of calls follow those of the request by .7, with noise of .5; 2 % of the leaves fail "
          "and 70 % of the requests that made a failed call")
      ->delimiter(',')
      ->check(CLI::IsMember({"connection", "worker", "size", "status"}));
  requests->add_option("--horizon", to.linker.horizon, "longest request, in ns")
      ->capture_default_str();
  requests->add_option("--learn-records", to.linker.learn_records, "length of the first learning")
      ->capture_default_str();
  requests->add_flag("--stream", to.stream, "hand the records over piece by piece");
  requests->add_flag("--no-speed", options->no_speed, "don't measure the speeds");
  requests->add_flag("--json", options->json, "print one JSON object");
  requests->callback([run, options] { *run = [options] { return EvaluateRequests(*options); }; });
}

void AddAlignment(CLI::App* command, Run* run) {
  CLI::App* alignment = command->add_subcommand(
      "alignment", "Simulated series: false positives, power, coverage of lags and onsets");
  auto options = std::make_shared<evaluate::AlignmentOptions>();
  alignment->add_option("--seed", options->seed)->capture_default_str();
  alignment->add_option("--pairs", options->pairs, "simulated for each row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  alignment->callback([run, options] {
    *run = [options] {
      std::printf("%s\n", evaluate::AlignmentText(evaluate::RunAlignment(*options)).c_str());
      return 0;
    };
  });
}

void AddClocks(CLI::App* command, Run* run) {
  CLI::App* clocks =
      command->add_subcommand("clocks", "Clock errors put into recorded calls: are they found?");
  struct Options {
    std::string data;
    evaluate::ClockInjection injection;
    std::vector<std::string> second_host;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  clocks->add_option("path,--data", options->data, "folder of the recorded sets")->required();
  clocks->add_option("--offset-ms", options->injection.offset_ms)->capture_default_str();
  clocks->add_option("--drift-ppm", options->injection.drift_ppm)->capture_default_str();
  clocks->add_option("--step-ms", options->injection.step_ms, "0: no step")->capture_default_str();
  clocks->add_option("--step-at", options->injection.step_at, "share of the recording")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  clocks
      ->add_option("--second-host", options->second_host,
                   "services on the second machine; else those whose clocks agree")
      ->delimiter(',');
  clocks->add_flag("--json", options->json, "print a JSON array");
  clocks->callback([run, options] {
    *run = [options] {
      const auto scores =
          evaluate::RunClocks(options->data, options->injection, options->second_host);
      if (!scores.ok()) return Fail(scores.status());
      std::printf(
          "%s\n",
          (options->json ? evaluate::ClocksJson(*scores) : evaluate::ClocksText(*scores)).c_str());
      return 0;
    };
  });
}

void AddSpans(CLI::App* command, Run* run) {
  CLI::App* spans = command->add_subcommand(
      "spans", "Spans taken away: does the estimate of what is lost hold them?");
  struct Options {
    std::vector<std::string> paths;
    std::optional<double> drop, client, server;
    evaluate::SpansRunOptions run;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  spans
      ->add_option("path,--data", options->paths,
                   "recordings with every span kept; several are pooled")
      ->required();
  spans->add_option("--drop", options->drop, "share of either side; not given: several")
      ->check(CLI::Range(0.0, 1.0));
  spans->add_option("--drop-client", options->client, "share of the client spans")
      ->check(CLI::Range(0.0, 1.0));
  spans->add_option("--drop-server", options->server, "share of the server spans")
      ->check(CLI::Range(0.0, 1.0));
  spans->add_option("--seed", options->run.seed, "of what is taken away")->capture_default_str();
  spans->add_option("--repeats", options->run.repeats, "pool this many seeds from --seed on")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  spans->add_flag("--json", options->json, "print a JSON array");
  spans->callback([run, options] {
    *run = [options] {
      const double both = options->drop.value_or(0);
      if (options->drop || options->client || options->server)
        options->run.losses = {{options->client.value_or(both), options->server.value_or(both)}};
      const auto scores = evaluate::RunSpans(options->paths, options->run);
      if (!scores.ok()) return Fail(scores.status());
      std::printf(
          "%s\n",
          (options->json ? evaluate::SpansJson(*scores) : evaluate::SpansText(*scores)).c_str());
      return 0;
    };
  });
}

}  // namespace

void AddEvaluate(CLI::App& app, Run* run) {
  CLI::App* command =
      app.add_subcommand("evaluate",
                         "Measure accuracy on known truth. What is read may be named "
                         "alone or after --data");
  command->require_subcommand(1);
  AddIncidents(command, run);
  AddSampling(command, run);
  AddStates(command, run);
  AddRequests(command, run);
  AddAlignment(command, run);
  AddClocks(command, run);
  AddSpans(command, run);
}

}  // namespace tomograph::app
