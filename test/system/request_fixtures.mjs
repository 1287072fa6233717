// Rebuilt requests as /api/v1/requests gives them, for the page's tests.
const t0 = 1760000990000;
const id16 = (n) => (0xa0000000 + n).toString(16).padStart(16, '0');
const serviceId = (name) => [...name].reduce((h, c) => (h * 31n + BigInt(c.charCodeAt(0))) & 0xffffffffffffffffn, 7n).toString(16).padStart(16, '0');

// What each host's clock is ahead by, and how well that is known.
const clocks = {
  'web-1': { offset: 0, bound: 0.4, corrected: false },
  'web-2': { offset: 35.2, bound: 0.4, corrected: true },
  'pay-1': { offset: -20.1, bound: 1.3, corrected: true },
};

/// `rows`: [service, operation, kind, host, parent, start, length, link, more]. Start and length in ms, true times.
function request(number, rows) {
  const spans = rows.map(([service, operation, kind, host, parent, start, length, link = { basis: 'id' }, more = {}], i) => {
    const clock = clocks[host];
    const shift = clock?.corrected ? clock.offset : 0;
    return {
      id: id16(number * 1000 + i), trace: '4bf92f3577b34da6a3ce929d0e0e4736', service: service && serviceId(service), service_name: service,
      peer_name: null, operation, kind, failed: false, layer: 'observed',
      raw_start_ms: t0 + start + shift, raw_end_ms: t0 + start + length + shift, start_ms: t0 + start, end_ms: t0 + start + length,
      clock: { host: host ?? null, offset_ms: clock ? shift : null, bound_ms: clock?.bound ?? null, corrected: clock?.corrected ?? false, ahead_ms: null, ahead_bound_ms: null },
      parent, link: { basis: link.basis, why: link.why ?? null, posterior: link.posterior ?? 1, none: link.none ?? 0, runner_up: link.runner_up ?? null }, ...more,
    };
  });
  const inferred = spans.filter((s) => s.link.basis === 'inferred');
  const [root] = spans;
  const lost = spans.filter((s) => s.layer === 'lost').length;
  return {
    id: root.id, root: root.operation, service: root.service, service_name: root.service_name, start_ms: root.start_ms,
    duration_ms: root.end_ms - root.start_ms, spans: spans.length, left_out: 0,
    services: [...new Set(spans.map((s) => s.service_name).filter(Boolean))], failed: root.failed,
    links_by_id: spans.filter((s) => s.link.basis === 'id').length, links_inferred: inferred.length,
    lost_spans: lost, unknown: spans.filter((s) => s.link.basis === 'unknown').length, root_link: root.link,
    wholeness: root.link.basis === 'unknown' ? 'fragment' : lost > 0 ? 'incomplete' : 'complete',
    probability: inferred.length > 0 || root.link.none < 1 && root.link.basis === 'root'
      ? inferred.reduce((p, s) => p * s.link.posterior, root.link.basis === 'root' ? root.link.none : 1) : null,
    all: spans,
  };
}

const guess = (posterior, none, service_name, operation) => ({
  basis: 'inferred', posterior, none,
  runner_up: service_name ? { id: id16(999), service_name, operation, posterior: Number((1 - posterior - none).toFixed(3)) } : null,
});
const root = { basis: 'root', none: 1 };

/// A checkout: payment's context is not propagated, cart's middle span never came, and nobody knows who asked for the audit.
export const checkout = request(1, [
  ['gateway', 'POST /checkout/:user', 'server', 'web-1', null, 0, 41.2, root, { failed: true }],
  ['gateway', 'POST checkout', 'client', 'web-1', 0, 1.1, 39.2],
  ['checkout', 'POST /orders', 'server', 'web-2', 1, 2.0, 37.5],
  ['checkout', 'GET cart', 'client', 'web-2', 2, 2.6, 6.1],
  [null, '', 'unspecified', null, 3, 3.4, 4.1, { basis: 'id' }, { layer: 'lost' }],
  ['cart', 'HGETALL', 'client', 'web-1', 4, 3.4, 4.1],
  ['checkout', 'POST payment', 'client', 'web-2', 2, 10.2, 25.0, { basis: 'id' }, { failed: true, peer_name: 'payment' }],
  ['payment', 'POST /payments', 'server', 'pay-1', 6, 11.4, 22.9, guess(0.93, 0.02, 'checkout', 'POST payment'), { failed: true }],
  ['payment', 'insert payments', 'client', 'pay-1', 7, 13.0, 17.7, guess(0.61, 0.04, 'payment', 'POST /payments')],
  ['payment', 'audit', 'internal', 'pay-1', null, 33.0, 5.0, { basis: 'unknown', why: 'not_found', posterior: 0, none: 0.88 }],
]);

/// All by id, and no clock is off.
export const plain = request(2, [
  ['gateway', 'GET /products/:id', 'server', 'web-1', null, -60, 6.4, root],
  ['gateway', 'GET catalog', 'client', 'web-1', 0, -59.1, 5.2],
]);

/// All that is there is joined by id, and what caused it was lost.
export const fragment = request(5, [
  ['cart', 'GET /cart', 'server', 'web-1', null, -300, 6.4, { basis: 'unknown', why: 'not_found', posterior: 1, none: 1 }],
  ['cart', 'HGETALL', 'client', 'web-1', 0, -299, 4.2],
]);

/// Single spans, without a join: of one it is inferred that nobody called it, of one it is not known.
export const alone = request(8, [['billing', 'GET /bill', 'server', 'web-1', null, -700, 9, { basis: 'root', none: 0.8 }]]);
export const behindAddress = request(9, [['mailer', 'POST /mail', 'server', 'web-1', null, -800, 9, { basis: 'unknown', why: 'not_looked_for', posterior: 0 }]]);

/// All by id but for one span that never came.
export const incomplete = request(6, [
  ['gateway', 'GET /cart', 'server', 'web-1', null, -400, 9, root],
  [null, '', 'unspecified', null, 0, -399, 7, { basis: 'id' }, { layer: 'lost' }],
  ['cart', 'HGETALL', 'client', 'web-1', 1, -399, 7],
]);

/// The host of what is called has a clock that no id reaches: it is 80 ms ahead, as the call itself tells.
const ahead = { clock: { host: 'pay-9', offset_ms: 0, bound_ms: null, corrected: false, ahead_ms: 80.04, ahead_bound_ms: 1.25 } };
export const outside = request(7, [
  ['gateway', 'POST /pay', 'server', 'web-1', null, -600, 60, root],
  ['gateway', 'POST payment', 'client', 'web-1', 0, -590, 20],
  ['payment', 'POST /payments', 'server', 'pay-9', 1, -508.71, 17.5, { basis: 'inferred', posterior: 0.98, none: 0.01 }, ahead],
]);

const long = 'very-long-name-of-a-service-that-somebody-generated-from-a-template-and-a-region-eu-central-1b';
export const longNames = request(3, [
  [long, `GET /${'segment-that-goes-on/'.repeat(12)}:id`, 'server', 'web-2', null, -200, 950, root],
  [`${long}-callee`, `SELECT ${'column_with_a_long_name, '.repeat(20)}`, 'client', 'web-2', 0, -150, 800, guess(0.7, 0.1, `${long}-other`, 'x'.repeat(300))],
]);

/// Three hundred spans: a chain of forty, and a fan-out below it.
export const wide = request(4, [
  ['gateway', 'GET /report', 'server', 'web-1', null, -5000, 4000, root],
  ...Array.from({ length: 40 }, (_, i) => [`service-${i % 12}`, `step ${i + 1}`, i % 2 ? 'server' : 'client', 'web-1', i, -4990 + i * 10, 3900 - i * 20]),
  ...Array.from({ length: 259 }, (_, i) => [`service-${i % 12}`, `GET /item/${i}`, 'client', 'pay-1', 40, -4500 + i * 10, 90,
    i % 3 === 0 ? guess(0.5 + (i % 50) / 101, 0.05, 'service-1', 'GET /item') : { basis: 'id' }]),
]);

export const linking = { by_id: 120000, inferred: 8211, not_found: 12, lost_spans: 40, mean_posterior: 0.94, records: 120034, waiting: 840, learned: 3, refused: 0, sender_unknown: 5 };

/// Behind the routes: `all` of them, newest first.
export function requestRoutes(all = [checkout, plain, longNames, wide], stats = linking) {
  const summary = ({ all: _, ...rest }) => rest;
  return {
    list(query) {
      const rows = all.filter((r) => (query.get('inferred') !== 'true' || r.links_inferred + r.lost_spans > 0) &&
        (!query.get('entity') || r.all.some((s) => s.service_name === query.get('entity') || s.service === query.get('entity'))));
      return { requests: rows.map(summary), total: rows.length, limit: 1000, linking: stats };
    },
    one(id) {
      const found = all.find((r) => r.id === id);
      return found && { ...summary(found), spans: found.all };
    },
  };
}
