// Turns a cart into a paid order, then confirms it from a queue in the background.
import { call, database, HttpError, log, observe, serve, sleep, version } from './service.mjs';

const pool = database(10);
const discounts = version === '1.1.0';  // the feature that release 1.1.0 brought, with its faults

const byIds = (items) =>
  call('catalog', 'GET', `/products?ids=${items.map((item) => item.product).join(',')}`);

async function prices(items) {
  if (!discounts) return byIds(items);
  const priced = [];
  for (let tier = 0; tier < 4; tier++) {  // 1.1.0 asks for each discount tier, one by one
    for (const item of items) {
      priced.push(await call('catalog', 'GET', `/products/${item.product}`));
    }
    await sleep(15);
  }
  return priced;
}

function total(items, products) {
  const price = new Map(products.map((product) => [product.id, Number(product.price)]));
  const coupon = items.length % 2 ? { percent: 0 } : undefined;
  return items.reduce((sum, item) => {
    const full = price.get(item.product) * item.quantity;
    return sum + (discounts ? full * (1 - coupon.percent / 100) : full);
  }, 0);
}

const waiting = [];  // orders to confirm
observe('UpDownCounter', 'shop.confirmation.queue.size', '{order}', () => waiting.length);

async function confirm() {
  while (waiting.length) {
    const order = waiting[0];
    await sleep(20);  // the mail server
    await pool.query('update orders set confirmed = true where id = $1', [order])
      .catch((error) => log.error(`order ${order} not confirmed`, error));
    waiting.shift();
  }
}

serve({
  'POST /orders': async ({ body: { user } }) => {
    const { items } = await call('cart', 'GET', `/carts/${user}`);
    if (!items.length) throw new HttpError(409, 'the cart is empty');
    const amount = total(items, await prices(items));
    const payment = await call('payment', 'POST', '/payments', { user, amount }, 4000);
    const { rows: [order] } = await pool.query(
      'insert into orders (customer, amount, payment) values ($1, $2, $3) returning id',
      [user, amount, payment.id]);
    await call('cart', 'DELETE', `/carts/${user}`);
    if (waiting.push(order.id) === 1) confirm();
    log.info('order placed', { 'order.id': order.id, 'order.items': items.length });
    return { order: order.id, amount };
  },
});
