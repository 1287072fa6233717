// FlowEdges: from connections between addresses to edges between services, for those whose both
// ends' owners are known at that time. An edge by flows is as sure as the owner of the client's
// host, the owner of the server's address and which end is which, multiplied. What has an end that
// nobody is known to own, or that several share, draws nothing and is counted; as with calls
// (topology/call_placer.h), what is only believed carries on an edge and waits to begin one.
// Bounded. Not thread-safe.
#pragma once

#include <map>
#include <tuple>

#include "correlate/entities/address_book.h"
#include "correlate/flows/flow_reader.h"
#include "correlate/topology/edge_book.h"
#include "telemetry/interner.h"

namespace tomograph::correlate {

class FlowEdges {
 public:
  /// All outlive it.
  FlowEdges(const telemetry::Interner* strings, const AddressBook* addresses, EdgeBook* edges)
      : strings_(strings), addresses_(addresses), edges_(edges) {}

  FlowReader& flows() { return flows_; }
  /// Draws the edges of the flows of `window` and of those that waited.
  void Draw(TimeRange window, Hearing* hearing);
  uint64_t unplaced() const { return unplaced_ + flows_.refused(); }  // connections

 private:
  struct Waiting {
    Nanos first = INT64_MAX, last = INT64_MIN;
    TimeRange window;
    telemetry::EntityId server_home = telemetry::kNoEntity;
    EdgeSight sight;
  };
  using Key =
      std::tuple<Nanos, telemetry::EntityId, telemetry::EntityId>;  // window, client, server

  void Wait(const FlowReader::Connection& connection, TimeRange window, Hearing* hearing);
  AddressBook::Answer ServerAt(telemetry::EntityId address, telemetry::EntityId home, Nanos from,
                               Nanos to) const;
  bool Decide(const Key& key, Waiting* w, Nanos now);

  const telemetry::Interner* const strings_;
  const AddressBook* const addresses_;
  EdgeBook* const edges_;
  FlowReader flows_;
  std::map<Key, Waiting> waiting_;
  uint64_t unplaced_ = 0;
};

}  // namespace tomograph::correlate
