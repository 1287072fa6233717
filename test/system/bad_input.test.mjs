// Rubbish on every listener: a clear answer or a ledger entry, and the process goes on serving.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Tomograph, postJson, traceRequest, until } from './tomograph.mjs';

let tomograph;
before(async () => {
  tomograph = await Tomograph.start({ flags: ['--max-request-bytes', '1MiB'] });
});
after(async () => {
  const end = await tomograph.stop();
  assert.deepEqual(end, { code: 0, signal: null }, tomograph.errors);
});

// Reproducible noise (a linear congruential generator, as in Numerical Recipes).
function noise(length, seed) {
  const bytes = Buffer.alloc(length);
  for (let i = 0, x = seed >>> 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

async function post(path, body, type, headers = {}) {
  return fetch(tomograph.otlp + path, { method: 'POST', headers: { 'content-type': type, ...headers }, body });
}

/** Sends raw bytes to a port and waits for the other side to close or fall silent. */
function raw(port, bytes) {
  return new Promise((done) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(3000, () => socket.destroy());
    socket.on('data', (data) => { answer += data.toString('latin1'); });
    socket.on('error', () => {});
    socket.on('close', () => done(answer));
  });
}

async function stillServes() {
  const now = BigInt(Date.now()) * 1_000_000n;
  const answer = await postJson(`${tomograph.otlp}/v1/traces`, traceRequest('probe', [{ trace: 1n, span: 1n, startNs: now - 1000n, endNs: now }]));
  assert.equal(answer.status, 200, await answer.text());
  assert.equal((await fetch(`${tomograph.page}/-/healthy`)).status, 200);
}

const binary = ['/v1/traces', '/v1/metrics', '/v1/logs'];

test('random bytes are refused as malformed', async () => {
  for (const path of [...binary, '/api/v1/write'])
    for (let seed = 1; seed <= 20; seed++) {
      const answer = await post(path, noise(seed * 37, seed), 'application/x-protobuf');
      assert.ok(answer.status === 400 || answer.status === 200, `${path}: ${answer.status}`);
    }
  for (const path of [...binary, '/v1/events']) {
    const answer = await post(path, noise(500, 7), path === '/v1/events' ? 'application/cloudevents+json' : 'application/json');
    assert.equal(answer.status, 400, path);
    assert.ok((await answer.text()).length > 0, 'says why');
  }
  await stillServes();
});

test('truncated JSON, wrong types and deep nesting', async () => {
  const whole = JSON.stringify(traceRequest('x', [{ trace: 2n, span: 2n, startNs: 1n, endNs: 2n }]));
  for (let cut = 1; cut < whole.length; cut += 17)
    assert.equal((await post('/v1/traces', whole.slice(0, cut), 'application/json')).status, 400, `cut at ${cut}`);
  for (const body of ['[]', 'null', '5', '"text"', '{"resourceSpans":5}', '{"resourceSpans":[{"scopeSpans":"no"}]}'])
    assert.ok([200, 400].includes((await post('/v1/traces', body, 'application/json')).status), body);
  const deep = `{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":${'{"arrayValue":{"values":['.repeat(20_000)}${']}}'.repeat(20_000)}}]}}]}`;
  assert.ok([200, 400].includes((await post('/v1/traces', deep, 'application/json')).status));
  await stillServes();
});

test('too large, plain and as a gzip bomb', async () => {
  assert.equal((await post('/v1/traces', Buffer.alloc(2 << 20), 'application/x-protobuf').catch(() => ({ status: 413 }))).status, 413);
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  assert.equal((await post('/v1/traces', bomb, 'application/x-protobuf', { 'content-encoding': 'gzip' })).status, 413);
  assert.equal((await post('/v1/traces', noise(100, 3), 'application/x-protobuf', { 'content-encoding': 'gzip' })).status, 400);
  await stillServes();
});

test('wrong method, path, type and encoding have their codes', async () => {
  assert.equal((await fetch(`${tomograph.otlp}/v1/traces`)).status, 405);
  assert.equal((await post('/v1/nothing', '', 'application/json')).status, 404);
  assert.equal((await post('/v1/traces', 'x', 'text/html')).status, 415);
  assert.ok([400, 415].includes((await post('/v1/traces', 'x', 'application/json', { 'content-encoding': 'br' })).status));
  assert.equal((await fetch(`${tomograph.page}/api/v1/nothing`)).status, 404);
  assert.equal((await fetch(`${tomograph.page}/api/v1/estimates?from=yesterday`)).status, 400);
  assert.equal((await fetch(`${tomograph.page}/api/v1/incidents`, { method: 'DELETE' })).status, 405);
});

test('rubbish instead of a protocol, on every port', async () => {
  for (const port of [tomograph.ports.page, tomograph.ports.http, tomograph.ports.grpc]) {
    for (const bytes of [noise(5000, 11), Buffer.from('GET'), Buffer.from('GET / HTTP/9.9\r\n\r\n'), Buffer.from(`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(20_000)}\r\n`),
      Buffer.from('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999999\r\n\r\n'),
      Buffer.from('POST /v1/traces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n'), Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(0)])
      await raw(port, bytes);
  }
  await stillServes();
});

test('a record that is half right is kept, and what was wrong is said', async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const body = traceRequest('half', [{ trace: 0n, span: 5n, startNs: now, endNs: now }, { trace: 5n, span: 6n, startNs: now, endNs: now - 5n }, { trace: 5n, span: 7n, startNs: now, endNs: now + 1n }]);
  const answer = await (await postJson(`${tomograph.otlp}/v1/traces`, body)).json();
  assert.equal(String(answer.partialSuccess?.rejectedSpans), '1', JSON.stringify(answer));
  assert.ok(answer.partialSuccess.errorMessage.length > 0);
});

// Windows that nobody needs must not be made one by one: the analysis would stand still, and so would the shutdown
// that `after` waits for.
test('spans an hour apart since 1970 do not hold up the analysis', async () => {
  const spans = Array.from({ length: 5000 }, (_, i) => ({ trace: BigInt(1000 + i), span: BigInt(1000 + i), startNs: BigInt(i + 1) * 3_540_000_000_000n, endNs: BigInt(i + 1) * 3_540_000_000_000n + 1000n }));
  assert.equal((await postJson(`${tomograph.otlp}/v1/traces`, traceRequest('sparse', spans))).status, 200);
  await until(async () => (await tomograph.get('/api/v1/status')).self.late_spans_total >= 5000, 20, 'the analysis has seen them');
  await stillServes();
});

test('the sums of the ledger add up after all this', async () => {
  const { loss } = await tomograph.get('/api/v1/loss');
  for (const row of loss) {
    assert.equal(row.received, row.accepted + row.repaired + row.dropped, JSON.stringify(row));
    assert.ok(row.set_aside <= row.accepted + row.repaired, JSON.stringify(row));
  }
  // The spans since 1970: kept, but from before what is analysed.
  const spans = loss.find((r) => r.format === 'otlp_http' && r.signal === 'span');
  const old = spans.reasons.find((r) => r.reason === 'too_old');
  assert.equal(old.outcome, 'set_aside');
  assert.ok(old.count >= 5000, JSON.stringify(spans));
  const rows = loss.filter((r) => r.format === 'otlp_http' && r.signal === 'message');
  assert.ok(rows[0].dropped > 0);
});
