import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/** What Docker has no words for, outside its namespace; `api/client.ts` asks here. */
export function fairwayRoutes({ system }: EngineSurface): Routes {
  return {
    'GET /fairway/status': () => ({ status: 200, body: system.status() }),
    'GET /fairway/plan': () => ({ status: 200, body: system.plan() }),
  };
}
