// The shop of examples/shop with what real fleets have: services that do not propagate trace context, and clocks
// that are wrong. What Tomograph says is held against the truth that the shop kept.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { aheadMs, hosts } from '../../examples/shop/hosts.mjs';
import { parseSkew, startShop } from '../../examples/shop/shop.mjs';
import { Tomograph, binary, sleep, until } from './tomograph.mjs';

const reconstruct = (...args) => {
  const run = spawnSync(binary, ['reconstruct', ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
};
/// Node's SDK tells starts to the millisecond, so the starts of two spans contradict each other by as much, whatever
/// is known of their clocks. The bounds of the clocks allow for it already.
const tick = 1;
const settling = 20_000;

/// What a recording's calls between hosts leave of the difference of their clocks, in ms: [{client, server, at,
/// most, least}], one of each call. A server is at its answer at least until it begins its last own call: Node's
/// servers end their spans late.
function callsBetweenHosts(dir) {
  const spans = new Map();
  for (const line of gunzipSync(readFileSync(join(dir, 'telemetry.jsonl.gz'))).toString().trim().split('\n')) {
    for (const { resource, scopeSpans } of JSON.parse(line).resourceSpans ?? []) {
      const host = resource.attributes.find(({ key }) => key === 'host.name').value.stringValue;
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        spans.set(span.spanId, { host, kind: span.kind, parent: span.parentSpanId, start: span.startTimeUnixNano / 1e6, end: span.endTimeUnixNano / 1e6, at: 0 });
      }
    }
  }
  const calls = [];
  for (const span of spans.values()) {
    span.at = Math.max(span.at, span.start);
    // All that a service calls for an answer lies below the answer's span, however deep.
    for (let up = spans.get(span.parent); up?.host === span.host && span.kind === 3; up = spans.get(up.parent)) {
      if (span.end <= up.end) up.at = Math.max(up.at, span.start);
      if (up.kind === 2) break;
    }
  }
  for (const span of spans.values()) {
    const caller = spans.get(span.parent);
    if (span.kind !== 2 || !caller || caller.host === span.host) continue;
    calls.push({ client: caller.host, server: span.host, at: caller.end, most: span.start - caller.start + tick, least: span.at - caller.end - tick });
  }
  return calls;
}

/// Half of what the calls of a window leave of the difference of two hosts' clocks, if nothing steps nor drifts in
/// it; of hosts without calls, by way of a third one.
function leftByCalls(calls, a, b, by = hosts.filter((host) => host !== a && host !== b)) {
  let most = Infinity;
  let least = -Infinity;
  for (const call of calls) {
    if (call.client === a && call.server === b) [most, least] = [Math.min(most, call.most), Math.max(least, call.least)];
    if (call.client === b && call.server === a) [most, least] = [Math.min(most, -call.least), Math.max(least, -call.most)];
  }
  const around = by.map((c, i) => {
    const rest = by.toSpliced(i, 1);
    return leftByCalls(calls, a, c, rest) + leftByCalls(calls, c, b, rest);
  });
  return Math.min((most - least) / 2, ...around);
}
const rounded = (value, digits = 1) => Number(value.toFixed(digits));

describe('two hosts have wrong clocks', () => {
  let tomograph;
  let shop;
  let recording;
  const windowMs = 2000;
  const told = new Map();  // by host and time: what was said of each clock, window by window
  before(async () => {
    tomograph = await Tomograph.start({ flags: ['--window', `${windowMs}ms`, '--lateness', '2s'] });
    recording = mkdtempSync(join(tmpdir(), 'tomograph-test-'));
    shop = await startShop({
      record: recording, alsoTo: tomograph.otlp, rps: 30, seed: 3,
      skew: parseSkew('web-2=-35ms,pay-1=+20ms+40ppm'),
    });
    shop.startCustomers(150);
    for (const end = Date.now() + 45_000; Date.now() < end; await sleep(500)) {
      const { clocks } = await tomograph.get('/api/v1/clocks');
      for (const clock of clocks) if (clock.state !== 'reference') told.set(`${clock.host} ${clock.as_of_ms}`, clock);
    }
  }, { timeout: 120_000 });
  after(async () => {
    await shop?.stop();
    await tomograph?.stop();
    if (recording) rmSync(recording, { recursive: true });
  });
  const ahead = (host, at) => (shop.clocks.hosts[host] ? aheadMs(shop.clocks.hosts[host], shop.clocks.since_ms, at) : 0);
  const truthOf = (clock) => ahead(clock.host, clock.as_of_ms) - ahead(clock.reference, clock.as_of_ms);
  const holds = (clock) => truthOf(clock) >= clock.least_ms && truthOf(clock) <= clock.most_ms;

  test('each offset is within its bound of the truth, and the wrong clocks are found out', async (t) => {
    const { clocks } = await tomograph.get('/api/v1/clocks');
    assert.deepEqual(clocks.map((clock) => clock.host).sort(), [...hosts].sort());
    for (const clock of clocks) {
      if (clock.state === 'reference') continue;
      const truth = truthOf(clock);
      const bound = clock.bound_ms === null ? 'unbounded' : `± ${rounded(clock.bound_ms, 3)}`;
      t.diagnostic(`${clock.host}: ${clock.state}, true ${rounded(truth, 3)} ms, told ${rounded(clock.offset_ms, 3)} ${bound} ms of ${clock.calls} calls`);
      assert.ok(clock.bound_ms !== null, `${clock.host}: nothing bounds it`);
      assert.ok(Math.abs(clock.offset_ms - truth) < 2, `${clock.host}: ${clock.offset_ms} ms is not ${truth} ms`);
      if (Math.abs(truth) > 10) assert.equal(clock.state, 'corrected');
    }
    assert.ok(clocks.some((clock) => clock.state === 'corrected'));
    // The bound is hard in every window, the first ones too.
    const bounded = [...told.values()].filter((clock) => clock.bound_ms !== null);
    const bounds = bounded.map((clock) => clock.bound_ms).sort((a, b) => a - b);
    const errors = bounded.map((clock) => Math.abs(clock.offset_ms - truthOf(clock))).sort((a, b) => a - b);
    const at = (sorted, share) => rounded(sorted[Math.floor(share * (sorted.length - 1))], 2);
    t.diagnostic(`${bounded.filter(holds).length} of ${bounded.length} bounds hold the truth; median ${at(bounds, 0.5)} ms, 90 % ${at(bounds, 0.9)} ms; off by ${at(errors, 0.5)} and ${at(errors, 0.9)} ms`);
    assert.ok(bounded.length > 30);
    for (const clock of bounded) assert.ok(holds(clock), `${clock.host}: ${truthOf(clock)} is not in [${clock.least_ms}, ${clock.most_ms}]`);
  });

  test('rebuilt requests are in causal order when corrected, and were not before', async (t) => {
    // Starts tell: what is called begins after the call. (Ends do not: Node's servers end a span when they notice that
    // they have answered, at times after the caller did.) Before the clocks have been seen for a while nothing is known.
    const early = (a, of, slack) => of - a > slack;
    const found = { joins: 0, raw: 0, corrected: 0, withoutBound: 0, beyondBound: 0 };
    const seen = new Set();
    async function judgeNew() {
      const { requests } = await tomograph.get('/api/v1/requests');
      for (const { id } of requests.filter((r) => r.start_ms > shop.clocks.since_ms + settling && !seen.has(r.id))) {
        seen.add(id);
        const answer = await fetch(`${tomograph.page}/api/v1/requests/${id}`);
        if (answer.ok) judge((await answer.json()).spans);  // else it left the few that are kept meanwhile
      }
    }
    function judge(spans) {
      for (const span of spans) {
        const parent = spans[span.parent];
        if (!parent || span.kind !== 'server' || parent.kind !== 'client' || span.clock.host === parent.clock.host) continue;
        found.joins += 1;
        found.raw += early(span.raw_start_ms, parent.raw_start_ms, tick);
        found.corrected += early(span.start_ms, parent.start_ms, tick);
        const bounds = [span.clock.bound_ms, parent.clock.bound_ms];
        if (bounds.includes(null)) found.withoutBound += 1;
        else found.beyondBound += early(span.start_ms, parent.start_ms, tick + bounds[0] + bounds[1]);
      }
    }
    for (const end = Date.now() + 60_000; found.joins < 60 && Date.now() < end; await sleep(1000)) await judgeNew();
    t.diagnostic(`joins between hosts: ${JSON.stringify(found)}`);
    assert.ok(found.joins > 20);
    assert.ok(found.raw > found.joins / 10, 'the skew does not show in the raw times');
    assert.equal(found.beyondBound, 0, 'earlier than what caused it by more than the bounds allow');
    assert.ok(found.corrected <= found.raw / 5, 'the correction puts things right');
  });

  test('bounds are narrow for what the calls of a window leave', async (t) => {
    // How long calls take hangs on the machine, and so does what they leave; what is made of it does not.
    await shop.stop();
    const calls = callsBetweenHosts(recording);
    const windows = new Map();
    for (const clock of told.values()) {
      if (clock.bound_ms === null || clock.as_of_ms < shop.clocks.since_ms + settling) continue;
      const ofWindow = calls.filter(({ at }) => Math.abs(at - clock.as_of_ms) <= windowMs / 2);
      const left = leftByCalls(ofWindow, clock.reference, clock.host);
      // Half a width against half a width: the bound itself is the longer side of the estimate.
      const half = (clock.most_ms - clock.least_ms) / 2;
      if (Number.isFinite(left)) windows.set(clock.host, [...windows.get(clock.host) ?? [], { half, left, bound: clock.bound_ms, at: clock.as_of_ms }]);
    }
    assert.ok(windows.size >= hosts.length - 1);
    for (const [host, of] of windows) {
      assert.ok(of.length > 5);
      const { bound, left: leftLast } = of.reduce((a, b) => (b.at > a.at ? b : a));
      assert.ok(bound < Math.max(5, 2.5 * leftLast), `${host}: a bound of ${bound} ms says little`);
      const { half, left } = of.sort((a, b) => a.half / a.left - b.half / b.left)[Math.floor(of.length / 2)];
      t.diagnostic(`${host}: ± ${rounded(half, 2)} ms where calls leave ± ${rounded(left, 2)}, in the median of ${of.length} windows`);
      // That a clock may have stepped unseen, at any time of the window, costs half of its calls.
      assert.ok(half < 2 * left, `${host}: bounds are ${rounded(half / left)} times as wide as its calls leave`);
    }
  });
});

const deaf = ['catalog', 'payment'];

/// Runs the shop into `record`; true callers by "trace-span" of what was received.
async function recordShop(record, seconds, options) {
  const shop = await startShop({ record, rps: 30, seed: 5, noPropagation: deaf, ...options });
  shop.startCustomers(seconds + 10);
  await sleep(seconds * 1000);
  await shop.stop();
  return new Map(shop.callers().map((one) => [`${one.trace}-${one.span}`, `${one.parent_trace}-${one.parent_span}`]));
}

describe('two services do not propagate trace context', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-truth-'));
  const record = join(folder, 'some-left');
  const recordNone = join(folder, 'none-left');
  let truth;
  let truthNone;
  before(async () => {
    truth = await recordShop(record, 50, { propagationLeft: 0.05 });
    truthNone = await recordShop(recordNone, 30, { propagationLeft: 0 });
  }, { timeout: 180_000 });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const requestsOf = (from) => gunzipSync(readFileSync(join(from, 'telemetry.jsonl.gz'))).toString().trim().split('\n').map((line) => JSON.parse(line));
  const spansOf = (requests) => requests.flatMap((request) => (request.resourceSpans ?? []).flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)));

  /// The recording without some attributes of its spans.
  function without(attributes, name) {
    const to = join(folder, name);
    mkdirSync(to);
    const requests = requestsOf(record);
    for (const span of spansOf(requests)) span.attributes = span.attributes.filter(({ key }) => !attributes.includes(key));
    writeFileSync(join(to, 'telemetry.jsonl.gz'), gzipSync(requests.map((request) => JSON.stringify(request)).join('\n') + '\n'));
    return to;
  }

  /// Inferred joins into the two services against the truth. The calibration error is the mean gap between what a tenth
  /// of the joins, ordered by posterior, claims and what is true of it. A join to nobody is a join that is wrong here.
  function score(from, name, truth) {
    const file = join(folder, `${name}.jsonl`);
    reconstruct(from, '--links', file);
    const links = readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const judged = links.filter((l) => truth.has(`${l.trace}-${l.span}`)).map((l) => ({
      posterior: l.posterior, right: truth.get(`${l.trace}-${l.span}`) === `${l.parent_trace}-${l.parent_span}` }));
    const right = judged.filter((j) => j.right).length;
    const claimed = judged.reduce((sum, j) => sum + j.posterior, 0);
    judged.sort((a, b) => a.posterior - b.posterior);
    let error = 0;
    for (let i = 0; i < 10; i++) {
      const part = judged.slice(Math.floor((i * judged.length) / 10), Math.floor(((i + 1) * judged.length) / 10));
      if (part.length) error += Math.abs(part.reduce((sum, j) => sum + j.posterior - j.right, 0)) / judged.length;
    }
    return { truths: truth.size, joined: judged.length, accuracy: right / truth.size, claimed: judged.length ? claimed / judged.length : 0, calibrationError: error };
  }

  test('the truth is whole and no telemetry tells it', () => {
    const spans = spansOf(requestsOf(record));
    const ids = new Set(spans.map((span) => `${span.traceId}-${span.spanId}`));
    const known = [...truth].filter(([callee, caller]) => ids.has(callee) && ids.has(caller)).length;
    assert.ok(truth.size > 500);
    assert.ok(known > 0.98 * truth.size, `${known} of ${truth.size} are in the recording`);
    const cut = spans.filter((span) => truth.has(`${span.traceId}-${span.spanId}`));
    assert.ok(cut.every((span) => !span.parentSpanId));
    assert.ok(!JSON.stringify(spans).includes('x-shop-caller'));
    const received = spans.filter((span) => span.kind === 2 && span.parentSpanId);
    assert.ok(received.length > 100, 'the others propagate');
  });

  test('connections and sizes are told at both ends', () => {
    const spans = spansOf(requestsOf(record));
    const value = (span, key) => Object.values(span.attributes.find((a) => a.key === key)?.value ?? {})[0];
    const byId = new Map(spans.map((span) => [`${span.traceId}-${span.spanId}`, span]));
    let [ports, same] = [0, 0];
    for (const [callee, caller] of truth) {
      const [a, b] = [byId.get(callee), byId.get(caller)];
      if (!a || !b) continue;
      ports += 1;
      same += value(a, 'network.peer.port') !== undefined && value(a, 'http.response.body.size') !== undefined && value(a, 'network.peer.port') === value(b, 'network.local.port') && value(a, 'http.response.body.size') === value(b, 'http.response.body.size');
    }
    assert.ok(same > 0.99 * ports, `${same} of ${ports}`);
  });

  const tell = (name, s) =>
    `${name}: ${s.joined} of ${s.truths} judged, accuracy ${rounded(100 * s.accuracy)} %, claimed ${rounded(100 * s.claimed)} %, calibration error ${rounded(100 * s.calibrationError)} points`;

  test('one request in twenty still propagates: links against the truth, with and without what goes beyond timing', (t) => {
    const connection = ['network.local.port', 'network.peer.port', 'client.port'];
    const sizes = ['http.request.body.size', 'http.response.body.size'];
    const scores = {
      all: score(record, 'all', truth),
      'without connections': score(without(connection, 'no-connections'), 'no-connections', truth),
      'without sizes': score(without(sizes, 'no-sizes'), 'no-sizes', truth),
      'timing alone': score(without([...connection, ...sizes], 'timing'), 'timing', truth),
    };
    for (const [name, s] of Object.entries(scores)) t.diagnostic(tell(name, s));
    // Joins that are decided before anything was learned are among those that are judged.
    assert.ok(scores.all.accuracy >= 0.88, 'with connections');
    assert.ok(scores['timing alone'].accuracy >= 0.75, 'by timing');
    const wrong = (name) => 1 - scores[name].accuracy;  // how many there are by timing alone is up to the machine
    assert.ok(wrong('all') <= 0.5 * wrong('timing alone'), 'connections must tell something');
    for (const [name, s] of Object.entries(scores)) assert.ok(s.calibrationError <= 0.1, `${name}: posteriors are off by ${s.calibrationError}`);
  });

  test('no request propagates: what is claimed is true as often as it claims', (t) => {
    const s = score(recordNone, 'none', truthNone);
    t.diagnostic(tell('none left', s));
    // No join by id teaches who answers at the two addresses; the callees' own word does.
    assert.ok(s.joined > 0.9 * s.truths, `${s.joined} of ${s.truths}`);
    assert.ok(s.accuracy >= 0.85, `${s.accuracy}`);
    assert.ok(s.calibrationError <= 0.06, `${s.calibrationError}`);
  });

  test('the page\'s requests go through the services that do not propagate', async (t) => {
    const tomograph = await Tomograph.start({ flags: ['--window', '2s', '--lateness', '2s'] });
    t.after(() => tomograph.stop());
    const live = await startShop({ otlpHttp: tomograph.otlp, otlpGrpc: `127.0.0.1:${tomograph.ports.grpc}`, rps: 30, seed: 6, noPropagation: deaf, propagationLeft: 0.05 });
    t.after(() => live.stop());
    live.startCustomers(240);
    const inferredPayment = (s) => s.service_name === 'payment' && s.link.basis === 'inferred';
    const spans = await until(async () => {
      const { requests } = await tomograph.get('/api/v1/requests?inferred=true');
      const checkouts = requests.filter((r) => r.service_name === 'gateway' && r.services.includes('payment'));
      for (const { id } of checkouts) {
        const answer = await fetch(`${tomograph.page}/api/v1/requests/${id}`);
        const whole = answer.ok ? (await answer.json()).spans : [];
        if (whole.some(inferredPayment)) return whole;
      }
      return null;
    }, 180, 'a checkout that reaches payment by inference');  // a minute is learned from first
    const payment = spans.find(inferredPayment);
    assert.equal(spans[payment.parent].service_name, 'checkout');
    const { posterior, none, runner_up: second } = payment.link;
    assert.ok(posterior >= none && posterior >= (second?.posterior ?? 0) && posterior + none + (second?.posterior ?? 0) <= 1.000001, JSON.stringify(payment.link));
  });
});
