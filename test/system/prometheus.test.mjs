// The real Prometheus as the client: it scrapes Tomograph's own /metrics, sends all that it scrapes by remote
// write to Tomograph, and its promtool judges the exposition.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Tomograph, until } from './tomograph.mjs';

const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

let tomograph, prometheus, dir, url;

before(async () => {
  tomograph = await Tomograph.start({ flags: ['--window', '1s', '--lateness', '2s'] });
  dir = mkdtempSync(join(tmpdir(), 'tomograph-prometheus-'));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  writeFileSync(join(dir, 'prometheus.yml'), `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: tomograph
    static_configs: [{ targets: ['127.0.0.1:${tomograph.ports.page}'] }]
  - job_name: prometheus
    static_configs: [{ targets: ['127.0.0.1:${port}'] }]
remote_write:
  - url: ${tomograph.otlp}/api/v1/write
`);
  prometheus = spawn('prometheus', [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'], { stdio: 'ignore' });
  await until(async () => (await fetch(`${url}/-/ready`).catch(() => null))?.ok, 30, 'Prometheus is ready');
});

after(async () => {
  prometheus?.kill('SIGTERM');
  await tomograph?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** How many samples Prometheus says that it has delivered. */
const delivered = async () => [...(await (await fetch(`${url}/metrics`)).text()).matchAll(/^prometheus_remote_storage_samples_total\{.*\} (\S+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);

const samples = async (format) => (await tomograph.get('/api/v1/loss')).loss.find((r) => r.format === format && r.signal === 'sample');

test('remote write arrives whole and is accounted for', async () => {
  const row = await until(async () => {
    const found = await samples('remote_write');
    return found?.accepted > 2000 ? found : null;
  }, 60, 'samples by remote write');
  assert.equal(row.received, row.accepted + row.repaired + row.dropped);
  // As many as the sender says: all that it has delivered by now will be in the ledger, which is shown some seconds
  // late, and what is in the ledger then is soon delivered.
  const before = await delivered();
  const received = await until(async () => {
    const count = (await samples('remote_write')).received;
    return count >= before ? count : null;
  }, 20, `the ${before} samples that were delivered`);
  await until(async () => await delivered() >= received, 10, `${received} samples are delivered`);
  // A summary without observations is NaN: no value, which is no loss either, but it is counted.
  assert.deepEqual(row.reasons.filter((r) => r.reason !== 'non_finite'), [], JSON.stringify(row));
});

test('Prometheus counts no failed sample', async () => {
  const value = async (query) => Number((await (await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`)).json()).data.result[0]?.value[1] ?? 0);
  await until(async () => (await value('sum(prometheus_remote_storage_samples_total)')) > 1000, 60, 'Prometheus has sent');
  assert.equal(await value('sum(prometheus_remote_storage_samples_failed_total)'), 0);
  assert.equal(await value('up{job="tomograph"}'), 1);
});

test('what Prometheus measures of itself has become state', async () => {
  const { entities } = await tomograph.get('/api/v1/entities');
  assert.ok(entities.some((e) => e.name === 'prometheus'), JSON.stringify(entities.map((e) => e.name)));
});

test('promtool finds nothing wrong with /metrics', async () => {
  const text = await (await fetch(`${tomograph.page}/metrics`)).text();
  const check = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  assert.equal(check.status, 0, check.stdout + check.stderr);
  assert.match(text, /tomograph_records_total/);
});

test('a scrape by Tomograph itself', async () => {
  const scraper = await Tomograph.start({ flags: ['--scrape', `prometheus=${url}/metrics,gone=http://127.0.0.1:9/metrics`, '--scrape-interval', '1s'] });
  try {
    await until(async () => (await scraper.get('/api/v1/loss')).loss.some((r) => r.format === 'scrape' && r.accepted > 500), 30, 'scraped samples');
  } finally {
    await scraper.stop();
  }
});
