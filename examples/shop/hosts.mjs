// Hosts whose clocks are wrong. All runs on one machine; in a run with skew each service is said to run on
// one of these hosts, and has that host's clock.
import { appendFileSync } from 'node:fs';

export const hostOf = {
  gateway: 'web-1', catalog: 'web-2', recommendation: 'web-2', cart: 'app-1', checkout: 'app-1',
  payment: 'pay-1',
};
export const hosts = [...new Set(Object.values(hostOf))];

// "web-2=+35ms,pay-1=-20ms+40ppm": ahead by 35 ms; 20 ms behind and gaining 40 microseconds a second.
export function parseSkew(text) {
  const skew = {};
  for (const one of text.split(',')) {
    const [, host, offset, drift] = /^([\w-]+)=([+-]?[\d.]+)ms(?:([+-][\d.]+)ppm)?$/.exec(one) ?? [];
    if (!hosts.includes(host)) {
      throw new Error(`"${one}" is no skew of a clock: HOST=+35ms or HOST=-20ms+40ppm, HOST one of ${hosts.join(', ')}`);
    }
    skew[host] = { offset_ms: Number(offset), drift_ppm: Number(drift ?? 0) };
  }
  return skew;
}

// By how much a clock is ahead at a time, both in milliseconds.
export const aheadMs = ({ offset_ms, drift_ppm }, sinceMs, atMs) =>
  offset_ms + drift_ppm * (atMs - sinceMs) / 1e6;

// Gives this process a wrong clock, before anything reads it: spans, metrics, logs and the service
// itself then all go by it, as on such a host. Timers go by the monotonic clock and are right.
export function wearClock(clock, sinceMs) {
  const True = Date;
  // Whole milliseconds, as of every clock of its kind: what a wrong one is ahead by shows in when they change.
  const origin = performance.timeOrigin;
  const wallTime = () => {
    const ms = True.now();
    return Math.min(Math.max(origin + performance.now(), ms), ms + 0.999);
  };
  const now = () => { const at = wallTime(); return Math.floor(at + aheadMs(clock, sinceMs, at)); };
  globalThis.Date = class Date extends True {
    constructor(...given) {
      super(...(given.length ? given : [now()]));
    }
    static now() { return now(); }
  };
  Object.defineProperty(performance, 'timeOrigin', {
    value: performance.timeOrigin + aheadMs(clock, sinceMs, True.now()),
  });
}

// ---- who called whom, where telemetry does not tell

const privateHeader = 'x-shop-caller';

// Propagation for one service. `deaf`: for which share of the requests it neither reads nor writes trace
// context, as services do whose library speaks another format than the rest (B3 among W3C), or whose
// proxy strips what it does not know; not all of them where some instances are newer. The true caller
// goes by a header of the shop's own, which no telemetry shows.
export class Propagation {
  constructor(format, { deaf, getSpanContext }) {
    Object.assign(this, { format, deaf, getSpanContext });
  }
  inject(context, carrier, setter) {
    if (!this.isDeafNow()) this.format.inject(context, carrier, setter);
    const caller = this.getSpanContext(context);
    if (caller) setter.set(carrier, privateHeader, `${caller.traceId}-${caller.spanId}`);
  }
  extract(context, carrier, getter) {
    return this.isDeafNow() ? context : this.format.extract(context, carrier, getter);
  }
  isDeafNow() {
    return Math.random() < this.deaf;
  }
  fields() {
    return [...this.format.fields(), privateHeader];
  }
}

// A received request that names no parent, although somebody of the shop called: the truth, as a line.
export function keepCaller(file, service, span, request) {
  const [trace, parent] = request.headers[privateHeader]?.split('-') ?? [];
  if (!parent || (span.parentSpanContext ?? span.parentSpanId)) return;
  const { traceId, spanId } = span.spanContext();
  appendFileSync(file, JSON.stringify({
    service, trace: traceId, span: spanId, parent_trace: trace, parent_span: parent,
  }) + '\n');
}
