// What the page says of an entity, in words, shapes and colours alike.
export const healths = {
  cause: { glyph: '◆', word: 'likely cause' },
  abnormal: { glyph: '▲', word: 'out of its normal range' },
  silent: { glyph: '∅', word: 'silent: unknown, not down' },
  normal: { glyph: '', word: 'normal' },
};

/// The incident that the page is about: the newest open one; in a recording else the newest.
export function focusOf(picture) {
  const open = picture.incidents.find((i) => i.closed_ms === null);
  return open ?? (picture.status.live ? null : (picture.incidents[0] ?? null));
}

export function healthOf(node, incident) {
  const leader = incident?.hypotheses[0];
  const causes = incident?.hypotheses.filter((h) => h === leader || h.posterior >= 0.15) ?? [];
  if (causes.some((h) => h.entity === node.id)) return 'cause';
  if (incident?.members.some((m) => m.id === node.id)) return 'abnormal';
  return node.figures.silent ? 'silent' : 'normal';
}
