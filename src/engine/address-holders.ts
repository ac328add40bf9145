import type { Holders } from '../ipam/ipam.ts';
import type { IpAddress } from '../model/address.ts';
import type { Container, EndpointRequest } from '../model/container.ts';
import { type Network, shortId } from '../model/network.ts';
import { tryFindNetwork } from './lookup.ts';
import type { State } from './state.ts';
import { sharing } from './surroundings.ts';

/**
 * Who holds which address of a network: running containers, and stopped ones that asked for a static address. When two
 * that are stopped ask for the same one, it is the older's, unless the younger replaces it. Asked for many addresses below the
 * lowest free one, so what can be looked up before is.
 * @param claimant whose own claims do not count
 * @param wanted the static addresses it asks for
 */
export function addressHolders(
  state: State,
  network: Network,
  claimant: Container,
  wanted: readonly IpAddress[],
): Holders {
  const sharers = sharing(state, network);
  const kept = addressesOfNeighbours(network, sharers);
  const held = Array.from(sharers.keys(), (id) => state.addresses.on(id));
  const isThere = state.endpointsOf(claimant.id).some((endpoint) => endpoint.network === network.id);
  const running = (address: IpAddress): string | undefined => {
    for (const endpoints of held) {
      const holder = endpoints.get(address);
      if (holder === undefined || (holder.network === network.id && holder.container === claimant.id)) continue;
      return holder.container;
    }
    return undefined;
  };
  const other = (address: IpAddress) =>
    claimHolder(state, sharers, claimant, address, wanted.includes(address)) ?? kept.get(address);
  return {
    ...(isThere ? {} : { run: state.addresses.on(network.id) }),
    has: (address) => running(address) !== undefined || other(address) !== undefined,
    get: (address) => {
      const holder = running(address);
      return holder === undefined ? other(address) : (state.containers.get(holder)?.name ?? shortId(holder));
    },
  };
}

/** @param wanted the claimant asks for this very address */
function claimHolder(
  state: State,
  sharers: ReadonlyMap<string, Network>,
  claimant: Container,
  address: IpAddress,
  wanted: boolean,
): string | undefined {
  const age = ({ created, id }: Container) => `${created} ${id}`;
  for (const id of state.addresses.claimants(address)) {
    const container = state.containers.get(id);
    if (container === undefined || id === claimant.id) continue;
    if (wanted && (age(container) > age(claimant) || replaces(claimant, container))) continue;
    const asked = container.spec.endpoints.filter((one) => one.address === address || one.address6 === address);
    const sharer = ({ network }: EndpointRequest) => sharers.has(tryFindNetwork(state, network)?.id ?? '');
    if (asked.some(sharer)) return container.name;
  }
  return undefined;
}

/** Where networks share a subnet, what one of them keeps for itself is nobody's in the others. */
function addressesOfNeighbours(network: Network, sharers: ReadonlyMap<string, Network>): Map<IpAddress, string> {
  const held = new Map<IpAddress, string>();
  for (const { id, name, pools } of sharers.values()) {
    if (id === network.id) continue;
    for (const { gateway, auxiliary } of pools) {
      for (const address of Object.values(auxiliary)) held.set(address, `network ${name}`);
      if (gateway !== undefined) held.set(gateway, `the gateway of network ${name}`);
    }
  }
  return held;
}

/** docker-compose 1 starts the new container of a service before it removes the old one, which has stopped. */
function replaces(claimant: Container, holder: Container): boolean {
  const place = ({ spec: { labels } }: Container) =>
    ['project', 'service', 'container-number'].map((label) => labels[`com.docker.compose.${label}`] ?? '').join('/');
  return place(claimant) !== '//' && place(claimant) === place(holder);
}
