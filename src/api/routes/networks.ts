import { EngineError } from '../../model/errors.ts';
import { selectNetworks } from '../filter/networks.ts';
import { parseFilters } from '../parse/filters.ts';
import { parseConnect, parseDisconnect, parseNetworkRequest } from '../parse/network.ts';
import { queryFlag } from '../parse/query.ts';
import { orNull } from '../render/list-form.ts';
import { renderNetwork } from '../render/network.ts';
import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/**
 * Networks by name or id, names of any characters. Each answer leaves when the kernel agrees, but for what it deletes
 * slowly: that is finished behind the answer.
 */
export function networkRoutes({ networks }: EngineSurface): Routes {
  return {
    'GET /networks': ({ query, version }) => {
      const views = selectNetworks(networks.list(), parseFilters(query.get('filters')));
      return { status: 200, body: views.map((view) => renderNetwork(view, version, false)) };
    },
    'POST /networks/create': async (exchange) => {
      const { id, warning } = await networks.create(parseNetworkRequest(await exchange.json(), exchange.version));
      return { status: 201, body: { Id: id, Warning: warning } };
    },
    'POST /networks/prune': async ({ query }) => {
      const filters = parseFilters(query.get('filters')).require('label', 'label!', 'until');
      const { deleted } = await networks.prune(filters.prune(Date.now()));
      return { status: 200, body: { NetworksDeleted: orNull(deleted) } };
    },
    'GET /networks/{*}': (exchange) => {
      const scope = exchange.query.get('scope') ?? '';
      // All networks are of this host alone; verbose tells more of swarm's only.
      if (scope !== '' && scope !== 'local')
        throw new EngineError('notFound', `network ${exchange.parameter()} not found`);
      const view = networks.find(exchange.parameter());
      return { status: 200, body: renderNetwork(view, exchange.version, true) };
    },
    'POST /networks/{*}/connect': async (exchange) => {
      const network = exchange.parameter();
      const { container, endpoint } = parseConnect(network, await exchange.json());
      await networks.connect(network, container, endpoint);
      return { status: 200 };
    },
    'POST /networks/{*}/disconnect': async (exchange) => {
      const { container, force } = parseDisconnect(await exchange.json());
      await networks.disconnect(exchange.parameter(), container, { force });
      return { status: 200 };
    },
    'DELETE /networks/{*}': async (exchange) => {
      await networks.remove(exchange.parameter(), { force: queryFlag(exchange.query, 'force') });
      return { status: 204 };
    },
  };
}
