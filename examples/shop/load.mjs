// Customers: open-loop Poisson arrivals (a slow shop does not make them come less often), the same
// visits for the same seed, bounded in number, in time and in requests at once.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

// mulberry32
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const customers = 200;
const maxInFlight = 400;
const mixture = [  // share of visits; about one visit in eight is a checkout
  [0.30, 'front page'], [0.25, 'product'], [0.20, 'add to cart'], [0.05, 'look at cart'],
  [0.08, 'recommendations'], [0.12, 'checkout'],
];
export const checkoutShare = 0.12;

// Returns { counts, stop() }; `counts` tells per visit kind how many were ok, failed and how slow.
export function startLoad({ url, rps = 30, seed = 1, seconds = 3600 }) {
  const random = seeded(seed);
  const agent = new http.Agent({ keepAlive: true, maxSockets: maxInFlight });
  const withItems = new Set();  // customers who have something to check out
  const moves = new Map();  // of each customer's checkouts, begun and over: odd while one runs
  const move = (user) => moves.set(user, (moves.get(user) ?? 0) + 1);
  const counts = {};
  const end = Date.now() + seconds * 1000;
  let inFlight = 0;
  let timer;
  let next = Date.now();

  function send(visit, method, path, body) {
    const count = counts[visit] ??= { ok: 0, failed: 0, dropped: 0, totalMs: 0, worstMs: 0 };
    if (inFlight >= maxInFlight) return void count.dropped++;
    inFlight++;
    const began = performance.now();
    let over = false;
    const finish = (ok) => {
      if (over) return;
      over = true;
      inFlight--;
      const ms = performance.now() - began;
      count[ok ? 'ok' : 'failed']++;
      count.totalMs += ms;
      count.worstMs = Math.max(count.worstMs, ms);
    };
    return new Promise((answered) => {
      const request = http.request(url + path, {
        method, agent, timeout: 10_000, headers: body ? { 'content-type': 'application/json' } : {},
      });
      const settle = (ok) => { finish(ok); answered(ok); };
      request.on('timeout', () => request.destroy());
      request.on('error', () => settle(false));
      request.on('response', (response) => {
        response.resume();
        response.on('end', () => settle(response.statusCode < 400));
        response.on('error', () => settle(false));
      });
      request.end(body && JSON.stringify(body));
    });
  }

  async function visit() {
    const user = `c${Math.floor(random() * customers)}`;
    const product = Math.floor(random() * 500);
    const quantity = 1 + Math.floor(random() * 3);
    let at = random();
    const kind = mixture.find(([share]) => (at -= share) < 0)?.[1] ?? 'front page';
    switch (kind) {
      case 'front page': return send(kind, 'GET', `/?category=${product % 20}&user=${user}`);
      case 'product': return send(kind, 'GET', `/products/${product}`);
      case 'look at cart': return send(kind, 'GET', `/cart/${user}`);
      case 'recommendations': return send(kind, 'GET', `/recommendations/${user}`);
      case 'add to cart': {
        // What was added beside a checkout may have gone with it: the cart may be empty again.
        const before = moves.get(user) ?? 0;
        const added = await send(kind, 'POST', `/cart/${user}/items`, { product, quantity });
        if (added && before % 2 === 0 && (moves.get(user) ?? 0) === before) withItems.add(user);
        return;
      }
      case 'checkout': {
        const [buyer] = withItems;
        if (!buyer) return send('product', 'GET', `/products/${product}`);
        withItems.delete(buyer);
        move(buyer);
        await send(kind, 'POST', `/checkout/${buyer}`);
        return move(buyer);
      }
    }
  }

  function arrive() {
    const now = Date.now();
    if (now >= end) return stop();
    for (; next <= now; next += -Math.log(1 - random()) * 1000 / rps) visit();
    timer = setTimeout(arrive, next - now);
  }

  // Nobody new comes; those who are being served get a moment to finish.
  async function stop() {
    clearTimeout(timer);
    for (const end = Date.now() + 2000; inFlight && Date.now() < end;) await sleep(20);
    agent.destroy();
  }

  arrive();
  return { counts, stop };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [url, rps = 30, seconds = 60, seed = 1] = process.argv.slice(2);
  if (!url) {
    console.error('usage: node load.mjs URL [RPS] [SECONDS] [SEED]');
    process.exit(1);
  }
  const load = startLoad({ url, rps: Number(rps), seconds: Number(seconds), seed: Number(seed) });
  await sleep(seconds * 1000);
  await load.stop();
  console.log(JSON.stringify(load.counts));
}
