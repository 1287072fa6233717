// Everything that the API says leads to what it was concluded from: every evidence id of the recorded incident
// opens, from a hypothesis one gets to raw spans, and what was stored can be asked for.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { binary, repository, until } from './tomograph.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tomograph-evidence-'));  // the served store is made in it
let run, page, exited, output = '';
const get = async (path) => {
  const answer = await fetch(page + path);
  return { status: answer.status, body: await answer.json() };
};
const open = (id) => get(`/api/v1/evidence/${id.split('/').map(encodeURIComponent).join('/')}`);

/** Every evidence id anywhere in an answer. */
function idsIn(value, found = new Set()) {
  if (typeof value === 'string' && /^(trace|window|series|event|log):/.test(value)) found.add(value);
  else if (value && typeof value === 'object') for (const part of Object.values(value)) idsIn(part, found);
  return found;
}

describe('evidence of the recorded incident', () => {
  before(async () => {
    run = spawn(binary, ['reconstruct', join(repository, 'examples/shop/recordings/pool-exhaustion'), '--quiet', '--serve', '127.0.0.1:0'],
      { env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'inherit'] });
    exited = new Promise((done) => run.on('exit', (code, signal) => done({ code, signal })));
    run.stdout.on('data', (text) => { output += text; });
    await until(() => /The page: (\S+)\//.test(output), 120, 'the page is served');
    page = /The page: (\S+)\//.exec(output)[1];
  });
  after(() => {
    run.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('every id that the API hands out opens and has content', async () => {
    const ids = new Set();
    for (const path of ['picture', 'incidents', 'hypotheses', 'changes', 'estimates?limit=2000'])
      idsIn((await get(`/api/v1/${path}`)).body, ids);
    assert.ok([...ids].some((id) => id.includes(':client_latency:')), 'what callers see is among them');
    const dead = [];
    for (const id of ids) {
      const { status, body } = await open(id);
      const content = [...(body.lines ?? []), ...(body.estimates ?? []), ...(body.change ? [body.change] : [])];
      if (status !== 200 || content.length === 0) dead.push(`${id}: ${status} ${body.error?.message ?? ''}`);
    }
    assert.deepEqual(dead, [], `${dead.length} of ${ids.size}`);
  });

  test('from the first hypothesis to raw spans of requests that were ill', async () => {
    const [incident] = (await get('/api/v1/incidents')).body.incidents;
    const first = incident.hypotheses[0];
    let opened = 0;
    for (const { id } of first.evidence_for.filter((e) => e.id.startsWith('series:'))) {
      const { body } = await open(id);
      assert.ok(body.traces.length > 0, `${id} names raw requests: ${body.missing ?? 'none found'}`);
      for (const example of body.traces) {
        assert.ok(example.start_ms >= first.onset_ms, 'after the onset');
        const trace = await open(example.evidence);
        assert.equal(trace.status, 200, example.evidence);
        assert.ok(trace.body.spans.some((s) => s.service === example.service_name && s.name === example.name));
        opened += 1;
      }
    }
    assert.ok(opened > 0);
  });

  test('a metric is correlated by its stored samples', async () => {
    const ask = (metric) => get(`/api/v1/correlations?entity=payment&metric=${metric}`);
    const { status, body } = await ask('nodejs.eventloop.time');
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.series.map((s) => s.labels['nodejs.eventloop.state']).sort(), ['active', 'idle']);
    for (const series of body.series) {
      assert.equal(series.read_as, 'counter');
      assert.equal(series.samples, 76);
      assert.ok(Math.abs(series.interval_ms - 2000) < 100, `${series.interval_ms}`);
      assert.equal(series.restarts + series.ignored, 0);
      assert.equal(series.times, 'raw');
      assert.equal(series.clock_bound_ms, null, 'one host that meets no other');
    }
    assert.ok(body.compared > 100 && body.not_identifiable < body.compared, JSON.stringify(body));
    const unknown = await ask('eventloop');
    assert.equal(unknown.status, 404);
    assert.match(unknown.body.error.message, /known: .*nodejs\.eventloop\.time/);
    assert.equal((await ask('v8js.gc.duration')).status, 400, 'a histogram');
  });

  test('the store that was made for it is gone at the end', async () => {
    assert.equal(readdirSync(folder).length, 1);
    run.kill('SIGTERM');
    assert.deepEqual(await exited, { code: 0, signal: null });
    assert.ok(existsSync(folder));
    assert.deepEqual(readdirSync(folder), []);
  });
});
