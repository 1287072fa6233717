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

// What this file has sent to the listener of OTLP, to be compared with what the ledger says it received: whole
// messages that nobody can read, and spans. Counted here, where they are made, not from the answers.
const sent = { otlp_http: { message: 0, span: 0 }, remote_write: { message: 0 }, cdevents: { message: 0 } };
const formatOf = (path) => path === '/api/v1/write' ? 'remote_write' : path === '/v1/events' ? 'cdevents' : 'otlp_http';

/** Posts what cannot be read as a whole. */
async function postUnreadable(path, body, type, headers = {}) {
  sent[formatOf(path)].message++;
  return post(path, body, type, headers);
}

async function postSpans(service, spans) {
  sent.otlp_http.span += spans.length;
  return postJson(`${tomograph.otlp}/v1/traces`, traceRequest(service, spans));
}

async function post(path, body, type, headers = {}) {
  return fetch(tomograph.otlp + path, { method: 'POST', headers: { 'content-type': type, ...headers }, body });
}

/** Sends raw bytes to a port; what it answers until it closes. Fails when it is reset or left open. */
function raw(port, bytes) {
  return new Promise((done, failed) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(10_000, () => socket.destroy(new Error('neither answered nor closed')));
    socket.on('data', (data) => { answer += data.toString('latin1'); });
    socket.on('error', failed);
    socket.on('close', () => done(answer));
  });
}

async function stillServes() {
  const now = BigInt(Date.now()) * 1_000_000n;
  const answer = await postSpans('probe', [{ trace: 1n, span: 1n, startNs: now - 1000n, endNs: now }]);
  assert.equal(answer.status, 200, await answer.text());
  assert.equal((await fetch(`${tomograph.page}/-/healthy`)).status, 200);
}

const binary = ['/v1/traces', '/v1/metrics', '/v1/logs'];

test('random bytes are refused as malformed', async () => {
  for (const path of [...binary, '/api/v1/write'])
    for (let seed = 1; seed <= 20; seed++) {
      const answer = await postUnreadable(path, noise(seed * 37, seed), 'application/x-protobuf');
      assert.equal(answer.status, 400, `${path} with ${seed}`);
    }
  for (const path of [...binary, '/v1/events']) {
    const answer = await postUnreadable(path, noise(500, 7), path === '/v1/events' ? 'application/cloudevents+json' : 'application/json');
    assert.equal(answer.status, 400, path);
    assert.ok((await answer.text()).length > 0, 'says why');
  }
  await stillServes();
});

test('truncated JSON, wrong types and deep nesting', async () => {
  const whole = JSON.stringify(traceRequest('x', [{ trace: 2n, span: 2n, startNs: 1n, endNs: 2n }]));
  for (let cut = 1; cut < whole.length; cut += 17)
    assert.equal((await postUnreadable('/v1/traces', whole.slice(0, cut), 'application/json')).status, 400, `cut at ${cut}`);
  for (const body of ['[]', 'null', '5', '"text"', '{"resourceSpans":5}'])
    assert.equal((await postUnreadable('/v1/traces', body, 'application/json')).status, 400, body);
  // What hangs on a wrong part is lost with it, as one record, and said; the request itself is one.
  sent.otlp_http.span++;
  const group = await post('/v1/traces', '{"resourceSpans":[{"scopeSpans":"no"}]}', 'application/json');
  assert.equal(group.status, 200);
  assert.equal((await group.json()).partialSuccess.rejectedSpans, '1');
  const deep = `{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":${'{"arrayValue":{"values":['.repeat(20_000)}${']}}'.repeat(20_000)}}]}}]}`;
  assert.equal((await postUnreadable('/v1/traces', deep, 'application/json')).status, 400);
  await stillServes();
});

test('too large, plain and as a gzip bomb', async () => {
  assert.equal((await postUnreadable('/v1/traces', Buffer.alloc(2 << 20), 'application/x-protobuf')).status, 413);
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  assert.equal((await postUnreadable('/v1/traces', bomb, 'application/x-protobuf', { 'content-encoding': 'gzip' })).status, 413);
  assert.equal((await postUnreadable('/v1/traces', noise(100, 3), 'application/x-protobuf', { 'content-encoding': 'gzip' })).status, 400);
  // Snappy is undone by the decoder of remote write: the same limit, four times that of the body.
  const claims = (bytes) => Buffer.from([bytes & 127 | 128, bytes >> 7 & 127 | 128, bytes >> 14 & 127 | 128, bytes >> 21, 0]);
  assert.equal((await postUnreadable('/api/v1/write', claims((4 << 20) + 1), 'application/x-protobuf', { 'content-encoding': 'snappy' })).status, 413);
  assert.equal((await postUnreadable('/api/v1/write', claims(4 << 20), 'application/x-protobuf', { 'content-encoding': 'snappy' })).status, 400);
  await stillServes();
});

test('wrong method, path, type and encoding have their codes', async () => {
  assert.equal((await fetch(`${tomograph.otlp}/v1/traces`)).status, 405);
  assert.equal((await post('/v1/nothing', '', 'application/json')).status, 404);
  assert.equal((await postUnreadable('/v1/traces', 'x', 'text/html')).status, 415);
  assert.equal((await postUnreadable('/v1/traces', 'x', 'application/json', { 'content-encoding': 'br' })).status, 415);
  const v2 = await postUnreadable('/api/v1/write', 'x', 'application/x-protobuf;proto=io.prometheus.write.v2.Request', { 'content-encoding': 'snappy' });
  assert.equal(v2.status, 415);
  assert.match(await v2.text(), /send application\/x-protobuf;proto=prometheus\.WriteRequest/);
  assert.equal((await fetch(`${tomograph.page}/api/v1/nothing`)).status, 404);
  assert.equal((await fetch(`${tomograph.page}/api/v1/estimates?from=yesterday`)).status, 400);
  assert.equal((await fetch(`${tomograph.page}/api/v1/incidents`, { method: 'DELETE' })).status, 405);
});

test('rubbish instead of a protocol, on every port', async () => {
  // With the status that HTTP/1.1 answers it with; nothing when there was no request yet.
  const rubbish = [[noise(5000, 11), '400'], ['GET', ''], ['GET / HTTP/9.9\r\n\r\n', '400'], [`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(20_000)}\r\n`, '431'],
    ['POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999999\r\n\r\n', '413'],
    ['POST /v1/traces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n', '400'], ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400'], ['', '']];
  for (const [bytes, status] of rubbish) {
    const what = bytes.toString('latin1').slice(0, 30);
    for (const port of [tomograph.ports.page, tomograph.ports.http]) {
      const answer = await raw(port, bytes);
      assert.equal(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? answer, status, `${what}: ${answer}`);
    }
    // gRPC says its HTTP/2 settings first (a frame of type 4 of stream 0), and closes.
    const answer = await raw(tomograph.ports.grpc, bytes);
    assert.equal(answer.slice(3, 9), '\x04\0\0\0\0\0', `${what}: ${JSON.stringify(answer)}`);
  }
  sent.otlp_http.message++;  // the body that was too large to take; the others were no requests
  await stillServes();
});

test('a record that is half right is kept, and what was wrong is said', async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const answer = await (await postSpans('half', [{ trace: 0n, span: 5n, startNs: now, endNs: now }, { trace: 5n, span: 6n, startNs: now, endNs: now - 5n }, { trace: 5n, span: 7n, startNs: now, endNs: now + 1n }])).json();
  assert.equal(String(answer.partialSuccess?.rejectedSpans), '1', JSON.stringify(answer));
  assert.ok(answer.partialSuccess.errorMessage.length > 0);
  // A record of which nothing is set is one, too.
  sent.otlp_http.span += 3;
  const empty = await post('/v1/traces', '{"resourceSpans":[{"scopeSpans":[{"spans":[{},{},{}]}]}]}', 'application/json');
  assert.equal((await empty.json()).partialSuccess.rejectedSpans, '3');
});

// Windows that nobody needs must not be made one by one: the analysis would stand still, and so would the shutdown
// that `after` waits for.
test('spans an hour apart since 1970 do not hold up the analysis', async () => {
  const spans = Array.from({ length: 5000 }, (_, i) => ({ trace: BigInt(1000 + i), span: BigInt(1000 + i), startNs: BigInt(i + 1) * 3_540_000_000_000n, endNs: BigInt(i + 1) * 3_540_000_000_000n + 1000n }));
  assert.equal((await postSpans('sparse', spans)).status, 200);
  await until(async () => (await tomograph.get('/api/v1/status')).self.late_spans_total >= 5000, 20, 'the analysis has seen them');
  await stillServes();
});

test('the ledger has what was sent, and its sums add up', async () => {
  const rowOf = (loss, format, signal) => loss.find((r) => r.format === format && r.signal === signal);
  // The ledger is shown as it was some seconds ago.
  const loss = await until(async () => {
    const { loss: shown } = await tomograph.get('/api/v1/loss');
    return rowOf(shown, 'otlp_http', 'span')?.received >= sent.otlp_http.span ? shown : null;
  }, 20, `${sent.otlp_http.span} spans in the ledger`);
  for (const [format, signals] of Object.entries(sent))
    for (const [signal, count] of Object.entries(signals)) assert.equal(rowOf(loss, format, signal).received, count, `${format} ${signal}`);
  for (const row of loss) {
    assert.equal(row.received, row.accepted + row.repaired + row.dropped, JSON.stringify(row));
    assert.ok(row.set_aside <= row.accepted + row.repaired, JSON.stringify(row));
  }
  // The spans since 1970: kept, but from before what is analysed.
  const spans = rowOf(loss, 'otlp_http', 'span');
  const old = spans.reasons.find((r) => r.reason === 'too_old');
  assert.equal(old.outcome, 'set_aside');
  assert.ok(old.count >= 5000, JSON.stringify(spans));
  assert.equal(rowOf(loss, 'otlp_http', 'message').dropped, sent.otlp_http.message);
});
