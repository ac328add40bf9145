import { queryText } from '../parse/query.ts';
import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/** What Docker has no words for, outside its namespace; `api/client.ts` asks here. */
export function fairwayRoutes({ system, networks }: EngineSurface): Routes {
  return {
    'GET /fairway/status': () => ({ status: 200, body: system.status() }),
    'GET /fairway/networks/{*}/renumber': (exchange) => {
      const plan = networks.planRenumber(exchange.parameter(), queryText(exchange.query, 'subnet'));
      return { status: 200, body: plan };
    },
    'POST /fairway/networks/{*}/renumber': async (exchange) => {
      const plan = await networks.renumber(exchange.parameter(), queryText(exchange.query, 'subnet'));
      return { status: 200, body: plan };
    },
    'GET /fairway/exposure': () => ({ status: 200, body: system.exposure() }),
    'GET /fairway/plan': () => ({ status: 200, body: system.plan() }),
  };
}
