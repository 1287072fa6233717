// OpenTelemetry for one service of the shop: traces, metrics and logs. Where they go and by which
// protocol is told by the standard OTEL_* environment variables, as in any other application.
import './clock.mjs';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { metrics, trace } from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK, metrics as sdk } from '@opentelemetry/sdk-node';
import { keepCaller, Propagation } from './hosts.mjs';

export const name = process.env.SHOP_SERVICE;
export const version = process.env.SHOP_VERSION;

// Set by hand, without detectors: those would tell this machine's paths and command lines.
const resource = resourceFromAttributes({
  'service.name': name,
  'service.namespace': 'shop',
  'service.version': version,
  'service.instance.id': randomUUID(),
  'deployment.environment.name': 'production',
  'host.name': process.env.SHOP_HOST,
  'process.pid': process.pid,
});

const receiverPort = Number(new URL(process.env.OTEL_EXPORTER_OTLP_ENDPOINT).port);

// Only in runs in which some services do not propagate: see Propagation.
const callersFile = process.env.SHOP_CALLERS_FILE;
const propagation = callersFile && new Propagation(new W3CTraceContextPropagator(), {
  deaf: Number(process.env.SHOP_DEAF ?? 0), getSpanContext: trace.getSpanContext,
});

// What the conventions leave to opt in to, and Java's agent, Envoy and eBPF tell: the caller's end of
// the connection (the callee has it as its peer's port), and the sizes of the bodies.
function tellMore(span, request, response) {
  const size = (headers) => Number(headers?.['content-length']) || undefined;
  const outgoing = typeof request.getHeader === 'function';
  span.setAttributes({
    'network.local.port': outgoing ? request.socket?.localPort : undefined,
    'http.request.body.size': size(outgoing ? request.getHeaders() : request.headers),
    'http.response.body.size': size(outgoing ? response?.headers : response?.getHeaders()),
  });
}

const telemetry = new NodeSDK({
  resource,
  autoDetectResources: false,
  ...(propagation && { textMapPropagator: propagation }),
  instrumentations: [
    new HttpInstrumentation({
      // Sending telemetry is no call of the shop's.
      ignoreOutgoingRequestHook: (request) => Number(request.port) === receiverPort,
      headersToSpanAttributes: { server: { requestHeaders: ['x-request-id'] } },
      applyCustomAttributesOnSpan: tellMore,
      requestHook: (span, request) => {
        if (callersFile && request.headers) keepCaller(callersFile, name, span, request);
      },
    }),
    new PgInstrumentation({ requireParentSpan: true }),
    new IORedisInstrumentation({ requireParentSpan: true }),
    new RuntimeNodeInstrumentation({ monitoringPrecision: 20 }),
  ],
  // The pg instrumentation learns of waiting requests only when a connection moves, which is when
  // nobody waits; poolMetrics() below reads the pool itself at every collection.
  views: [{
    instrumentName: 'db.client.connection.*',
    meterName: '@opentelemetry/instrumentation-pg',
    aggregation: { type: sdk.AggregationType.DROP },
  }],
});
telemetry.start();

const meter = metrics.getMeter('shop', version);
export const stopTelemetry = () => telemetry.shutdown().catch(() => {});

// A value read whenever metrics are collected: `read` returns a number or [number, attributes]s.
export function observe(kind, metric, unit, read) {
  meter[`createObservable${kind}`](metric, { unit }).addCallback((result) => {
    const seen = read();
    if (!Array.isArray(seen)) return result.observe(seen);
    for (const [value, attributes] of seen) result.observe(value, attributes);
  });
}

export function poolMetrics(pool, poolName) {
  const at = { 'db.client.connection.pool.name': poolName };
  const state = (value) => ({ ...at, 'db.client.connection.state': value });
  observe('UpDownCounter', 'db.client.connection.count', '{connection}', () => [
    [pool.totalCount - pool.idleCount, state('used')],
    [pool.idleCount, state('idle')],
  ]);
  observe('UpDownCounter', 'db.client.connection.pending_requests', '{request}',
    () => [[pool.waitingCount, at]]);
  observe('UpDownCounter', 'db.client.connection.max', '{connection}',
    () => [[pool.options.max, at]]);
}

observeProcess();

function observeProcess() {
  observe('Gauge', 'process.uptime', 's', () => process.uptime());
  observe('UpDownCounter', 'process.memory.usage', 'By', () => process.memoryUsage.rss());

  let last = { at: process.hrtime.bigint(), cpu: process.cpuUsage() };
  observe('Gauge', 'process.cpu.utilization', '1', () => {
    const at = process.hrtime.bigint();
    const spent = process.cpuUsage(last.cpu);
    const share = (spent.user + spent.system) * 1000 / Number(at - last.at);
    last = { at, cpu: process.cpuUsage() };
    return share;
  });
  observe('Counter', 'process.cpu.time', 's', () => {
    const { user, system } = process.cpuUsage();
    return [[user / 1e6, { 'cpu.mode': 'user' }], [system / 1e6, { 'cpu.mode': 'system' }]];
  });
  observe('Counter', 'process.context_switches', '{context_switch}', () => {
    const used = process.resourceUsage();
    return [
      [used.voluntaryContextSwitches, { 'process.context_switch.type': 'voluntary' }],
      [used.involuntaryContextSwitches, { 'process.context_switch.type': 'involuntary' }],
    ];
  });
  // How long the main thread was ready to run and had no core: the kernel keeps it per thread.
  const waited = () => Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e9;
  try {
    waited();
    observe('Counter', 'process.cpu.wait_time', 's', waited);
  } catch { /* a kernel without scheduler statistics: no such metric */ }
}

const logger = logs.getLogger('shop', version);

export const log = {
  info: (body, attributes) => emit(SeverityNumber.INFO, 'INFO', body, attributes),
  warn: (body, attributes) => emit(SeverityNumber.WARN, 'WARN', body, attributes),
  error: (body, error) => emit(SeverityNumber.ERROR, 'ERROR', body, described(error)),
  fatal: (body, error) => emit(SeverityNumber.FATAL, 'FATAL', body, described(error)),
};

function emit(severityNumber, severityText, body, attributes) {
  logger.emit({ severityNumber, severityText, body, attributes });
}

// Stack traces name files; where this checkout lies is nobody's business.
const here = fileURLToPath(new URL('.', import.meta.url));
Error.stackTraceLimit = 8;

function described({ name: type, message, stack = '' }) {
  stack = stack.replaceAll('file://', '').replaceAll(here, '');
  trace.getActiveSpan()?.recordException({ name: type, message, stack });
  return {
    'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack,
  };
}
