// The faults and the truth about them. Each is real: the process, the kernel or the network is
// truly in trouble, and telemetry shows only what an ordinary system in that trouble would show.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { processesIn, start, stop } from './children.mjs';
import { checkoutShare } from './load.mjs';

const paymentConnections = 5;

// name: { service: where the cause is, kind: what the cause is, hurts: what customers notice }
export const faults = {
  'slow-dependency': {
    service: 'catalog', kind: 'slow_dependency',
    hurts: 'every answer of catalog takes 300 ms longer, and so do all pages that need it',
    inject: (shop) => shop.tell('catalog', { waitMs: 300 }),
    heal: (shop) => shop.tell('catalog', { waitMs: 0 }),
  },

  'pool-exhaustion': {
    service: 'payment', kind: 'pool_exhaustion',
    hurts: 'payment keeps database connections after use; checkouts wait for one, then fail',
    // Held so long that the pool carries three fifths of the checkouts: a queue must build up.
    inject: (shop) => shop.tell('payment',
      { holdMs: paymentConnections / (0.6 * checkoutShare * shop.rps) * 1000 }),
    heal: (shop) => shop.tell('payment', { holdMs: 0 }),
  },

  'crash-loop': {
    service: 'cart', kind: 'crash_loop',
    hurts: 'cart dies of an uncaught exception soon after each start; the supervisor backs off',
    inject: (shop) => shop.tell('cart', { crashAfter: 3 }),
    heal: (shop) => shop.tell('cart', { crashAfter: 0 }),
  },

  'cpu-hog': {
    service: 'catalog', kind: 'cpu_contention',
    hurts: 'other work of higher priority runs on the one core that catalog may use',
    async inject(shop) {
      const last = availableParallelism() - 1;
      const core = String(last);
      // Everybody else must stay away from that core: catalog alone is to be the victim.
      const elsewhere = `0-${Math.max(0, last - 1)}`;
      await pin(shop, elsewhere, processesIn(shop.dir));
      await pin(shop, core, [shop.pid('catalog')]);
      // Four busy workers, five steps of priority above catalog, leave it a tenth of the core.
      // Where the kernel weighs sessions and not processes, catalog's session gets that weight.
      try {
        writeFileSync(`/proc/${shop.pid('catalog')}/autogroup`, '10');
      } catch { /* this kernel weighs processes */ }
      shop.hog = start(['nice', '-n', String(shop.nice - 5), 'stress-ng', '--quiet', '--cpu', '4',
        '--taskset', core, '--timeout', '900s', '--temp-path', shop.dir],
      { cwd: shop.dir, logFile: join(shop.dir, 'stress-ng.log') });
    },
    async heal(shop) {
      await stop(shop.hog);
      await shop.restart('catalog');  // its priority cannot be raised again, only begun anew
      await pin(shop, `0-${availableParallelism() - 1}`, processesIn(shop.dir));
    },
  },

  'memory-leak': {
    service: 'recommendation', kind: 'memory_leak',
    hurts: 'recommendation keeps about 5 MB a second: garbage collection, then out of memory',
    inject: (shop) => shop.tell('recommendation', { leakPerVisit: Math.round(100_000 / shop.rps) }),
    heal: (shop) => shop.restart('recommendation', { leakPerVisit: 0 }),
  },

  'bad-deploy': {
    service: 'checkout', kind: 'bad_deploy',
    hurts: 'checkout 1.1.0 asks catalog item by item, and throws on carts with an even item count',
    inject: (shop) => shop.deploy('checkout', '1.1.0', 'upgraded'),
    heal: (shop) => shop.deploy('checkout', '1.0.0', 'rolledback'),
  },

  'packet-delay': {
    service: 'payment', kind: 'network_delay', needsNamespaces: true,
    hurts: 'every packet from and to payment takes 60 ms longer',
    inject: (shop) => shop.link.setDelay(60, 10),
    heal: (shop) => shop.link.setDelay(0, 0),
  },
};

async function pin(shop, cores, pids) {
  const logFile = join(shop.dir, 'taskset.log');
  for (const pid of pids) {
    const command = ['taskset', '--all-tasks', '--cpu-list', '--pid', cores, String(pid)];
    await start(command, { cwd: shop.dir, logFile }).exited;  // some may have ended: no matter
  }
}
