// Layouts of the service map, for the width that there is: whatever they place lies within the box that
// they give, so that nothing is ever cut. Deterministic: the same nodes, edges and width give the same
// places, so that the map does not jump between refreshes.
//   layers: callers left, callees right; where the layers do not fit side by side (drawn a little
//     smaller at most), callers on top
//   grid: many services as tiles, in the order given
// The boxes stand in bands (columns, or rows), and a line passes a band only between its boxes or beside
// all of them: a line through or behind a box would tell of a call that nobody makes.
// All boxes of a drawing have one height: `height`, or `tall` where a name takes two lines.
export const size = { width: 142, height: 42, tall: 56, gapX: 40, narrowX: 24, gapY: 14, rowY: 12, layerY: 36, margin: 8, leastScale: 0.85, track: 6 };

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1);

/// `drawn`: those of the edges that get a line.
export function layered(nodes, edges, width, drawn = edges, height = size.height) {
  const sorted = [...nodes].sort(byName);
  const ids = new Set(sorted.map((n) => n.id));
  const forward = acyclic(sorted, edges.filter((e) => ids.has(e.caller) && ids.has(e.callee) && e.caller !== e.callee));
  const layers = intoLayers(sorted, forward);
  untangle(layers, forward);
  const gaps = Math.max(1, layers.length - 1);
  const gap = Math.floor((width / size.leastScale - 2 * size.margin - layers.length * size.width) / gaps);
  return layers.length > 1 && gap >= size.narrowX
    ? sideBySide(layers, Math.min(gap, size.gapX), drawn, height)
    : below(layers, width, drawn, height);
}

/// `nodes` as tiles, row by row.
export const grid = (nodes, width, height = size.height) => below([nodes], width, [], height);

/// Edges without those that would close a circle, found depth first from the entries on.
function acyclic(nodes, edges) {
  const out = group(edges, 'caller');
  const called = new Set(edges.map((e) => e.callee));
  const state = new Map();
  const kept = [];
  const visit = (id) => {
    state.set(id, 'open');
    for (const edge of out.get(id) ?? []) {
      if (state.get(edge.callee) === 'open') continue;
      kept.push(edge);
      if (!state.has(edge.callee)) visit(edge.callee);
    }
    state.set(id, 'done');
  };
  const entries = [...nodes.filter((n) => !called.has(n.id)), ...nodes];
  for (const node of entries) if (!state.has(node.id)) visit(node.id);
  return kept;
}

function group(edges, key) {
  const map = new Map();
  for (const edge of edges) {
    if (!map.has(edge[key])) map.set(edge[key], []);
    map.get(edge[key]).push(edge);
  }
  return map;
}

/// Longest way from an entry; entities without any call stand in a last layer of their own.
function intoLayers(nodes, edges) {
  const into = group(edges, 'callee');
  const out = group(edges, 'caller');
  const depth = new Map();
  const depthOf = (id) => {
    if (!depth.has(id)) {
      depth.set(id, Math.max(0, ...(into.get(id) ?? []).map((e) => depthOf(e.caller) + 1)));
    }
    return depth.get(id);
  };
  const layers = [];
  const alone = [];
  for (const node of nodes) {
    if (!into.has(node.id) && !out.has(node.id)) {
      alone.push(node);
      continue;
    }
    (layers[depthOf(node.id)] ??= []).push(node);
  }
  if (alone.length > 0) layers.push(alone);
  return layers;
}

/// A few sweeps of the barycentre rule, left to right and back.
function untangle(layers, edges) {
  const rank = new Map();
  const number = (layer) => layer.forEach((n, i) => rank.set(n.id, (i + 0.5) / layer.length));
  layers.forEach(number);
  const sweep = (layer, links, far) => {
    const centre = new Map(
      layer.map((n) => {
        const near = (links.get(n.id) ?? []).map((e) => rank.get(e[far]));
        return [n.id, near.length ? near.reduce((a, b) => a + b) / near.length : rank.get(n.id)];
      }),
    );
    layer.sort((a, b) => centre.get(a.id) - centre.get(b.id) || byName(a, b));
    number(layer);
  };
  const into = group(edges, 'callee');
  const out = group(edges, 'caller');
  for (let round = 0; round < 4; round++) {
    for (let i = 1; i < layers.length; i++) sweep(layers[i], into, 'caller');
    for (let i = layers.length - 2; i >= 0; i--) sweep(layers[i], out, 'callee');
  }
}

// Below, `u` runs along a band and `v` from band to band: down and right where the bands are columns,
// right and down where they are rows.

function sideBySide(layers, gap, drawn, height) {
  const bands = layers.map((nodes) => ({ nodes, us: nodes.map(() => 0), spaces: nodes.slice(1).map(() => size.gapY) }));
  const stack = () => {
    const long = bands.map((band) => band.nodes.length * height + band.spaces.reduce((a, b) => a + b, 0));
    const longest = Math.max(...long);
    bands.forEach((band, i) => {
      let u = size.margin + (longest - long[i]) / 2;
      band.us = band.nodes.map((_, k) => {
        const at = u;
        u += height + (band.spaces[k] ?? 0);
        return at;
      });
    });
  };
  stack();
  const wires = wiresOf(bands, drawn, height);
  // Boxes make room for the lines that pass between them.
  bands.forEach((band, i) => {
    band.spaces = band.spaces.map((space, k) => Math.max(space, (callersIn(wires, i, k + 1).length + 1) * size.track));
  });
  stack();
  const starts = bands.map((_, i) => size.margin + i * (size.width + gap));
  return drawingOf(bands, starts, wires, true, height);
}

/// Layers below each other, each in as many rows as it needs.
function below(layers, width, drawn, height) {
  const room = width - 2 * size.margin;
  const inRow = Math.max(1, Math.floor((room + size.rowY) / (size.width + size.rowY)));
  const bands = [];
  for (const layer of layers) {
    for (let from = 0; from < layer.length; from += inRow) {
      const nodes = layer.slice(from, from + inRow);
      // The last row of many stands below the others, a short layer in the middle.
      const beside = layer.length > inRow ? inRow : nodes.length;
      const gap = Math.min(size.gapX, beside > 1 ? (room - beside * size.width) / (beside - 1) : 0);
      const left = size.margin + Math.max(0, (room - beside * size.width - (beside - 1) * gap) / 2);
      bands.push({ nodes, us: nodes.map((_, i) => left + i * (size.width + gap)), spaces: nodes.slice(1).map(() => gap), more: from + inRow < layer.length });
    }
  }
  const wires = wiresOf(bands, drawn, size.width);
  const starts = [];
  let v = size.margin;
  bands.forEach((band, i) => {
    starts.push(v);
    v += height + Math.max(band.more ? size.rowY : size.layerY, turningRoom(wires, bands, i));
  });
  return drawingOf(bands, starts, wires, false, height);
}

/// What the lines between band `i` and the next need: the more of them and the further aside they go.
function turningRoom(wires, bands, i) {
  let [count, furthest] = [0, 0];
  for (const { lower, upper, us } of wires) {
    if (lower > i || (upper <= i && upper !== lower)) continue;
    count += 1;
    furthest = Math.max(furthest, Math.abs(us[i - lower + 1] - us[i - lower]) || 0);
  }
  return count === 0 ? 0 : Math.min(64, 22 + Math.min(24, furthest * 0.1) + (furthest > 0 ? Math.min(18, 1.5 * count) : 0));
}

/// The lines: which bands they go through, and through which gap of each (0: before the first box, k: after
/// the k-th). `us`: where about they are in each band, from the lower to the upper.
function wiresOf(bands, drawn, length) {
  const at = new Map();
  bands.forEach((band, i) => band.nodes.forEach((node, k) => at.set(node.id, { band: i, slot: k })));
  const wires = [];
  const ordered = drawn
    .filter((e) => at.has(e.caller) && at.has(e.callee) && e.caller !== e.callee)
    .sort((a, b) => (a.caller + a.callee < b.caller + b.callee ? -1 : 1));
  for (const edge of ordered) {
    const [from, to] = [at.get(edge.caller), at.get(edge.callee)];
    const back = to.band < from.band;
    const [first, last] = back ? [to, from] : [from, to];
    const [u0, u1] = [first, last].map((end) => bands[end.band].us[end.slot] + length / 2);
    const wire = { edge, back, first, last, lower: first.band, upper: last.band, gaps: [], us: [u0, u1] };
    if (wire.upper - wire.lower > 1) Object.assign(wire, passage(bands, wires, wire, u0, u1, length));
    wires.push(wire);
  }
  return wires;
}

const callersIn = (wires, band, gap) => [
  ...new Set(wires.filter((w) => w.lower < band && band < w.upper && w.gaps[band - w.lower - 1] === gap).map((w) => w.edge.caller)),
];

/// The way with the least going aside, and the fewest lines of others in the same gap.
function passage(bands, wires, { edge, lower, upper }, u0, u1, length) {
  const aside = 10;
  let ways = [{ cost: 0, u: u0, gaps: [], us: [u0] }];
  for (let i = lower + 1; i < upper; i++) {
    const { us, spaces } = bands[i];
    const straight = u0 + ((u1 - u0) * (i - lower)) / (upper - lower);
    const gaps = [Math.min(us[0] - aside, straight), ...spaces.map((space, k) => us[k] + length + space / 2), Math.max(us.at(-1) + length + aside, straight)];
    ways = gaps.map((u, gap) => {
      const others = callersIn(wires, i, gap).filter((caller) => caller !== edge.caller).length;
      const outer = gap === 0 || gap === gaps.length - 1;
      const crowd = others * 5 + (!outer && (others + 2) * size.track > Math.max(spaces[gap - 1], 3 * size.track) ? 60 : 0);
      const best = ways.reduce((a, b) => (b.cost + Math.abs(b.u - u) < a.cost + Math.abs(a.u - u) ? b : a));
      return { cost: best.cost + Math.abs(best.u - u) + crowd + (outer ? 8 : 0), u, gaps: [...best.gaps, gap], us: [...best.us, u] };
    });
  }
  const best = ways.reduce((a, b) => (b.cost + Math.abs(b.u - u1) < a.cost + Math.abs(a.u - u1) ? b : a));
  return { gaps: best.gaps, us: [...best.us, u1] };
}

/// In a gap each caller has a track of its own, on which all its lines run. Beside the boxes it keeps it from
/// band to band, and where a band is short a line runs straight on.
function intoTracks(bands, wires, length) {
  const mean = (wire) => (wire.us[0] + wire.us.at(-1)) / 2;
  const at = (wire, i) => wire.us[i - wire.lower];
  const passing = (i, gap) => wires.filter((w) => w.lower < i && i < w.upper && w.gaps[i - w.lower - 1] === gap);
  const byCaller = (some) => {
    const callers = new Map();
    for (const wire of some) {
      if (!callers.has(wire.edge.caller)) callers.set(wire.edge.caller, []);
      callers.get(wire.edge.caller).push(wire);
    }
    const centre = (all) => all.reduce((sum, wire) => sum + mean(wire), 0) / all.length;
    return [...callers].sort(([, a], [, b]) => centre(a) - centre(b));
  };
  bands.forEach(({ us, nodes }, i) => {
    for (let gap = 1; gap < nodes.length; gap++) {
      const groups = byCaller(passing(i, gap));
      const space = us[gap] - us[gap - 1] - length;
      const apart = Math.min(size.track, space / (groups.length + 1));
      groups.forEach(([, group], k) => {
        for (const wire of group) wire.us[i - wire.lower] = us[gap - 1] + length + space / 2 + (k - (groups.length - 1) / 2) * apart;
      });
    }
  });
  for (const away of [-1, 1]) {
    const border = bands.map(({ us }) => (away < 0 ? us[0] : us.at(-1) + length) + away * 10);
    const beside = bands.flatMap(({ nodes }, i) => passing(i, away < 0 ? 0 : nodes.length).map((wire) => ({ wire, i })));
    const near = beside.filter(({ wire, i }) => Math.abs(at(wire, i) - border[i]) < 50);
    const callers = byCaller([...new Set(near.map(({ wire }) => wire))]).map(([caller]) => caller);
    if (away < 0) callers.reverse();
    const step = Math.min(size.track, 48 / Math.max(1, callers.length));
    for (const { wire, i } of near) wire.us[i - wire.lower] = border[i] + away * step * callers.indexOf(wire.edge.caller);
    const free = beside.filter((one) => !near.includes(one)).sort((a, b) => a.i - b.i || away * (at(a.wire, a.i) - at(b.wire, b.i)));
    free.forEach(({ wire, i }, k) => {
      const before = free[k - 1];
      if (before?.i !== i || before.wire.edge.caller === wire.edge.caller) return;
      const least = at(before.wire, i) + away * size.track;
      if (away * (at(wire, i) - least) < 0) wire.us[i - wire.lower] = least;
    });
  }
}

/// Where lines leave and reach a side of a box: in the order of where they go to, so that none hides behind
/// another. Those that go the same way share their place.
function intoPorts(bands, wires, length) {
  const sides = new Map();
  const take = (end, side, wire, here, beyond) => {
    const key = `${end.band} ${end.slot} ${side}`;
    if (!sides.has(key)) sides.set(key, { centre: bands[end.band].us[end.slot] + length / 2, takers: [] });
    const own = (wire.back ? here !== 0 : here === 0) ? 'out' : wire.edge.caller;
    sides.get(key).takers.push({ wire, here, beyond: wire.us.at(beyond), back: wire.back, own });
  };
  for (const wire of wires) {
    take(wire.first, 'after', wire, 0, 1);
    take(wire.last, wire.lower === wire.upper ? 'after' : 'before', wire, wire.us.length - 1, -2);
  }
  const apart = length === size.width ? 12 : 7;
  for (const { centre, takers } of sides.values()) {
    takers.sort((a, b) => a.beyond - b.beyond || a.back - b.back || (a.own < b.own ? -1 : a.own > b.own ? 1 : 0));
    const same = (a, b) => a.own === b.own && a.back === b.back && Math.abs(a.beyond - b.beyond) < 0.5;
    let port = 0;
    const ports = takers.map((taker, i) => (i > 0 && !same(takers[i - 1], taker) ? ++port : port));
    const step = Math.min(apart, (length * 0.64) / Math.max(1, port));
    takers.forEach(({ wire, here }, i) => (wire.us[here] = centre + (ports[i] - port / 2) * step));
  }
}

/// Places and lines. `starts`: where each band begins in `v`.
function drawingOf(bands, starts, wires, across, height) {
  const [length, depth] = across ? [height, size.width] : [size.width, height];
  const xy = (u, v) => (across ? [v, u] : [u, v]);
  const places = new Map();
  bands.forEach((band, i) => band.nodes.forEach((node, k) => {
    const [x, y] = xy(band.us[k], starts[i]);
    places.set(node.id, { x, y });
  }));
  for (const wire of wires) {
    [wire.us[0], wire.us[wire.us.length - 1]] = [wire.first, wire.last].map((end) => bands[end.band].us[end.slot] + length / 2);
  }
  intoTracks(bands, wires, length);
  intoPorts(bands, wires, length);
  const routes = new Map();
  for (const { edge, back, lower, upper, us } of wires) {
    const hops = [];
    for (let i = lower; i < upper; i++) {
      const [v0, v1] = [starts[i] + depth, starts[i + 1]];
      const [u0, u1] = [us[i - lower], us[i - lower + 1]];
      hops.push([xy(u0, v0), xy(u0, (v0 + v1) / 2), xy(u1, (v0 + v1) / 2), xy(u1, v1)]);
    }
    if (lower === upper) {
      const [v0, low] = [starts[lower] + depth, starts[lower] + depth + 18];
      hops.push([xy(us[0], v0), xy(us[0], low), xy(us[1], low), xy(us[1], v0)]);
    }
    routes.set(edge, back ? hops.reverse().map((hop) => hop.reverse()) : hops);
  }
  return { places, across, routes, height };
}

/// The line of a call, as the curves from band to band. A call of a service to itself is a loop beside its box.
export function route({ places, across, routes, height: h }, edge) {
  if (edge.caller !== edge.callee) return routes.get(edge);
  const { x, y } = places.get(edge.caller);
  const { width: w } = size;
  if (across) return [[[x + w * 0.7, y + h], [x + w * 0.7, y + h + 12], [x + w * 0.85, y + h + 12], [x + w * 0.85, y + h]]];
  return [[[x + w, y + h * 0.7], [x + w + 12, y + h * 0.7], [x + w + 12, y + h * 0.3], [x + w, y + h * 0.3]]];
}

export const pathOf = (hops) =>
  hops.map(([from, c1, c2, to], i) => `${i === 0 ? 'M' : 'L'}${from.join(' ')}C${c1.join(' ')} ${c2.join(' ')} ${to.join(' ')}`).join('');

const pointsOf = (hops, parts) =>
  hops.flatMap(([from, c1, c2, to]) =>
    Array.from({ length: parts - 1 }, (_, i) => {
      const t = (i + 1) / parts;
      const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
      return [0, 1].map((k) => a * from[k] + b * c1[k] + c * c2[k] + d * to[k]);
    }),
  );

/// Where a line has its mark: near the middle of its last curve, off the boxes, and where no other line is
/// that it could be taken for the mark of.
export function markOf({ places, height }, hops, others) {
  const [middle] = pointsOf([hops.at(-1)], 2);
  const [w, h] = [size.width / 2, height / 2];
  const centres = [...places.values()].map(({ x, y }) => [x + w, y + h]);
  const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const taken = others.flatMap((other) => pointsOf(other, 16));
  let best = { cost: Infinity, point: middle };
  for (const point of pointsOf(hops, 12)) {
    const box = Math.min(...centres.map(([x, y]) => Math.max(Math.abs(point[0] - x) - w, Math.abs(point[1] - y) - h)));
    let line = 12;
    for (const one of taken) line = Math.min(line, far(point, one));
    const cost = far(point, middle) * 0.1 + 4 * Math.max(0, 8 - box) + 3 * (12 - line);
    if (cost < best.cost) best = { cost, point };
  }
  return best.point;
}

/// The box around all places and routes (a curve lies within its control points), with a margin.
export function boundsOf({ places, height }, routes) {
  const box = { left: 0, top: 0, right: 0, bottom: 0 };
  const take = (x, y) => {
    box.left = Math.min(box.left, x - size.margin);
    box.top = Math.min(box.top, y - size.margin);
    box.right = Math.max(box.right, x + size.margin);
    box.bottom = Math.max(box.bottom, y + size.margin);
  };
  for (const { x, y } of places.values()) {
    take(x, y);
    take(x + size.width, y + height);
  }
  for (const hops of routes) for (const [x, y] of hops.flat()) take(x, y);
  return box;
}

/// The nodes worth showing of a large system, at most `limit`: `wanted` in their order, then what calls them
/// or is called by them, the nearest and busiest first, then the busiest of all that is left.
export function neighbourhood(nodes, edges, wanted, limit) {
  const known = new Set(nodes.map((n) => n.id));
  const keep = new Set(wanted.filter((id) => known.has(id)).slice(0, limit));
  const beside = new Map();
  const link = (from, edge, to) => {
    if (!beside.has(from)) beside.set(from, []);
    beside.get(from).push({ id: to, rate: edge.figures.call_rate.value ?? 0 });
  };
  for (const e of edges) {
    link(e.caller, e, e.callee);
    link(e.callee, e, e.caller);
  }
  const busy = (a, b) => b.rate - a.rate || (a.id < b.id ? -1 : 1);
  let ring = [...keep];
  while (ring.length > 0 && keep.size < limit) {
    const next = ring.flatMap((id) => beside.get(id) ?? []).filter((n) => known.has(n.id) && !keep.has(n.id)).sort(busy);
    ring = [];
    for (const { id } of next) {
      if (keep.size >= limit || keep.has(id)) continue;
      keep.add(id);
      ring.push(id);
    }
  }
  const rate = (n) => n.figures.call_rate.value ?? 0;
  const busiest = [...nodes].sort((a, b) => rate(b) - rate(a) || byName(a, b));
  for (const node of busiest) if (keep.size < limit) keep.add(node.id);
  return nodes.filter((n) => keep.has(n.id));
}
