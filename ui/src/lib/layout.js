// Layouts of the service map, for the width that there is: whatever they place lies within the box that
// they give, so that nothing is ever cut. Deterministic: the same nodes, edges and width give the same
// places, so that the map does not jump between refreshes.
//   layers: callers left, callees right; where the layers do not fit side by side (drawn a little
//     smaller at most), callers on top
//   grid: many services as tiles, in the order given
export const size = { width: 142, height: 42, gapX: 40, narrowX: 24, gapY: 14, rowY: 12, layerY: 36, margin: 8, leastScale: 0.85 };

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1);

export function layered(nodes, edges, width) {
  const sorted = [...nodes].sort(byName);
  const ids = new Set(sorted.map((n) => n.id));
  const forward = acyclic(sorted, edges.filter((e) => ids.has(e.caller) && ids.has(e.callee) && e.caller !== e.callee));
  const layers = intoLayers(sorted, forward);
  untangle(layers, forward);
  const gaps = Math.max(1, layers.length - 1);
  const gap = Math.floor((width / size.leastScale - 2 * size.margin - layers.length * size.width) / gaps);
  return layers.length > 1 && gap >= size.narrowX
    ? sideBySide(layers, Math.min(gap, size.gapX))
    : below(layers, width);
}

/// `nodes` as tiles, row by row.
export const grid = (nodes, width) => below([nodes], width);

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

function sideBySide(layers, gap) {
  const step = size.height + size.gapY;
  const tallest = Math.max(1, ...layers.map((l) => l.length));
  const height = tallest * step - size.gapY;
  const places = new Map();
  layers.forEach((layer, column) => {
    const top = size.margin + (height - (layer.length * step - size.gapY)) / 2;
    layer.forEach((node, row) => {
      places.set(node.id, { x: size.margin + column * (size.width + gap), y: top + row * step });
    });
  });
  return { places, across: true };
}

/// Layers below each other, each in as many rows as it needs.
function below(layers, width) {
  const room = width - 2 * size.margin;
  const inRow = Math.max(1, Math.floor((room + size.rowY) / (size.width + size.rowY)));
  const places = new Map();
  let y = size.margin;
  for (const layer of layers) {
    for (let from = 0; from < layer.length; from += inRow) {
      const row = layer.slice(from, from + inRow);
      // The last row of many stands below the others, a short layer in the middle.
      const beside = layer.length > inRow ? inRow : row.length;
      const gap = Math.min(size.gapX, beside > 1 ? (room - beside * size.width) / (beside - 1) : 0);
      const left = size.margin + Math.max(0, (room - beside * size.width - (beside - 1) * gap) / 2);
      row.forEach((node, i) => places.set(node.id, { x: left + i * (size.width + gap), y }));
      y += size.height + (from + inRow < layer.length ? size.rowY : size.layerY);
    }
  }
  return { places, across: false };
}

/// Where the line of a call runs: start, two control points, end. A call against the order of the layers,
/// or of a service to itself, goes around the boxes.
export function route({ places, across }, edge) {
  const a = places.get(edge.caller);
  const b = places.get(edge.callee);
  const { width: w, height: h } = size;
  const midX = (p) => p.x + w / 2;
  const midY = (p) => p.y + h / 2;
  if (a === b) {
    const [x, y] = [a.x + w, a.y];
    return [[x, y + h * 0.7], [x + 18, y + h], [x + 18, y], [x, y + h * 0.3]];
  }
  if (across) {
    const [x1, x2] = [a.x + w, b.x];
    if (x2 > x1) {
      const bend = Math.min((x2 - x1) / 2, 60);
      return [[x1, midY(a)], [x1 + bend, midY(a)], [x2 - bend, midY(b)], [x2, midY(b)]];
    }
    const low = Math.max(a.y, b.y) + h + 24;
    return [[midX(a), a.y + h], [midX(a), low], [midX(b), low], [midX(b), b.y + h]];
  }
  if (b.y > a.y) {
    const [y1, y2] = [a.y + h, b.y];
    const bend = Math.max(12, Math.min((y2 - y1) / 2, 60));
    return [[midX(a), y1], [midX(a), y1 + bend], [midX(b), y2 - bend], [midX(b), y2]];
  }
  const right = Math.max(a.x, b.x) + w + 24;
  return [[a.x + w, midY(a)], [right, midY(a)], [right, midY(b)], [b.x + w, midY(b)]];
}

export const pathOf = ([from, c1, c2, to]) => `M${from.join(' ')}C${c1.join(' ')} ${c2.join(' ')} ${to.join(' ')}`;

/// The point half way along a route.
export const middleOf = ([from, c1, c2, to]) => [0, 1].map((k) => (from[k] + 3 * c1[k] + 3 * c2[k] + to[k]) / 8);

/// The box around all places and routes (a curve lies within its control points), with a margin.
export function boundsOf(places, routes) {
  const box = { left: 0, top: 0, right: 0, bottom: 0 };
  const take = (x, y) => {
    box.left = Math.min(box.left, x - size.margin);
    box.top = Math.min(box.top, y - size.margin);
    box.right = Math.max(box.right, x + size.margin);
    box.bottom = Math.max(box.bottom, y + size.margin);
  };
  for (const { x, y } of places.values()) {
    take(x, y);
    take(x + size.width, y + size.height);
  }
  for (const points of routes) for (const [x, y] of points) take(x, y);
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
