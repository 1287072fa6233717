// Golden cases: test/golden/<area>/<case>/ holds case.md (what it guards), input/ (or input.*), ask (the
// command line after `tomograph`, with INPUT for the input's path and ROOT for the repository's) and
// expect.json (a part that the JSON answer must contain) or expect_error.txt (a line that stderr must contain,
// with exit code 1). Beside expect.json there may be expect_stderr.txt, a line that stderr must contain, too.
// expect_parents.json beside it says, of every received span whose caller was looked for, which span that is, or
// "nobody" or "unknown"; the ask then has `--links LINKS`.
// In expect.json a list is a part of the answer's, in order; {"$only": [...]} is all of it, {"$first": x} its
// beginning, {"$length": n} its length; {"$approx": x, "$within": d} is a number.
//   node test/golden/run.mjs BINARY [area/case]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const [binary, only] = process.argv.slice(2);

/** Where `actual` lacks what `expected` says; undefined if nowhere. Arrays: each element must match one, in order. */
function difference(expected, actual, path = '$') {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return `${path}: not a list`;
    let from = 0;
    for (const [i, item] of expected.entries()) {
      while (from < actual.length && difference(item, actual[from]) !== undefined) from++;
      if (from === actual.length) return `${path}[${i}]: nothing like ${JSON.stringify(item)}; the last of ${actual.length}: ${actual.length ? difference(item, actual.at(-1)) : 'none'}`;
      from++;
    }
    return undefined;
  }
  if (expected !== null && typeof expected === 'object') {
    if ('$approx' in expected) {
      const ok = typeof actual === 'number' && Math.abs(actual - expected.$approx) <= (expected.$within ?? 1e-9);
      return ok ? undefined : `${path}: ${actual} is not ${expected.$approx} +- ${expected.$within}`;
    }
    if ('$only' in expected) {
      const excess = actual?.length !== expected.$only.length;
      return excess ? `${path}: has ${actual?.length} elements, not ${expected.$only.length}` : difference(expected.$only, actual, path);
    }
    if ('$first' in expected) return difference(expected.$first, actual?.[0], `${path}[0]`);
    if ('$length' in expected) return actual?.length === expected.$length ? undefined : `${path}: has ${actual?.length} elements`;
    if (actual === null || typeof actual !== 'object') return `${path}: not an object`;
    for (const key of Object.keys(expected)) {
      const found = difference(expected[key], actual[key], `${path}.${key}`);
      if (found) return found;
    }
    return undefined;
  }
  return expected === actual ? undefined : `${path}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`;
}

/** Where the joins in `file` are not those of `expected`: the caller of each received span. */
function differenceOfParents(expected, file) {
  const short = (id) => id.replace(/^0+(?=.)/, '');
  const told = {};
  for (const line of readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l))) {
    if (line.kind !== 'hop') continue;
    const none = line.none > 0.5 ? 'nobody' : 'unknown';
    told[short(line.span)] = line.parent_span === null ? none : short(line.parent_span);
  }
  for (const span of Object.keys({ ...expected, ...told })) {
    if (told[span] !== expected[span]) return `the caller of ${span}: ${told[span]}, not ${expected[span]}`;
  }
  return undefined;
}

const scratch = mkdtempSync(join(tmpdir(), 'golden-'));
const links = join(scratch, 'links.jsonl');
let passed = 0, failed = 0;
for (const area of readdirSync(root, { withFileTypes: true }).filter((d) => d.isDirectory())) {
  for (const name of readdirSync(join(root, area.name))) {
    const folder = join(root, area.name, name);
    if (!existsSync(join(folder, 'ask')) || (only && only !== `${area.name}/${name}`)) continue;
    const input = readdirSync(folder).find((f) => f === 'input' || f.startsWith('input.'));
    const ask = readFileSync(join(folder, 'ask'), 'utf8').trim().split(/\s+/)
      .map((word) => word.replace(/^ROOT\b/, () => join(root, '../..')).replace(/^INPUT\b/, () => join(folder, input)).replace(/^LINKS$/, () => links));
    const run = spawnSync(binary, ask, { encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28 });
    let problem;
    if (existsSync(join(folder, 'expect_error.txt'))) {
      const line = readFileSync(join(folder, 'expect_error.txt'), 'utf8').trim();
      if (run.status !== 1 || !run.stderr.includes(line)) problem = `exit ${run.status}, stderr: ${run.stderr.slice(0, 400)}`;
    } else if (run.status !== 0) {
      problem = `exit ${run.status}: ${run.stderr.slice(0, 400)}`;
    } else {
      problem = difference(JSON.parse(readFileSync(join(folder, 'expect.json'), 'utf8')), JSON.parse(run.stdout));
      const parents = join(folder, 'expect_parents.json');
      if (!problem && existsSync(parents)) problem = differenceOfParents(JSON.parse(readFileSync(parents, 'utf8')), links);
      const warning = join(folder, 'expect_stderr.txt');
      if (!problem && existsSync(warning) && !run.stderr.includes(readFileSync(warning, 'utf8').trim())) problem = `stderr: ${run.stderr.slice(0, 400)}`;
    }
    if (problem) {
      failed++;
      console.error(`FAILED ${area.name}/${name}\n  ${problem}`);
    } else passed++;
  }
}
rmSync(scratch, { recursive: true });
console.log(`golden: ${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
