// The shop's command line: node shop.mjs --help
// As a library: import { startShop } from './shop.mjs'
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { faults } from './faults.mjs';
import { hosts, parseSkew } from './hosts.mjs';
import { NoNamespaces } from './isolation.mjs';
import { services, startShop, unixNs } from './supervisor.mjs';

export { faults, parseSkew, startShop };

const usage = `usage: node shop.mjs [options]
  --otlp-http URL       OTLP over HTTP goes here (http://127.0.0.1:4318)
  --otlp-grpc HOST:PORT OTLP over gRPC goes here (127.0.0.1:4317)
  --changes URL         deploy events go here (the OTLP/HTTP address with /v1/events)
  --record DIR          no receiver needed: write telemetry, changes and truth to DIR
  --fault NAME          ${Object.keys(faults).join(' | ')}
  --warmup SECONDS      healthy time before the fault (60)
  --duration SECONDS    time with the fault, or more healthy time without one (60)
  --recovery SECONDS    time after the fault was healed (0: it is not healed)
  --rps N --seed N      customers (30 visits a second, seed 1)
  --sampling RATIO      share of the traces that are kept (1)
  --skew LIST           clocks that are wrong, as web-2=+35ms,pay-1=-20ms+40ppm; hosts are then
                        ${hosts.join(', ')}
  --no-propagation LIST services that neither read nor write trace context, as catalog,payment
  --propagation-left SHARE  of the requests of these, those that carry it all the same (0)
  --nice=N              priority of the services (5); below 0 needs root
  --json                one JSON line per event
exit status: 0 done, 1 failed, 2 wrong usage, 77 packet-delay is not possible on this machine`;

function options() {
  const text = (value) => ({ type: 'string', default: value });
  try {
    return parseArgs({ options: {
      'otlp-http': text('http://127.0.0.1:4318'), 'otlp-grpc': text('127.0.0.1:4317'),
      changes: text(), record: text(), fault: text(), warmup: text('60'), duration: text('60'),
      recovery: text('0'), rps: text('30'), seed: text('1'), sampling: text('1'), nice: text('5'),
      skew: text(), 'no-propagation': text(''), 'propagation-left': text('0'),
      json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
    } }).values;
  } catch (error) {
    return { problem: error.message };
  }
}

async function main() {
  const given = options();
  if (given.help) return console.log(usage);
  const noPropagation = given['no-propagation']?.split(',').filter(Boolean) ?? [];
  const stranger = noPropagation.find((name) => !(name in services));
  if (stranger) given.problem = `there is no service "${stranger}"`;
  let skew;
  try {
    skew = given.skew && parseSkew(given.skew);
  } catch (error) {
    given.problem = error.message;
  }
  if (given.fault && !faults[given.fault]) given.problem = `there is no fault "${given.fault}"`;
  if (given.problem) {
    console.error(`${given.problem}\n${usage}`);
    process.exitCode = 2;
    return;
  }
  const [warmup, duration, recovery] = [+given.warmup, +given.duration, +given.recovery];

  const onEvent = (event, about) => console.log(given.json
    ? JSON.stringify({ event, time_unix_ns: unixNs(), ...about })
    : `${new Date().toISOString()} ${event} ${JSON.stringify(about)}`);
  // Ctrl-C ends the current wait; then everything is stopped in order.
  const enough = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => enough.abort());
  const wait = (seconds) => sleep(seconds * 1000, undefined, { signal: enough.signal });

  const shop = await startShop({
    otlpHttp: given['otlp-http'], otlpGrpc: given['otlp-grpc'], record: given.record,
    changes: given.changes ?? `${given['otlp-http']}/v1/events`,
    rps: +given.rps, seed: +given.seed, sampling: +given.sampling, nice: +given.nice,
    isolatePayment: Boolean(faults[given.fault]?.needsNamespaces), skew, noPropagation,
    propagationLeft: +given['propagation-left'], onEvent,
  });
  let truth = { fault: null };
  try {
    const load = shop.startCustomers(warmup + duration + recovery + 30);
    await wait(warmup);
    onEvent('customers', load.counts);
    if (given.fault) truth = await shop.inject(given.fault);
    await wait(duration);
    onEvent('customers', load.counts);
    if (given.fault && recovery) {
      truth.healed_at_unix_ns = unixNs();
      await shop.heal();
      await wait(recovery);
      onEvent('customers', load.counts);
    }
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  } finally {
    await shop.stop();
    if (given.record) {
      if (shop.clocks) truth.clocks = shop.clocks;
      if (noPropagation.length) {
        truth.no_propagation = noPropagation;
        truth.propagation_left = +given['propagation-left'];
        const lines = shop.callers().map((caller) => JSON.stringify(caller) + '\n');
        writeFileSync(join(given.record, 'truth-callers.jsonl.gz'), gzipSync(lines.join(''), { level: 9 }));
      }
      writeFileSync(join(given.record, 'truth.json'), `${JSON.stringify(truth, null, 2)}\n`);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error) => {
    console.error(error.message);
    process.exitCode = error instanceof NoNamespaces ? 77 : 1;
  });
}
