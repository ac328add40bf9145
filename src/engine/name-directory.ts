import { addressOf, type IpAddress } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint, Network } from '../model/network.ts';
import { dnsNames, requestFor } from './endpoints.ts';
import type { State } from './state.ts';

/** A container that goes by some name, and where it is. */
export interface Holder {
  readonly container: Container;
  readonly addresses: readonly IpAddress[];
}

/** Who is called what on one network. Names are in lower case, as questions come. */
export interface Directory {
  readonly network: Network;
  readonly byName: ReadonlyMap<string, readonly IpAddress[]>;
  readonly byAddress: ReadonlyMap<IpAddress, string>;
  readonly holders: ReadonlyMap<string, readonly Holder[]>;
}

/** Several containers may share a name: all their addresses answer. */
export function buildDirectory(state: State, network: Network, endpoints: Iterable<Endpoint>): Directory {
  const holders = new Map<string, Holder[]>();
  const byAddress = new Map<IpAddress, string>();
  for (const endpoint of endpoints) {
    const container = state.containers.get(endpoint.container);
    if (container === undefined || endpoint.network !== network.id) continue;
    const holder = { container, addresses: endpoint.addresses.map(addressOf) };
    const names = dnsNames(container, requestFor(state, container, network)?.aliases ?? []);
    for (const name of new Set(names.map((each) => each.toLowerCase()))) {
      const known = holders.get(name);
      if (known === undefined) holders.set(name, [holder]);
      else known.push(holder);
    }
    const [first] = names;
    if (first !== undefined) for (const address of holder.addresses) byAddress.set(address, first);
  }
  const byName = new Map<string, IpAddress[]>();
  for (const [name, sharing] of holders)
    byName.set(
      name,
      sharing.flatMap(({ addresses }) => addresses),
    );
  return { network, byName, byAddress, holders };
}
