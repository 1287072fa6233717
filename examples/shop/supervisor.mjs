// Starts the whole shop, keeps it running, hurts it on request, and leaves nothing behind.
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNginx, startPostgres, startRedis } from './backends.mjs';
import { announce } from './cdevents.mjs';
import { freePorts, start, stop } from './children.mjs';
import { faults } from './faults.mjs';
import { hostOf } from './hosts.mjs';
import { joinSlowLink } from './isolation.mjs';
import { startLoad } from './load.mjs';
import { gzip, startRecorder } from './recorder.mjs';

// Who speaks which of OTLP's dialects, so that a receiver meets all three.
export const services = {
  gateway: 'grpc', catalog: 'grpc', cart: 'http/protobuf', checkout: 'http/protobuf',
  payment: 'http/json', recommendation: 'http/json',
};
const names = Object.keys(services);
const fileOf = (name) => fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
export const unixNs = () => Date.now() * 1e6;

// `record` names a directory: all telemetry then goes there and needs no receiver; it is sent on to the
// receiver at `alsoTo`, if one is named.
// `isolatePayment` puts payment into a network namespace, which packet-delay needs.
// `skew` gives hosts wrong clocks (see hosts.mjs); `noPropagation` names services that neither read nor
// write trace context, but for the share `propagationLeft` of requests. Who truly called them is told by callers(), before and after stop().
export async function startShop({
  otlpHttp = 'http://127.0.0.1:4318', otlpGrpc = '127.0.0.1:4317', changes, record, alsoTo,
  rps = 30, seed = 1, sampling = 1, isolatePayment = false, nice = 5,
  skew, noPropagation = [], propagationLeft = 0, onEvent = () => {},
} = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'shop-'));
  process.on('exit', removeDir);
  chmodSync(dir, 0o755);  // PostgreSQL and nginx's worker run as other users
  mkdirSync(join(dir, 'callers'));

  const [nginxPort, postgresPort, redisPort, ...others] = await freePorts(3 + names.length);
  const ports = {
    nginx: nginxPort, postgres: postgresPort, redis: redisPort,
    ...Object.fromEntries(names.map((name, i) => [name, others[i]])),
  };
  const peers = JSON.stringify(Object.fromEntries(
    names.map((name) => [name, { address: '127.0.0.1', port: ports[name] }])));
  const running = {};  // service name -> { name, version, setting, crashes, child }
  const backends = [];  // child processes, in order of start
  let recorder;
  const since = Date.now();  // when all clocks had the offsets of `skew`
  const callersFile = (name) => join(dir, 'callers', `${name}.jsonl`);
  let accessLog;
  let load;
  let keptCallers;
  let stopping = false;

  const shop = {
    url: `http://127.0.0.1:${ports.nginx}`, ports, dir, rps, nice,
    startCustomers, inject, heal, stop: stopAll, callers,
    clocks: skew && { since_ms: since, hosts: skew },
    // For the faults:
    tell, restart, deploy, pid: (name) => running[name].child.pid,
  };
  try {
    await startAll();
  } catch (error) {
    await stopAll();
    throw error;
  }
  return shop;

  async function startAll() {
    if (record) {
      recorder = await startRecorder(record, alsoTo);
      otlpHttp = recorder.url;
      changes = `${otlpHttp}/v1/events`;
    }
    const [postgres, redis] = await Promise.all(
      [startPostgres(dir, ports.postgres), startRedis(dir, ports.redis)]);
    backends.push(postgres.child, redis.child);
    if (isolatePayment) {
      shop.link = await joinSlowLink({
        dir, port: ports.payment, postgresPort, postgresSocket: postgres.socket, otlpHttp,
        started: (child) => backends.push(child),
      });
    }
    await Promise.all(names.map(async (name) => {
      running[name] = { name, version: '1.0.0', setting: {}, crashes: 0 };
      if (!await launch(running[name])) throw new Error(`${name} did not start`);
      await tellChange('deployed', running[name]);
    }));
    const nginx = await startNginx(dir, ports.nginx, ports.gateway);
    backends.push(nginx.child);
    accessLog = nginx.accessLog;
    onEvent('started', { url: shop.url, ports, pid: process.pid });
  }

  // ---- services

  function environment({ name, version }) {
    const outside = {
      address: '127.0.0.1', postgres: `127.0.0.1:${ports.postgres}`, otlpHttp, command: [],
    };
    const place = name === 'payment' && shop.link ? shop.link.inside : outside;
    const protocol = record ? 'http/json' : services[name];
    const clock = skew?.[hostOf[name]];
    return { command: place.command, env: {
      PATH: process.env.PATH,
      SHOP_SERVICE: name, SHOP_VERSION: version, SHOP_HOST: skew ? hostOf[name] : 'shop-1',
      SHOP_ADDRESS: place.address, SHOP_PORT: ports[name], SHOP_PEERS: peers,
      SHOP_POSTGRES: place.postgres, SHOP_REDIS: `127.0.0.1:${ports.redis}`,
      ...(clock && { SHOP_CLOCK: JSON.stringify({ clock, since_ms: since }) }),
      ...(noPropagation.length && { SHOP_CALLERS_FILE: callersFile(name) }),
      ...(noPropagation.includes(name) && { SHOP_DEAF: 1 - propagationLeft }),
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? `http://${otlpGrpc}` : place.otlpHttp,
      OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_BSP_SCHEDULE_DELAY: 500, OTEL_BLRP_SCHEDULE_DELAY: 500,
      OTEL_METRIC_EXPORT_INTERVAL: 2000, OTEL_METRIC_EXPORT_TIMEOUT: 1900,
      OTEL_SEMCONV_STABILITY_OPT_IN: 'http,database',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: sampling,
    } };
  }

  // Returns whether the service came up; one that did not is tried again like one that crashed.
  async function launch(service) {
    if (stopping) return false;
    const { command, env } = environment(service);
    const began = Date.now();
    const child = service.child = start(
      // A small container's memory: a leak must not become the machine's problem.
      [...command, 'nice', '-n', String(nice), process.execPath, '--max-old-space-size=160',
        fileOf(service.name)],
      { cwd: dir, env, ipc: true, logFile: join(dir, `${service.name}.log`) });
    child.exited.then((status) => {
      if (stopping || service.child !== child) return;
      onEvent('exited', { service: service.name, status });
      relaunch(service, Date.now() - began);
    });
    const ready = new Promise((resolve) => child.once('message', () => resolve(true)));
    const up = await Promise.race([ready, child.exited.then(() => false)]);
    if (up && child.connected) child.send(service.setting);
    return up;
  }

  // Back-off as an orchestrator does it: longer each time, forgotten after a good while.
  async function relaunch(service, livedMs) {
    service.crashes = livedMs > 20_000 ? 1 : service.crashes + 1;
    await sleep(Math.min(4000, 250 * 2 ** service.crashes));
    await launch(service);
  }

  function tell(name, setting) {
    const service = running[name];
    Object.assign(service.setting, setting);  // a restarted process is told again
    if (service.child?.connected) service.child.send(setting);
  }

  async function restart(name, setting = {}) {
    const service = running[name];
    const old = service.child;
    Object.assign(service.setting, setting);
    service.child = undefined;  // so its end is no crash
    await stop(old);
    await launch(service);
  }

  async function deploy(name, version, what) {
    running[name].version = version;
    await restart(name);
    await tellChange(what, running[name]);
  }

  async function tellChange(what, { name, version }) {
    const reason = changes && await announce(changes, what, name, version);
    if (reason) onEvent('change-not-delivered', { what, service: name, reason });
  }

  // ---- customers and faults

  function startCustomers(seconds) {
    load = startLoad({ url: shop.url, rps, seed, seconds });
    return load;
  }

  // Returns the truth, which telemetry never tells.
  async function inject(name) {
    const fault = faults[name];
    if (fault.needsNamespaces && !shop.link) throw new Error(`${name} needs isolatePayment`);
    const truth = {
      fault: name, service: fault.service, kind: fault.kind, injected_at_unix_ns: unixNs(),
    };
    await fault.inject(shop);
    shop.fault = fault;
    onEvent('injecting', truth);
    return truth;
  }

  async function heal() {
    await shop.fault?.heal(shop);
    shop.fault = undefined;
    onEvent('healed', {});
  }

  // Who truly called, where telemetry does not tell: { service, trace, span, parent_trace, parent_span }.
  function callers() {
    if (keptCallers) return keptCallers;
    return names.filter((name) => existsSync(callersFile(name)))
      .flatMap((name) => readFileSync(callersFile(name), 'utf8').trim().split('\n'))
      .map((line) => JSON.parse(line));
  }

  // ---- the end

  async function stopAll() {
    if (stopping) return;
    stopping = true;
    await load?.stop();
    if (shop.hog) await stop(shop.hog);
    await Promise.all(Object.values(running).map(({ child }) => child && stop(child)));
    for (const child of backends.reverse()) await stop(child);
    shop.link?.close();
    await recorder?.stop();
    if (record && accessLog && existsSync(accessLog)) {
      await gzip(accessLog, join(record, 'nginx-access.log.gz'));
    }
    keptCallers = callers();
    removeDir();
    process.off('exit', removeDir);
    onEvent('stopped', {});
  }

  function removeDir() {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}
