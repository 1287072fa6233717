// What a sender was told is kept, is kept: through kill -9, a full disk, a restart and SIGTERM. (That it is
// also synced before power is lost cannot be seen from here.)
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Tomograph, binary, postJson, sleep, traceRequest, until } from './tomograph.mjs';

// A test that fails leaves its processes and senders behind: they must not keep this file alive.
const begun = [];
const start = async (options) => { const it = await Tomograph.start(options); begun.push(() => it.kill()); return it; };
after(() => Promise.all(begun.map((end) => end())));

const spansPerRequest = 5;
const spansPerTrace = 400;  // /evidence shows 500

/** Senders that post spans with ids of their own until told to stop, and remember what was acknowledged. */
class Senders {
  #stopping = false;
  #running;
  sent = new Map();  // trace -> ids of its spans, acknowledged or not
  acknowledged = new Map();
  codes = new Map();  // HTTP status -> how often
  refusals = [];  // texts of what was not 200

  /** `round` makes the ids unique. */
  constructor(tomograph, round, { count = 4, padding = 0 } = {}) {
    begun.push(() => this.stop());
    this.#running = Promise.all(Array.from({ length: count }, (_, i) => this.#send(tomograph, BigInt(round * 100 + i + 1), padding)));
  }

  async #send(tomograph, sender, padding) {
    for (let next = 0n; !this.#stopping;) {
      const trace = (sender << 64n) + next / BigInt(spansPerTrace) + 1n;
      const now = BigInt(Date.now()) * 1_000_000n;
      const spans = Array.from({ length: spansPerRequest }, () => ({ trace, span: (sender << 32n) + ++next, startNs: now - 1_000_000n, endNs: now,
        name: padding ? `work ${randomBytes(padding).toString('base64')}` : 'work' }));
      remember(this.sent, trace, spans);
      try {
        const answer = await postJson(`${tomograph.otlp}/v1/traces`, traceRequest('durable', spans));
        this.codes.set(answer.status, (this.codes.get(answer.status) ?? 0) + 1);
        const text = await answer.text();
        if (answer.status === 200) remember(this.acknowledged, trace, spans);
        else {
          this.refusals.push(text);
          await sleep(50);
        }
      } catch {
        await sleep(20);  // the server is gone: nothing was promised
      }
    }
  }

  async stop() {
    this.#stopping = true;
    await this.#running;
  }
}

const hex = (value, digits) => value.toString(16).padStart(digits, '0');
const size = (ids) => [...ids.values()].reduce((sum, spans) => sum + spans.size, 0);

function remember(ids, trace, spans) {
  const of = ids.get(trace) ?? new Set();
  for (const { span } of spans) of.add(hex(span, 16));
  ids.set(trace, of);
}

/** Holds that every acknowledged span is in the store, and that nothing is there that was not sent. */
async function allKept(tomograph, { acknowledged, sent }) {
  for (const [trace, ids] of acknowledged) {
    const { spans, truncated } = await tomograph.get(`/api/v1/evidence/trace:${hex(trace, 32)}`);
    assert.equal(truncated, false);
    const found = new Set(spans.map((span) => span.span_id));
    const lost = [...ids].filter((id) => !found.has(id));
    assert.deepEqual(lost, [], `trace ${hex(trace, 32)}: ${lost.length} of ${ids.size} acknowledged spans are lost`);
    assert.equal(spans.length, found.size, 'no span is kept twice');
    for (const id of found) assert.ok(sent.get(trace).has(id), `span ${id} was never sent`);
  }
}

const endsWell = (end, errors) => assert.deepEqual(end, { code: 0, signal: null }, errors);

describe('one store, many lives', () => {
  let store;
  before(() => { store = mkdtempSync(join(tmpdir(), 'tomograph-durable-')); });
  after(() => rmSync(store, { recursive: true, force: true }));

  test('kill -9 under load, twenty times: every acknowledged span is found', async (t) => {
    const rounds = [];
    let tomograph = await start({ store });
    for (let round = 1; round <= 20; round++) {
      const senders = new Senders(tomograph, round);
      await until(() => senders.acknowledged.size, 20, 'a first span is acknowledged');
      await sleep((round * 137) % 500);  // anywhere between two commits
      await tomograph.kill();
      await senders.stop();
      rounds.push(senders);
      tomograph = await start({ store });
      await allKept(tomograph, senders);
    }
    for (const senders of rounds) await allKept(tomograph, senders);
    endsWell(await tomograph.stop(), tomograph.errors);
    const total = rounds.reduce((sum, { acknowledged }) => sum + size(acknowledged), 0);
    assert.ok(total >= 20 * spansPerRequest);
    t.diagnostic(`${total} spans were acknowledged, ${rounds.reduce((sum, { sent }) => sum + size(sent), 0)} sent`);
  });

  test('SIGTERM under load: exit 0, and every acknowledged span is found', async () => {
    const first = await start({ store });
    const senders = new Senders(first, 21);
    await until(() => size(senders.acknowledged) >= 100, 20, 'spans are acknowledged');
    endsWell(await first.stop(), first.errors);  // stop() kills after 20 s: that would be no exit 0
    await senders.stop();
    const second = await start({ store });
    await allKept(second, senders);
    await second.stop();
  });

  test('a second process on the same store is refused and told whose it is', async () => {
    const owner = await start({ store });
    const second = spawnSync(binary, ['serve', '--store-dir', store, '--http-address', '127.0.0.1:0',
      '--otlp-http-address', '127.0.0.1:0', '--otlp-grpc-address', ''], { encoding: 'utf8', timeout: 20_000 });
    assert.equal(second.status, 1, second.stderr);
    assert.ok(second.stderr.includes(store), second.stderr);
    assert.match(second.stderr, new RegExp(`\\b${owner.child.pid}\\b`));
    assert.equal((await fetch(`${owner.page}/-/healthy`)).status, 200, 'the first is not disturbed');
    endsWell(await owner.stop(), owner.errors);
  });
});

describe('full disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tomograph-small-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder], { encoding: 'utf8' });
  const skip = mounted.status === 0 ? false : `no small disk (a tmpfs needs root): ${mounted.stderr ?? mounted.error}`;
  after(() => {
    if (!skip) spawnSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('senders are told to retry, nothing acknowledged is lost, and it heals by itself', { skip }, async (t) => {
    const store = join(folder, 'store');
    const filler = join(folder, 'filler');
    mkdirSync(store);
    const tomograph = await start({ store });
    const writable = async () => (await tomograph.get('/api/v1/status')).self.store_writable;
    const ready = async () => {
      const answer = await fetch(`${tomograph.page}/-/ready`);
      return { status: answer.status, text: await answer.text() };
    };
    const senders = new Senders(tomograph, 30, { padding: 1000 });
    await until(() => size(senders.acknowledged) >= 100, 20, 'spans are acknowledged');

    const { bavail, bsize } = statfsSync(folder);
    try {
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
    } catch { /* full is what it should be */ }
    await until(() => senders.refusals.length > 0, 30, 'a sender is refused');
    await until(async () => (await writable()) === 0, 15, 'the status says that the store cannot write');
    for (const code of senders.codes.keys()) assert.ok([200, 429, 503].includes(code), `a sender got ${code}`);
    assert.match(senders.refusals[0], /space|disk/i);
    let said;
    await until(async () => (said = await ready()).status === 503, 15, 'it is not ready');
    assert.match(said.text, /store cannot write.*(space|disk)/i);
    t.diagnostic(`a sender is told: ${senders.refusals[0]}`);

    await senders.stop();
    rmSync(filler);
    await until(async () => (await ready()).status === 200, 15, 'it is ready again, with nothing sent');
    const more = new Senders(tomograph, 31, { padding: 1000 });
    await until(() => more.codes.get(200) > 5, 30, 'spans are accepted again');
    await until(async () => (await writable()) === 1, 15, 'the status says that the store writes again');
    await more.stop();
    await allKept(tomograph, more);
    await allKept(tomograph, senders);
    await tomograph.kill();
    const again = await start({ store });
    await allKept(again, senders);
    endsWell(await again.stop(), again.errors);
  });
});
