// Runs the shop of examples/shop beside `tomograph serve`, breaks it, and prints what was found and when.
//   node tools/watch_shop.mjs [FAULT...] [--warmup S] [--patience S] [--keep]
// FAULT: a name of examples/shop (pool-exhaustion when none is given), `all`, or `none`. --keep leaves both
// running until Ctrl-C, so that one can look at the page.
import { parseArgs } from 'node:util';
import { faults, startShop } from '../examples/shop/shop.mjs';
import { Tomograph, sleep } from '../test/system/tomograph.mjs';

/**
 * Starts both, injects `fault` (null: none), and waits for a diagnosis: until the broken service leads and `settle`
 * seconds more, at most `patience`. Everything is stopped at the end. `trail` tells how the diagnosis went:
 * {seconds since the injection, name, cause, posterior, unknown, certainty} of each leader.
 */
export async function watchFault(fault, { warmup = 60, patience = 60, settle = 15, keep = false, rps = 30, say = () => {} } = {}) {
  const tomograph = await Tomograph.start();
  let shop;
  try {
    say(`page: ${tomograph.page}`);
    shop = await startShop({
      otlpHttp: tomograph.otlp, otlpGrpc: `127.0.0.1:${tomograph.ports.grpc}`, changes: `${tomograph.otlp}/v1/events`, rps, seed: 1,
      nice: 5, sampling: 1, isolatePayment: Boolean(faults[fault]?.needsNamespaces),
    });
    shop.startCustomers(warmup + patience + settle + 60);
    say(`healthy for ${warmup} s`);
    await sleep(warmup * 1000);
    const incidents = async () => (await tomograph.get('/api/v1/incidents')).incidents;
    const result = { fault, falseAlarms: await incidents(), truth: null, trail: [], incident: null };
    if (fault) {
      result.truth = await shop.inject(fault);
      say(`injected ${fault}`);
    }
    const injected = Date.now();
    let end = injected + patience * 1000;
    let told = 0;  // when the diagnosis was made that is last in the trail
    for (let right = false; Date.now() < end; await sleep(250)) {
      [result.incident = null] = await incidents();
      const best = result.incident?.hypotheses[0];
      if (!best || result.incident.made_ms <= Math.max(injected, told)) continue;
      told = result.incident.made_ms;
      const { certainty, unknown } = result.incident;
      result.trail.push({ seconds: (Date.now() - injected) / 1000, name: best.name, cause: best.cause, posterior: best.posterior, unknown, certainty });
      if (!right && best.name === result.truth?.service && best.posterior > unknown) {
        right = true;
        end = Math.min(end, Date.now() + settle * 1000);
      }
    }
    result.topology = await tomograph.get('/api/v1/topology');
    if (keep) {
      say('both keep running; Ctrl-C ends them');
      await new Promise((done) => process.once('SIGINT', done));
    }
    return result;
  } finally {
    await shop?.stop();
    await tomograph.stop();
  }
}

/** The first diagnosis that names the service that was broken. */
export const firstRight = (trail, truth) => trail.find(({ name, posterior, unknown }) => name === truth?.service && posterior > unknown);

function print({ fault, truth, trail, incident, falseAlarms }) {
  const first = firstRight(trail, truth);
  const best = incident?.hypotheses[0];
  console.log(`\n${fault ?? 'no fault'}`);
  if (truth) console.log(`  broken:  ${truth.service} (${truth.kind})`);
  console.log(`  found:   ${best ? `${best.name} (${best.cause}), ${Math.round(best.posterior * 100)} %, ${incident.certainty}` : 'nothing'}`);
  if (first) console.log(`  time to hypothesis: ${first.seconds.toFixed(1)} s from injection`);
  if (incident) console.log(`  says:    ${incident.summary}`);
  for (const e of best?.evidence_for ?? []) console.log(`    + ${e.text}`);
  for (const e of best?.evidence_against ?? []) console.log(`    - ${e.text}`);
  if (falseAlarms.length) console.log(`  ${falseAlarms.length} incident(s) before anything was broken`);
}

if (process.argv[1]?.endsWith('watch_shop.mjs')) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: {
    warmup: { type: 'string', default: '60' }, patience: { type: 'string', default: '60' },
    keep: { type: 'boolean', default: false } } });
  const names = positionals.includes('all') ? Object.keys(faults) : positionals.length ? positionals : ['pool-exhaustion'];
  for (const name of names) {
    if (name !== 'none' && !faults[name]) {
      console.error(`there is no fault "${name}": ${Object.keys(faults).join(', ')}, all, none`);
      process.exit(2);
    }
  }
  for (const name of names)
    print(await watchFault(name === 'none' ? null : name, { warmup: +values.warmup, patience: +values.patience, keep: values.keep, say: (t) => console.log(`... ${t}`) }));
}
