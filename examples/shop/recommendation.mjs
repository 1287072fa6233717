// What a customer may like: computed from the catalog, kept in Redis for a few seconds.
import { cache, call, serve, trouble } from './service.mjs';

const redis = cache();
const seen = [];  // with the leak: every visit's profile, for ever

function profile(user) {
  const interests = new Map();
  for (let i = 0; i < trouble.leakPerVisit; i++) interests.set(`${user}:${i}`, { weight: i / 7 });
  return interests;
}

serve({
  'GET /recommendations/:user': async ({ params: { user } }) => {
    if (trouble.leakPerVisit) seen.push(profile(user));
    const kept = await redis.get(`recommended:${user}`);
    if (kept) return JSON.parse(kept);
    const category = [...user].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 20;
    const products = await call('catalog', 'GET', `/products?category=${category}`);
    const chosen = products.slice(0, 4).map((product) => product.id);
    await redis.set(`recommended:${user}`, JSON.stringify(chosen), 'EX', 10);
    return chosen;
  },
});
