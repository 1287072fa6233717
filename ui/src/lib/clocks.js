// What is known of the hosts' clocks (API: /api/v1/clocks), in words.
import { duration } from './format.js';

export const signed = (ms) => `${ms < 0 ? '−' : '+'}${duration(Math.abs(ms) / 1000)}`;
const give = (ms) => duration(Number((ms / 1000).toPrecision(2)));

/// By how much a host's clock is ahead of its reference's.
export function aheadOf(clock) {
  if (clock.state === 'unknown') return 'unknown';
  if (clock.state === 'one_sided') {
    if (clock.most_ms !== null) return `at most ${signed(clock.most_ms)}`;
    return `at least ${signed(clock.least_ms)}`;
  }
  if (clock.state === 'reference') return 'the others are measured against it';
  return `${signed(clock.offset_ms)}${clock.bound_ms === null ? ', bound unknown' : ` ± ${give(clock.bound_ms)}`}`;
}

export const hopStates = {
  followed: 'found from the calls: a guess',
  held_in_sync: 'held to be in sync: nothing speaks against it',
  unknown: 'unknown: who sent the calls is not told',
};

export const aheadOnHop = (hop) => (hop.offset_ms === null ? 'unknown' : `${hop.offset_ms === 0 ? '0' : signed(hop.offset_ms)}, standard error ${give(hop.error_ms)}`);
