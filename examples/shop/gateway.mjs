// The shop's front door: every page a customer sees is put together here.
import { call, log, serve } from './service.mjs';

// A page without recommendations is still a page.
const recommended = (user) => call('recommendation', 'GET', `/recommendations/${user}`)
  .catch((error) => {
    log.warn('page shown without recommendations', { 'exception.message': error.message });
    return [];
  });

serve({
  'GET /': async ({ query }) => {
    const [products, recommendations] = await Promise.all([
      call('catalog', 'GET', `/products?category=${query.get('category') ?? 0}`),
      recommended(query.get('user') ?? 'guest'),
    ]);
    return { products, recommendations };
  },
  'GET /products/:id': ({ params }) => call('catalog', 'GET', `/products/${params.id}`),
  'GET /recommendations/:user': ({ params }) =>
    call('recommendation', 'GET', `/recommendations/${params.user}`),
  'GET /cart/:user': ({ params }) => call('cart', 'GET', `/carts/${params.user}`),
  'POST /cart/:user/items': ({ params, body }) =>
    call('cart', 'POST', `/carts/${params.user}/items`, body),
  'POST /checkout/:user': ({ params }) =>
    call('checkout', 'POST', '/orders', { user: params.user }, 5000),
});
