import { EngineError } from '../../model/errors.ts';
import { queryFlag } from '../parse/query.ts';
import type { Routes } from '../router.ts';
import { unsupported } from '../status.ts';

/** There are no named volumes yet: listing and pruning find none, making one is refused. */
export function volumeRoutes(): Routes {
  const missing = (name: string) => new EngineError('notFound', `get ${name}: no such volume`);
  return {
    'GET /volumes': () => ({ status: 200, body: { Volumes: [], Warnings: null } }),
    'POST /volumes/create': () => {
      throw unsupported('creating named volumes');
    },
    'POST /volumes/prune': () => ({ status: 200, body: { VolumesDeleted: null, SpaceReclaimed: 0 } }),
    'GET /volumes/{}': (exchange) => {
      throw missing(exchange.parameter());
    },
    'DELETE /volumes/{}': (exchange) => {
      if (queryFlag(exchange.query, 'force')) return { status: 204 };
      throw missing(exchange.parameter());
    },
  };
}
