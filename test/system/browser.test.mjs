// The page in a real browser, over fixtures of the API. With TOMOGRAPH_URL set, the last test also opens
// that server's page.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { asReport, fixture, serve } from './browser_server.mjs';

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

async function withFixture(name, options, check) {
  const server = await serve(typeof name === 'string' ? fixture(name) : name);
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

  test('incident: sentence, probability, cards, map, bands', () =>
    withFixture('incident', {}, async (page) => {
      await page.locator('article').first().waitFor();
      assert.match(await headline(page), /checkout is slow most likely because payment is slow/);
      assert.match(await page.locator('.headline').innerText(), /68 % probable\. What would change it: Roll/);
      assert.equal(await page.locator('article').count(), 4);
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

describe('use', () => {
  test('evidence opens in a drawer, and Escape closes it', () =>
    withFixture('incident', {}, async (page) => {
      await page.getByRole('button', { name: /slowest request/ }).click();
      await page.locator('dialog[open] td').getByText('POST /charge').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog:not([open])').waitFor({ state: 'attached' });
    }));

  test('evidence that is gone says why', () =>
    withFixture('incident', {}, async (page, server, complaints) => {
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
        assert.equal(await page.title(), 'Tomograph');
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
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('looks', () => {
  for (const name of ['empty', 'normal', 'incident', 'unknown', 'huge']) {
    test(`${name} fits a phone`, () =>
      withFixture(name, { viewport: phone }, async (page) => {
        await page.waitForTimeout(200);
        await fitsItsWidth(page);
      }));
  }

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

test('a running tomograph', { skip: !process.env.TOMOGRAPH_URL }, () =>
  visit(process.env.TOMOGRAPH_URL, {}, async (page) => {
    assert.ok((await headline(page)).length > 0);
    await fitsItsWidth(page);
  }));
