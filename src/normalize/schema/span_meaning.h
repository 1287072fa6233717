// What a span says in today's conventions: its attributes renamed in place, and from them its
// operation, its callee and whether it failed.
#pragma once

#include <string>

#include "normalize/schema/attribute_names.h"
#include "normalize/schema/peer.h"
#include "telemetry/batch.h"

namespace tomograph::normalize {

/// One span at a time: Read it, then ask. Reused over a batch, so that a span costs no allocation.
class SpanMeaning {
 public:
  SpanMeaning(const AttributeNames& names, telemetry::SpanBatch* spans)
      : names_(names), spans_(spans) {}

  /// Renames the row's attributes. Where old and new name are both there, the old one keeps its
  /// name.
  void Read(size_t row);

  /// Route, rpc method, database or messaging operation; empty when there is none of them (then the
  /// span's name has to do). Valid until the next call.
  std::string_view Operation();
  /// For a caller's span; for a consumer's the queue that it takes from. Views are valid until the
  /// next Read.
  PeerFacts Peer();
  /// Of a caller's span: the host, and the port if it says one, that its Host header or URL names,
  /// whatever the socket is that it goes through. May be empty.
  std::string_view HostAskedFor() const;
  /// For a server's span: the address and port that it was called at, if it says both.
  PeerFacts Own();
  /// What may tell it from others of its kind, where no id does; 0: not known.
  struct Marks {
    uint32_t connection = 0;  // the caller's port: a callee's span names its client's
    int64_t thread = 0;
    float bytes_in = 0, bytes_out = 0;  // of the bodies of request and answer
  };
  Marks MarksOfCall() const;
  /// For a server's span: the address of who called, else of the client that it called for; may be
  /// empty.
  std::string_view CallerAddress() const;
  /// Does a span, called `name`, take a connection to a database instead of asking it something?
  /// Instrumented pools show this as a span beside the query's own; nothing in it says what was
  /// asked.
  bool OnlyConnects(std::string_view name) const;
  /// By OpenTelemetry's rules: an error status; HTTP 5xx, and 4xx for the caller; a gRPC status
  /// that is not OK, of which a server is only to blame for some. A status set to OK by hand beats
  /// them all.
  bool Failed() const;

 private:
  bool NamesAnothersLoopback() const;
  bool Has(AttributeKey key) const { return at_[static_cast<size_t>(key)] != nullptr; }
  /// Empty when absent; numbers as text in `digits`.
  std::string_view Text(AttributeKey key, std::string* digits = nullptr) const;
  /// -1 when absent or no number.
  int64_t Number(AttributeKey key) const;
  std::string_view Join(std::string_view first, char between, std::string_view second);

  const AttributeNames& names_;
  telemetry::SpanBatch* spans_;
  size_t row_ = 0;
  const telemetry::Attribute* at_[kAttributeKeyCount] = {};
  std::string scratch_;
  std::string port_digits_;
  std::string namespace_digits_;
};

}  // namespace tomograph::normalize
