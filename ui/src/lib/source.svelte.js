// Where the page's data come from: the JSON inside the page (a report), or the server's API. State that
// components read; `connection` is loading, live, lost or report.
const inlined = document.getElementById('tomograph-data')?.textContent.trim();
const report = inlined ? JSON.parse(inlined) : null;

export const source = $state({
  picture: report,
  connection: report ? 'report' : 'loading',
  trouble: '',
  revision: 0,
  received: Date.now(), // when the picture came, by this browser's clock
});

async function getJson(path) {
  const answer = await fetch(path, { headers: { Accept: 'application/json' } });
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(body?.error?.message ?? `the server answered ${answer.status}`);
  return body;
}

let fetching = false;
let again = false;

/// One request at a time; what is published meanwhile is fetched after it.
async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    do {
      again = false;
      source.picture = await getJson('/api/v1/picture');
      source.revision += 1;
      source.received = Date.now();
      source.connection = 'live';
      source.trouble = '';
    } while (again);
  } catch (error) {
    source.connection = 'lost';
    source.trouble = error.message;
  } finally {
    fetching = false;
  }
}

let wait = 1000;

function listen() {
  const events = new EventSource('/api/v1/stream');
  events.addEventListener('picture', () => {
    wait = 1000;
    refresh();
  });
  events.onerror = () => {
    // Our own back-off: the browser's gives up on an error status and hurries after a broken line.
    events.close();
    source.connection = 'lost';
    source.trouble ||= 'the event stream broke off';
    setTimeout(() => {
      refresh();
      listen();
    }, wait);
    wait = Math.min(wait * 2, 30000);
  };
}

export function start() {
  if (report) return;
  refresh();
  listen();
}

export async function axisOf(entity) {
  if (report) return report.axes?.[entity] ?? null;
  return getJson(`/api/v1/axis?entity=${entity}`);
}

export async function evidenceOf(id) {
  if (!report) {
    return getJson('/api/v1/evidence/' + id.split('/').map(encodeURIComponent).join('/'));
  }
  return fromReport(id);
}

/// In a report they lie beside the picture, with their spans: as many as there is room for.
export async function requestsOf({ inferred, entity }) {
  if (!report) return getJson(`/api/v1/requests?limit=1000${inferred ? '&inferred=true' : ''}${entity ? `&entity=${entity}` : ''}`);
  const name = report.topology.nodes.find((n) => n.id === entity)?.name;
  const through = (r) => r.spans.some((s) => s.service === entity || (name && s.peer_name === name));
  const rows = report.requests.requests.filter((r) => (!inferred || r.links_inferred + r.lost_spans > 0) && (!entity || through(r)));
  const { requests, total, linking } = report.requests;
  return { requests: rows.map((r) => ({ ...r, spans: r.spans.length })), total: rows.length, linking, left_out: total - requests.length };
}

export async function requestOf(id) {
  if (!report) return getJson(`/api/v1/requests/${encodeURIComponent(id)}`);
  const found = report.requests.requests.find((r) => r.id === id);
  if (!found) throw new Error(`this report does not hold the request '${id}'`);
  return found;
}

/// What a report without its server can still show of an evidence id.
function fromReport(id) {
  const [kind, entity, ...rest] = id.split(':');
  if (kind === 'event') {
    const change = report.changes.find((c) => c.evidence === id);
    if (change) return { id, kind, text: change.text, change };
  }
  const axis = report.axes?.[entity];
  if (axis && (kind === 'window' || kind === 'series')) {
    const quantity = kind === 'series' ? rest[0] : null;
    const bounds = kind === 'series' ? rest.slice(1) : [rest[0], rest[0]];
    const [from, to] = bounds.map((ns) => Number(ns) / 1e6);
    const keep = axis.starts_ms.map((t) => t >= from && (t < to || t === from));
    // What callers see is among the lines of their calls, without "client_".
    const ofCalls = quantity?.startsWith('client_') ?? false;
    const plain = ofCalls ? quantity.slice('client_'.length) : quantity;
    const lines = axis.lines
      .filter((l) => !plain || l.quantity === quantity ||
        ((!ofCalls || l.caller) && (l.quantity === plain || l.quantity.startsWith(plain + '_'))))
      .map((l) => ({
        ...l,
        values: l.values.filter((_, i) => keep[i]),
        starts_ms: axis.starts_ms.filter((_, i) => keep[i]),
      }));
    if (lines.length > 0) return { id, kind, text: `${quantity ?? 'values'} of ${axis.name}`, lines };
  }
  throw new Error('This report holds no raw records. Where Tomograph runs, look up this id: ' + id);
}
