// What every service of the shop stands on: routes in, calls out, a database pool, a Redis client,
// and a polite life cycle. A service file says only what is its own.
import { log, name, observe, poolMetrics, stopTelemetry, version } from './telemetry.mjs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { context } from '@opentelemetry/api';
import { getRPCMetadata } from '@opentelemetry/core';

export { log, observe, sleep, version };

// require() and not import: instrumentation then needs no module loader hook, on any Node version.
const require = createRequire(import.meta.url);
const http = require('node:http');
const { Pool } = require('pg');
const Redis = require('ioredis');

// What is wrong with this process at the moment. Only the supervisor sets it, over the process's
// private channel; telemetry shows the consequences and never this.
export const trouble = {};
process.on('message', (setting) => Object.assign(trouble, setting));

export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

// ---- in: serve({ 'GET /products/:id': async ({ params, query, body }) => answer })

let inFlight = 0;

export function serve(routes) {
  const table = Object.entries(routes).map(([route, handler]) => {
    const [method, path] = route.split(' ');
    return { method, path, parts: path.split('/'), handler };
  });
  const server = http.createServer((request, response) => {
    inFlight++;
    response.once('close', () => inFlight--);
    answer(table, request, response);
  });
  server.keepAliveTimeout = 60_000;
  observe('UpDownCounter', 'http.server.active_requests', '{request}', () => inFlight);
  server.listen(Number(process.env.SHOP_PORT), process.env.SHOP_ADDRESS, () => {
    log.info(`${name} ${version} listening on port ${process.env.SHOP_PORT}`);
    process.send?.('ready');
  });
}

async function answer(table, request, response) {
  let status = 200;
  let result;
  try {
    const url = new URL(request.url, 'http://shop');
    const { route, params } = match(table, request.method, url.pathname);
    getRPCMetadata(context.active()).route = route.path;
    const body = request.method === 'POST' ? await readJson(request) : undefined;
    result = await route.handler({ params, query: url.searchParams, body });
  } catch (error) {
    status = error.status ?? 500;
    result = { error: error.message };
    if (status >= 500) {
      log.error(`${request.method} ${request.url} failed: ${error.message}`, error);
    }
  }
  const text = JSON.stringify(result ?? null);
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(text));
  response.writeHead(status).end(text);
}

function match(table, method, path) {
  const parts = path.split('/');
  for (const route of table) {
    if (route.method !== method || route.parts.length !== parts.length) continue;
    const params = {};
    const fits = route.parts.every((part, i) => part.startsWith(':')
      ? (params[part.slice(1)] = decodeURIComponent(parts[i]))
      : part === parts[i]);
    if (fits) return { route, params };
  }
  throw new HttpError(404, 'no such page');
}

async function readJson(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks)) : undefined;
}

// ---- out: await call('catalog', 'GET', '/products/7')

const peers = JSON.parse(process.env.SHOP_PEERS ?? '{}');
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

// Services call each other by name as in a cluster; the supervisor says where each name lives.
const lookup = (host, options, found) => {
  const address = peers[host].address;
  return options.all ? found(null, [{ address, family: 4 }]) : found(null, address, 4);
};

export function call(peer, method, path, body, timeoutMs = 3000) {
  const { port } = peers[peer];
  return new Promise((resolve, reject) => {
    const text = body && JSON.stringify(body);
    const request = http.request({
      host: peer, port, method, path, agent, lookup,
      headers: body
        ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {},
    });
    const fail = (status, message) => reject(new HttpError(status, message));
    const timer = setTimeout(() => {
      request.destroy(new HttpError(504, `${peer} did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    request.on('close', () => clearTimeout(timer));
    request.on('error', (error) =>
      fail(error.status ?? 502, error.status ? error.message : `${peer}: ${error.message}`));
    request.on('response', async (response) => {
      try {
        const result = await readJson(response);
        if (response.statusCode < 400) resolve(result);
        else fail(response.statusCode < 500 ? response.statusCode : 502,
          `${peer} answered ${response.statusCode}: ${result?.error}`);
      } catch (error) {
        fail(error.status ?? 502, `${peer}: ${error.message}`);
      }
    });
    request.end(text);
  });
}

// ---- beside: PostgreSQL and Redis

export function database(max) {
  const [host, port] = process.env.SHOP_POSTGRES.split(':');
  const pool = new Pool({
    host, port: Number(port), user: 'shop', database: 'shop', max,
    connectionTimeoutMillis: 2000, idleTimeoutMillis: 60_000,
  });
  pool.on('error', (error) => log.error('lost a database connection', error));
  poolMetrics(pool, `${name}-shop`);
  return pool;
}

export function cache() {
  const [host, port] = process.env.SHOP_REDIS.split(':');
  const redis = new Redis({ host, port: Number(port), maxRetriesPerRequest: 1 });
  redis.on('error', (error) => log.error('lost the connection to redis', error));
  return redis;
}

// ---- life cycle

let leaving = false;

async function leave(code) {
  if (leaving) return;
  leaving = true;
  await Promise.race([stopTelemetry(), sleep(1500)]);
  process.exit(code);
}

process.on('SIGTERM', () => leave(0));
process.on('disconnect', () => leave(0));  // never outlive the supervisor
process.on('uncaughtException', (error) => {
  log.fatal(`uncaught ${error.name}: ${error.message}`, error);
  leave(1);
});
