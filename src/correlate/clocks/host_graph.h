// HostGraph: from differences between pairs of hosts to one clock a host.
//
// Offsets: weighted least squares over the pairs that were measured in both directions, minimise
// sum of (x_b - x_a - offset)^2 / variance, one reference host a connected part held at 0; solved
// from a spanning tree by conjugate gradients. What is left over around loops says how much the
// pairs contradict (asymmetric delays): it widens the error. Hard bounds: x_b - x_a <= upper and
// >= lower are difference constraints, so the tightest bound against the reference is a shortest
// path (Dijkstra, with the slack against the estimate as length). One-sided pairs bound, and
// measure nothing.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "base/nanotime.h"
#include "correlate/clocks/offset_band.h"

namespace tomograph::correlate {

struct GraphPair {
  size_t a = 0, b = 0;  // hosts; offset = clock of b minus clock of a
  bool measured = false;
  Nanos base = 0;                        // what the others count from
  double offset = 0, variance = 1;       // ns
  double drift = 0, drift_variance = 1;  // ns a second
  std::array<OffsetInterval, 3> bounds;  // at the start, middle and end of the window
};

struct GraphHost {
  size_t reference = 0;                // itself: the reference, or alone
  bool measured = false;               // against its reference; true for a reference with pairs
  Nanos offset = 0;                    // measured: the estimate; else the bound that there is
  double drift = 0;                    // ns a second
  double error = 0;                    // one standard error, ns
  double loop_residual = 0;            // ns, of the part it belongs to; NaN without loops
  std::array<double, 3> below, above;  // infinite: not bounded
};

/// `rank`: of the hosts of a connected part, the one of highest rank is the reference (the earlier
/// of equal ones). `half` of the window in seconds.
std::vector<GraphHost> SolveHosts(const std::vector<double>& rank,
                                  const std::vector<GraphPair>& pairs, double half);

}  // namespace tomograph::correlate
