import type { NetworkView } from '../../engine/views.ts';
import { PREDEFINED_NETWORKS } from '../../model/network.ts';
import type { Filters } from '../parse/filters.ts';
import { invalid } from '../status.ts';

/** `docker network ls --filter` knows these. */
const NAMES = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

/** GET /networks (moby: daemon/network/filter.go). @throws EngineError invalidArgument */
export function selectNetworks(views: readonly NetworkView[], filters: Filters): NetworkView[] {
  filters.require(...NAMES);
  for (const type of filters.get('type')) {
    if (type !== 'builtin' && type !== 'custom') throw invalid(`invalid filter: 'type'='${type}'`);
  }
  const name = filters.pattern('name');
  const id = filters.pattern('id');
  const dangling = filters.boolean('dangling');
  return views.filter(({ network, users }) => {
    const builtin = PREDEFINED_NETWORKS.includes(network.name);
    return (
      filters.some('driver', (driver) => driver === network.driver) &&
      filters.some('scope', (scope) => scope === 'local') &&
      filters.some('type', (type) => (type === 'builtin') === builtin) &&
      name(network.name) &&
      id(network.id) &&
      filters.labels(network.labels) &&
      // The predefined ones are never dangling: nobody could remove them.
      (dangling === undefined || dangling === (!builtin && users === 0))
    );
  });
}
