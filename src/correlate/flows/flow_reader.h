// FlowReader: network flow records to connections between a client's host and a server's address,
// window by window.
//
// Both directions of a connection, however often it is reported, are one. Which end is the server's
// is told by the ports, in this order: an address at which somebody is known to answer; a port
// below 1024 against one above; a port outside the range from which systems take those of clients
// (32768 and up) against one within; the end that more different ends talk to, in this window; the
// lower port. The first four are taken to be right 19 times in 20, the last 2 times in 3.
//
// A record counts in the window in which it ended. Bounded: `max_connections` at a time (counted
// beyond). Not thread-safe. Any order of arrival gives the same connections.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

#include "base/nanotime.h"
#include "telemetry/batch.h"

namespace tomograph::correlate {

class FlowReader {
 public:
  struct End {
    telemetry::StringId address = telemetry::kEmptyString;
    uint16_t port = 0;
    telemetry::StringId network = telemetry::kEmptyString;  // of a host-local one, who reported it
    auto operator<=>(const End&) const = default;
  };
  struct Connection {
    End client, server;
    Nanos first = 0, last = 0;
    double records = 0;
    double weight = 1;      // 1 / sampling probability: how many it stands for
    double confidence = 0;  // that the server's end is the server's
  };
  /// Is somebody known to answer there?
  using Answers = std::function<bool(const End&)>;

  explicit FlowReader(size_t max_connections = 500'000) : max_connections_(max_connections) {}

  /// `network`: of its reporter, where its addresses mean something there alone (IsHostLocal).
  void Add(Nanos window, const telemetry::FlowBatch& flows, size_t row,
           telemetry::StringId network = telemetry::kEmptyString);
  /// The connections of the windows before `end`, ordered; they are forgotten.
  std::vector<Connection> Take(Nanos end, const Answers& answers);
  Nanos oldest() const { return pairs_.empty() ? INT64_MAX : std::get<0>(pairs_.begin()->first); }
  uint64_t refused() const { return refused_; }

 private:
  struct Pair {
    Nanos first = INT64_MAX, last = INT64_MIN;
    double records = 0, weight = 1;
  };
  using Key = std::tuple<Nanos, End, End, uint8_t>;  // window, lesser end, greater end, protocol

  size_t max_connections_;
  uint64_t refused_ = 0;
  std::map<Key, Pair> pairs_;
};

}  // namespace tomograph::correlate
