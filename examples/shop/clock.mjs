// To be imported before all else: from then on this process has its host's clock, if that is wrong.
import { wearClock } from './hosts.mjs';

const { clock, since_ms: since } = JSON.parse(process.env.SHOP_CLOCK ?? '{}');
if (clock) wearClock(clock, since);
