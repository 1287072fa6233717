// Takes the money: one transaction around the card network's authorisation.
import { database, serve, sleep, trouble } from './service.mjs';

const pool = database(5);

const authorise = () => sleep(4 + 8 * Math.random());  // the card network

serve({
  'POST /payments': async ({ body: { user, amount } }) => {
    const connection = await pool.connect();
    try {
      await connection.query('begin');
      await authorise();
      const { rows: [payment] } = await connection.query(
        'insert into payments (customer, amount) values ($1, $2) returning id', [user, amount]);
      await connection.query('commit');
      return payment;
    } catch (error) {
      await connection.query('rollback').catch(() => {});
      throw error;
    } finally {
      if (trouble.holdMs) setTimeout(() => connection.release(), trouble.holdMs);
      else connection.release();
    }
  },
});
