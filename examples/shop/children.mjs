// Child processes that never outlive this one, and the free ports and files they live on.
import { spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const alive = new Set();

// The kernel itself ends a child when this process dies, even by kill -9.
const tied = (signal) => ['setpriv', '--pdeathsig', signal];

// Starts a program; its output goes to a log file. `signal` is what makes it stop cleanly.
export function start(command, { logFile, env, cwd, user, stdin = 'ignore', ipc = false,
  signal = 'SIGTERM' }) {
  const as = user
    ? [...tied(signal), `--reuid=${user}`, `--regid=${user}`, '--init-groups'] : tied(signal);
  const [program, ...args] = [...as, ...command];
  const child = spawn(program, args, {
    cwd, env: env ?? process.env, stdio: [stdin, 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])],
    detached: true,  // a Ctrl-C is for the supervisor alone, which then stops all in order
  });
  const output = createWriteStream(logFile, { flags: 'a' });
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  child.on('error', () => {});  // a missing program shows as an exit
  child.exited = new Promise((resolve) => child.once('close', (code, by) => {
    alive.delete(child);
    output.end();
    resolve(code ?? by);
  }));
  child.cleanSignal = signal;
  alive.add(child);
  return child;
}

// Asks politely, then insists.
export async function stop(child, patienceMs = 4000) {
  if (!alive.has(child)) return;
  child.kill(child.cleanSignal);
  const insist = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await child.exited;
  clearTimeout(insist);
}

// Last resort when this process ends without having stopped its children.
process.on('exit', () => alive.forEach((child) => child.kill(child.cleanSignal)));

export async function run(command, options) {
  const status = await start(command, options).exited;
  if (status !== 0) throw new Error(`${command[0]} failed (${status}), see ${options.logFile}`);
}

// All processes that work in a directory, among them those that our children started themselves.
export function processesIn(dir) {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(dir);
    } catch {
      return false;  // gone meanwhile, or somebody else's
    }
  }).map(Number);
}

export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((s) => new Promise((listening) => s.once('listening', listening))));
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((closed) => s.close(closed))));
  return ports;
}

export async function listens(port, child, patienceMs = 20_000) {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(50)) {
    if (!alive.has(child)) break;
    const socket = connect(port, '127.0.0.1');
    const up = await new Promise((answer) => {
      socket.once('connect', () => answer(true)).once('error', () => answer(false));
    });
    socket.destroy();
    if (up) return;
  }
  throw new Error(`nothing listens on port ${port}: ${child.spawnargs.join(' ')}`);
}
