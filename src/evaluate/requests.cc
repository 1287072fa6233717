#include "evaluate/requests.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "base/random.h"
#include "evaluate/scores.h"
#include "evaluate/suites/files.h"

namespace tomograph::evaluate {
namespace {

using correlate::linking::CallRecord;
using correlate::linking::Link;
using correlate::linking::LinkMode;
using correlate::linking::RequestLinker;
using nlohmann::ordered_json;

/// observed.csv: rec,service,dir,peer,op,start_us,end_us. Record i + 1 is row i.
struct Observed {
  std::vector<CallRecord> records;       // in the order of the file
  std::vector<std::string> names;        // their `rec`
  std::set<telemetry::EntityId> scored;  // services with exactly one caller, and with calls
};

bool ByTime(const CallRecord& a, const CallRecord& b) {
  return a.start != b.start ? a.start < b.start : a.end != b.end ? a.end < b.end : a.id < b.id;
}

/// Tells the two sides of a call by caller, callee and operation, and order of time: in a real
/// deployment the connection says it.
void PairSides(std::vector<CallRecord>* records) {
  using Edge = std::array<uint64_t, 3>;
  std::map<Edge, std::array<std::vector<CallRecord*>, 2>> edges;
  for (CallRecord& r : *records) {
    if (r.peer == telemetry::kNoEntity) continue;
    const auto service = static_cast<uint64_t>(r.service), peer = static_cast<uint64_t>(r.peer);
    const auto operation = static_cast<uint64_t>(r.operation);
    edges[r.outgoing ? Edge{service, peer, operation} : Edge{peer, service, operation}][r.outgoing]
        .push_back(&r);
  }
  for (auto& [edge, sides] : edges) {
    for (auto& side : sides) {
      std::sort(side.begin(), side.end(),
                [](const CallRecord* a, const CallRecord* b) { return ByTime(*a, *b); });
    }
    for (size_t i = 0; i < std::min(sides[0].size(), sides[1].size()); ++i) {
      sides[0][i]->counterpart = sides[1][i]->id;
      sides[1][i]->counterpart = sides[0][i]->id;
    }
  }
}

Result<Observed> ReadObserved(const std::string& folder) {
  Result<std::vector<CsvRow>> rows = ReadCsv(JoinPath(folder, "observed.csv"));
  if (!rows.ok()) return rows.status();
  Observed observed;
  telemetry::Interner operations;
  std::map<telemetry::EntityId, std::set<std::string>> callers;
  std::set<telemetry::EntityId> calling;
  const auto entity = [](const std::string& name) {
    return name.empty() ? telemetry::kNoEntity
                        : telemetry::MakeEntityId(telemetry::EntityKind::kService, "", name);
  };
  for (size_t i = 1; i < rows->size(); ++i) {
    const CsvRow& row = (*rows)[i];
    if (row.size() < 7) return Status::InvalidArgument("observed.csv: a row of fewer fields");
    CallRecord record;
    record.id = observed.records.size() + 1;
    record.service = entity(row[1]);
    record.peer = entity(row[3]);
    record.operation = operations.Intern(row[4]);
    record.outgoing = row[2] == "out";
    record.start = static_cast<Nanos>(ToNumber(row[5])) * kMicrosecond;
    record.end = static_cast<Nanos>(ToNumber(row[6])) * kMicrosecond;
    if (record.outgoing) {
      calling.insert(record.service);
    } else {
      callers[record.service].insert(row[3]);
    }
    observed.records.push_back(record);
    observed.names.push_back(row[0]);
  }
  for (const auto& [service, peers] : callers) {
    if (peers.size() == 1 && calling.count(service) > 0) observed.scored.insert(service);
  }
  PairSides(&observed.records);
  return observed;
}

struct Truth {
  std::unordered_map<std::string, std::pair<std::string, std::string>> rows;  // parent, trace
};

Result<std::optional<Truth>> ReadTruth(const std::string& folder) {
  const std::string path = JoinPath(folder, "truth.csv");
  if (!std::filesystem::exists(path)) return std::optional<Truth>();
  Result<std::vector<CsvRow>> rows = ReadCsv(path);
  if (!rows.ok()) return rows.status();
  Truth truth;
  for (size_t i = 1; i < rows->size(); ++i) {
    const CsvRow& row = (*rows)[i];
    if (row.size() >= 3) truth.rows[row[0]] = {row[1], row[2]};
  }
  return std::optional<Truth>(std::move(truth));
}

/// Does chance `salt` pick this record? The picks of a smaller share are among those of a larger.
bool Picked(uint64_t id, uint64_t seed, uint64_t salt, double share) {
  return static_cast<double>(MixBits(id ^ MixBits(seed ^ MixBits(salt))) >> 11) * 0x1.0p-53 < share;
}

/// Of every record the one that caused it, by number; 0: none. From the truth.
Result<std::vector<uint64_t>> ReadCauses(const Observed& observed, const std::string& folder) {
  const Result<std::optional<Truth>> truth = ReadTruth(folder);
  if (!truth.ok()) return truth.status();
  if (!*truth) return Status::NotFound("--ids and --evidence need a truth.csv in " + folder);
  std::unordered_map<std::string, uint64_t> id_of;
  for (const CallRecord& r : observed.records) id_of[observed.names[r.id - 1]] = r.id;
  std::vector<uint64_t> causes(observed.records.size() + 1, 0);
  for (const CallRecord& r : observed.records) {
    const auto row = (*truth)->rows.find(observed.names[r.id - 1]);
    if (row == (*truth)->rows.end()) continue;
    const auto parent = id_of.find(row->second.first);
    if (parent != id_of.end()) causes[r.id] = parent->second;
  }
  return causes;
}

/// What the linker gets of the set.
Result<std::vector<CallRecord>> Given(const Observed& observed, const RequestsOptions& options) {
  std::vector<CallRecord> all = observed.records;
  std::vector<uint64_t> causes;
  if (options.ids > 0 || options.evidence.any()) {
    Result<std::vector<uint64_t>> read = ReadCauses(observed, options.data);
    if (!read.ok()) return read.status();
    causes = std::move(*read);
  }
  if (options.evidence.any()) MakeUpEvidence(options.evidence, options.seed, causes, &all);
  std::vector<CallRecord> given;
  std::unordered_set<uint64_t> kept;
  for (const CallRecord& r : all) {
    const double drop = r.outgoing ? options.drop : options.drop_requests;
    if (Picked(r.id, options.seed, r.outgoing ? 1 : 2, drop)) continue;
    given.push_back(r);
    kept.insert(r.id);
  }
  for (CallRecord& r : given) {
    if (options.ids <= 0 || !r.outgoing || !Picked(r.id, options.seed, 3, options.ids)) continue;
    if (kept.count(causes[r.id]) > 0) r.known_parent = causes[r.id];
  }
  return given;
}

std::vector<Link> RunLinker(std::vector<CallRecord> records, const RequestsOptions& options,
                            correlate::linking::LinkerStats* stats) {
  std::vector<Link> links;
  const auto sink = [&](const Link& link) { links.push_back(link); };
  correlate::linking::LinkerOptions linker_options = options.linker;
  linker_options.seed = options.seed;
  RequestLinker linker(linker_options);
  if (options.stream) {
    // As a tracer hands them out: each when it ends.
    std::sort(records.begin(), records.end(), [](const CallRecord& a, const CallRecord& b) {
      return a.end != b.end ? a.end < b.end : a.id < b.id;
    });
    constexpr size_t kPiece = 97;
    for (size_t at = 0; at < records.size(); at += kPiece) {
      const size_t n = std::min(kPiece, records.size() - at);
      linker.Add({records.data() + at, n});
      linker.Advance(records[at + n - 1].end, sink);
    }
  } else {
    linker.Add(records);
  }
  linker.Finish(sink);
  *stats = linker.stats();
  return links;
}

std::string ToLine(const Link& link, const Observed& observed) {
  ordered_json line;
  line["rec"] = observed.names[link.call - 1];
  line["parent_rec"] =
      link.request == 0 ? ordered_json(nullptr) : ordered_json(observed.names[link.request - 1]);
  line["posterior"] = link.posterior;
  return line.dump() + "\n";
}

RequestsScores Score(const Observed& observed, const std::vector<CallRecord>& given,
                     const std::vector<Link>& links, const Truth& truth) {
  std::unordered_set<std::string> present;
  for (const CallRecord& r : given) present.insert(observed.names[r.id - 1]);
  std::unordered_map<uint64_t, const Link*> link_of;
  for (const Link& link : links) link_of[link.call] = &link;
  const auto name = [&](uint64_t id) { return id == 0 ? std::string() : observed.names[id - 1]; };

  RequestsScores s;
  struct Trace {
    bool right = true, every_right = true, scored = false;
    double confidence = 1;
  };
  std::vector<Trace> traces;
  std::unordered_map<std::string, size_t> trace_of;
  std::vector<Calibrated> pairs, joining;
  int every = 0, every_hit = 0, hits = 0, top5 = 0, inferred = 0, inferred_hits = 0;
  for (const CallRecord& r : given) {
    if (!r.outgoing) continue;
    const auto row = truth.rows.find(name(r.id));
    if (row == truth.rows.end()) continue;
    // Of a request that was taken away the right answer is that there is none.
    const std::string parent = present.count(row->second.first) > 0 ? row->second.first : "";
    const auto found = link_of.find(r.id);
    static const Link kNothing;
    const Link& link = found == link_of.end() ? kNothing : *found->second;
    const bool hit = name(link.request) == parent;
    ++every;
    every_hit += hit;
    const auto [it, fresh] = trace_of.emplace(row->second.second, traces.size());
    if (fresh) traces.emplace_back();
    Trace& trace = traces[it->second];
    trace.every_right &= hit;
    if (observed.scored.count(r.service) == 0) {
      joining.push_back({link.posterior, hit ? 1.0 : 0.0});
      continue;
    }
    ++s.links;
    hits += hit;
    bool among = hit;
    for (const Link::Choice& other : link.others) {
      among |= other.posterior > 0 && name(other.request) == parent;
    }
    top5 += among;
    if (!link.by_id) ++inferred, inferred_hits += hit;
    pairs.push_back({link.posterior, hit ? 1.0 : 0.0});
    trace.scored = true;
    trace.right &= hit;
    trace.confidence = std::min<double>(trace.confidence, link.posterior);
  }
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  s.link_accuracy = share(hits, s.links);
  s.every_link_accuracy = share(every_hit, every);
  s.inferred_link_accuracy = share(inferred_hits, inferred);
  s.top5_accuracy = share(top5, s.links);
  s.link_ece = Ece(std::move(pairs), 10);
  s.joining_links = static_cast<int>(joining.size());
  s.joining_link_accuracy = share(every_hit - hits, s.joining_links);
  s.joining_link_ece = Ece(std::move(joining), 10);
  s.every_e2e_accuracy =
      share(static_cast<double>(std::count_if(traces.begin(), traces.end(),
                                              [](const Trace& t) { return t.every_right; })),
            static_cast<double>(traces.size()));
  std::erase_if(traces, [](const Trace& t) { return !t.scored; });
  std::stable_sort(traces.begin(), traces.end(),
                   [](const Trace& a, const Trace& b) { return a.confidence > b.confidence; });
  const auto right = [&](size_t n) {
    return share(static_cast<double>(std::count_if(traces.begin(),
                                                   traces.begin() + static_cast<ptrdiff_t>(n),
                                                   [](const Trace& t) { return t.right; })),
                 static_cast<double>(n));
  };
  s.e2e_accuracy = right(traces.size());
  s.e2e_at_80 = right(static_cast<size_t>(0.8 * static_cast<double>(traces.size())));
  return s;
}

double ProcessorSeconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Records per second once the model is learned, on the set repeated in time.
double MeasureSpeed(const std::vector<CallRecord>& records, LinkMode mode,
                    const RequestsOptions& options, double* learn_seconds) {
  constexpr size_t kRecords = 600'000;
  correlate::linking::LinkerOptions linker_options = options.linker;
  linker_options.mode = mode;
  linker_options.seed = options.seed;
  Nanos first = INT64_MAX, last = INT64_MIN;
  for (const CallRecord& r : records) {
    first = std::min(first, r.start);
    last = std::max(last, r.end);
  }
  const Nanos period = last - first + kMillisecond;
  // No wait for requests longer than there are: all would be decided at the end.
  linker_options.horizon = kMillisecond;
  for (const CallRecord& r : records) {
    linker_options.horizon = std::max(linker_options.horizon, r.end - r.start);
  }
  RequestLinker linker(linker_options);
  uint64_t linked = 0;
  const auto sink = [&](const Link& link) { linked += link.request != 0; };
  double learned_at = -1, started = ProcessorSeconds();
  uint64_t before = 0, ids = 0;
  std::vector<CallRecord> copy;
  for (size_t done = 0; done < kRecords; done += records.size()) {
    copy = records;
    for (CallRecord& r : copy) {
      r.start += static_cast<Nanos>(ids) * period;
      r.end += static_cast<Nanos>(ids) * period;
      r.id += ids << 32;
      if (r.counterpart != 0) r.counterpart += ids << 32;
      if (r.known_parent != 0) r.known_parent += ids << 32;
    }
    ++ids;
    linker.Add(copy);
    linker.Advance(last + static_cast<Nanos>(ids - 1) * period, sink);
    if (learned_at < 0 && linker.stats().learned > 0) {
      learned_at = ProcessorSeconds();
      before = linker.stats().links;
      *learn_seconds = learned_at - started;
    }
  }
  linker.Finish(sink);
  if (learned_at < 0) return 0;
  const double share_of_calls =
      static_cast<double>(std::count_if(records.begin(), records.end(),
                                        [](const CallRecord& r) { return r.outgoing; })) /
      static_cast<double>(records.size());
  return static_cast<double>(linker.stats().links - before) / share_of_calls /
         (ProcessorSeconds() - learned_at);
}

}  // namespace

Result<RequestsResult> RunRequests(const RequestsOptions& options) {
  const Result<Observed> observed = ReadObserved(options.data);
  if (!observed.ok()) return observed.status();
  Result<std::vector<CallRecord>> given = Given(*observed, options);
  if (!given.ok()) return given.status();
  if (given->empty()) return Status::NotFound("no records in " + options.data);

  RequestsResult result;
  result.records = given->size();
  std::vector<Link> links = RunLinker(*given, options, &result.stats);
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.call < b.call; });
  for (const Link& link : links) result.predictions += ToLine(link, *observed);
  if (!options.predictions.empty()) {
    std::ofstream out(options.predictions, std::ios::binary);
    out << result.predictions;
    if (!out.flush()) return Status::Io("cannot write " + options.predictions);
  }
  if (options.speed) {
    RequestsSpeed speed;
    speed.posteriors = MeasureSpeed(*given, LinkMode::kPosteriors, options, &speed.learn_seconds);
    speed.assign = MeasureSpeed(*given, LinkMode::kAssign, options, &speed.learn_seconds);
    result.speed = speed;
  }

  // Labels may be opened from here on.
  const Result<std::optional<Truth>> truth = ReadTruth(options.data);
  if (!truth.ok()) return truth.status();
  if (*truth) result.scores = Score(*observed, *given, links, **truth);
  return result;
}

std::string RequestsJson(const RequestsResult& result) {
  ordered_json json;
  json["records"] = result.records;
  json["links"] = result.scores ? ordered_json(result.scores->links) : ordered_json(nullptr);
  const auto score = [&](const char* key, double RequestsScores::*member) {
    json[key] = result.scores ? ordered_json((*result.scores).*member) : ordered_json(nullptr);
  };
  score("link_accuracy", &RequestsScores::link_accuracy);
  score("all_services_link_accuracy", &RequestsScores::every_link_accuracy);
  score("inferred_link_accuracy", &RequestsScores::inferred_link_accuracy);
  score("e2e_accuracy", &RequestsScores::e2e_accuracy);
  score("top5_accuracy", &RequestsScores::top5_accuracy);
  score("link_ece", &RequestsScores::link_ece);
  score("all_services_e2e_accuracy", &RequestsScores::every_e2e_accuracy);
  const bool joins = result.scores && result.scores->joining_links > 0;
  json["joining_links"] = result.scores ? ordered_json(result.scores->joining_links) : nullptr;
  json["joining_link_accuracy"] =
      joins ? ordered_json(result.scores->joining_link_accuracy) : nullptr;
  json["joining_link_ece"] = joins ? ordered_json(result.scores->joining_link_ece) : nullptr;
  score("accuracy_at_80pct_coverage", &RequestsScores::e2e_at_80);
  const auto speed = [&](const char* key, double RequestsSpeed::*member) {
    json[key] = result.speed ? ordered_json((*result.speed).*member) : ordered_json(nullptr);
  };
  speed("records_per_second_assign", &RequestsSpeed::assign);
  speed("records_per_second_marginals", &RequestsSpeed::posteriors);
  speed("learn_seconds", &RequestsSpeed::learn_seconds);
  json["by_id"] = result.stats.by_id;
  json["without_request"] = result.stats.without_request;
  const auto& s = result.stats;
  json["refused"] = s.late + s.negative + s.too_long + s.impossible_time + s.impossible_slack +
                    s.too_many_services;
  json["candidates_limited"] = s.candidates_limited;
  json["slack_cut"] = s.slack_cut;
  return json.dump(1);
}

std::string RequestsText(const RequestsResult& result) {
  std::ostringstream text;
  text.precision(4);
  text << result.records << " records\n";
  if (result.scores) {
    const RequestsScores& s = *result.scores;
    text << s.links << " links right " << s.link_accuracy << " (all services "
         << s.every_link_accuracy << ", among the first five " << s.top5_accuracy << "), traces "
         << s.e2e_accuracy << ", the surest 80 % of them " << s.e2e_at_80 << "; link ECE "
         << s.link_ece << "\n";
    if (s.joining_links > 0) {
      text << s.joining_links << " links where requests may meet right " << s.joining_link_accuracy
           << ", ECE " << s.joining_link_ece << "; traces with these " << s.every_e2e_accuracy
           << "\n";
    }
  } else {
    text << "No truth beside the data: predictions were made, nothing was scored.\n";
  }
  if (result.speed) {
    text << "records per second of processor time: " << result.speed->assign << " assigned, "
         << result.speed->posteriors << " with posteriors; learned within "
         << result.speed->learn_seconds << " s\n";
  }
  return text.str();
}

}  // namespace tomograph::evaluate
