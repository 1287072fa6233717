// From one rebuilt request (API: /api/v1/requests/ID) to the rows of its waterfall.
import { signed } from './clocks.js';
import { duration, none, percent } from './format.js';

/// Where a span stands by the times that are shown.
export const startOf = (span, raw) => (raw ? span.raw_start_ms : span.start_ms);
export const endOf = (span, raw) => Math.max(raw ? span.raw_end_ms : span.end_ms, startOf(span, raw));

const parentOf = (spans, i) => {
  const parent = spans[i].parent;
  return Number.isInteger(parent) && parent >= 0 && parent < i ? parent : null;
};

/// Depth first, siblings by their start. The order is by corrected times whichever are shown: rows that
/// trade places would hide what the correction does. `rails`: depths at which a line goes on below.
export function rowsOf(request) {
  const { spans } = request;
  const children = spans.map(() => []);
  const tops = [];
  spans.forEach((_, i) => {
    const parent = parentOf(spans, i);
    (parent === null ? tops : children[parent]).push(i);
  });
  const rows = [];
  const visit = (siblings, depth, rails) => {
    siblings.sort((a, b) => spans[a].start_ms - spans[b].start_ms || a - b);
    siblings.forEach((i, at) => {
      const last = at === siblings.length - 1;
      rows.push({ span: spans[i], index: i, depth, rails, last, parent: parentOf(spans, i), children: children[i].length });
      visit(children[i], depth + 1, depth === 0 || last ? rails : [...rails, depth]);
    });
  };
  visit(tops, 0, []);
  return rows;
}

/// The time that the bars are drawn over: all of them, by the times that are shown.
export function extentOf(spans, raw) {
  let [from, to] = [Infinity, -Infinity];
  for (const span of spans) {
    from = Math.min(from, startOf(span, raw));
    to = Math.max(to, endOf(span, raw));
  }
  return { from, length: Math.max(to - from, 1e-6) };
}

/// Spans that begin before what caused them, by the times that are shown. Ends say less: a server may notice
/// that it has answered after its caller has the answer.
export const tooEarly = (spans, raw) =>
  spans.filter((span, i) => {
    const above = spans[parentOf(spans, i)];
    return above && span.layer !== 'lost' && above.layer !== 'lost' && startOf(span, raw) < startOf(above, raw);
  }).length;

const told = (ahead) => ahead !== null && ahead !== undefined;

/// One entry a host, in the order in which the request came to them. One request is too short for a clock
/// to change within it: the first span of a host speaks for it, and of calls that lie outside of their
/// callers the one that tells most of it.
export function hostsOf(spans) {
  const hosts = new Map();
  for (const { clock, layer } of spans) {
    if (!clock || layer === 'lost') continue;
    const name = clock.host ?? '';
    const known = hosts.get(name);
    if (!known) hosts.set(name, { ...clock });
    else if (told(clock.ahead_ms) && !(known.ahead_bound_ms <= clock.ahead_bound_ms)) {
      Object.assign(known, { ahead_ms: clock.ahead_ms, ahead_bound_ms: clock.ahead_bound_ms });
    }
  }
  return [...hosts.values()];
}

const give = (ms) => duration(Number((ms / 1000).toPrecision(2)));

/// What a call outside of its caller tells of its host's clock, "+80 ms ± 1 ms"; empty: nothing.
export const aheadText = (clock) =>
  told(clock?.ahead_ms) ? `${signed(Number(clock.ahead_ms.toPrecision(3)))} ± ${give(clock.ahead_bound_ms)}` : '';

/// By which times a bar is drawn, and by how much these are off.
export function timesText(span, raw) {
  const { clock } = span;
  if (span.layer === 'lost' || !clock) return '';
  const ahead = aheadText(clock);
  if (clock.corrected) return raw ? `raw time; the clock is ${offsetText(clock)} ahead` : `time corrected by ${offsetText(clock)}`;
  if (ahead) return `raw time, not corrected; by this call alone its clock is ${ahead} ahead of its caller's`;
  return 'raw time';
}

/// What is said beside a bar that is not within its parent's: why.
export function outsideText(span, parent, raw) {
  if (!parent || span.layer === 'lost' || parent.layer === 'lost') return '';
  if (startOf(span, raw) >= startOf(parent, raw) && endOf(span, raw) <= endOf(parent, raw)) return '';
  if (span.clock?.corrected) return raw ? `raw: clock ${offsetText(span.clock)}` : '';
  const ahead = aheadText(span.clock);
  return ahead ? `raw: clock ${ahead}` : '';
}

/// Milliseconds with a sign and its bound, "+35.2 ms ± 0.4 ms".
export function offsetText(clock) {
  const bound = clock.bound_ms === null || clock.bound_ms === undefined ? 'bound unknown' : `± ${duration(clock.bound_ms / 1000)}`;
  if (!clock.corrected && told(clock.ahead_ms)) return `${aheadText(clock)} against its caller's, by its calls here alone`;
  if (!clock.corrected && clock.bound_ms === 0) return 'the others are measured against it';
  if (!clock.corrected) return clock.bound_ms === null ? 'not measured: as shown' : `as shown, ${bound}`;
  return `${signed(clock.offset_ms)} ${bound}`;
}

/// Eight colours, told apart by the colour-blind too; beyond, they come again, and the names tell.
export function lanesOf(spans) {
  const lanes = new Map();
  for (const span of spans) {
    if (span.service_name !== null && !lanes.has(span.service_name)) lanes.set(span.service_name, lanes.size % 8);
  }
  return lanes;
}

export const isInferred = (span) => span.link.basis === 'inferred';

/// Long names differ at their end as often as at their start.
export function shortened(text, most) {
  const letters = [...text];
  if (letters.length <= most) return text;
  const tail = Math.floor((most - 1) * 0.45);
  return letters.slice(0, most - 1 - tail).join('') + '…' + letters.slice(-tail).join('');
}

export const nameOf = (span) => span.operation || (span.layer === 'lost' ? 'lost span' : 'unnamed');

/// Neither more certain nor more hopeless than it is: a probability below 1 is not read as 100 %.
export function sureText(p) {
  if (p > 0.9995 && p < 1) return '> 99.9 %';
  return p > 0 && p < 0.0005 ? '< 0.1 %' : percent(p);
}

export const wholeness = {
  complete: { word: 'complete', tells: 'nothing of it is known to be missing' },
  incomplete: { word: 'incomplete', tells: 'spans are lost or not shown' },
  fragment: { word: 'fragment', tells: 'it is not known what caused it' },
};

/// Why it is not known what caused a span.
const whyUnknown = {
  lost: 'its id names a span that is not there',
  not_found: 'it was looked for, and not found',
  not_looked_for: 'it may be a call of which it is not known whom it reached: at an address of nobody, through a relay or a queue',
  sender_unknown: 'the clocks do not let it be told',
  from_queue: 'it was taken from a queue, and no id tells as which message',
};

/// Is it inferred that nothing that was seen caused it?
export const isRootGuess = (span) => span.link.basis === 'root' && span.link.none < 1;

/// What called a listed request, as far as it is known.
export const callerOf = ({ root_link: link }) =>
  link.basis !== 'root' ? 'unknown' : link.none < 1 ? `begins here, ${sureText(link.none)}` : 'begins here';

/// How sure a listed request is: of what of it is inferred, and whether it is all there.
export function sureOf(request) {
  const guess = request.probability !== null ? sureText(request.probability) : '';
  const part = request.wholeness === 'complete' ? '' : wholeness[request.wholeness].word;
  return [guess, part].filter(Boolean).join(', ') || (request.links_by_id > 0 ? 'by id' : 'no joins');
}

/// "Of these 2 are incomplete (...) and 1 is a fragment (...)."; empty when all are whole.
export function partsText(requests) {
  const parts = ['incomplete', 'fragment'].flatMap((what) => {
    const n = requests.filter((r) => r.wholeness === what).length;
    const [one, many] = what === 'fragment' ? ['is a fragment', 'are fragments'] : ['is incomplete', 'are incomplete'];
    return n > 0 ? [`${n} ${n === 1 ? one : many} (${wholeness[what].tells})`] : [];
  });
  return parts.length > 0 ? `Of these ${parts.join(', and ')}.` : '';
}

/// The join of a span to what is above it, in one sentence.
export function joinText(span, parent) {
  const to = parent ? shortened(`${parent.service_name ?? 'unknown'}, ${nameOf(parent)}`, 90) : '';
  switch (span.link.basis) {
    case 'root': return `It begins here: ${isRootGuess(span) ? `inferred, ${sureText(span.link.none)} probable` : 'nothing that was seen could have caused it'}.`;
    case 'id': return `Below ${to}: its id says so.`;
    case 'inferred': return `Below ${to}: inferred, ${sureText(span.link.posterior)} probable.`;
    default: return `Unknown what caused it: ${whyUnknown[span.link.why] ?? whyUnknown.not_found}${span.link.none > 0 ? ` (${sureText(span.link.none)} that it is none of those that were seen)` : ''}. It is shown as a root of its own part.`;
  }
}

/// Time of day to the microsecond, UTC.
export function moment(ms) {
  if (ms === null || ms === undefined) return none;
  const micros = Math.round((ms - Math.floor(ms / 1000) * 1000) * 1000);
  const [seconds, rest] = micros >= 1e6 ? [1, 0] : [0, micros];
  const iso = new Date((Math.floor(ms / 1000) + seconds) * 1000).toISOString().slice(11, 19);
  return `${iso}.${String(rest).padStart(6, '0')}`;
}

export const orders = {
  newest: { word: 'newest first', compare: (a, b) => b.start_ms - a.start_ms },
  slowest: { word: 'slowest first', compare: (a, b) => b.duration_ms - a.duration_ms },
  unsure: { word: 'least certain first', compare: (a, b) => (a.probability ?? 1) - (b.probability ?? 1) || b.links_inferred - a.links_inferred },
  failed: { word: 'failed first', compare: (a, b) => b.failed - a.failed || b.start_ms - a.start_ms },
};

/// Why there is nothing to see: the first reason that holds.
export function emptyReason({ linking, inferred, entityName, spansReceived }) {
  if (entityName) return `None of the requests that are kept went through ${entityName}${inferred ? ' and was pieced together' : ''}.`;
  if (spansReceived === 0) return 'No spans come here. Requests are rebuilt from spans; metrics and logs alone do not tell them.';
  if (inferred) {
    return linking && linking.inferred === 0
      ? 'No join had to be inferred, and no span is missing: ids tell all of them.'
      : 'None of the requests that are kept now has an inferred join or a lost span.';
  }
  if (linking?.waiting > 0) return `${linking.waiting} spans wait for the rest of their requests. A request is shown once nothing more can come.`;
  return 'Spans came, but no request is whole yet. A request is shown once nothing more can come: its window, and the lateness that is allowed.';
}
