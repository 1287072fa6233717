// A small stand-in for a running tomograph: the built page, and one fixture behind the API's routes.
// publish_test holds the fixtures to what the real API says.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { requestRoutes } from './request_fixtures.mjs';

const here = new URL('.', import.meta.url);
const page = () => readFileSync(new URL('../../ui/dist/index.html', here));
export const fixture = (name) => JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, here)));

const trace = {
  id: 'trace:4bf92f3577b34da6a3ce929d0e0e4736',
  kind: 'trace',
  text: 'trace of 2 raw spans',
  truncated: false,
  spans: [
    { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7', parent_span_id: null,
      name: 'POST /checkout', service: 'checkout', start: '2025-10-09T09:07:41.100Z', duration_ms: 2300, failed: true },
    { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b8', parent_span_id: '00f067aa0ba902b7',
      name: 'POST /charge', service: 'payment', start: '2025-10-09T09:07:41.150Z', duration_ms: 2100, failed: true },
  ],
};

const series = {
  id: 'series', kind: 'series', text: 'latency of payment',
  lines: [{ quantity: 'latency_p50', entity: 'x', name: 'payment', unit: 's', values: [0.02, 0.3], starts_ms: [1760000820000, 1760000830000] }],
  traces: [{ evidence: trace.id, service_name: 'payment', name: 'POST /pay', start_ms: 1760000830000, duration_ms: 2100, failed: true }],
  missing: '1 file of older records cannot be read',
};

/// Serves `picture` (a fixture's content) and rebuilt requests. `publish(next)` replaces it and tells the event streams.
export async function serve(picture, requests = requestRoutes()) {
  let current = picture;
  const streams = new Set();
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const json = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (url.pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      return response.end(page());
    }
    if (url.pathname === '/api/v1/picture') return json(200, { ...current, axes: undefined });
    if (url.pathname === '/api/v1/axis') {
      const id = url.searchParams.get('entity');
      const known = current.axes[id];
      return json(200, known ?? { entity: id, name: id, window_length_ms: 10000, starts_ms: [], lines: [], tracks: [] });
    }
    if (url.pathname.startsWith('/api/v1/evidence/trace')) return json(200, trace);
    if (url.pathname.startsWith('/api/v1/evidence/series')) return json(200, series);
    if (url.pathname === '/api/v1/requests') return json(200, requests.list(url.searchParams));
    if (url.pathname.startsWith('/api/v1/requests/')) {
      const id = url.pathname.slice('/api/v1/requests/'.length);
      const found = requests.one(id);
      return found ? json(200, found) : json(404, { error: { code: 'not_found', message: `no request '${id}' is kept` } });
    }
    if (url.pathname === '/api/v1/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: picture\ndata: {"version":1}\n\n');
      streams.add(response);
      return request.on('close', () => streams.delete(response));
    }
    json(404, { error: { code: 'not_found', message: 'no span of this trace is kept' } });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    publish(next) {
      current = next;
      for (const stream of streams) stream.write('event: picture\ndata: {"version":2}\n\n');
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/// The page as a report: the fixture's JSON inside.
export function asReport(picture) {
  const data = JSON.stringify(picture).replaceAll('<', '\\u003c');
  const slot = 'id="tomograph-data">';
  return page().toString().replace(slot, () => slot + data);
}
