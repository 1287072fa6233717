// Puts one service on a "host" of its own: a network namespace that is reached over a link which
// can be made slow. Both ends of the link are in namespaces made here, so nothing of it is to be
// seen outside, and Unix sockets lead from the near end to the rest of the shop:
//
//   shop, Tomograph =unix sockets= relay | near 10.77.0.1 ---slow link--- far 10.77.0.2 | service
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start } from './children.mjs';
import { relay } from './relay.mjs';

export class NoNamespaces extends Error {}

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

export async function joinSlowLink({
  dir, port, postgresPort, postgresSocket, otlpHttp, started,
}) {
  const logFile = join(dir, 'slow-link.log');
  const launch = (command, options) => {
    const child = start(command, { cwd: dir, logFile, ...options });
    started(child);
    return child;
  };
  const far = launch(['unshare', '--net', 'sleep', 'infinity']);
  if (process.getuid() !== 0 || await firstOf(far.exited, later(300))) {
    throw new NoNamespaces('packet-delay needs root and leave to make network namespaces');
  }
  const link = launch(['unshare', '--net', 'python3', file('slow_link.py'), String(far.pid)],
    { stdin: 'pipe' });
  link.stdin.on('error', () => {});
  if (await firstOf(link.exited, said(link, 'ready')) !== 'ready') {
    throw new NoNamespaces('packet-delay could not make its link: see README.md');
  }

  const otlp = new URL(otlpHttp);
  const otlpPort = otlp.port || 80;
  const [serviceDoor, otlpDoor] = ['service.sock', 'otlp.sock'].map((name) => join(dir, name));
  const outside = await Promise.all([
    relay(`127.0.0.1:${port}`, serviceDoor),
    relay(otlpDoor, `${otlp.hostname}:${otlpPort}`),
  ]);
  const doors = launch(['nsenter', '-t', String(link.pid), '-n',
    process.execPath, file('relay.mjs'),
    `10.77.0.1:${postgresPort}`, postgresSocket,
    `10.77.0.1:${otlpPort}`, otlpDoor,
    serviceDoor, `10.77.0.2:${port}`], { ipc: true });
  const opened = new Promise((resolve) => doors.once('message', resolve));
  if (await firstOf(doors.exited, opened) !== 'ready') {
    throw new Error('the relay did not start');
  }

  return {
    inside: {  // what the service has to be told
      address: '10.77.0.2', postgres: `10.77.0.1:${postgresPort}`,
      otlpHttp: `http://10.77.0.1:${otlpPort}`,
      command: ['nsenter', '-t', String(far.pid), '-n'],
    },
    setDelay: (delayMs, jitterMs) => link.stdin.write(`${delayMs} ${jitterMs}\n`),
    close: () => outside.forEach((server) => server.close()),
  };
}

const firstOf = (...promises) => Promise.race(promises);
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const said = (child, word) => new Promise((resolve) => {
  child.stdout.on('data', (text) => String(text).includes(word) && resolve(word));
});
