// Products and prices, from PostgreSQL.
import { database, HttpError, serve, sleep, trouble } from './service.mjs';

const pool = database(10);

async function select(sql, values) {
  if (trouble.waitMs) await sleep(trouble.waitMs * (0.7 + 0.6 * Math.random()));
  return (await pool.query(sql, values)).rows;
}

serve({
  'GET /products': ({ query }) => query.has('ids')
    ? select('select id, name, price from products where id = any($1)',
      [query.get('ids').split(',').map(Number)])
    : select('select id, name, price from products where category = $1 order by id limit 12',
      [Number(query.get('category') ?? 0)]),
  'GET /products/:id': async ({ params }) => {
    const [product] = await select(
      'select id, name, price, description from products where id = $1', [Number(params.id)]);
    if (!product) throw new HttpError(404, 'no such product');
    return product;
  },
});
