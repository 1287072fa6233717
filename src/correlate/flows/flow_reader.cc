#include "correlate/flows/flow_reader.h"

#include <algorithm>
#include <utility>

namespace tomograph::correlate {
namespace {

using End = FlowReader::End;

constexpr uint16_t kWellKnown = 1024;
constexpr uint16_t kOfClients = 32768;
constexpr double kByPort = 0.95;
constexpr double kByGuess = 2.0 / 3;

/// > 0: `a` is rather the server than `b`, by a sign that only one of the two bears.
int Sign(bool a, bool b) { return static_cast<int>(a) - static_cast<int>(b); }

/// Whether `a` is the server, and how sure that is.
std::pair<bool, double> IsServer(const End& a, const End& b, size_t a_peers, size_t b_peers,
                                 const FlowReader::Answers& answers) {
  for (const int sign :
       {Sign(answers(a), answers(b)), Sign(a.port < kWellKnown, b.port < kWellKnown),
        Sign(a.port < kOfClients, b.port < kOfClients),
        Sign(a_peers > b_peers, b_peers > a_peers)}) {
    if (sign != 0) return {sign > 0, kByPort};
  }
  return {a.port <= b.port, kByGuess};
}

}  // namespace

void FlowReader::Add(Nanos window, const telemetry::FlowBatch& flows, size_t row,
                     telemetry::StringId network) {
  End source{flows.source_address[row], flows.source_port[row], network};
  End destination{flows.destination_address[row], flows.destination_port[row], network};
  if (destination < source) std::swap(source, destination);
  const Key key(window, source, destination, flows.protocol[row]);
  auto found = pairs_.find(key);
  if (found == pairs_.end()) {
    if (pairs_.size() >= max_connections_) {
      ++refused_;
      return;
    }
    found = pairs_.emplace(key, Pair{}).first;
  }
  Pair& pair = found->second;
  pair.first = std::min(pair.first, flows.start_ns[row]);
  pair.last = std::max(pair.last, flows.end_ns[row]);
  ++pair.records;
  pair.weight = std::max(pair.weight, static_cast<double>(flows.weight[row]));
}

std::vector<FlowReader::Connection> FlowReader::Take(Nanos end, const Answers& answers) {
  std::map<End, size_t> peers;
  const auto until = std::find_if(pairs_.begin(), pairs_.end(),
                                  [end](const auto& p) { return std::get<0>(p.first) >= end; });
  for (auto p = pairs_.begin(); p != until; ++p) {
    ++peers[std::get<1>(p->first)];
    ++peers[std::get<2>(p->first)];
  }
  std::vector<Connection> connections;
  for (auto p = pairs_.begin(); p != until; ++p) {
    const auto& [window, one, other, protocol] = p->first;
    const auto [one_serves, sure] = IsServer(one, other, peers[one], peers[other], answers);
    Connection c;
    c.server = one_serves ? one : other;
    c.client = one_serves ? other : one;
    c.first = p->second.first;
    c.last = p->second.last;
    c.records = p->second.records;
    c.weight = p->second.weight;
    c.confidence = sure;
    connections.push_back(c);
  }
  pairs_.erase(pairs_.begin(), until);
  return connections;
}

}  // namespace tomograph::correlate
