// The example shop itself: everything starts, everything is told, and nothing stays behind.
// Needs what examples/shop/README.md lists, and `npm ci` in examples/shop.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { processesIn } from '../../examples/shop/children.mjs';
import { faults, startShop } from '../../examples/shop/shop.mjs';

const names = ['gateway', 'catalog', 'cart', 'checkout', 'payment', 'recommendation'];
const record = mkdtempSync(join(tmpdir(), 'shop-selftest-'));
const telemetry = { spans: [], metrics: [], logs: [] };  // each entry knows its .resource
let stopped;  // what the shop was, after it was stopped
let counts;

const lines = (file) => gunzipSync(readFileSync(join(record, file))).toString().trim().split('\n');
const valueOf = (value) => Object.values(value)[0];
const attributes = (of) => Object.fromEntries(of.attributes.map((a) => [a.key, valueOf(a.value)]));

function collect(entries, scopes, records, into) {
  for (const entry of entries ?? []) {
    const resource = attributes(entry.resource);
    for (const scope of entry[scopes]) {
      for (const one of scope[records]) into.push({ ...one, resource });
    }
  }
}

before(async () => {
  const shop = await startShop({ record, rps: 40, seed: 7 });
  counts = shop.startCustomers(10).counts;
  await sleep(9000);
  await shop.stop();
  stopped = shop;
  for (const line of lines('telemetry.jsonl.gz')) {
    const request = JSON.parse(line);
    collect(request.resourceSpans, 'scopeSpans', 'spans', telemetry.spans);
    collect(request.resourceMetrics, 'scopeMetrics', 'metrics', telemetry.metrics);
    collect(request.resourceLogs, 'scopeLogs', 'logRecords', telemetry.logs);
  }
}, { timeout: 60_000 });

after(() => rmSync(record, { recursive: true, force: true }));

test('customers of a healthy shop are served', () => {
  const total = (what) => Object.values(counts).reduce((sum, count) => sum + count[what], 0);
  assert.ok(total('ok') > 200, `only ${total('ok')} visits`);
  assert.equal(total('failed') + total('dropped'), 0, JSON.stringify(counts));
});

for (const name of names) {
  test(`${name} tells spans, metrics and logs, and who it is`, () => {
    const of = (signal) => telemetry[signal].filter((it) => it.resource['service.name'] === name);
    assert.ok(of('spans').some((span) => span.kind === 2), 'no server span');
    const told = new Set(of('metrics').map((metric) => metric.name));
    for (const metric of ['http.server.request.duration', 'http.server.active_requests',
      'process.uptime', 'process.cpu.utilization', 'process.memory.usage',
      'nodejs.eventloop.utilization', 'v8js.memory.heap.used']) {
      assert.ok(told.has(metric), `no ${metric}`);
    }
    assert.ok(of('logs').some((log) => /1\.0\.0 listening/.test(log.body.stringValue)));
    const { resource } = of('spans')[0];
    for (const key of ['service.namespace', 'service.version', 'service.instance.id', 'host.name',
      'process.pid']) assert.ok(resource[key], `no ${key}`);
  });
}

test('the services with a pool tell its state', () => {
  for (const name of ['catalog', 'checkout', 'payment']) {
    const told = new Set(telemetry.metrics
      .filter((metric) => metric.resource['service.name'] === name).map((metric) => metric.name));
    for (const what of ['count', 'pending_requests', 'max']) {
      assert.ok(told.has(`db.client.connection.${what}`), `${name}: no ${what}`);
    }
  }
});

test('one checkout is one trace from the front door to both stores', () => {
  const traces = new Map();
  for (const span of telemetry.spans) {
    traces.set(span.traceId, [...traces.get(span.traceId) ?? [], span]);
  }
  const whole = [...traces.values()].find((spans) => {
    const seen = new Set(spans.map((span) => span.resource['service.name']));
    const stores = new Set(spans.map((span) => attributes(span)['db.system.name']));
    return ['gateway', 'checkout', 'cart', 'catalog', 'payment'].every((name) => seen.has(name))
      && stores.has('postgresql') && stores.has('redis');
  });
  assert.ok(whole, 'no such trace');
  const ids = new Set(whole.map((span) => span.spanId));
  const roots = whole.filter((span) => !ids.has(span.parentSpanId));
  assert.deepEqual(roots.map((span) => span.name), ['POST /checkout/:user']);

  // nginx is no part of the trace, but its access log carries the same request id.
  const id = valueOf(attributes(roots[0])['http.request.header.x-request-id'].values[0]);
  assert.equal(lines('nginx-access.log.gz').filter((line) => line.includes(`id=${id}`)).length, 1);
});

test('the deploys of all services were told', () => {
  const events = lines('changes.jsonl.gz').map((line) => JSON.parse(line));
  assert.deepEqual(events.map((event) => event.subject).sort(), [...names].sort());
  assert.ok(events.every((event) => event.type.startsWith('dev.cdevents.service.deployed')));
});

test('telemetry tells neither truths nor this machine\'s paths', () => {
  const all = lines('telemetry.jsonl.gz').join('\n');
  for (const word of [...Object.keys(faults), 'inject', import.meta.url.slice('file://'.length)]) {
    assert.ok(!all.includes(word), `"${word}" is in the telemetry`);
  }
});

test('nothing is left running or lying about', async () => {
  for (const [name, port] of Object.entries(stopped.ports)) {
    const refused = await new Promise((answer) => {
      const socket = connect(port, '127.0.0.1', () => { socket.destroy(); answer(false); });
      socket.on('error', () => answer(true));
    });
    assert.ok(refused, `${name} still listens`);
  }
  assert.ok(!existsSync(stopped.dir));
  // Whatever the shop starts, and what that starts in turn, works in the shop's own directory.
  assert.deepEqual(processesIn(stopped.dir), []);
});

test('the README tells the truth about each fault', () => {
  const readme = readFileSync(new URL('../../examples/shop/README.md', import.meta.url), 'utf8');
  for (const [name, { service, kind }] of Object.entries(faults)) {
    assert.match(readme, new RegExp(`\\| \`${name}\` \\| ${service} \\| \`${kind}\` \\|`));
  }
});
