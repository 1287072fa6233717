// What is wrong with a command line is said before the work, and nothing is left behind.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { faults } from '../../examples/shop/faults.mjs';
import { binary, repository, until } from './tomograph.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tomograph-command-line-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a word that is none is named, with what is near', () => {
  const said = (...words) => {
    const run = spawnSync(binary, words, { encoding: 'utf8', timeout: 20_000 });
    assert.equal(run.status, 1);
    return run.stderr;
  };
  assert.match(said('serv'), /there is no command 'serv'; did you mean serve\?/);
  assert.match(said('evaluate', 'request'), /there is no command 'request'; did you mean requests\?/);
  assert.match(said('serve', '--store', 'x'), /there is no option --store; did you mean --store-dir\?/);
  assert.match(said('serve', '--qqqqqqqq'), /there is no option --qqqqqqqq\n/);
  assert.match(said(), /subcommand is required/);
});

test('what evaluate reads may be named alone or after --data', () => {
  const nowhere = join(folder, 'no-data');
  const suites = { incidents: ['--suite', 'petshop'], sampling: [], requests: [], clocks: [], spans: [] };
  for (const [suite, flags] of Object.entries(suites)) {
    const said = (...words) => {
      const run = spawnSync(binary, ['evaluate', suite, ...flags, ...words], { encoding: 'utf8', timeout: 20_000 });
      assert.equal(run.status, 1, `${suite}: ${run.stderr}`);
      return run.stderr;
    };
    assert.match(said(nowhere), /no-data/, suite);
    assert.equal(said('--data', nowhere), said(nowhere));
    assert.match(said(), /required/, suite);
  }
});

describe('tomograph reconstruct', () => {
  // There is no such recording: what is named first was looked at first.
  const refused = (...flags) => {
    const run = spawnSync(binary, ['reconstruct', join(folder, 'no-recording'), ...flags], { encoding: 'utf8', timeout: 20_000 });
    assert.equal(run.status, 1, `exit ${run.status} ${run.signal}: ${run.stdout}${run.stderr}`);
    return run.stderr;
  };

  test('--help says what --links writes', () => {
    const { stdout } = spawnSync(binary, ['reconstruct', '--help'], { encoding: 'utf8', timeout: 20_000 });
    assert.match(stdout, /--links/);
    assert.match(stdout.replace(/\s+/g, ' '), /a line of JSON each, with its posterior and runner-up/);
  });

  test('rotated files in any order of names and lines', () => {
    const start = 1_700_000_000_000_000_000n;
    const line = (n) => {
      const at = start + BigInt(n) * 1_000_000_000n;
      const span = { traceId: (n + 1).toString(16).padStart(32, '0'), spanId: (n + 1).toString(16).padStart(16, '0'), name: 'op', kind: 2,
        startTimeUnixNano: String(at), endTimeUnixNano: String(at + 5_000_000n) };
      return `${JSON.stringify({ resourceSpans: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] }, scopeSpans: [{ spans: [span] }] }] })}\n`;
    };
    const files = 50, each = 200, recording = join(folder, 'rotated');
    mkdirSync(recording);
    for (let f = 0; f < files; ++f) {
      const lines = Array.from({ length: each }, (_, i) => line(f * each + i));
      if (f % 10 === 3) lines.reverse();
      const text = lines.join('');
      // As logrotate does: 1 is the newest.
      writeFileSync(join(recording, `spans.jsonl.${files - f}${f % 2 ? '.gz' : ''}`), f % 2 ? gzipSync(text) : text);
    }
    const run = spawnSync(binary, ['reconstruct', recording, '--json', '--quiet'], { encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28 });
    assert.equal(run.status, 0, run.stderr);
    const loss = JSON.parse(run.stdout).loss.find((row) => row.signal === 'span');
    assert.equal(loss.received, files * each);
    assert.equal(loss.accepted, files * each);
    assert.equal(loss.set_aside, 0);
  });

  test('a report that cannot be written', () => {
    assert.match(refused('--report', join(folder, 'no-folder', 'report.html')), /report\.html: cannot be written/);
    assert.match(refused('--report', folder), /cannot be written/);
  });

  test('an address that is taken, or none', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => other.once('listening', done));
    const { port } = other.address();
    assert.match(refused('--serve', `127.0.0.1:${port}`), new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}`));
    await new Promise((done) => other.close(done));
    assert.match(refused('--serve', 'nowhere'), /nowhere/);
  });

  test('a report of nothing is not left behind, nor an older one lost', () => {
    const fresh = join(folder, 'fresh.html'), old = join(folder, 'old.html');
    writeFileSync(old, 'what was found yesterday');
    assert.match(refused('--report', fresh), /no-recording/);
    assert.match(refused('--report', old), /no-recording/);
    assert.equal(existsSync(fresh), false);
    assert.equal(readFileSync(old, 'utf8'), 'what was found yesterday');
  });

  test('an older report is replaced, not added to', () => {
    const recording = join(folder, 'spans.jsonl'), report = join(folder, 'again.html');
    writeFileSync(recording, `${JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [
      { traceId: '1'.padStart(32, '0'), spanId: '1'.padStart(16, '0'), name: 'n', startTimeUnixNano: '1700000000000000000', endTimeUnixNano: '1700000000001000000' }] }] }] })}\n`);
    const sizes = [0, 1].map(() => {
      const run = spawnSync(binary, ['reconstruct', recording, '--report', report, '--quiet'], { encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      return readFileSync(report, 'utf8').match(/<!doctype html>/gi)?.length;
    });
    assert.deepEqual(sizes, [1, 1]);
  });
});

test('./dev shop with a fault that is none says so before it installs anything', () => {
  const installed = join(folder, 'installed');
  for (const command of ['sudo', 'dpkg-query', 'apt-get', 'cmake', 'npm'])
    writeFileSync(join(folder, command), `#!/bin/sh\necho ${command} >> ${installed}\nexit 1\n`, { mode: 0o755 });
  const run = (...words) => spawnSync(join(repository, 'dev'), ['shop', ...words], { encoding: 'utf8', env: { ...process.env, PATH: folder + delimiter + process.env.PATH } });
  const said = run('nonsense');
  assert.equal(said.status, 2, said.stderr);
  assert.match(said.stderr, /no fault 'nonsense'/);
  for (const name of Object.keys(faults)) assert.ok(said.stderr.includes(name), name);
  assert.equal(existsSync(installed), false);
  assert.notEqual(run('--warmup', '5', Object.keys(faults)[0], 'none').status, 2, 'what there is gets on to the installing');
  assert.ok(existsSync(installed));
});

test('a store that a killed process left behind goes with the next start; that of a living one stays, and what is not ours', async () => {
  const temporary = join(folder, 'temporary');
  mkdirSync(join(temporary, 'tomograph-recording-foreign'), { recursive: true });
  writeFileSync(join(temporary, 'tomograph-recording-foreign', 'mine.txt'), 'x');
  const stores = () => readdirSync(temporary).filter((name) => name !== 'tomograph-recording-foreign');
  const served = [];
  const serve = async () => {
    const child = spawn(binary, ['reconstruct', join(repository, 'examples/shop/recordings/healthy'), '--quiet', '--serve', '127.0.0.1:0'], { env: { ...process.env, TMPDIR: temporary }, stdio: ['ignore', 'pipe', 'inherit'] });
    served.push(child);
    child.ended = new Promise((done) => child.on('exit', done));
    let output = '';
    child.stdout.on('data', (text) => { output += text; });
    await until(() => /The page:/.test(output), 60, 'the page');
    return child;
  };
  try {
    const killed = await serve();
    const [left] = stores();
    killed.kill('SIGKILL');
    await killed.ended;
    assert.deepEqual(stores(), [left]);
    const living = await serve();
    const [its] = stores();
    assert.notEqual(its, left);
    const another = await serve();
    assert.equal(stores().length, 2);
    assert.ok(stores().includes(its), 'its owner lives');
    for (const child of [living, another]) {
      child.kill('SIGTERM');
      await child.ended;
    }
    assert.deepEqual(stores(), []);
    assert.ok(existsSync(join(temporary, 'tomograph-recording-foreign', 'mine.txt')));
  } finally {
    for (const child of served) if (child.exitCode === null) child.kill('SIGKILL');
  }
});
