// What of a ranking is a finding, and what only a possibility: kinds of failure share the evidence of
// their place, so a kind for which nothing of its own was measured has its probability from a prior.
// Everything is in exactly one part, so that cards + rest + unknown are 1.

// Probabilities from which on a hypothesis is told one by one; the terminal report has the same.
const leastMeasured = 0.01;
const leastOutweighed = 0.1;
const leastPlace = 0.1;
const mostCards = 3;

const isFinding = (h) =>
  (h.support === 'measured' && h.posterior >= leastMeasured) ||
  (h.support === 'outweighed' && h.posterior >= leastOutweighed);
export const massOf = (items) => items.reduce((sum, h) => sum + h.posterior, 0);

/// The evidence of a list that is of the kind, or of the place alone.
export const about = (list, what) => list.filter((e) => (e.about ?? 'kind') === what);

/// `cards`: at most three, by falling probability: single hypotheses, or `kinds` of one place that
/// weigh something together although no measurement tells which. `rest`: all others.
export function findingsOf(incident) {
  const found = incident.hypotheses.filter(isFinding);
  const cards = found.map((h) => ({ ...h, kinds: [h] }));
  const byPlace = new Map();
  for (const h of incident.hypotheses) {
    if (isFinding(h) || h.support !== 'none') continue;
    if (!byPlace.has(h.entity)) byPlace.set(h.entity, []);
    byPlace.get(h.entity).push(h);
  }
  for (const kinds of byPlace.values()) {
    if (massOf(kinds) < leastPlace) continue;
    const [first] = kinds;
    cards.push({
      ...first, cause: null, posterior: massOf(kinds), kinds,
      // Where there is a finding in this place too, this is what else may be wrong with it.
      beside: found.some((h) => h.entity === first.entity),
      evidence_for: about(first.evidence_for, 'place'), evidence_against: [],
    });
  }
  cards.sort((a, b) => b.posterior - a.posterior);
  const shown = cards.slice(0, mostCards);
  const carded = new Set(shown.flatMap((c) => c.kinds));
  return { cards: shown, rest: incident.hypotheses.filter((h) => !carded.has(h)) };
}

/// How probable it is that the cause is in this place, whatever broke there.
export const placeMass = (incident, entity) => massOf(incident.hypotheses.filter((h) => h.entity === entity));
