// The page in a real browser: over fixtures of the API, and the last test over a running tomograph.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { asReport, fixture, serve } from './browser_server.mjs';
import * as requests from './request_fixtures.mjs';
import { Tomograph, binary, postJson, traceRequest, until } from './tomograph.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const desktop = { width: 1440, height: 900 };
const phone = { width: 390, height: 844 };

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath, args });
});
after(() => browser.close());

/// Opens `url`, runs `check`, and holds that the browser complained of nothing meanwhile.
async function visit(url, options, check) {
  const page = await browser.newPage({ viewport: desktop, ...options });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  try {
    await page.goto(url);
    await page.waitForSelector('h1');
    await check(page, complaints);
    assert.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

async function withFixture(name, { routes, ...options }, check) {
  const server = await serve(typeof name === 'string' ? fixture(name) : name, routes);
  try {
    await visit(server.url, options, (page, complaints) => check(page, server, complaints));
  } finally {
    server.close();
  }
}

const headline = (page) => page.locator('h1').innerText();

/// Canvas pixels that are not blank: something was drawn.
const inked = (page) =>
  page.locator('canvas').first().evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count += 1;
    return count;
  });

/// The service map shows all that it draws: boxes and lines within its svg, that within its panel, and
/// nothing to be found by scrolling sideways.
async function mapFits(page) {
  const cut = await page.evaluate(() => {
    const svg = document.querySelector('.map svg');
    const frame = svg.parentElement;
    const outside = (inner, outer, slack = 1) =>
      inner.left < outer.left - slack || inner.right > outer.right + slack ||
      inner.top < outer.top - slack || inner.bottom > outer.bottom + slack;
    const box = svg.getBoundingClientRect();
    const found = [...svg.querySelectorAll('.node rect, .edge .call')]
      .filter((shape) => outside(shape.getBoundingClientRect(), box))
      .map((shape) => shape.parentElement.getAttribute('aria-label'));
    if (frame.scrollWidth > frame.clientWidth + 1) found.push(`the map is ${frame.scrollWidth} px wide in ${frame.clientWidth}`);
    const { left, right } = frame.getBoundingClientRect();
    if (box.left < left - 1 || box.right > right + 1) found.push('the drawing reaches beyond its panel');
    return found;
  });
  assert.deepEqual(cut, []);
  // Legible: a name is not drawn smaller than 10 px.
  const name = await page.locator('.map .node .name').first().boundingBox();
  assert.ok(name.height >= 10, `names are ${name.height} px high`);
}

/// No line of the map tells of a call that there is not: none passes a box that is not its end, each leaves
/// the border of its caller and ends at that of its callee, and none runs along another's line, unless both
/// have the same caller or the same callee.
async function linesTellTheTruth(page, { apart = true } = {}) {
  const wrong = await page.evaluate((apart) => {
    const svg = document.querySelector('.map svg');
    const boxes = [...svg.querySelectorAll('.node')].map((node) => {
      const { e: x, f: y } = node.transform.baseVal.consolidate().matrix;
      const rect = node.querySelector('rect');
      return { name: node.getAttribute('aria-label').split(', ')[0], x, y, right: x + rect.width.baseVal.value, bottom: y + rect.height.baseVal.value };
    });
    const depth = (box, { x, y }) => Math.min(x - box.x, box.right - x, y - box.y, box.bottom - y);
    const found = [];
    const lines = [...svg.querySelectorAll('.edge')].map((edge) => {
      const [, caller, callee] = /^(.*?) → (.*?): /.exec(edge.getAttribute('aria-label'));
      const path = edge.querySelector('.call');
      const length = path.getTotalLength();
      const points = [];
      for (let at = 0; at < length; at += 2) points.push(path.getPointAtLength(at));
      points.push(path.getPointAtLength(length));
      return { caller, callee, what: `${caller} → ${callee}`, points };
    });
    for (const { caller, callee, what, points } of lines) {
      for (const box of boxes) {
        const deepest = Math.max(...points.map((point) => depth(box, point)));
        const end = box.name === caller || box.name === callee;
        if (deepest > (end ? 1 : -1)) found.push(`${what} passes ${box.name}`);
      }
      const at = (name, point) => Math.abs(depth(boxes.find((box) => box.name === name), point)) <= 1;
      if (!at(caller, points[0]) || !at(callee, points.at(-1))) found.push(`${what} does not go from the one to the other`);
    }
    if (!apart) return found;
    lines.forEach((a, i) => lines.slice(i + 1).forEach((b) => {
      if (a.caller === b.caller || a.callee === b.callee) return;
      const shared = a.points.filter((p) => b.points.some((q) => Math.hypot(p.x - q.x, p.y - q.y) < 2)).length;
      if (shared > 12) found.push(`${a.what} and ${b.what} are one line for ${2 * shared} px`);
    }));
    return found;
  }, apart);
  assert.deepEqual(wrong, []);
}

/// A picture in good health with these services and calls, "a>b" each.
function system(names, calls) {
  const picture = fixture('normal');
  const [node] = picture.topology.nodes;
  const [edge] = picture.topology.edges;
  const id = (name) => (names.indexOf(name) + 1).toString(16).padStart(16, '0');
  picture.topology.nodes = names.map((name) => ({ ...node, id: id(name), name, kind: 'service' }));
  picture.topology.edges = calls.map((call) => {
    const [caller, callee] = call.split('>');
    return { ...edge, caller: id(caller), caller_name: caller, callee: id(callee), callee_name: callee };
  });
  picture.axes = {};
  picture.changes = [];
  return picture;
}

const numbered = (n) => Array.from({ length: n }, (_, i) => `service-of-some-team-${i}`);
const shapes = {
  'a chain of twelve': () => {
    const names = numbered(12);
    return system(names, names.slice(1).map((name, i) => `${names[i]}>${name}`));
  },
  'thirty called by one': () => {
    const names = numbered(31);
    return system(names, names.slice(1).map((name) => `${names[0]}>${name}`));
  },
  'a circle, a call back and a call to itself': () =>
    system(['a', 'b', 'c', 'd'], ['a>b', 'b>c', 'c>d', 'd>a', 'd>b', 'c>c', 'a>a', 'd>d']),
  'calls over a layer, and to the second row of one': () =>
    system(['alpha', 'audit', 'beta', 'gateway', 'mail', 'orders', 'payments', 'stock'],
      ['gateway>beta', 'gateway>alpha', 'gateway>orders', 'orders>stock', 'orders>mail', 'orders>payments', 'audit>stock']),
  'two that call the same, past each other': () =>
    system(['batch', 'cache', 'db', 'old', 'orders', 'pay', 'router', 'web', 'x', 'y'],
      ['old>cache', 'web>db', 'web>orders', 'orders>pay', 'batch>orders', 'batch>cache']),
  'calls over many layers': () =>
    system(['a', 'b', 'c', 'd', 'e', 'f', 'g'], ['a>b', 'b>c', 'c>d', 'a>c', 'a>d', 'b>d', 'd>e', 'a>e', 'c>f', 'd>g', 'a>g', 'g>a', 'g>c']),
  'nobody calls anybody': () => system(numbered(9), []),
  'one alone': () => system(['only'], []),
};

/// `services` with `calls` between them, half of the first forty ill.
function wideIncident(services, calls) {
  const names = numbered(services);
  let seed = 1;
  const next = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const pairs = new Set();
  while (pairs.size < calls) {
    const [a, b] = [next(services), next(services)];
    if (a !== b) pairs.add(`${names[Math.min(a, b)]}>${names[Math.max(a, b)]}`);
  }
  const picture = system(names, [...pairs]);
  const incident = structuredClone(fixture('incident').incidents[0]);
  const { nodes } = picture.topology;
  incident.hypotheses = incident.hypotheses.slice(0, 1).map((h) => ({ ...h, entity: nodes[7].id, name: nodes[7].name, posterior: 0.91 }));
  incident.members = nodes.slice(0, 120).map(({ id, name }) => ({ id, name }));
  picture.incidents = [incident];
  return picture;
}

async function fitsItsWidth(page) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= page.viewportSize().width, `page is ${width} px wide`);
}

describe('states of the page', () => {
  test('no telemetry: says where to send it', () =>
    withFixture('empty', {}, async (page) => {
      await page.getByText('No telemetry yet').waitFor();
      assert.match(await page.locator('main').innerText(), /OTLP exporter at http:\/\/127\.0\.0\.1:4318/);
      assert.equal(await page.locator('svg .node').count(), 0);
    }));

  test('good health: says so, and shows no hypotheses', () =>
    withFixture('normal', {}, async (page) => {
      await page.getByText('Nothing is out of its normal range').waitFor();
      assert.equal(await page.locator('article').count(), 0);
      assert.equal(await page.locator('svg .node').count(), 11);
    }));

  test('nothing with a normal range: not judged is not healthy', async () => {
    const picture = fixture('normal');
    const without = (nodes) => nodes.forEach((n) => (n.figures.judged = false));
    const services = picture.topology.nodes.filter((n) => n.kind === 'service' && !n.figures.silent);
    without(services.slice(0, 1));
    await withFixture(picture, {}, async (page) => {
      await page.getByText(`1 of ${services.length} services is not judged`).waitFor();
    });
    without(services);
    await withFixture(picture, {}, async (page) => {
      await page.getByText('Not judged: no service tells its calls, failures or latency').waitFor();
      assert.equal(await page.getByText('Nothing is out of its normal range').count(), 0);
    });
  });

  test('what is hardly seen yet is not called normal, and what fails is named', async () => {
    const picture = fixture('normal');
    const services = picture.topology.nodes.filter((n) => n.figures.judged);
    const young = (nodes) => nodes.forEach((n) => Object.assign(n.figures, { windows_told: 2, normal_known: false }));
    young(services.slice(0, 1));
    await withFixture(picture, {}, async (page) => {
      await page.getByText('That is not said of 1 of').waitFor();
      assert.match(await headline(page), /Nothing is out of its normal range/);
    });
    young(services);
    await withFixture(picture, {}, async (page) => {
      await page.getByText('Normal is not known yet: 2 of 6 windows').waitFor();
      assert.equal(await page.getByText('Nothing is out of its normal range').count(), 0);
    });
    Object.assign(services[0].figures, { failing: true, error_ratio: { value: 0.6, basis: 'observed' } });
    await withFixture(picture, {}, async (page) => {
      await page.getByRole('heading', { name: `${services[0].name} fails 60 % of its calls` }).waitFor();
      assert.match(await page.locator('.headline').innerText(), /normal is not known yet, 2 of 6 windows/);
      assert.equal(await page.locator('svg .node.failing').count(), 1);
    });
  });

  test('of several that fail it is said what their calls do', async () => {
    const picture = fixture('normal');
    const services = picture.topology.nodes.filter((n) => n.kind === 'service' && !n.figures.silent);
    services[0].figures.failing = true;
    await withFixture(picture, {}, (page) => page.getByText('1 failing at least half of its calls').waitFor());
    services[1].figures.failing = true;
    await withFixture(picture, {}, (page) => page.getByText('2 failing at least half of their calls').waitFor());
  });

  test('what follows a short left column stands beside the time axis, and leaves no half of the page blank', async () => {
    const picture = fixture('incident');
    picture.incidents[0].propagation = [];
    const kept = new Set(['payment', 'checkout']);
    picture.topology.nodes = picture.topology.nodes.filter((n) => kept.has(n.name));
    picture.topology.edges = picture.topology.edges.filter((e) => kept.has(e.caller_name) && kept.has(e.callee_name));
    await withFixture(picture, {}, async (page) => {
      await page.locator('[aria-label="Time axis"] canvas').first().waitFor();
      const box = (name) => page.locator(`section[aria-label="${name}"]`).boundingBox();
      const [axis, services, requests] = [await box('Time axis'), await box('Services'), await box('Rebuilt requests')];
      assert.ok(services.y + services.height + 60 < axis.y + axis.height, 'the left column is short');
      assert.ok(requests.y < services.y + services.height + 30 && requests.x + requests.width <= axis.x, JSON.stringify({ axis, services, requests }));
    });
  });

  test('no table is wider than a phone', () =>
    withFixture('incident', { viewport: phone }, async (page) => {
      for (const name of ['Numbers as a table', 'Sources']) await page.locator('summary', { hasText: name }).click();
      const tooWide = await page.evaluate(() => [...document.querySelectorAll('table')]
        .filter((table) => table.scrollWidth > table.parentElement.clientWidth)
        .map((table) => table.closest('section').getAttribute('aria-label')));
      assert.deepEqual(tooWide, []);
    }));

  test('a scrape that fails is told with its error', () =>
    withFixture('normal', {}, async (page) => {
      const told = page.getByText('Scraping pay fails: connection refused');
      await told.waitFor();
      assert.match(await told.innerText(), /http:\/\/pay:9100\/metrics, 7 of 12 times/);
      assert.equal(await page.getByText('Scraping').count(), 1, 'cart is well, and new was not asked yet');
    }));

  test('incident: sentence, probability, cards, map, bands', () =>
    withFixture('incident', {}, async (page) => {
      await page.locator('article').first().waitFor();
      assert.match(await headline(page), /checkout is slow most likely because payment is slow/);
      assert.match(await page.locator('.headline').innerText(), /68 % probable\. Check next: Roll/);
      assert.equal(await page.locator('article').count(), 3);
      assert.match(await page.locator('article').last().innerText(), /none of these/);
      assert.equal(await page.locator('svg .node').count(), 11);
      assert.equal(await page.locator('svg .node.cause').count(), 2);
      assert.match(await page.locator('svg .node.cause').first().innerHTML(), /◆/);
      await page.locator('canvas').first().waitFor();
      assert.ok((await inked(page)) > 500);
      const numbers = page.getByText('Numbers as a table');
      await numbers.click();
      assert.match(await page.locator('.numbers').innerText(), /missing: no span of this service arrived/);
    }));

  test('a cause for which nothing was measured is no finding, and no mass is lost', () =>
    withFixture('incident', {}, async (page) => {
      await page.locator('article').first().waitFor();
      const cards = await page.locator('article').allInnerTexts();
      assert.ok(!cards.join().includes('crash loop'));
      const rest = page.locator('details.rest');
      assert.match(await rest.locator('summary').innerText(), /Also possible, 4 % together/);
      assert.equal(await rest.locator('li').first().isVisible(), false);
      await rest.locator('summary').click();
      assert.match(await rest.innerText(), /Nothing measured speaks for it[\s\S]*2 % crash loop, payment/);
      const shown = [...cards, await rest.innerText()].map((text) => Number(/(\d+) %/.exec(text)[1]));
      assert.equal(shown.reduce((a, b) => a + b), 100);
    }));

  test('a place whose kind of failure nothing tells is one card, not eight guesses', async () => {
    const picture = fixture('incident');
    const [incident] = picture.incidents;
    const [first] = incident.hypotheses;
    const place = first.evidence_for.filter((e) => e.about === 'place');
    incident.hypotheses = ['memory_leak', 'crash_loop', 'bad_deploy'].map((cause) => ({
      ...first, cause, posterior: 0.3, support: 'none', evidence_for: place, evidence_against: [] }));
    incident.unknown = 0.1;
    await withFixture(picture, {}, async (page) => {
      await page.locator('article').first().waitFor();
      assert.equal(await page.locator('article').count(), 2);
      assert.match(await page.locator('article').first().innerText(), /90 %\s+kind of failure unknown\s+payment/);
      assert.match(await page.locator('.headline').innerText(), /90 % that it arises in payment; nothing measured tells what broke/);
      assert.equal(await page.locator('details.rest').count(), 0);
    });
  });

  test('a quantile is not called a mean', async () => {
    const picture = fixture('normal');
    for (const axis of Object.values(picture.axes)) {
      for (const line of axis.lines) if (line.quantity === 'latency_p50') line.quantity = 'latency_p90';
      axis.lines = axis.lines.filter((line) => line.quantity !== 'latency_p99');
    }
    await withFixture(picture, {}, async (page) => {
      const latency = page.locator('.lane', { hasText: 'latency' });
      await latency.waitFor();
      assert.match(await latency.innerText(), /latency\s+p90 /);
      assert.ok(!(await page.locator('section[aria-label="Time axis"]').innerText()).includes('mean'));
    });
  });

  test('three hundred services and two thousand calls in an incident: bounded, and the rest is stated', () =>
    withFixture(wideIncident(300, 2000), {}, async (page) => {
      await page.locator('svg .node').first().waitFor();
      assert.ok((await page.locator('svg .node').count()) <= 36);
      assert.ok((await page.locator('svg .edge').count()) <= 90);
      assert.equal(await page.locator('svg .node.cause').count(), 1);
      assert.match(await page.locator('.map .below').innerText(),
        /36 of 300 shown: the suspects first.*84 more out of range and 180 others are in the search and in the list/);
      await mapFits(page);
      await page.getByRole('button', { name: 'Show all 300' }).first().click();
      assert.equal(await page.locator('svg .node').count(), 300);
      assert.equal(await page.locator('svg .edge').count(), 0);
      assert.match(await page.locator('.map .below').innerText(), /Framed: what service-of-some-team-7 calls, and who calls it/);
      assert.ok((await page.locator('svg .node.beside').count()) > 1);
      await mapFits(page);
      await page.getByRole('searchbox').fill('nothing-like-it');
      await page.getByText('No service is called so').waitFor();
      await page.getByRole('searchbox').fill('team-299');
      await page.keyboard.press('Enter');
      assert.match(await page.locator('svg .node.chosen').getAttribute('aria-label'), /^service-of-some-team-299/);
    }));

  test('not knowing: the unknown mass leads', () =>
    withFixture('unknown', {}, async (page) => {
      await page.locator('article.unknown.leader').waitFor();
      assert.match(await page.locator('.headline').innerText(), /71 % that it is none of the causes below/);
      assert.match(await page.locator('header.top').innerText(), /recording: recordings\/friday\.csv/);
    }));

  test('two hundred services: the suspects first, all on demand, a bounded page', () =>
    withFixture('huge', {}, async (page) => {
      await page.locator('svg .node').first().waitFor();
      assert.ok((await page.locator('svg .node').count()) <= 40);
      await page.getByRole('button', { name: 'Show all 200' }).first().click();
      assert.equal(await page.locator('svg .node').count(), 200);
      assert.ok((await page.locator('*').count()) < 6000);
      await page.getByRole('searchbox').fill('service-117');
      await page.locator('.find li button').click();
      assert.match(await page.locator('svg .node.chosen').getAttribute('aria-label'), /^service-117/);
    }));
});

describe('the service map fits its box', () => {
  for (const [shape, make] of Object.entries(shapes)) {
    for (const [screen, viewport] of Object.entries({ desktop, phone })) {
      test(`${shape}, ${screen}`, () =>
        withFixture(make(), { viewport }, async (page) => {
          await page.locator('svg .node').first().waitFor();
          await mapFits(page);
          await fitsItsWidth(page);
        }));
    }
  }
});

describe('lines of the service map pass no box', () => {
  const pictures = {
    ...shapes,
    ...Object.fromEntries(['normal', 'incident', 'unknown', 'huge'].map((name) => [name, () => fixture(name)])),
    'three hundred services': () => wideIncident(300, 2000),
  };
  for (const [name, make] of Object.entries(pictures)) {
    for (const [screen, viewport] of Object.entries({ desktop, phone })) {
      test(`${name}, ${screen}`, () =>
        withFixture(make(), { viewport }, async (page) => {
          await page.locator('svg .node').first().waitFor();
          await linesTellTheTruth(page, { apart: name in shapes });
        }));
    }
  }
});

describe('use', () => {
  test('an address of nobody is on the map, and it is said that its owner is unknown', async () => {
    const picture = fixture('normal');
    const node = picture.topology.nodes.find((n) => n.name === 'mailer') ?? picture.topology.nodes.at(-1);
    Object.assign(node, { name: '10.0.0.9:80', kind: 'link', owner_unknown: true, sends_itself: false });
    await withFixture(picture, {}, async (page) => {
      const box = page.locator('svg .node', { hasText: '10.0.0.9:80' });
      assert.match(await box.getAttribute('aria-label'), /10\.0\.0\.9:80, .*owner unknown/);
      assert.match(await box.textContent(), /owner unknown/);
    });
  });

  test('the numbers behind the time axis are not cut, on a desk or a phone', async () => {
    for (const viewport of [desktop, { width: 1100, height: 900 }, phone]) {
      await withFixture('incident', { viewport }, async (page) => {
        await page.getByText('Numbers as a table').click();
        const [inside, room] = await page.locator('.numbers').evaluate((box) => [box.scrollWidth, box.clientWidth]);
        assert.ok(inside <= room, `${inside} px in ${room} at ${viewport.width}`);
      });
    }
  });

  test('lines of a map that is scaled down keep their width', () =>
    withFixture('huge', { viewport: phone }, async (page) => {
      const calls = await page.locator('.edge .call').evaluateAll((paths) => paths.map((path) => ({
        wide: Number(path.getAttribute('stroke-width')), scaled: getComputedStyle(path).vectorEffect !== 'non-scaling-stroke' })));
      assert.ok(calls.length > 0);
      for (const { wide, scaled } of calls) assert.ok(wide >= 1.5 && !scaled, `${wide}, scaled: ${scaled}`);
    }));

  test('evidence opens in a drawer, and Escape closes it', () =>
    withFixture('incident', {}, async (page) => {
      await page.getByRole('button', { name: /slowest request/ }).click();
      await page.locator('dialog[open] td').getByText('POST /charge').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog:not([open])').waitFor({ state: 'attached' });
    }));

  test('a series leads to raw requests, and says what of them cannot be shown', () =>
    withFixture('incident', {}, async (page) => {
      await page.getByRole('button', { name: /of the added latency arises at payment/ }).first().click();
      await page.locator('dialog[open]').locator('p', { hasText: '1 file of older records cannot be read' }).waitFor();
      await page.locator('dialog[open]').getByRole('button', { name: 'POST /pay' }).click();
      await page.locator('dialog[open] td').getByText('POST /charge').waitFor();
    }));

  test('evidence that is gone says why', () =>
    withFixture('incident', {}, async (page, server, complaints) => {
      await page.locator('details.rest summary').click();
      await page.getByRole('button', { name: /in flight rose/ }).click();
      await page.getByRole('alert').getByText('no span of this trace is kept').waitFor();
      complaints.length = 0; // the browser's own line about the 404
    }));

  test('the keyboard chooses a service', () =>
    withFixture('incident', {}, async (page) => {
      await page.locator('svg .node', { hasText: 'catalog' }).first().focus();
      await page.keyboard.press('Enter');
      await page.locator('section[aria-label="Time axis"] h2', { hasText: 'catalog' }).waitFor();
    }));

  test('a new picture arrives by itself; a lost server is shown and found again', () =>
    withFixture('normal', {}, async (page, server, complaints) => {
      await page.getByText('Nothing is out of its normal range').waitFor();
      server.publish(fixture('incident'));
      await page.getByText('checkout is slow most likely').waitFor();
      server.close();
      await page.getByText('connection lost').waitFor();
      assert.match(await headline(page), /checkout is slow/);
      complaints.length = 0; // refused connections
    }));

  test('a server that publishes nothing more is not shown as live', () =>
    withFixture('normal', {}, async (page) => {
      await page.clock.install();
      await page.reload();
      await page.locator('.tag.live').waitFor();
      assert.equal(await page.title(), 'Tomograph');
      await page.clock.fastForward(120_000);
      await page.getByText(/no new picture for 2 min/).waitFor();
      assert.equal(await page.locator('.tag.live').count(), 0);
    }));

  test('names from telemetry stay text', async () => {
    const picture = fixture('incident');
    const evil = '</script><img src=x onerror="document.title=1">';
    picture.topology.nodes[0].name = evil;
    picture.incidents[0].summary = evil;
    const folder = mkdtempSync(join(tmpdir(), 'tomograph-'));
    try {
      writeFileSync(join(folder, 'report.html'), asReport(picture));
      await visit(pathToFileURL(join(folder, 'report.html')).href, {}, async (page) => {
        assert.equal(await headline(page), evil);
        assert.equal(await page.title(), '▲ Tomograph');
        assert.equal(await page.locator('img').count(), 0);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a report works from a file, without a server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tomograph-'));
    try {
      writeFileSync(join(folder, 'report.html'), asReport(fixture('unknown')));
      await visit(pathToFileURL(join(folder, 'report.html')).href, {}, async (page) => {
        await page.locator('canvas').first().waitFor();
        assert.ok((await inked(page)) > 500);
        await page.getByRole('button', { name: /latency p50 of payment rose/ }).click();
        await page.locator('dialog[open]').getByRole('heading', { name: 'latency p99', exact: true }).waitFor();
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: /slowest request/ }).click();
        await page.getByRole('alert').getByText('This report holds no raw records').waitFor();
        await page.keyboard.press('Escape');
        await panel(page).getByRole('button', { name: 'Show', exact: true }).click();
        assert.match(await panel(page).innerText(), /A sample of 1: /);
        await panel(page).locator('tbody button').first().click();
        await panel(page).locator('[role=treeitem]').first().waitFor();
        assert.equal(await panel(page).locator('[role=treeitem]').count(), 5);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const quality = (page) => page.locator('section[aria-label="Data quality"]');
const map = (page) => page.locator('section[aria-label="Service map"]');

describe('how sure and how whole', () => {
  test('what called the requests: by id, inferred, nothing and unknown, and never all by id when some are not', async () => {
    const picture = fixture('incident');
    const none = { lost: 0, not_found: 0, not_looked_for: 0, sender_unknown: 0, waiting: 0 };
    picture.status.parents = { by_id: 99_990, inferred: 0, root: 0, unknown: 10, all: 100_000, why_unknown: { ...none, lost: 8, sender_unknown: 2 } };
    picture.status.orphan_spans = 8;
    picture.status.clocks = { hosts: 4, by_times: 1, unknown: 1 };
    await withFixture(picture, {}, async (page) => {
      const told = await quality(page).innerText();
      assert.match(told, /requests by what called them\s+> 99\.9 % by id, 0\.01 % unknown\s+8 named by an id, and never came; 2 whose sender/);
      assert.match(told, /clocks\s+25 % unknown \(1 of 4 hosts\), of 1 by the times of calls alone: a guess/);
      assert.match(told, /8 spans name a parent that never came/);
      assert.ok(!/100 %/.test(told));
    });
    picture.status.parents = { by_id: 50, inferred: 30, root: 10, unknown: 10, all: 100, why_unknown: { ...none, lost: 4, not_found: 1, not_looked_for: 5 } };
    picture.estimates.push({ state: 'missing_server_spans', value: 12.2 }, { state: 'missing_client_spans', value: null });
    await withFixture(picture, {}, async (page) => {
      const told = await quality(page).innerText();
      assert.match(told, /50 % by id, 30 % inferred, 10 % begin there, 10 % unknown\s+4 named by an id, and never came; 1 not among what was seen; 5 that may answer a call whose callee is not known/);
      assert.match(told, /Spans are missing: in the newest window about 12 of servers'/);
    });
  });

  test('clocks that are off are told in one line, and each with its bound under data quality', () =>
    withFixture('unknown', {}, async (page) => {
      const line = await page.locator('.headline .clocks').innerText();
      assert.match(line, /^Clocks: pay-1 is 80\.3 ms behind web-1 \(standard error 0\.4 ms\) since it jumped back, or web-1 ahead, by 30 ms between .*, as calls to checkout without ids tell: .* 2 more under Data quality\.$/);
      const told = await quality(page).locator('details.clocks').innerText();
      assert.match(told, /node-1\s+the others are measured against it\s+raw/);
      assert.match(told, /node-2\s+node-1\s+\+5 ms ± 800 µs\s+corrected\s+\+2 ms at 09:00:42/);
      assert.match(told, /node-3\s+node-1\s+at most \+5 ms/);
      assert.match(told, /node-4\s+unknown/);
      assert.match(told, /pay-1\s+web-1\s+−80\.3 ms, standard error 400 µs\s+found from the calls: a guess/);
      assert.match(told, /pay-1\s+a host without a name\s+unknown\s+unknown: who sent the calls is not told/);
    }));

  test('no clock is off: none is mentioned', () =>
    withFixture('normal', {}, async (page) => {
      await page.locator('.headline h1').waitFor();
      assert.equal(await page.locator('.clocks').count(), 0);
    }));

  test('what is not seen is not said to be normal', async () => {
    const picture = fixture('normal');
    const { parents } = picture.status;
    Object.assign(parents, { by_id: 60, unknown: 40, all: 100 });
    parents.why_unknown.not_looked_for = 40;
    await withFixture(picture, {}, async (page) => {
      await page.getByText('Nothing that is seen is out of its normal range').waitFor();
      assert.match(await page.locator('.headline').innerText(), /Not seen: what called 40 % of the requests\./);
      assert.equal(await page.locator('.headline .good').count(), 0);
    });
    Object.assign(parents.why_unknown, { not_looked_for: 0, waiting: 40 });
    await withFixture(picture, {}, async (page) => {
      await page.getByText('Nothing is out of its normal range').waitFor();
    });
  });

  test('what was counted has no interval, and a narrow one has as many digits as show its ends', async () => {
    const picture = fixture('normal');
    const [a, b] = picture.topology.nodes.filter((n) => n.kind === 'service' && n.figures.call_rate.value > 0);
    Object.assign(a.figures.call_rate, { value: 9.6, i90: [9.6, 9.6], basis: 'observed' });
    Object.assign(b.figures.call_rate, { value: 9.6, i90: [9.5999, 9.6001], basis: 'inferred' });
    await withFixture(picture, {}, async (page) => {
      const row = (name) => page.locator('section[aria-label="Services"] tr', { hasText: name }).first().innerText();
      assert.match(await row(a.name), /9\.6 counted/);
      assert.match(await row(b.name), /9\.6 \[9\.5999, 9\.6001\]/);
    });
  });

  test('a call that was made once is not drawn like thousands', async () => {
    const picture = fixture('normal');
    const [edge] = picture.topology.edges;
    edge.sources.forEach((one) => (one.calls = 1));
    await withFixture(picture, {}, async (page) => {
      const rare = page.locator('.edge.rare');
      assert.equal(await rare.count(), 1);
      assert.equal(await rare.locator('text').textContent(), '1');
      assert.match(await rare.getAttribute('aria-label'), /: 1 call in all, /);
      assert.match(await map(page).innerText(), /A number on a line: that many calls in all/);
    });
  });

  test('what matters comes first: losses in words, reasons by count, zeros folded away', async () => {
    const picture = fixture('incident');
    picture.status.broken_off = ['rec/a.jsonl.gz: the compressed data ends early'];
    picture.status.damaged = ['rec/b.jsonl: 3 lines could not be read, the first is line 17: no JSON'];
    Object.assign(picture.status.self, { refused_calls_total: 14, unplaced_calls_total: 0, store_unreadable_files: 0 });
    await withFixture(picture, {}, async (page) => {
      const told = await quality(page).innerText();
      assert.match(told, /Broken off: rec\/a\.jsonl\.gz.*\n.*Damaged: rec\/b\.jsonl: 3 lines could not be read, the first is line 17/);
      assert.match(told, /97 records of 301 k dropped \(0\.03 %\)/);
      assert.match(told, /14 calls of more services and edges than can be followed/);
      assert.match(told, /97 dropped, kept nowhere\s+90 samples from remote write: .*\n+7 spans from otlp grpc: a span without/);
      assert.ok(!told.includes('unplaced calls total'), 'a zero is in sight');
      await quality(page).getByText("Tomograph's own figures").click();
      assert.match(await quality(page).innerText(), /Zero: unplaced calls total, store unreadable files\./);
    });
  });

  test('a recording that is still read says so, and turns into its picture by itself', async () => {
    const reading = fixture('empty');
    Object.assign(reading.status, { live: false, source: 'recordings/friday', read: 0.43 });
    await withFixture(reading, {}, async (page, server) => {
      assert.equal(await headline(page), 'Reading the recording: 43 %');
      assert.equal(await page.getByText('No telemetry').count(), 0);
      server.publish(fixture('unknown'));
      await page.locator('article.unknown.leader').waitFor();
    });
  });
});

describe('what the map and the table say of those who tell of no calls', () => {
  const picture = () => {
    const whole = fixture('normal');
    const rename = (node, name) => {
      for (const edge of whole.topology.edges) {
        if (edge.caller === node.id) edge.caller_name = name;
        if (edge.callee === node.id) edge.callee_name = name;
      }
      node.name = name;
    };
    const queue = whole.topology.nodes.find((n) => n.kind === 'queue');
    rename(queue, 'kafka receipts');
    Object.assign(queue.figures, { silent: true, queue_depth: { value: null, basis: 'missing' } });
    const logger = whole.topology.nodes.find((n) => n.name === 'mailer');
    rename(logger, 'notification-dispatcher');
    Object.assign(logger.figures, { silent: false, record_rate: { value: 12.4, basis: 'observed' } });
    return whole;
  };

  test('a destination is not called silent: it sends nothing itself', () =>
    withFixture(picture(), {}, async (page) => {
      const node = map(page).locator('.node', { hasText: 'receipts' });
      assert.match(await node.getAttribute('aria-label'), /kafka receipts, messaging destination, sends no telemetry itself/);
      assert.equal(await map(page).locator('.node.silent').count(), 0);
      assert.ok(!(await map(page).innerText()).includes('∅'));
      const told = page.locator('section[aria-label="Services"] tr', { hasText: 'kafka receipts' });
      assert.match(await told.innerText(), /messaging destination: sends no telemetry itself, and no client tells of it now/);
    }));

  test('a service that sends logs alone has their rate', () =>
    withFixture(picture(), {}, async (page) => {
      const box = map(page).locator('.node', { hasText: 'dispatcher' });
      assert.equal(await box.locator('.figures').innerHTML(), '12 records/s');
      const told = page.locator('section[aria-label="Services"] tr', { hasText: 'notification-dispatcher' });
      assert.match(await told.innerText(), /tells of no calls; sends 12\.4 records\/s/);
    }));

  for (const [screen, viewport] of Object.entries({ desktop, phone })) {
    test(`names are whole where two lines hold them, ${screen}`, () =>
      withFixture(picture(), { viewport }, async (page) => {
        const names = await map(page).locator('.node').evaluateAll((nodes) => nodes.map((node) => ({
          lines: [...node.querySelectorAll('.name')].map((line) => line.textContent),
          wide: [...node.querySelectorAll('text')].some((line) => line.getBBox().x + line.getBBox().width > node.querySelector('rect').width.baseVal.value),
        })));
        assert.ok(names.some(({ lines }) => lines.join('|') === 'kafka receipts'), JSON.stringify(names));
        assert.ok(names.some(({ lines }) => lines.join('|') === 'notification-|dispatcher'), JSON.stringify(names));
        assert.ok(!JSON.stringify(names).includes('…'));
        assert.ok(names.every(({ wide }) => !wide), 'a text leaves its box');
        await mapFits(page);
        await linesTellTheTruth(page, { apart: false });
      }));
  }

  test('what ids prove is solid, and all else is dashed however sure it is', async () => {
    const picture = fixture('normal');
    const [a, b, c, d] = picture.topology.edges;
    Object.assign(a, { basis: 'inferred', confidence: 1 });
    Object.assign(b, { basis: 'client spans', confidence: 1 });
    Object.assign(c, { basis: 'spans', confidence: 0.97 });
    Object.assign(d, { basis: 'flows', confidence: 0.9 });
    await withFixture(picture, {}, async (page) => {
      const dashed = (e) => map(page).locator(`.edge[aria-label^="${e.caller_name} → ${e.callee_name}:"] .call`).getAttribute('stroke-dasharray');
      assert.ok(await dashed(a));
      assert.ok(await dashed(b));
      assert.equal(await dashed(c), null);
      assert.ok(await dashed(d));
      assert.match(await map(page).locator('.below').innerText(), /solid where ids prove it, dashed where they do not/);
    });
  });
});

describe('the time axis', () => {
  const cutShort = () => {
    const picture = fixture('normal');
    picture.status.newest_window_ms -= picture.status.window_length_ms;
    for (const axis of Object.values(picture.axes)) {
      for (const line of axis.lines) line.values[line.values.length - 1] = 0;
      for (const track of axis.tracks) for (const column of ['value', 'lower50', 'upper50', 'lower90', 'upper90']) track[column][track[column].length - 1] = 0;
    }
    return picture;
  };
  /// Canvas pixels in the right part of a lane, where its last two windows are.
  const drawnAtTheEnd = (page) => page.locator('.lane canvas').first().evaluate((canvas) => {
    const [left, width] = [Math.round(canvas.width * 0.972), Math.round(canvas.width * 0.012)];
    const { data } = canvas.getContext('2d').getImageData(left, canvas.height * 0.75, width, canvas.height * 0.12);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && data[i + 2] > data[i] + 60) count += 1;
    return count;
  });

  test('a last window that is cut short is not drawn as a drop, and that is said', () =>
    withFixture(cutShort(), { colorScheme: 'light' }, async (page) => {
      await page.locator('.lane canvas').first().waitFor();
      await page.waitForTimeout(200);
      assert.equal(await drawnAtTheEnd(page), 0);
      assert.match(await page.locator('section[aria-label="Time axis"]').innerText(), /the last window, from 09:09:50 on, is cut short: not drawn/);
    }));

  test('values of several units are pooled, and that is said where they are shown', async () => {
    const picture = fixture('normal');
    for (const axis of Object.values(picture.axes)) axis.mixed_units = { latency: ['', 'ms', 's'], call_rate: [] };
    await withFixture(picture, {}, async (page) => {
      const lane = page.locator('.lane', { hasText: 'latency' });
      await lane.waitFor();
      assert.match(await lane.innerText(), /Came in no unit, ms and s; all of it in s here/);
      assert.equal(await page.locator('.lane .units').count(), 1);
    });
  });
});

const panel = (page) => page.locator('section[aria-label="Rebuilt requests"]');

/// The page with its list of requests open, or with `one` of them.
function withRequests({ one, routes, ...options }, check) {
  return withFixture('incident', { routes, ...options }, async (page, server, complaints) => {
    if (one) {
      await page.goto(`${server.url}#request/${one.id}`);
      await page.reload();
      await panel(page).locator('[role=treeitem]').first().waitFor();
    } else {
      await panel(page).getByRole('button', { name: 'Show', exact: true }).click();
      await panel(page).locator('tbody tr, .empty, [role=alert]').first().waitFor();
    }
    await check(page, panel(page), server, complaints);
  });
}

const row = (page, name) => panel(page).locator('[role=treeitem]', { hasText: name });
/// Where the bars are, as shares of the width they are drawn over.
const barsOf = (page) =>
  panel(page).locator('.bar').evaluateAll((bars) => bars.map((bar) => {
    const [box, room] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
    return { from: (box.left - room.left) / room.width, to: (box.right - room.left) / room.width };
  }));

describe('rebuilt requests', () => {
  test('the list: what failed, how much of it is inferred and how surely, in the order and of the kind asked for', () =>
    withRequests({}, async (page, section) => {
      const names = () => section.locator('tbody tr').allInnerTexts();
      assert.equal((await names()).length, 4);
      assert.match(await section.innerText(), /A sample of 4: of each kind/);
      assert.match((await names())[0], /▲ gateway POST \/checkout\/:user\s+09:09:50\s+41\.2 ms\s+10\s+2\s+1\s+begins here\s+57 %/);
      assert.match((await names())[1], /GET \/products\/:id.*by id/s);
      await section.getByLabel('Order').selectOption('slowest');
      assert.match((await names())[0], /GET \/report/);
      await section.getByLabel('pieced together only').check();
      await page.waitForFunction(() => document.querySelectorAll('section[aria-label="Rebuilt requests"] tbody tr').length === 3);
      assert.ok(!(await names()).join().includes('GET /products'), 'nothing of it is inferred');
      assert.match(await section.innerText(), /8211 joins inferred, 12 not found, 840 waiting/);
    }));

  test('one request: joins by id, inferred, lost and not found are told apart', () =>
    withRequests({ one: requests.checkout }, async (page, section) => {
      assert.equal(await section.locator('[role=treeitem]').count(), 10);
      assert.equal(await section.locator('.elbow.inferred').count(), 2);
      const dashes = (name) => row(page, name).locator('.elbow').evaluate((path) => getComputedStyle(path).strokeDasharray);
      assert.equal(await dashes('GET cart'), 'none');
      assert.notEqual(await dashes('insert payments'), 'none');
      assert.match(await row(page, 'insert payments').innerText(), /61 %/);
      assert.equal(await section.locator('.bar.lost').count(), 1);
      assert.match(await row(page, 'lost span').getAttribute('aria-label'), /a span that never came/);
      assert.match(await row(page, 'audit').innerText(), /unknown/);
      assert.equal(await row(page, 'audit').getAttribute('aria-level'), '1');
      assert.equal(await row(page, 'insert payments').getAttribute('aria-level'), '6');
    }));

  test('a join by inference says its runner-up, and that it may be none; the least certain is shown first', () =>
    withRequests({ one: requests.checkout }, async (page, section) => {
      const told = section.locator('aside');
      assert.match(await told.innerText(), /insert payments[\s\S]*inferred, 61 % probable[\s\S]*runner-up\s+35 %\s+payment: POST \/payments[\s\S]*nobody seen\s+4 %/);
      await row(page, 'payment POST /payments').hover();
      assert.match(await told.innerText(), /inferred, 93 % probable[\s\S]*runner-up\s+5 %\s+checkout: POST payment[\s\S]*nobody seen\s+2 %/);
      await row(page, 'GET cart').click();
      assert.match(await told.innerText(), /its id says so/);
      assert.ok(!(await told.innerText()).includes('runner-up'));
      await row(page, 'audit').click();
      assert.match(await told.innerText(), /Unknown what caused it: it was looked for, and not found \(88 % that it is none of those that were seen\)/);
      await section.getByRole('button', { name: 'Next inferred join' }).click();
      await page.mouse.move(0, 0);
      assert.match(await told.innerText(), /93 % probable/);
    }));

  test('what is incomplete or a fragment is not called sure, and what is missing is said', async () => {
    const all = [requests.plain, requests.fragment, requests.incomplete, requests.alone, requests.behindAddress];
    const routes = requests.requestRoutes(all);
    await withRequests({ routes }, async (page, section) => {
      const sure = async (name) => section.locator('tbody tr', { hasText: name }).locator('td.sure').innerText();
      assert.equal(await sure('cart GET /cart'), 'fragment');
      assert.equal(await sure('gateway GET /cart'), 'incomplete');
      assert.equal(await sure('GET /products/:id'), 'by id');
      assert.equal(await sure('billing GET /bill'), '80 %');
      assert.equal(await sure('mailer POST /mail'), 'fragment');
      const caller = async (name) => section.locator('tbody tr', { hasText: name }).locator('td.caller').innerText();
      assert.equal(await caller('GET /products/:id'), 'begins here');
      assert.equal(await caller('billing GET /bill'), 'begins here, 80 %');
      assert.equal(await caller('mailer POST /mail'), 'unknown');
      const told = await section.innerText();
      assert.match(told, /Of these 1 is incomplete \(spans are lost or not shown\), and 2 are fragments \(it is not known what caused it\)\./);
      assert.match(told, /of 5 received requests the clocks do not let it be told who sent them/);
    });
    await withRequests({ one: requests.fragment, routes }, async (page, section) => {
      assert.match(await section.locator('.facts').innerText(), /fragment: it is not known what caused it/);
    });
    await withRequests({ one: requests.alone, routes }, async (page, section) => {
      assert.match(await section.locator('aside').innerText(), /It begins here: inferred, 80 % probable/);
    });
    await withRequests({ one: requests.behindAddress, routes }, async (page, section) => {
      assert.match(await section.locator('aside').innerText(), /Unknown what caused it: it may be a call of which it is not known whom it reached/);
    });
    await withRequests({ one: requests.plain, routes }, async (page, section) => {
      assert.match(await section.locator('.facts').innerText(), /complete: nothing of it is known to be missing/);
    });
  });

  for (const [screen, viewport] of Object.entries({ desktop, phone })) {
    test(`a bar outside of its caller says by how much its clock is off, ${screen}`, () =>
      withRequests({ one: requests.outside, routes: requests.requestRoutes([requests.outside]), viewport }, async (page, section) => {
        const bars = await barsOf(page);
        assert.ok(bars[2].from > bars[1].to, 'it is drawn outside');
        const beside = row(page, 'payment POST /payments').locator('.outside');
        assert.equal(await beside.innerText(), 'raw: clock +80 ms ± 1.3 ms');
        const [text, room] = [await beside.boundingBox(), await beside.locator('xpath=..').boundingBox()];
        assert.ok(text.x >= room.x - 1 && text.x + text.width <= room.x + room.width + 1, `cut: ${JSON.stringify({ text, room })}`);
        assert.match(await row(page, 'payment POST /payments').locator('.bar').getAttribute('title'), /raw time, not corrected; by this call alone its clock is \+80 ms ± 1\.3 ms ahead of its caller's/);
        assert.equal(await section.locator('.outside').count(), 1);
        assert.match(await section.locator('.key').innerText(), /drawn by raw times, outside of its caller: so far ahead is its host's clock/);
        assert.match(await section.locator('.clocks').innerText(), /pay-9\s+\+80 ms ± 1\.3 ms against its caller's, by its calls here alone\s+raw, not corrected/);
        await fitsItsWidth(page);
      }));
  }

  test('raw and corrected times: the bars move, it is said which are shown, and each host has its offset and bound', () =>
    withRequests({ one: requests.checkout }, async (page, section) => {
      const [gateway, , checkout] = await barsOf(page);
      assert.ok(checkout.from > gateway.from && checkout.to < gateway.to, 'corrected: the callee within its caller');
      assert.match(await section.locator('.which').innerText(), /Shown: corrected times, 2 of 3 clocks moved; no span begins before what caused it/);
      await section.getByRole('button', { name: 'Raw times' }).click();
      const raw = await barsOf(page);
      assert.ok(raw[2].to > raw[0].to + 0.1, 'raw: 35 ms late, it ends after its caller');
      assert.ok(raw[7].from < raw[6].from, 'raw: payment before who called it');
      assert.match(await section.locator('.which').innerText(), /Shown: raw times.*1 span begins before what caused it/);
      assert.match(await section.locator('[role=tree]').getAttribute('aria-label'), /raw/);
      const clocks = await section.locator('.clocks').innerText();
      assert.match(clocks, /web-1\s+as shown, ± 400 µs\s+raw, left as they are/);
      assert.match(clocks, /web-2\s+\+35\.2 ms ± 400 µs\s+corrected/);
      assert.match(clocks, /pay-1\s+−20\.1 ms ± 1\.3 ms\s+corrected/);
      await row(page, 'payment POST /payments').click();
      assert.match(await section.locator('aside').innerText(), /start\s+09:09:49\.991300\s+09:09:50\.011400/);
    }));

  test('no clock was corrected: that is said, and nothing moves', () =>
    withRequests({ one: requests.plain }, async (page, section) => {
      assert.match(await section.locator('.which').innerText(), /No clock was corrected: both are the same/);
      const before = await barsOf(page);
      await section.getByRole('button', { name: 'Raw times' }).click();
      assert.deepEqual(await barsOf(page), before);
    }));

  test('the keyboard goes through the list, the tree, and back', () =>
    withRequests({}, async (page, section) => {
      const second = section.locator('tbody button').nth(0);
      await second.focus();
      await page.keyboard.press('Enter');
      await section.locator('[role=treeitem]').first().waitFor();
      assert.match(page.url(), /#request\/00000000a00003e8$/);
      const at = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
      await section.locator('[role=treeitem][tabindex="0"]').focus();
      assert.match(await at(), /insert payments/);
      await page.keyboard.press('ArrowLeft');
      assert.match(await at(), /^payment, POST \/payments/);
      await page.keyboard.press('Home');
      assert.match(await at(), /^gateway, POST \/checkout/);
      await page.keyboard.press('ArrowDown');
      assert.match(await at(), /^gateway, POST checkout/);
      assert.match(await section.locator('aside').innerText(), /POST checkout/);
      await page.keyboard.press('Escape');
      await section.locator('tbody button').first().waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.dataset.id), requests.checkout.id);
      assert.ok(!page.url().includes('request'));
    }));

  test('three hundred spans, forty deep: the chosen one in sight, a bounded page', () =>
    withRequests({ one: requests.wide }, async (page, section) => {
      assert.equal(await section.locator('[role=treeitem]').count(), 300);
      assert.ok((await page.locator('*').count()) < 9000);
      const inSight = () => section.locator('[role=treeitem][aria-selected=true]').evaluate((chosen) => {
        const [a, b] = [chosen.getBoundingClientRect(), chosen.closest('.waterfall').getBoundingClientRect()];
        return a.top >= b.top && a.bottom <= b.bottom;
      });
      assert.ok(await inSight());
      for (let i = 0; i < 30; i++) await section.getByRole('button', { name: 'Next inferred join' }).click();
      assert.ok(await inSight());
      assert.match(await section.locator('.facts').innerText(), /< 0\.1 % that all of them are right/);
    }));

  for (const [name, one] of Object.entries({ checkout: requests.checkout, longNames: requests.longNames, wide: requests.wide })) {
    for (const [screen, viewport] of Object.entries({ desktop, phone })) {
      test(`${name} fits a ${screen}`, () =>
        withRequests({ one, viewport }, async (page, section) => {
          await fitsItsWidth(page);
          const frame = section.locator('.waterfall');
          assert.ok(await frame.evaluate((f) => f.scrollWidth <= f.clientWidth + 1), 'rows are cut');
          const marks = await section.locator('.mark').evaluateAll((all) => all.slice(0, 5).map((m) => m.getBoundingClientRect().right <= m.closest('.label').getBoundingClientRect().right + 1));
          assert.ok(marks.every(Boolean), 'a probability is cut');
          assert.ok((await barsOf(page)).every(({ from, to }) => from >= -0.01 && to <= 1.05), 'bars leave their room');
        }));
    }
  }

  test('no requests: it says why', async () => {
    const none = requests.requestRoutes([], { ...requests.linking, inferred: 0, waiting: 31, records: 31 });
    await withRequests({ routes: none }, async (page, section) => {
      assert.match(await section.locator('.empty').innerText(), /No request to show\. 31 spans wait for the rest of their requests/);
      await section.getByLabel('pieced together only').check();
      await section.getByText('No join had to be inferred').waitFor();
    });
    const picture = fixture('normal');
    for (const row of picture.loss) if (row.signal === 'span') row.received = 0;
    await withFixture(picture, { routes: none }, async (page) => {
      await panel(page).getByRole('button', { name: 'Show', exact: true }).click();
      await panel(page).getByText('No spans come here').waitFor();
    });
  });

  test('an empty list fills by itself', () => {
    const routes = requests.requestRoutes([]);
    return withRequests({ routes }, async (page, section, server) => {
      routes.list = requests.requestRoutes().list;
      server.publish(fixture('incident'));
      await section.locator('tbody tr').first().waitFor();
    });
  });

  test('a request that is no longer kept says so, and the way back is there', () =>
    withFixture('incident', {}, async (page, server, complaints) => {
      await page.goto(`${server.url}#request/00000000000000ff`);
      await page.reload();
      await panel(page).getByRole('alert').getByText("no request '00000000000000ff' is kept").waitFor();
      await panel(page).getByRole('button', { name: 'Back to the list' }).click();
      await panel(page).locator('tbody tr').first().waitFor();
      assert.equal(await panel(page).getByRole('alert').count(), 0);
      complaints.length = 0; // the browser's own line about the 404
    }));

  test('names of spans stay text', () => {
    const evil = structuredClone(requests.plain);
    evil.root = evil.all[0].operation = '<img src=x onerror="document.title=1">';
    return withRequests({ one: evil, routes: requests.requestRoutes([evil]) }, async (page, section) => {
      assert.match(await section.locator('h3').first().innerText(), /<img src=x/);
      assert.equal(await page.locator('img').count(), 0);
    });
  });
});

describe('what came first', () => {
  const [first, then] = [0, 1];
  const picture = () => {
    const whole = fixture('incident');
    const of = (name) => whole.topology.nodes.find((n) => n.name === name).id;
    const step = (name, onset, error, more) => ({ entity: of(name), name, quantity: 'latency_p50', direction: 'up', onset_ms: 1760000820000 + onset,
      lower_ms: 1760000820000 + onset - error, upper_ms: 1760000820000 + onset + error, from: null, from_name: null, lag_s: null, p_order: null, order: 'none', ...more });
    whole.incidents[0].propagation = [
      step('checkout', 6000, 5000, { from: of('payment'), from_name: 'payment', lag_s: 6, p_order: 0.93, order: 'clear' }),
      step('payment', 0, 4000),
      step('frontend', 7000, 12000, { from: of('checkout'), from_name: 'checkout', lag_s: 1, p_order: 0.52, order: 'unclear' }),
    ];
    return whole;
  };
  const came = (page) => page.locator('section[aria-label="What came first"]');

  for (const [screen, viewport] of Object.entries({ desktop, phone })) {
    test(`in the order of the onsets, with their errors, ${screen}`, () =>
      withFixture(picture(), { viewport }, async (page) => {
        const steps = await came(page).locator('li').allInnerTexts();
        assert.match(steps[first], /09:07:00 ± 4 s\s+payment latency p50 rose/);
        assert.match(steps[then], /09:07:06 ± 5 s[\s\S]*6 s after payment, 93 % sure of the order/);
        assert.match(steps[2], /not told apart from checkout \(52 %\)/);
        const errors = await came(page).locator('.error').evaluateAll((all) => all.map((e) => e.getBoundingClientRect().width));
        assert.ok(errors[2] > 2 * errors[0], 'a wider error is drawn wider');
        await fitsItsWidth(page);
      }));
  }

  test('nothing is shown where nothing is known', () => {
    const picture = fixture('incident');
    for (const incident of picture.incidents) incident.propagation = [];
    return withFixture(picture, {}, async (page) => {
      await page.locator('article').first().waitFor();
      assert.equal(await came(page).count(), 0);
    });
  });
});

test('calls that stopped and calls that are out of sight are drawn apart from those that are made', () => {
  const picture = fixture('normal');
  const [a, b, c] = picture.topology.edges;
  Object.assign(a, { state: 'stopped', since_ms: 1760000700000, sources: [{ by: 'spans', last_seen_ms: 1760000700000, calls: 100 }] });
  Object.assign(b, { state: 'unseen', since_ms: 1760000900000 });
  c.state = 'active';
  return withFixture(picture, {}, async (page) => {
    const legend = await page.locator('.map .legend').innerText();
    assert.match(legend, /✕ 1 call stopped\s+\? 1 call not seen now/);
    const edge = (e) => page.locator(`.map .edge[aria-label^="${e.caller_name} → ${e.callee_name}:"]`);
    assert.match(await edge(a).getAttribute('aria-label'), /stopped since 09:05:00 UTC.*told by spans/);
    assert.match(await edge(b).getAttribute('aria-label'), /not seen since 09:08:20 UTC.*may go on/);
    assert.equal(await edge(a).locator('text').innerHTML(), '✕');
    assert.equal(await edge(b).locator('text').innerHTML(), '?');
    assert.equal(await edge(c).locator('text').count(), 0);
    assert.equal(await page.locator('.map .edge circle').count(), 2, 'absent and active are the same');
    await mapFits(page);
  });
});

describe('looks', () => {
  for (const name of ['empty', 'normal', 'incident', 'unknown', 'huge']) {
    test(`${name} fits a phone`, () =>
      withFixture(name, { viewport: phone }, async (page) => {
        await page.waitForTimeout(200);
        await fitsItsWidth(page);
        if (name === 'empty') return;
        await mapFits(page);
        const table = page.locator('section[aria-label="Services"] .scroll');
        assert.ok(await table.evaluate((frame) => frame.scrollWidth <= frame.clientWidth), 'columns are cut');
        const cells = await table.locator('td:visible').evaluateAll((all) =>
          all.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText));
        assert.deepEqual(cells, [], 'cells run into each other');
        for (const cell of await table.locator('tbody td:first-child').allInnerTexts()) assert.notEqual(cell.trim(), '');
      }));
  }

  test('a recording far down in folders fits a phone', async () => {
    const picture = fixture('unknown');
    picture.status.source = `/${'folder-of-somebody/'.repeat(6)}recordings/friday`;
    await withFixture(picture, { viewport: phone }, fitsItsWidth);
  });

  test('dark and light follow the system, and the toggle changes them', async () => {
    const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const grounds = [];
    for (const colorScheme of ['dark', 'light']) {
      await withFixture('incident', { colorScheme }, async (page) => {
        grounds.push(await ground(page));
        await page.getByRole('button', { name: /Switch to/ }).click();
        assert.notEqual(await ground(page), grounds.at(-1));
      });
    }
    assert.notEqual(grounds[0], grounds[1]);
  });
});

test('a running tomograph: a service that it was just told of is on the map', async (t) => {
  const tomograph = await Tomograph.start({ flags: ['--window', '1s', '--lateness', '1s'] });
  t.after(() => tomograph.stop());
  for (let i = 1n; i <= 5n; i++) {
    const endNs = BigInt(Date.now()) * 1_000_000n;
    const answer = await postJson(`${tomograph.otlp}/v1/traces`, traceRequest('bakery', [{ trace: i, span: i, startNs: endNs - 5_000_000n, endNs }]));
    assert.equal(answer.status, 200);
    await new Promise((done) => setTimeout(done, 700));
  }
  await until(async () => (await tomograph.get('/api/v1/topology')).nodes.length > 0, 20, 'the service is in the picture');
  await visit(tomograph.page, {}, async (page) => {
    await page.getByText('bakery').first().waitFor({ state: 'attached', timeout: 10_000 });
    assert.ok((await headline(page)).length > 0);
    await fitsItsWidth(page);
  });
});

const freePort = () => new Promise((resolve) => {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

test('a page that is opened while its recording is still read fills by itself, and names the damaged line', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tomograph-read-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const start = 1_760_000_000_000_000_000n;
  const line = (i) => JSON.stringify(traceRequest('bakery', Array.from({ length: 50 }, (_, k) => {
    const span = BigInt(i * 50 + k + 1);
    return { trace: span, span, startNs: start + span * 1_000_000n, endNs: start + span * 1_000_000n + 5_000_000n };
  })));
  const lines = Array.from({ length: 6000 }, (_, i) => line(i));
  lines[16] = lines[16].slice(0, 300);
  writeFileSync(join(folder, 'spans.jsonl'), lines.join('\n') + '\n');
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(binary, ['reconstruct', folder, '--serve', url.slice('http://'.length), '--quiet'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (text) => { said += text; });
  const exited = new Promise((done) => child.on('exit', done));
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const asked = (path) => fetch(url + path).catch(() => null);
  const first = await until(() => asked('/api/v1/status'), 20, 'it listens');
  assert.equal(first.status, 200);
  assert.ok((await first.json()).read < 1, 'the recording is too short for this test');
  const later = await asked('/api/v1/entities');
  assert.equal(later.status, 503);
  assert.match((await later.json()).error.message, /still being read/);
  await visit(`${url}/`, {}, async (page) => {
    await page.getByText('Reading the recording').waitFor({ timeout: 5_000 });
    await page.locator('.map .node', { hasText: 'bakery' }).waitFor({ timeout: 60_000 });
    assert.match(await quality(page).innerText(), /Damaged: .*spans\.jsonl: 1 line could not be read, line 17: /);
  });
  assert.match(said, /damaged: .*spans\.jsonl: 1 line could not be read, line 17: /);
});
