// What became of the data, from the status and the loss ledger, with what matters first.
import { number, percent, words } from './format.js';

const sum = (rows, column) => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
const many = (n, one, more = `${one}s`) => `${number(n)} ${n === 1 ? one : more}`;

/// Tomograph's own figures that say what it could not take in, in words.
const ownLosses = {
  requests_without_room_total: (n) => `${many(n, 'request was', 'requests were')} sent back because too much was under way: the senders were told to retry`,
  refused_calls_total: (n) => `${many(n, 'call')} of more services and edges than can be followed`,
  unplaced_calls_total: (n) => `${many(n, 'call')} to an address that is nobody's for sure`,
  unplaced_flows_total: (n) => `${many(n, 'connection')} at an address that is nobody's for sure`,
  interner_overflows_total: (n) => `${many(n, 'name')} beyond what can be held: "(too many distinct values)" stands for them`,
  line_points_left_out_total: (n) => `${many(n, 'point')} of more lines than are kept`,
  store_unreadable_files: (n) => `${many(n, 'file')} of older records cannot be read`,
};
const outcomes = [
  ['dropped', 'dropped, kept nowhere'],
  ['set_aside', 'kept, but in no window'],
  ['repaired', 'repaired, and kept'],
];

/// [{ what, bad }]: sentences on the input as a whole.
export function findings(picture) {
  const { status, loss } = picture;
  const out = [];
  for (const scrape of status.scrapes.filter((s) => s.up === false)) {
    out.push({ bad: true, what: `Scraping ${scrape.job} fails: ${scrape.error ?? 'no answer'}`, more: `(${scrape.url}, ${scrape.failures} of ${scrape.scrapes} times)` });
  }
  if (status.self.store_writable === 0) out.push({ bad: true, what: 'The store cannot write.' });
  for (const file of status.broken_off) out.push({ bad: true, what: `Broken off: ${file}` });
  for (const file of status.damaged) out.push({ bad: true, what: `Damaged: ${file}` });
  const [received, dropped] = [sum(loss, 'received'), sum(loss, 'dropped')];
  if (dropped > 0) out.push({ bad: true, what: `${many(dropped, 'record')} of ${number(received)} dropped (${percent(dropped / received)})` });
  for (const [name, say] of Object.entries(ownLosses)) {
    if (status.self[name] > 0) out.push({ bad: true, what: say(status.self[name]) });
  }
  const orphans = status.orphan_spans;
  if (orphans > 0) out.push({ bad: true, what: `${many(orphans, 'span names', 'spans name')} a parent that never came` });
  const unseen = missingSpans(picture.estimates);
  if (unseen) out.push({ bad: true, what: unseen });
  return out;
}

/// Spans that are known to be missing, in the newest window.
function missingSpans(estimates) {
  const of = (state) => estimates.filter((e) => e.state === state && e.value > 0).reduce((total, e) => total + e.value, 0);
  const parts = [
    [of('missing_server_spans'), "of servers'"],
    [of('missing_client_spans'), "of clients'"],
  ].filter(([n]) => n >= 0.5);
  if (parts.length === 0) return '';
  return `Spans are missing: in the newest window about ${parts.map(([n, whose]) => `${number(Math.round(n))} ${whose}`).join(', ')}`;
}

/// "90 % by id, 6 % inferred, 3 % begin there, 1 % unknown", and what the unknown ones are. Of all received requests.
export function parentsText({ by_id, inferred, root, from_queue: fromQueue, unknown, all, why_unknown: why }) {
  if (all === 0) return { shares: '–', unknown: '' };
  const shares = [`${percent(by_id / all)} by id`];
  if (inferred > 0) shares.push(`${percent(inferred / all)} inferred`);
  if (root > 0) shares.push(`${percent(root / all)} begin there`);
  if (fromQueue > 0) shares.push(`${percent(fromQueue / all)} taken from a queue, as which message is not told`);
  if (unknown > 0) shares.push(`${percent(unknown / all)} unknown`);
  const whys = [
    [why.lost, 'named by an id, and never came'],
    [why.not_found, 'not among what was seen'],
    [why.not_looked_for, 'that may answer a call whose callee is not known (at an address of nobody, through a relay or a queue)'],
    [why.sender_unknown, 'whose sender the clocks do not tell'],
    [why.waiting, 'still looked for'],
  ];
  return { shares: shares.join(', '), unknown: whys.filter(([n]) => n > 0).map(([n, what]) => `${number(n)} ${what}`).join('; ') };
}

export function clocksText({ hosts, unknown, by_times: byTimes }) {
  if (hosts < 2) return '';
  const known = unknown > 0 ? `${percent(unknown / hosts)} unknown (${unknown} of ${hosts} hosts)` : `known of ${hosts} hosts`;
  return byTimes > 0 ? `${known}, of ${byTimes} by the times of calls alone: a guess` : known;
}

/// One entry an outcome that there is, the worst first; its reasons by falling count.
export function reasonsOf(loss) {
  return outcomes.flatMap(([outcome, title]) => {
    const reasons = loss
      .flatMap((row) => row.reasons.filter((r) => r.outcome === outcome).map((r) => ({ ...r, what: many(r.count, row.signal), from: words(row.format) })))
      .sort((a, b) => b.count - a.count);
    return reasons.length > 0 ? [{ outcome, title, count: reasons.reduce((n, r) => n + r.count, 0), reasons }] : [];
  });
}

/// Tomograph's own figures; where we listen says nothing of the data.
export function ownFigures(self) {
  const all = Object.entries(self).filter(([name]) => !name.endsWith('_port'));
  return { told: all.filter(([, v]) => v !== 0), zero: all.filter(([, v]) => v === 0).map(([name]) => words(name)) };
}

export const totals = (loss) => ({ received: sum(loss, 'received'), dropped: sum(loss, 'dropped'), set_aside: sum(loss, 'set_aside'), repaired: sum(loss, 'repaired') });
