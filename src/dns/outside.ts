import type { NamespaceName } from '../model/resource.ts';
import type { Outside, Upstream } from './names.ts';

/** Servers of one list that are asked: Docker's number, and resolv.conf(5)'s */
const MAX_SERVERS = 3;

export interface OutsideSettings {
  readonly upstreams: readonly Upstream[];
  /** False: the sandbox is on internal networks only, and reaches no server by way of the host */
  readonly forwards: boolean;
  readonly ndotsSet: boolean;
  readonly search: readonly string[];
}

/** Whom a sandbox asks for what is not ours. Made once for many questions. */
export function outsideOf(namespace: NamespaceName, settings: OutsideSettings): Outside {
  const { upstreams, forwards, ndotsSet, search } = settings;
  const able = (forwards ? upstreams : upstreams.filter(({ from }) => from === 'sandbox')).slice(0, MAX_SERVERS);
  const places = able.map(({ address, from, port }) => `${from === 'host' ? '' : namespace}/${address}/${port ?? ''}`);
  return {
    upstreams: able,
    ndotsSet,
    search: search.map((domain) => domain.toLowerCase().replace(/\.$/, '')),
    scope: places.join(' '),
  };
}
