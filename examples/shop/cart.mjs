// What each customer is about to buy, in Redis.
import { cache, call, serve, trouble } from './service.mjs';

const redis = cache();
const key = (user) => `cart:${user}`;

async function contents(user) {
  const entries = Object.entries(await redis.hgetall(key(user)));
  return entries.map(([product, quantity]) => ({ product: Number(product), quantity: +quantity }));
}

let changes = 0;

serve({
  'GET /carts/:user': async ({ params }) => ({ items: await contents(params.user) }),
  'POST /carts/:user/items': async ({ params, body }) => {
    const product = await call('catalog', 'GET', `/products/${body.product}`);
    await redis.multi()
      .hincrby(key(params.user), product.id, body.quantity)
      .expire(key(params.user), 600)
      .exec();
    // The bug of the crash loop: a customer without a profile, looked at outside of any handler.
    if (trouble.crashAfter && ++changes >= trouble.crashAfter) {
      const customer = { id: params.user };
      setImmediate(() => customer.profile.currency);
    }
    return { items: await contents(params.user) };
  },
  'DELETE /carts/:user': async ({ params }) => ({ removed: await redis.del(key(params.user)) }),
});
