// From an entity's axis (API: /api/v1/axis) to the lanes that are drawn: each a band from a model's
// estimates, or lines as measured.
const nulls = (n) => new Array(n).fill(null);

function line(axis, quantity, label) {
  const found = axis.lines.find((l) => !l.caller && l.quantity === quantity);
  return found && found.values.some((v) => v !== null)
    ? { label, unit: found.unit, values: found.values }
    : null;
}

/// Estimates of one state, divided by `per` (a window's seconds make a rate of a count).
function band(axis, state, per = 1) {
  const track = axis.tracks.find((t) => !t.caller && t.state === state);
  if (!track || !track.value.some((v) => v !== null)) return null;
  const scaled = (column) => column.map((v) => (v === null ? null : v / per));
  return {
    basis: track.basis,
    value: scaled(track.value),
    lower50: scaled(track.lower50),
    upper50: scaled(track.upper50),
    lower90: scaled(track.lower90),
    upper90: scaled(track.upper90),
    method: track.method,
    notes: track.notes ?? {},
  };
}

// Which statistics of the latency are drawn: median and tail, else what there is, by its own name.
const statistics = ['p50', 'p90', 'p95', 'p99', 'mean', 'max'];
const shown = new Set([
  'call_rate', 'error_ratio', 'error_rate', 'latency', 'in_flight', 'queue_depth', 'replica_lag',
  ...statistics.map((s) => 'latency_' + s),
]);

function latencies(axis) {
  const pair = ['p50', 'p99'].map((s) => line(axis, 'latency_' + s, s)).filter(Boolean);
  if (pair.length > 0) return pair;
  const told = statistics.map((s) => line(axis, 'latency_' + s, s)).filter(Boolean);
  // Nobody said what that one number is of many.
  return told.length > 0 ? told.slice(0, 3) : [line(axis, 'latency', 'as sent')];
}

/// "scheduling_delay_p99": ["scheduling delay", "p99"]
function named(quantity) {
  const at = quantity.lastIndexOf('_');
  const tail = quantity.slice(at + 1);
  // connections_max is a size and no statistic.
  const is = at > 0 && statistics.includes(tail) && quantity !== 'connections_max';
  return [(is ? quantity.slice(0, at) : quantity).replaceAll('_', ' '), is ? tail : 'measured'];
}

export function lanesOf(axis) {
  const seconds = axis.window_length_ms / 1000;
  const one = (id, title, unit, estimate, lines) => ({
    id,
    title,
    unit,
    band: estimate,
    lines: estimate ? [] : lines.filter(Boolean),
  });
  const errors = line(axis, 'error_ratio', 'share');
  const lanes = [
    one('calls', 'calls', '1/s', band(axis, 'call_volume', seconds), [line(axis, 'call_rate', 'rate')]),
    one('errors', errors ? 'failed share' : 'failed calls', errors ? '1' : '1/s',
      errors ? band(axis, 'error_ratio') : band(axis, 'failed_calls', seconds),
      [errors ?? line(axis, 'error_rate', 'rate')]),
    one('latency', 'latency', 's', null, latencies(axis)),
    one('in_flight', 'in flight', '', band(axis, 'in_flight'), [line(axis, 'in_flight', 'measured')]),
    one('queue', 'waiting in queue', '', band(axis, 'queue_depth'), [line(axis, 'queue_depth', 'measured')]),
    one('replica_lag', 'replica lag', 's', band(axis, 'replica_lag'), [line(axis, 'replica_lag', 'measured')]),
  ];
  for (const l of axis.lines) {
    if (l.caller || shown.has(l.quantity) || lanes.length >= 11) continue;
    const [title, label] = named(l.quantity);
    const measured = line(axis, l.quantity, label);
    if (measured) lanes.push(one(l.quantity, title, l.unit, null, [measured]));
  }
  return lanes;
}

const nulled = (values, newest) => values.map((v, i) => (i > newest ? null : v));

/// The lane without what comes after window `newest`, which is cut short: that is no drop.
export function upTo(lane, newest) {
  const lines = lane.lines.map((l) => ({ ...l, values: nulled(l.values, newest) }));
  if (!lane.band) return { ...lane, lines };
  const band = { ...lane.band };
  for (const column of ['value', 'lower50', 'upper50', 'lower90', 'upper90']) band[column] = nulled(band[column], newest);
  return { ...lane, lines, band };
}

// What of the metrics is behind a lane, by the names of their quantities.
const behind = { calls: ['call_rate'], errors: ['error_ratio', 'error_rate'], queue: ['queue_depth', 'connections_pending'] };

/// "Came in ms and s; all of it in s here.": values of several units are pooled.
export function unitsText(axis, lane) {
  const quantities = behind[lane.id] ?? [lane.id, named(lane.id)[0].replaceAll(' ', '_')];
  const units = quantities.flatMap((quantity) => axis.mixed_units[quantity] ?? []);
  if (units.length === 0) return '';
  const names = [...new Set(units)].map((unit) => unit || 'no unit');
  return `Came in ${names.slice(0, -1).join(', ')} and ${names.at(-1)}; all of it in ${lane.unit === '1' ? 'shares' : lane.unit || 'one unit'} here.`;
}

export const hasData = (lane) => lane.band !== null || lane.lines.length > 0;

/// uPlot's columns: time in seconds, then the lane's lines, or the band's middle split in observed and
/// inferred (each reaching one window into the other, so that the line does not break).
export function columnsOf(axis, lane) {
  const times = axis.starts_ms.map((t) => t / 1000);
  if (!lane.band) return [times, ...lane.lines.map((l) => l.values)];
  const n = times.length;
  const observed = nulls(n);
  const inferred = nulls(n);
  for (let i = 0; i < n; i++) {
    const v = lane.band.value[i];
    if (v === null) continue;
    if (lane.band.basis[i] === 'o') observed[i] = v;
    else {
      inferred[i] = v;
      if (lane.band.basis[i - 1] === 'o') inferred[i - 1] = lane.band.value[i - 1];
      if (lane.band.basis[i + 1] === 'o') inferred[i + 1] = lane.band.value[i + 1];
    }
  }
  return [times, observed, inferred];
}

/// Values without a neighbour: a line does not show them, so they get a point.
export function alone(column) {
  const there = (i) => column[i] !== null && column[i] !== undefined;
  return column.map((_, i) => i).filter((i) => there(i) && !there(i - 1) && !there(i + 1));
}

export const basisWords = { o: 'observed', i: 'inferred', m: 'missing', ' ': 'missing' };
