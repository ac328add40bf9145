import { EngineError } from '../../model/errors.ts';
import type { Handler, Routes } from '../router.ts';
import { unsupported } from '../status.ts';

const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

/** What swarm managers answer. */
const MANAGER_ONLY = [
  'GET /swarm',
  'POST /swarm/update',
  'GET /swarm/unlockkey',
  'POST /swarm/unlock',
  'GET /services',
  'POST /services/create',
  'GET /services/{*}',
  'POST /services/{*}',
  'DELETE /services/{*}',
  'GET /nodes',
  'GET /nodes/{*}',
  'POST /nodes/{*}',
  'DELETE /nodes/{*}',
  'GET /tasks',
  'GET /tasks/{*}',
  'GET /secrets',
  'POST /secrets/create',
  'GET /secrets/{*}',
  'POST /secrets/{*}',
  'DELETE /secrets/{*}',
  'PUT /volumes/{}',
  'GET /configs',
  'POST /configs/create',
  'GET /configs/{*}',
  'POST /configs/{*}',
  'DELETE /configs/{*}',
];

/** What Docker does and Fairway does not, by what a user would call it. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  'GET /containers/{*}/checkpoints': 'docker checkpoint',
  'POST /containers/{*}/checkpoints': 'docker checkpoint',
  'POST /swarm/init': 'swarm mode',
  'POST /swarm/join': 'swarm mode',
  'GET /plugins/privileges': 'installing plugins',
  'POST /plugins/{*}': 'managing plugins',
  'DELETE /plugins/{*}': 'managing plugins',
};

/** Every other path of the Engine API, refused in words a user can act on. */
export function refusedRoutes(): Routes {
  const managers = MANAGER_ONLY.map((route): [string, Handler] => [route, refuseSwarm(NO_MANAGER)]);
  const others = Object.entries(UNSUPPORTED).map(([route, what]): [string, Handler] => [route, refuse(what)]);
  return {
    ...Object.fromEntries([...managers, ...others]),
    'POST /swarm/leave': refuseSwarm('This node is not part of a swarm'),
    'GET /plugins': () => ({ status: 200, body: [] }),
    'GET /plugins/{*}/json': (exchange) => {
      throw new EngineError('notFound', `plugin "${exchange.parameter()}" not found`);
    },
  };
}

/** 501 with the name of the thing: "docker stats is not supported by Fairway yet". */
function refuse(what: string): Handler {
  return () => {
    throw unsupported(what);
  };
}

/** 503, which tells the CLI that the node could become one. */
function refuseSwarm(words: string): Handler {
  return () => {
    throw new EngineError('unavailable', words);
  };
}
