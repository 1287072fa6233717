// Carries byte streams from one door to another. A door is "address:port" or a path of a Unix
// socket: Unix sockets do not belong to a network namespace, so they lead out of one.
import { connect, createServer } from 'node:net';
import { pathToFileURL } from 'node:url';

const door = (text) => {
  if (text.startsWith('/')) return { path: text };
  const [host, port] = text.split(':');
  return { host, port: Number(port) };
};

export async function relay(from, to) {
  const server = createServer((near) => {
    const far = connect(door(to));
    near.setNoDelay?.(true);
    near.on('error', () => far.destroy()).on('close', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).on('close', () => near.destroy()).pipe(near);
  });
  server.listen(door(from));
  await new Promise((listening, failed) => {
    server.once('listening', listening).once('error', failed);
  });
  return server;
}

// node relay.mjs FROM TO [FROM TO]...
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const doors = process.argv.slice(2);
  process.on('disconnect', () => process.exit(0));
  while (doors.length) await relay(...doors.splice(0, 2));
  process.send?.('ready');
}
