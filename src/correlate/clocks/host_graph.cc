#include "correlate/clocks/host_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <utility>

namespace tomograph::correlate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Link {
  size_t pair = 0;
  size_t to = 0;
  double sign = 1;  // x[to] - x[from] = sign * offset
};

double Product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class Solver {
 public:
  Solver(const std::vector<double>& rank, const std::vector<GraphPair>& pairs, double half)
      : rank_(rank), pairs_(pairs), half_(half), hosts_(rank.size()), links_(rank.size()) {
    for (size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i].reference = i;
      hosts_[i].loop_residual = std::nan("");
      hosts_[i].below.fill(kInfinity);
      hosts_[i].above.fill(kInfinity);
    }
    for (size_t p = 0; p < pairs.size(); ++p) {
      if (!pairs[p].measured) continue;
      links_[pairs[p].a].push_back({p, pairs[p].b, 1});
      links_[pairs[p].b].push_back({p, pairs[p].a, -1});
    }
  }

  std::vector<GraphHost> Solve() {
    std::vector<size_t> order(hosts_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return rank_[a] > rank_[b]; });
    for (const size_t root : order)
      if (!hosts_[root].measured && !links_[root].empty()) SpanFrom(root);
    residual_.resize(pairs_.size());
    drift_residual_.resize(pairs_.size());
    for (size_t p = 0; p < pairs_.size(); ++p) {
      if (!pairs_[p].measured) continue;
      residual_[p] = Residual(p);
      drift_residual_[p] =
          pairs_[p].drift - (hosts_[pairs_[p].b].drift - hosts_[pairs_[p].a].drift);
    }
    const auto weight = [](const GraphPair& p) { return 1 / p.variance; };
    const auto drift_weight = [](const GraphPair& p) { return 1 / p.drift_variance; };
    const std::vector<double> shift = LeastSquares(residual_, weight);
    const std::vector<double> drift = LeastSquares(drift_residual_, drift_weight);
    for (size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i].offset += static_cast<Nanos>(std::llround(shift[i]));
      hosts_[i].drift += drift[i];
    }
    Judge();
    Bound();
    BoundOneSided();
    return std::move(hosts_);
  }

 private:
  /// First offsets along a tree of least variance (Prim), in whole ns so that clocks that are years
  /// apart lose nothing.
  void SpanFrom(size_t root) {
    using Entry = std::pair<double, std::pair<size_t, size_t>>;  // variance, (host, link)
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
    const auto visit = [&](size_t host) {
      hosts_[host].measured = true;
      hosts_[host].reference = root;
      for (size_t l = 0; l < links_[host].size(); ++l) {
        const double sum = pairs_[links_[host][l].pair].variance + hosts_[host].error;
        open.push({sum, {host, l}});
      }
    };
    visit(root);  // `error` holds the variance along the tree until Judge
    while (!open.empty()) {
      const auto [variance, from] = open.top();
      open.pop();
      const Link& link = links_[from.first][from.second];
      GraphHost& host = hosts_[link.to];
      if (host.measured) continue;
      const GraphPair& pair = pairs_[link.pair];
      const GraphHost& parent = hosts_[from.first];
      const Nanos step = pair.base + static_cast<Nanos>(std::llround(pair.offset));
      host.offset = link.sign > 0 ? parent.offset + step : parent.offset - step;
      host.drift = parent.drift + link.sign * pair.drift;
      host.error = variance;
      visit(link.to);
    }
  }

  double Residual(size_t p) const {
    const GraphPair& pair = pairs_[p];
    return static_cast<double>(pair.base - (hosts_[pair.b].offset - hosts_[pair.a].offset)) +
           pair.offset;
  }

  /// Corrections of the hosts, references fixed: conjugate gradients on the normal equations.
  template <typename Weight>
  std::vector<double> LeastSquares(const std::vector<double>& residual, const Weight& weight) {
    const size_t n = hosts_.size();
    std::vector<double> x(n, 0), r(n, 0), diagonal(n, 0);
    const auto free = [&](size_t i) { return hosts_[i].measured && hosts_[i].reference != i; };
    for (size_t p = 0; p < pairs_.size(); ++p) {
      if (!pairs_[p].measured) continue;
      const double w = weight(pairs_[p]);
      r[pairs_[p].b] += w * residual[p];
      r[pairs_[p].a] -= w * residual[p];
      diagonal[pairs_[p].a] += w;
      diagonal[pairs_[p].b] += w;
    }
    const auto scaled = [&](const std::vector<double>& v) {
      std::vector<double> z(n, 0);
      for (size_t i = 0; i < n; ++i)
        if (free(i)) z[i] = v[i] / diagonal[i];
      return z;
    };
    for (size_t i = 0; i < n; ++i)
      if (!free(i)) r[i] = 0;
    std::vector<double> z = scaled(r), d = z;
    double rz = Product(r, z);
    const double enough = 1e-18 * rz;
    for (int step = 0; step < 300 && rz > enough && rz > 0; ++step) {
      std::vector<double> ad(n, 0);
      for (const GraphPair& pair : pairs_) {
        if (!pair.measured) continue;
        const double flow = weight(pair) * (d[pair.b] - d[pair.a]);
        ad[pair.b] += flow;
        ad[pair.a] -= flow;
      }
      for (size_t i = 0; i < n; ++i)
        if (!free(i)) ad[i] = 0;
      const double dad = Product(d, ad);
      if (!(dad > 0)) break;
      const double alpha = rz / dad;
      for (size_t i = 0; i < n; ++i) {
        x[i] += alpha * d[i];
        r[i] -= alpha * ad[i];
      }
      z = scaled(r);
      const double next = Product(r, z);
      for (size_t i = 0; i < n; ++i) d[i] = z[i] + next / rz * d[i];
      rz = next;
    }
    return x;
  }

  /// Errors from the tree's variances, widened by what the loops contradict beyond them.
  void Judge() {
    const size_t n = hosts_.size();
    std::vector<double> chi(n, 0), squares(n, 0), count(n, 0), members(n, 0);
    for (size_t i = 0; i < n; ++i)
      if (hosts_[i].measured) members[hosts_[i].reference] += 1;
    for (size_t p = 0; p < pairs_.size(); ++p) {
      if (!pairs_[p].measured) continue;
      const size_t part = hosts_[pairs_[p].a].reference;
      const double left = Residual(p);
      chi[part] += left * left / pairs_[p].variance;
      squares[part] += left * left;
      count[part] += 1;
    }
    for (size_t i = 0; i < n; ++i) {
      GraphHost& host = hosts_[i];
      const size_t part = host.reference;
      const double loops = count[part] - (members[part] - 1);
      const bool has_loops = host.measured && loops > 0.5;
      const double wider = has_loops ? std::max(1.0, chi[part] / loops) : 1;
      if (has_loops) host.loop_residual = std::sqrt(squares[part] / loops);
      host.error = std::sqrt(host.error * wider);
    }
  }

  /// Slack of the pair's bounds against the estimates, at one of the three instants.
  std::pair<double, double> Slack(const GraphPair& pair, size_t at) const {
    const double t = (static_cast<double>(at) - 1) * half_;
    const double line =
        static_cast<double>(hosts_[pair.b].offset - hosts_[pair.a].offset - pair.base) +
        (hosts_[pair.b].drift - hosts_[pair.a].drift) * t;
    return {std::max(0.0, line - pair.bounds[at].lower),
            std::max(0.0, pair.bounds[at].upper - line)};
  }

  void Bound() {
    for (size_t at = 0; at < 3; ++at) {
      std::vector<std::vector<std::array<double, 3>>> edges(hosts_.size());  // to, below, above
      for (const GraphPair& pair : pairs_) {
        if (hosts_[pair.a].reference != hosts_[pair.b].reference) continue;
        const auto [low, high] = Slack(pair, at);
        edges[pair.a].push_back({static_cast<double>(pair.b), low, high});
        edges[pair.b].push_back({static_cast<double>(pair.a), high, low});
      }
      for (size_t root = 0; root < hosts_.size(); ++root) {
        if (!hosts_[root].measured || hosts_[root].reference != root) continue;
        Shortest(root, 1, edges, [&](size_t i) -> double& { return hosts_[i].below[at]; });
        Shortest(root, 2, edges, [&](size_t i) -> double& { return hosts_[i].above[at]; });
      }
    }
  }

  template <typename Distance>
  void Shortest(size_t root, size_t side,
                const std::vector<std::vector<std::array<double, 3>>>& edges,
                const Distance& distance) {
    using Entry = std::pair<double, size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
    distance(root) = 0;
    open.push({0, root});
    while (!open.empty()) {
      const auto [d, i] = open.top();
      open.pop();
      if (d > distance(i)) continue;
      for (const auto& edge : edges[i]) {
        const size_t to = static_cast<size_t>(edge[0]);
        const double there = d + edge[side];
        if (!(there < distance(to))) continue;
        distance(to) = there;
        open.push({there, to});
      }
    }
  }

  /// Hosts that are measured against nobody, beside one that is: its bounds reach that far.
  void BoundOneSided() {
    for (const GraphPair& pair : pairs_) {
      for (const bool forward : {true, false}) {
        const size_t from = forward ? pair.a : pair.b, to = forward ? pair.b : pair.a;
        GraphHost& host = hosts_[to];
        if (host.measured || links_[to].size() > 0) continue;
        const GraphHost& known = hosts_[from];
        if (!known.measured && !(links_[from].empty() && from < to)) continue;
        if (host.reference != to) continue;  // bounded already
        const OffsetInterval at = pair.bounds[1];
        const double upper = forward ? at.upper : -at.lower;
        const double lower = forward ? at.lower : -at.upper;
        if (std::isinf(upper) && std::isinf(lower)) continue;
        const double finite = std::isinf(upper) ? lower : upper;
        const Nanos base = forward ? pair.base : -pair.base;
        host.reference = known.reference;
        host.offset = known.offset + base + static_cast<Nanos>(std::llround(finite));
        for (size_t k = 0; k < 3; ++k) {
          const double more_above = known.measured ? known.above[k] : 0;
          const double more_below = known.measured ? known.below[k] : 0;
          const OffsetInterval b = pair.bounds[k];
          const double high = forward ? b.upper : -b.lower, low = forward ? b.lower : -b.upper;
          host.above[k] = std::max(0.0, high - finite) + more_above;
          host.below[k] = std::max(0.0, finite - low) + more_below;
        }
      }
    }
  }

  const std::vector<double>& rank_;
  const std::vector<GraphPair>& pairs_;
  const double half_;
  std::vector<GraphHost> hosts_;
  std::vector<std::vector<Link>> links_;  // of measured pairs
  std::vector<double> residual_, drift_residual_;
};

}  // namespace

std::vector<GraphHost> SolveHosts(const std::vector<double>& rank,
                                  const std::vector<GraphPair>& pairs, double half) {
  return Solver(rank, pairs, half).Solve();
}

}  // namespace tomograph::correlate
