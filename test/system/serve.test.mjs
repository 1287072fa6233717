// The command line around `tomograph serve`: what is wrong is said at once, and what is announced is there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Tomograph, binary, postJson, traceRequest, until } from './tomograph.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tomograph-serve-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What `tomograph serve` says when it does not start; `changes` are flags beside those that work. */
function refused(changes, env = {}) {
  const flags = { '--http-address': '127.0.0.1:0', '--otlp-http-address': '127.0.0.1:0', '--otlp-grpc-address': '', '--store-dir': '', ...changes };
  const run = spawnSync(binary, ['serve', ...Object.entries(flags).flat()], { encoding: 'utf8', timeout: 20_000, env: { ...process.env, ...env } });
  assert.equal(run.status, 1, `exit ${run.status} ${run.signal}: ${run.stdout}${run.stderr}`);
  return run.stderr;
}

test('wrong settings are refused and named, wherever they come from', () => {
  const file = join(folder, 'wrong.yaml');
  writeFileSync(file, 'window: 5s\nretension_age: 3h\n');
  assert.match(refused({ '--config': file }), /wrong\.yaml:2.*retension_age/);
  assert.match(refused({ '--config': join(folder, 'absent.yaml') }), /absent\.yaml/);
  assert.match(refused({ '--window': 'often' }), /window.*often/);
  assert.match(refused({}, { TOMOGRAPH_LATENESS: 'never' }), /(lateness|LATENESS).*never/);
  assert.match(refused({ '--http-address': 'nonsense' }), /nonsense/);
  assert.match(refused({ '--no-such-flag': '' }), /no-such-flag/);
});

test('what cannot be opened is named', async () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  assert.ok(refused({ '--store-dir': join(file, 'store') }).includes(file));
  const other = await Tomograph.start();
  try {
    assert.match(refused({ '--http-address': `127.0.0.1:${other.ports.page}` }), new RegExp(`:${other.ports.page}\\b`));
    assert.match(refused({ '--otlp-grpc-address': `127.0.0.1:${other.ports.grpc}` }), new RegExp(`:${other.ports.grpc}\\b`));
  } finally {
    await other.stop();
  }
});

test('a flag is before the environment, and that before the file', async () => {
  const file = join(folder, 'right.yaml');
  writeFileSync(file, 'window: 7s\nlateness: 3s\nlog_level: ${env:LEVEL_OF_TEST:-error}\n');
  const length = async (options) => {
    const tomograph = await Tomograph.start(options);
    const { window_length_ms: ms } = await tomograph.get('/api/v1/status');
    assert.deepEqual(await tomograph.stop(), { code: 0, signal: null }, tomograph.errors);
    return ms;
  };
  assert.equal(await length({ flags: ['--config', file] }), 7000);
  assert.equal(await length({ flags: ['--config', file], env: { TOMOGRAPH_WINDOW: '6s' } }), 6000);
  assert.equal(await length({ flags: ['--config', file, '--window', '4s'], env: { TOMOGRAPH_WINDOW: '6s' } }), 4000);
});

test('from the first span to state, and over a restart', async () => {
  const store = join(folder, 'store');
  const flags = ['--window', '1s', '--lateness', '1s'];
  const first = await Tomograph.start({ store, flags });
  await until(async () => (await fetch(`${first.page}/-/ready`)).status === 200, 10, 'it is ready: an empty store is replayed at once');
  assert.match(await (await fetch(first.page)).text(), /<html/i);
  const now = BigInt(Date.now()) * 1_000_000n, ms = 1_000_000n;
  const answer = await postJson(`${first.otlp}/v1/traces`, { resourceSpans: [
    ...traceRequest('front', [{ trace: 1n, span: 1n, startNs: now - 40n * ms, endNs: now }, { trace: 1n, span: 2n, parent: 1n, kind: 3, startNs: now - 30n * ms, endNs: now - 5n * ms }]).resourceSpans,
    ...traceRequest('items', [{ trace: 1n, span: 3n, parent: 2n, startNs: now - 28n * ms, endNs: now - 8n * ms }]).resourceSpans,
  ] });
  assert.equal(answer.status, 200);
  const edges = async (tomograph) => (await tomograph.get('/api/v1/topology')).edges.map((e) => `${e.caller_name} -> ${e.callee_name}`);
  await until(async () => (await edges(first)).length > 0, 20, 'an edge is known');
  assert.deepEqual(await edges(first), ['front -> items']);
  assert.deepEqual(await first.stop(), { code: 0, signal: null }, first.errors);

  const second = await Tomograph.start({ store, flags });
  await until(async () => (await edges(second)).length > 0, 20, 'the edge is known again, with nothing sent');
  assert.deepEqual(await edges(second), ['front -> items']);
  await second.stop();
});
