// A real PostgreSQL and its streaming replica, whose replay is paused twice. Of the lag that it reads every second,
// one reading in ten is told: what Tomograph says in between is held against the others. That is done ten times over,
// under ten names, each of which tells another tenth: so it does not hang on which readings happened to be told.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { postgresPrograms } from '../../examples/shop/backends.mjs';
import { freePorts, listens, run, start, stop } from '../../examples/shop/children.mjs';
import { Tomograph, sleep, until } from './tomograph.mjs';

const pg = createRequire(new URL('../../examples/shop/package.json', import.meta.url))('pg');
const user = process.getuid() === 0 ? 'postgres' : undefined;  // it refuses to run as root
const windowS = 2;
const told = 10;  // one reading in so many, and so many names
// Seconds of following and of pause, in turn.
const plan = [['follow', 30], ['pause', 50], ['follow', 25], ['pause', 40], ['follow', 12]];

class Replication {
  static async start() {
    const it = new Replication();
    it.dir = mkdtempSync(join(tmpdir(), 'tomograph-replica-'));
    const ids = user && ['-u', '-g'].map((id) => Number(execFileSync('id', [id, user])));
    const own = (path) => { mkdirSync(path, { recursive: true }); if (ids) chownSync(path, ...ids); };
    own(it.dir);
    const bin = postgresPrograms();
    const [primary, replica] = it.ports = await freePorts(2);
    const logFile = join(it.dir, 'postgres.log');
    const options = { cwd: it.dir, user, logFile };
    const serve = (data, port) => start([join(bin, 'postgres'), '-D', data,
      ...Object.entries({ port, listen_addresses: '127.0.0.1', unix_socket_directories: data, shared_buffers: '16MB', fsync: 'off', wal_level: 'replica', max_wal_senders: 4, hot_standby: 'on', max_standby_streaming_delay: '-1' })
        .flatMap(([key, value]) => ['-c', `${key}=${value}`])], { ...options, signal: 'SIGINT' });
    const [first, second] = ['primary', 'replica'].map((name) => join(it.dir, name));
    own(first);
    await run([join(bin, 'initdb'), '-D', first, '-U', 'test', '-A', 'trust', '--locale=C', '--no-sync'], options);
    it.children = [serve(first, primary)];
    await listens(primary, it.children[0]);
    it.primary = await it.connect(primary);
    await run([join(bin, 'pg_basebackup'), '-D', second, '-R', '-U', 'test', '-h', '127.0.0.1', '-p', String(primary), '-X', 'stream', '-c', 'fast', '--no-sync'], options);
    it.children.push(serve(second, replica));
    await listens(replica, it.children[1]);
    it.replica = await it.connect(replica);
    await it.primary.query('create table beats (at timestamptz)');
    return it;
  }
  async connect(port) {
    return until(async () => {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'test', database: 'postgres' });
      client.on('error', () => {});  // when the server is stopped
      return client.connect().then(() => client, () => null);
    }, 20, `PostgreSQL serves on ${port}`);
  }
  /// Seconds since the newest write that the replica has applied was made.
  async lag() {
    const { rows: [{ lag }] } = await this.replica.query('select extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as lag');
    return lag;
  }
  async stop() {
    for (const client of [this.primary, this.replica]) await client?.end().catch(() => {});
    for (const child of [...this.children].reverse()) await stop(child);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const metric = (name, value, attributes) => JSON.stringify({ resourceMetrics: [{
  resource: { attributes: [{ key: 'service.name', value: { stringValue: 'orders-db' } }] },
  scopeMetrics: [{ metrics: [{ name, unit: name.endsWith('delay') ? 's' : '1', gauge: { dataPoints: [{
    timeUnixNano: `${Date.now()}000000`, asDouble: value,
    attributes: Object.entries(attributes).map(([key, text]) => ({ key, value: { stringValue: text } })) }] } }] }] }] });

/// How far off a distribution is of which five quantiles are told (the quantile score; of one number, its error).
function crps({ i90, i50, value }, truth) {
  const told = [[0.05, i90[0]], [0.25, i50[0]], [0.5, value], [0.75, i50[1]], [0.95, i90[1]]];
  return 2 * told.reduce((sum, [q, at]) => sum + (truth - at) * (q - (truth < at ? 1 : 0)), 0) / told.length;
}

describe('a replica of PostgreSQL between rare readings', () => {
  let tomograph;
  let replication;
  let writing;
  const read = [];  // { at, lag, paused }
  before(async () => {
    tomograph = await Tomograph.start({ flags: ['--window', `${windowS}s`, '--lateness', '1s'] });
    replication = await Replication.start();
    writing = setInterval(() => replication.primary.query('insert into beats values (clock_timestamp())').catch(() => {}), 25);
    const send = (body) => fetch(`${tomograph.otlp}/v1/metrics`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await sleep(1000);
    for (const [what, seconds] of plan) {
      await replication.replica.query(`select pg_wal_replay_${what === 'pause' ? 'pause' : 'resume'}()`);
      for (let second = 0; second < seconds; ++second) {
        const lag = await replication.lag();
        // Some other metric goes on: only the lag is rarely read.
        await send(metric('postgresql.backends', 3, {}));
        await send(metric('postgresql.wal.delay', lag, { operation: 'replay', replication_client: `standby${read.length % told}` }));
        read.push({ at: Date.now(), lag, paused: what === 'pause' });
        await sleep(1000 - (Date.now() % 1000));
      }
    }
    await sleep(5000);
  }, { timeout: 300_000 });
  after(async () => {
    clearInterval(writing);
    await replication?.stop();
    await tomograph?.stop();
  });

  test('intervals hold what was not told, and pauses are found', async (t) => {
    const get = async (state, name) => (await tomograph.get(`/api/v1/estimates?state=${state}&entity=${encodeURIComponent(name)}&limit=1000`)).estimates;
    const score = { windows: 0, held: 0, paused: 0, heldPaused: 0, crps: 0, lastError: 0, both: 0, either: 0 };
    for (let which = 0; which < told; ++which) {
      const name = `orders-db/standby${which}`;
      const estimates = await get('replica_lag', name);
      const diverged = await get('replica_diverged', name);
      let last = null;
      for (const e of estimates.filter((one) => one.basis !== 'missing')) {
        const within = read.filter(({ at }) => at >= e.start_ms && at < e.start_ms + e.length_ms);
        for (const one of within) if (read.indexOf(one) % told === which) last = one.lag;
        if (within.length < windowS || last === null) continue;
        const truth = within.reduce((sum, one) => sum + one.lag, 0) / within.length;
        const held = truth >= e.i90[0] - 0.5 && truth <= e.i90[1] + 0.5;  // half a second: readings are not the window's mean
        const said = diverged.find((d) => d.start_ms === e.start_ms);
        const late = within.at(-1).lag > 1;
        score.windows += 1;
        score.held += held;
        score.paused += within[0].paused;
        score.heldPaused += within[0].paused && held;
        score.crps += crps(e, truth);
        score.lastError += Math.abs(last - truth);
        score.both += late && said.value > 0.5;
        score.either += late || said.value > 0.5;
      }
    }
    t.diagnostic(`${score.held} of ${score.windows} windows hold the truth, ${score.heldPaused} of ${score.paused} of a pause; CRPS ${(score.crps / score.windows).toFixed(2)} s, of the last reading ${(score.lastError / score.windows).toFixed(2)} s; diverged: overlap ${(score.both / score.either).toFixed(2)}`);
    assert.ok(score.windows > 60 * told, `${score.windows} windows`);
    assert.ok(score.held >= 0.75 * score.windows);
    assert.ok(score.both >= 0.6 * score.either);
    assert.ok(score.crps < score.lastError, 'better than the last reading');
  });
});
