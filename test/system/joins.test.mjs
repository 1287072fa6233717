// Several calls of a request reach one service, and one of them waits for the others there and goes on for all. That
// service loses the context; `tomograph reconstruct --links` tells which request goes on. The recording is made up here.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { binary } from './tomograph.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tomograph-joins-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/// The same numbers each time (mulberry32).
function numbers(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, gap: (medianMs) => medianMs * Math.exp(0.5 * normal()), pause: (meanMs) => -meanMs * Math.log(1 - uniform()) };
}

/// front asks a, b and c at once, each of them asks hub, and one of the three requests at hub writes into store when the
/// others have come and gone. `lost(service, kind)`: does this span not know its parent? Returns the true parents of
/// hub's writes, by span.
function record(path, requests, lost) {
  const { uniform, gap, pause } = numbers(7);
  const spans = new Map();  // by service
  let made = 0;
  const hex = (number, digits) => number.toString(16).padStart(digits, '0');
  const nanos = (ms) => String(1_700_000_000_000_000_000n + BigInt(Math.round(ms * 1e6)));
  const put = (service, kind, name, start, end, parent, peer) => {
    const span = { traceId: parent?.traceId, spanId: hex(++made, 16), name, kind, startTimeUnixNano: nanos(start), endTimeUnixNano: nanos(end) };
    if (peer) span.attributes = [{ key: 'peer.service', value: { stringValue: peer } }];
    if (parent && !lost(service, kind)) span.parentSpanId = parent.spanId;
    else span.traceId = hex(made, 32);
    if (!spans.has(service)) spans.set(service, []);
    spans.get(service).push({ span, end });
    return span;
  };
  const call = (from, to, name, start, end, parent) =>
    put(to, 2, name, start, end, put(from, 3, name, start - gap(0.1), end + gap(0.1), parent, to));
  const truth = new Map();
  let now = 0;
  for (let i = 0; i < requests; i++) {
    now += pause(8);
    const branches = ['a', 'b', 'c'].map((service) => {
      const sent = now + gap(0.4), came = sent + gap(4);
      return { service, sent, came, left: came + gap(0.6) };
    });
    const waits = branches[Math.floor(3 * uniform())];
    const asked = Math.max(waits.came, ...branches.map((branch) => branch.left)) + gap(0.2), stored = asked + gap(3);
    waits.left = stored + gap(6);
    for (const branch of branches) branch.answered = branch.left + gap(0.3);
    const end = Math.max(...branches.map((branch) => branch.answered)) + gap(0.5);
    const front = put('front', 2, 'compose', now, end);
    for (const branch of branches) {
      const { service, sent, came, left, answered } = branch;
      const middle = call('front', service, `ask ${service}`, sent, answered, front);
      branch.hub = call(service, 'hub', 'add', came, left, middle);
    }
    const write = put('hub', 3, 'insert', asked - gap(0.1), stored + gap(0.1), waits.hub, 'store');
    put('store', 2, 'insert', asked, stored, write);
    truth.set(write.spanId, waits.hub.spanId);
  }
  mkdirSync(path);
  const lines = [...spans].flatMap(([service, all]) => {
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
    const parts = [];
    all.sort((x, y) => x.end - y.end);
    for (let at = 0; at < all.length; at += 200) {
      const part = all.slice(at, at + 200);
      parts.push({ last: part.at(-1).end, line: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: part.map(({ span }) => span) }] }] }) });
    }
    return parts;
  });
  writeFileSync(join(path, 'spans.jsonl'), lines.sort((x, y) => x.last - y.last).map(({ line }) => line).join('\n') + '\n');
  return truth;
}

/// Shares of hub's writes that are linked to the right request, and what is said of them.
function score(name, lost) {
  const path = join(folder, name), file = join(folder, `${name}.jsonl`);
  const truth = record(path, 1500, lost);
  const run = spawnSync(binary, ['reconstruct', path, '--links', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  const links = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line)).filter((link) => truth.has(link.span));
  assert.equal(links.length, truth.size);
  const right = links.filter((link) => link.parent_span === truth.get(link.span)).length / truth.size;
  const said = links.reduce((sum, link) => sum + link.posterior, 0) / truth.size;
  return { right, said };
}

const scenes = [
  ['only the joining service loses the context', (service, kind) => service === 'hub' && kind === 3, 0.93],
  ['nor does it learn who called it', (service) => service === 'hub', 0.93],
  ['no id at all', () => true, 0.89],
];
for (const [name, lost, least] of scenes) {
  test(`which of the requests that meet goes on: ${name}`, (t) => {
    const { right, said } = score(name.replaceAll(' ', '-'), lost);
    t.diagnostic(`right ${right.toFixed(3)}, said ${said.toFixed(3)}`);
    assert.ok(right > least, `${right}: by times within the service alone it is .8`);
    assert.ok(Math.abs(said - right) < 0.05, `${said} is said, ${right} is right`);
  });
}
