import { placeMass } from './findings.js';

// What the page says of an entity, in words, shapes and colours alike; `words`: of several.
export const healths = {
  cause: { glyph: '◆', word: 'likely cause', words: 'likely causes' },
  abnormal: { glyph: '▲', word: 'out of its normal range', words: 'out of their normal range' },
  failing: { glyph: '▲', word: 'failing at least half of its calls', words: 'failing at least half of their calls' },
  silent: { glyph: '∅', word: 'silent: up or down is not known' },
  untold: { glyph: '', word: 'sends no telemetry itself, and no client tells of it now' },
  normal: { glyph: '', word: 'normal' },
};

const leastLikely = 0.15;

/// What a kind of entity is, for people.
export const kindWord = (kind) => ({ queue: 'messaging destination', third_party: 'third party' })[kind] ?? kind.replaceAll('_', ' ');

/// What somebody does who tells of no calls: as fast as its records come.
export const onlyRecords = (node) => {
  const f = node.figures;
  const others = [f.call_rate, f.error_ratio, f.latency_p50, f.latency_p99, f.in_flight, f.queue_depth];
  return others.every((one) => one.value === null) && f.record_rate.value !== null ? f.record_rate.value : null;
};

/// The incident that the page is about: the newest open one; in a recording else the newest.
export function focusOf(picture) {
  const open = picture.incidents.find((i) => i.closed_ms === null);
  return open ?? (picture.status.live ? null : (picture.incidents[0] ?? null));
}

/// The health of each node, by id.
export function healthsOf(nodes, incident) {
  const causes = new Set();
  if (incident) {
    for (const h of incident.hypotheses) {
      if (!causes.has(h.entity) && (h === incident.hypotheses[0] || placeMass(incident, h.entity) >= leastLikely))
        causes.add(h.entity);
    }
  }
  const members = new Set(incident?.members.map((m) => m.id));
  const of = (node) =>
    causes.has(node.id) ? 'cause' : members.has(node.id) ? 'abnormal' : node.figures.failing ? 'failing' : !node.figures.silent ? 'normal' : node.sends_itself ? 'silent' : 'untold';
  return new Map(nodes.map((n) => [n.id, of(n)]));
}
