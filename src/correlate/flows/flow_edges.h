// FlowEdges: from connections between addresses to edges between services, for those whose both
// ends' owners are known at that time. An edge by flows is as sure as the owner of the client's
// host, the owner of the server's address and which end is which, multiplied. What has an end that
// nobody is known to own, or that several share, draws nothing and is counted; as with calls
// (topology/call_placer.h), what is only believed carries on an edge and waits to begin one. A
// host-local address is one of its reporter's network. Bounded. Not thread-safe.
#pragma once

#include <map>
#include <tuple>
#include <unordered_map>

#include "correlate/entities/address_book.h"
#include "correlate/flows/flow_reader.h"
#include "correlate/topology/edge_book.h"
#include "correlate/windows/window_builder.h"
#include "telemetry/identities.h"

namespace tomograph::correlate {

class FlowEdges {
 public:
  /// All outlive it.
  FlowEdges(telemetry::Identities* identities, const AddressBook* addresses, EdgeBook* edges)
      : identities_(identities), addresses_(addresses), edges_(edges) {}

  void Add(Nanos window, const telemetry::FlowBatch& flows, size_t row);
  Nanos oldest() const { return flows_.oldest(); }
  /// Takes the flows until the end of the window: they count for those who are known to be their
  /// ends, and wait for their edges to be drawn.
  void Take(WindowBuilder* windows, Hearing* hearing);
  /// Draws the edges that can be drawn by `now`.
  void Draw(Nanos now);
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

  telemetry::StringId NetworkOf(telemetry::ResourceId reporter);
  telemetry::EntityId KeyOf(const FlowReader::End& end) const;
  void Wait(const FlowReader::Connection& connection, WindowBuilder* windows, Hearing* hearing);
  void Count(const AddressBook::Answer& owner, const FlowReader::Connection& connection,
             WindowBuilder* windows);
  AddressBook::Answer ServerAt(telemetry::EntityId address, telemetry::EntityId home, Nanos from,
                               Nanos to) const;
  bool Decide(const Key& key, Waiting* w, Nanos now);

  telemetry::Identities* const identities_;
  const AddressBook* const addresses_;
  EdgeBook* const edges_;
  FlowReader flows_;
  std::unordered_map<telemetry::ResourceId, telemetry::StringId>
      networks_;  // as many as there are resources
  std::map<Key, Waiting> waiting_;
  uint64_t unplaced_ = 0;
};

}  // namespace tomograph::correlate
