// The programs around the services: PostgreSQL, Redis and nginx, each on a port of its own.
import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { listens, run, start } from './children.mjs';

const root = process.getuid() === 0;

export async function startPostgres(dir, port) {
  const data = join(dir, 'postgres');
  const user = root ? 'postgres' : undefined;  // it refuses to run as root
  const logFile = join(dir, 'postgres.log');
  mkdirSync(data);
  if (root) chownSync(data, ...['-u', '-g'].map((id) => Number(execFileSync('id', [id, user]))));
  const bin = postgresPrograms();
  await run([join(bin, 'initdb'), '-D', data, '-U', 'shop', '-A', 'trust', '-E', 'UTF8',
    '--locale=C', '--no-sync', '--no-instructions'], { cwd: dir, user, logFile });
  // Nothing here has to survive a power cut.
  const settings = {
    listen_addresses: '127.0.0.1', port, unix_socket_directories: data, max_connections: 60,
    shared_buffers: '16MB', fsync: 'off', synchronous_commit: 'off', timezone: 'UTC',
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const child = start([join(bin, 'postgres'), '-D', data, ...options],
    { cwd: dir, user, logFile, signal: 'SIGINT' });  // SIGINT: stop without waiting for clients
  await listens(port, child);
  await fillDatabase(port);
  return { child, socket: join(data, `.s.PGSQL.${port}`) };
}

export function postgresPrograms() {
  const versions = '/usr/lib/postgresql';
  const found = existsSync(versions) ? readdirSync(versions).sort((a, b) => b - a) : [];
  if (!found.length) throw new Error('PostgreSQL is not installed');
  return join(versions, found[0], 'bin');
}

async function fillDatabase(port) {
  const at = { host: '127.0.0.1', port, user: 'shop' };
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ ...at, database: 'postgres' });
    try {
      await client.connect();
      await client.query('create database shop');
      await client.end();
      break;
    } catch (error) {
      if (tries === 50) throw error;
      await sleep(100);  // it listens a moment before it serves
    }
  }
  const client = new pg.Client({ ...at, database: 'shop' });
  await client.connect();
  await client.query(`
    create table products (id int primary key, category int, name text, description text,
                           price numeric(8, 2));
    insert into products
      select i, i % 20, 'product ' || i, repeat('fine ', 20), 1 + (i * 37 % 900) / 10.0
      from generate_series(0, 499) i;
    create index on products (category);
    create table payments (id serial primary key, customer text, amount numeric);
    create table orders (id serial primary key, customer text, amount numeric, payment int,
                         confirmed boolean default false);
    analyze`);
  await client.end();
}

export async function startRedis(dir, port) {
  mkdirSync(join(dir, 'redis'));
  const child = start(['redis-server', '--bind', '127.0.0.1', '--port', port, '--save', '',
    '--appendonly', 'no', '--dir', join(dir, 'redis')].map(String),
  { cwd: dir, logFile: join(dir, 'redis.log') });
  await listens(port, child);
  return { child };
}

export async function startNginx(dir, port, gatewayPort) {
  const home = join(dir, 'nginx');
  mkdirSync(home);
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((use) => `${use}_temp_path ${home}/${use};`).join('\n  ');
  writeFileSync(join(home, 'nginx.conf'), `
daemon off;
${root ? 'user nobody nogroup;' : ''}
worker_processes 1;
pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  ${scratch}
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status '
                   '$body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time '
                   'uct=$upstream_connect_time urt=$upstream_response_time id=$request_id';
  access_log ${home}/access.log timed;
  upstream gateway { server 127.0.0.1:${gatewayPort} max_fails=0; keepalive 32; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      proxy_read_timeout 10s;
    }
  }
}
`);
  const child = start(['nginx', '-e', 'stderr', '-p', home, '-c', join(home, 'nginx.conf')],
    { cwd: dir, logFile: join(dir, 'nginx.log') });
  await listens(port, child);
  return { child, accessLog: join(home, 'access.log') };
}
