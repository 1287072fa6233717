// Layered layout of the service map: callers left, callees right. Deterministic: the same nodes and edges
// give the same places, so that the map does not jump between refreshes.
export const size = { width: 142, height: 42, gapX: 40, gapY: 14, margin: 8 };

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1);

export function layout(nodes, edges) {
  const sorted = [...nodes].sort(byName);
  const ids = new Set(sorted.map((n) => n.id));
  const forward = acyclic(sorted, edges.filter((e) => ids.has(e.caller) && ids.has(e.callee) && e.caller !== e.callee));
  const layers = intoLayers(sorted, forward);
  untangle(layers, forward);
  return place(layers);
}

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

function place(layers) {
  const step = size.height + size.gapY;
  const tallest = Math.max(1, ...layers.map((l) => l.length));
  const height = tallest * step - size.gapY + 2 * size.margin;
  const width = layers.length * (size.width + size.gapX) - size.gapX + 2 * size.margin;
  const places = new Map();
  layers.forEach((layer, column) => {
    const top = (height - (layer.length * step - size.gapY)) / 2;
    layer.forEach((node, row) => {
      places.set(node.id, { x: size.margin + column * (size.width + size.gapX), y: top + row * step });
    });
  });
  return { places, width: Math.max(width, 200), height };
}

/// The nodes worth showing of a large system: suspects, what is within `hops` calls of them, what the
/// reader chose, and then the busiest, up to `limit`.
export function neighbourhood(nodes, edges, wanted, limit, hops = 1) {
  const keep = new Set(wanted);
  let edge = [...wanted];
  for (let hop = 0; hop < hops; hop++) {
    const next = [];
    for (const e of edges) {
      for (const [from, to] of [[e.caller, e.callee], [e.callee, e.caller]]) {
        if (edge.includes(from) && !keep.has(to) && keep.size < limit) {
          keep.add(to);
          next.push(to);
        }
      }
    }
    edge = next;
  }
  const rate = (n) => n.figures.call_rate.value ?? 0;
  const busiest = [...nodes].sort((a, b) => rate(b) - rate(a) || byName(a, b));
  const room = wanted.length === 0 ? limit : keep.size;
  for (const node of busiest) if (keep.size < room) keep.add(node.id);
  return nodes.filter((n) => keep.has(n.id));
}
