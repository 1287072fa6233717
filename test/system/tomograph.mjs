// Starts the real binary for system tests: free loopback ports, a fresh store, stopped by process id.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
export const binary = resolve(process.env.TOMOGRAPH_BINARY ?? join(root, 'build/release/tomograph'));
export const repository = root;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Polls `probe` until it returns something truthy; throws `what` after `seconds`. */
export async function until(probe, seconds, what) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(100);
  }
}

export class Tomograph {
  /** `options`: {store, flags: ['--window', '1s'], env, wrap: command before the binary} */
  static async start(options = {}) {
    if (!existsSync(binary)) throw new Error(`${binary} is not there: ./dev build`);
    const it = new Tomograph();
    it.ownsStore = options.store === undefined;
    it.store = options.store ?? mkdtempSync(join(tmpdir(), 'tomograph-test-'));
    const ports = options.ports ?? { page: 0, http: 0, grpc: 0 };
    const command = [...(options.wrap ?? []), binary, 'serve', '--store-dir', it.store,
      '--http-address', `127.0.0.1:${ports.page}`, '--otlp-http-address', `127.0.0.1:${ports.http}`,
      '--otlp-grpc-address', `127.0.0.1:${ports.grpc}`, '--log-level', 'warn', ...(options.flags ?? [])];
    it.child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } });
    it.output = '';
    it.errors = '';
    it.child.stdout.on('data', (text) => { it.output += text; });
    it.child.stderr.on('data', (text) => { it.errors += text; });
    it.exited = new Promise((done) => it.child.on('exit', (code, signal) => { it.exit = { code, signal }; done(it.exit); }));
    await until(() => it.exit || /store\s/.test(it.output), 60, 'tomograph serve listens');
    if (it.exit) throw new Error(`tomograph serve ended with ${JSON.stringify(it.exit)}: ${it.errors}`);
    const port = (what) => Number(new RegExp(`${what}.*:(\\d+)`).exec(it.output)?.[1]);
    it.ports = { page: port('page'), http: port('OTLP/HTTP'), grpc: port('OTLP/gRPC') };
    it.page = `http://127.0.0.1:${it.ports.page}`;
    it.otlp = `http://127.0.0.1:${it.ports.http}`;
    return it;
  }

  async get(path) {
    const answer = await fetch(this.page + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  residentBytes() {
    const status = this.exit ? '' : readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** kill -9: what a crash does. The store stays. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }
  async stop() {
    if (!this.exit) {
      this.child.kill('SIGTERM');
      const hard = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
      await this.exited;
      clearTimeout(hard);
    }
    if (this.ownsStore) rmSync(this.store, { recursive: true, force: true });
    return this.exit;
  }
}

/** One OTLP/JSON trace request: spans [{trace, span, parent, name, startNs, endNs, kind, error}] of one service. */
export function traceRequest(service, spans) {
  const hex = (value, digits) => value.toString(16).padStart(digits, '0');
  return { resourceSpans: [{
    resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
    scopeSpans: [{ spans: spans.map((s) => ({
      traceId: hex(s.trace, 32), spanId: hex(s.span, 16), ...(s.parent ? { parentSpanId: hex(s.parent, 16) } : {}),
      name: s.name ?? 'work', kind: s.kind ?? 2, startTimeUnixNano: String(s.startNs), endTimeUnixNano: String(s.endNs),
      ...(s.error ? { status: { code: 2 } } : {}),
    })) }],
  }] };
}

export async function postJson(url, body, headers = {}) {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
}
