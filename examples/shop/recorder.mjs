// Writes telemetry down as the OpenTelemetry Collector's file exporter does, one OTLP-JSON request
// a line, and change events beside it. It speaks just enough OTLP/HTTP for that: JSON only.
import { createReadStream, createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

const fileOf = {
  '/v1/traces': 'telemetry.jsonl', '/v1/metrics': 'telemetry.jsonl',
  '/v1/logs': 'telemetry.jsonl', '/v1/events': 'changes.jsonl',
};

// Returns { url, stop() }; after stop() the files lie gzipped in `dir`. What is written down is also
// sent to the receiver at `alsoTo`, if one is named, whose answer is the recorder's.
export async function startRecorder(dir, alsoTo) {
  mkdirSync(dir, { recursive: true });
  const names = [...new Set(Object.values(fileOf))];
  const files = new Map(names.map((file) => [file, createWriteStream(join(dir, file))]));

  const server = createServer(async (request, response) => {
    const file = files.get(fileOf[request.url]);
    if (!file || !/json/.test(request.headers['content-type'])) {
      return response.writeHead(file ? 415 : 404).end();
    }
    const body = request.headers['content-encoding'] === 'gzip'
      ? request.pipe(createGunzip()) : request;
    try {
      const chunks = [];
      for await (const chunk of body) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      JSON.parse(text);  // half a request must not spoil the file
      file.write(text.replaceAll('\n', ' ') + '\n');
      const headers = { 'content-type': 'application/json' };
      const answer = alsoTo && await fetch(alsoTo + request.url, { method: 'POST', headers, body: text });
      response.writeHead(answer?.status ?? 200, headers).end(answer ? await answer.text() : '{}');
    } catch {
      response.writeHead(400).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));

  async function stop() {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    for (const [name, file] of files) {
      await new Promise((written) => file.end(written));
      await gzip(join(dir, name), join(dir, `${name}.gz`));
      rmSync(join(dir, name));
    }
  }
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}

export const gzip = (from, to) =>
  pipeline(createReadStream(from), createGzip({ level: 9 }), createWriteStream(to));
