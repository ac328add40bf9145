import type { Surroundings } from '../ipam/ipam.ts';
import { type Prefix, prefixesOverlap } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import { type Network, PREDEFINED_NETWORKS, type SubnetTraits } from '../model/network.ts';
import type { HostUses } from '../reconcile/host-use.ts';
import { driverOf } from './intent.ts';
import type { State } from './state.ts';

interface Inputs {
  readonly state: State;
  readonly hostUses: HostUses;
}

/**
 * What a new network must keep away from. Where its subnets may be shared, those of other such networks are only avoided
 * in choosing, as the host's are.
 * @param except a network that counts for nothing: the one that is asking
 */
export function surroundings({ state, hostUses }: Inputs, traits: SubnetTraits, except?: Network): Surroundings {
  const { taken, shared } =
    traits.sharedSubnets || except !== undefined
      ? subnetsOfOthers(state, traits, except)
      : { taken: state.subnets, shared: [] };
  const uses = hostUses.list();
  const prefixes = (near: boolean) => uses.filter((use) => use.near === near).map(({ prefix }) => prefix);
  return { taken, near: [...shared, ...prefixes(true)], far: prefixes(false) };
}

/** Those that are not to be shared, and those that may be. */
function subnetsOfOthers({ networks }: State, traits: SubnetTraits, except: Network | undefined) {
  const taken: Prefix[] = [];
  const shared: Prefix[] = [];
  for (const network of networks.values()) {
    if (network.id === except?.id) continue;
    const kept = traits.sharedSubnets && subnetTraits(network).sharedSubnets ? shared : taken;
    for (const { subnet } of network.pools) kept.push(subnet);
  }
  return { taken, shared };
}

/** What the network's driver says of its subnets. */
export function subnetTraits({ driver, options, internal }: Network): SubnetTraits {
  return driverOf(driver).subnets(options, internal);
}

/** Networks in which an address of this one would be the same address, by id: itself, and those that share a subnet with it. */
export function sharing(state: State, network: Network): ReadonlyMap<string, Network> {
  const found = new Map([[network.id, network]]);
  if (!subnetTraits(network).sharedSubnets) return found;
  for (const other of state.networks.values()) {
    const overlaps = network.pools.some((a) => other.pools.some((b) => prefixesOverlap(a.subnet, b.subnet)));
    if (overlaps && subnetTraits(other).sharedSubnets) found.set(other.id, other);
  }
  return found;
}

/** How many names make a hint. */
const NAMED = 5;

/**
 * Does what allots a subnet; when there is none left, the error says which networks stand idle.
 * @throws what `work` throws
 */
export function hintingAtIdleNetworks<T>({ networks, containers }: State, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EngineError) || !error.message.endsWith('fully subnetted')) throw error;
    const used = new Set([...containers.values()].flatMap(({ spec }) => spec.endpoints.map(({ network }) => network)));
    const idle = [...networks.values()].filter(
      ({ id, name }) => !PREDEFINED_NETWORKS.includes(name) && !used.has(name) && !used.has(id),
    );
    const names = idle
      .slice(0, NAMED)
      .map(({ name }) => name)
      .join(', ');
    const more = idle.length > NAMED ? ` and ${idle.length - NAMED} more` : '';
    const hint =
      idle.length === 0 ? '' : `; no container is on ${names}${more}: docker network prune gives their subnets back`;
    throw new EngineError(error.kind, error.message + hint, { cause: error });
  }
}
