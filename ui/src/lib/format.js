// Numbers and times as people read them. A value that is not there is an en dash, never a zero.
export const none = '–';

export function number(v, digits = 3) {
  if (v === null || v === undefined || !Number.isFinite(v)) return none;
  const a = Math.abs(v);
  if (a >= 1e9) return trim(v / 1e9, digits) + ' G';
  if (a >= 1e6) return trim(v / 1e6, digits) + ' M';
  if (a >= 1e4) return trim(v / 1e3, digits) + ' k';
  return trim(v, digits);
}

function trim(v, digits) {
  if (v === 0) return '0';
  return digits === 3 && Math.abs(v) >= 100 ? String(Math.round(v)) : String(Number(v.toPrecision(digits)));
}

/// "[9.4, 9.8]", with as many digits as tell its ends apart. One without width is none: what was seen whole is
/// counted, not estimated.
export function range(lower, upper, observed, write = number) {
  if (lower === null || lower === undefined) return '';
  if (lower === upper) return observed ? 'counted' : '';
  let digits = 3;
  while (write(lower, digits) === write(upper, digits) && digits < 9) digits += 1;
  return `[${write(lower, digits)}, ${write(upper, digits)}]`;
}

/// 0.3 % must not read as 0 %, nor 99.7 % as 100 %.
export function percent(v) {
  if (v === null || v === undefined || !Number.isFinite(v)) return none;
  const p = v * 100;
  if (v < 1 && p > 99.9) return '> 99.9 %';
  const fine = v > 0 && v < 1 && (p < 0.95 || p > 99.05);
  return (fine ? Number(p.toPrecision(p > 50 ? 3 : 1)) : Math.round(p)) + ' %';
}

export function duration(seconds, digits = 3) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return none;
  const a = Math.abs(seconds);
  if (a === 0) return '0';
  if (a < 1e-3) return trim(seconds * 1e6, digits) + ' µs';
  if (a < 1) return trim(seconds * 1e3, digits) + ' ms';
  if (a < 120) return trim(seconds, digits) + ' s';
  if (a < 7200) return trim(seconds / 60, digits) + ' min';
  return trim(seconds / 3600, digits) + ' h';
}

export function quantity(v, unit, digits = 3) {
  if (unit === 's') return duration(v, digits);
  if (unit === '1') return percent(v);
  if (unit === 'By') return number(v, digits) + 'B';
  if (unit === '1/s') return number(v, digits) + '/s';
  return number(v, digits);
}

const two = (n) => String(n).padStart(2, '0');

/// UTC, as in the reports and the logs.
export function clock(ms) {
  if (ms === null || ms === undefined) return none;
  const d = new Date(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

export function date(ms) {
  if (ms === null || ms === undefined) return none;
  return new Date(ms).toISOString().slice(0, 10) + ' ' + clock(ms) + ' UTC';
}

/// The time of day, with its date where that is not the day of `now`.
export function when(ms, now) {
  const day = (t) => new Date(t).toISOString().slice(0, 10);
  return ms && now && day(ms) !== day(now) ? `${day(ms)} ${clock(ms)}` : clock(ms);
}

export const words = (name) => (name ?? '').replaceAll('_', ' ');
