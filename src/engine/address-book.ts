import type { HeldRun } from '../ipam/ipam.ts';
import { addressOf, type IpAddress } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint } from '../model/network.ts';

/** A network's addresses, as far as they are held. */
class Held extends Map<IpAddress, Endpoint> implements HeldRun {
  readonly lengths: HeldRun['lengths'] = new Map();
}

/** Who holds which address, and who asks for it: written down with every change, so that nobody has to go through all who are there. */
export class AddressBook {
  /** Endpoints, by network and address */
  readonly #holders = new Map<string, Held>();
  /** Ids of containers that want an address and no other, running or not, by the address */
  readonly #claimants = new Map<IpAddress, Set<string>>();

  /** The network's endpoints, by their addresses. */
  on(network: string): ReadonlyMap<IpAddress, Endpoint> & HeldRun {
    return this.#holders.get(network) ?? new Held();
  }

  claimants(address: IpAddress): Iterable<string> {
    return this.#claimants.get(address) ?? [];
  }

  /** An endpoint is another now. @param before undefined: it is new @param after undefined: it is gone */
  noteEndpoint(before: Endpoint | undefined, after: Endpoint | undefined): void {
    if (before !== undefined) this.#release(before);
    if (after === undefined) return;
    const held = this.#holders.get(after.network) ?? new Held();
    for (const address of after.addresses) held.set(addressOf(address), after);
    if (held.size > 0) this.#holders.set(after.network, held);
  }

  #release({ id, network, addresses }: Endpoint): void {
    const held = this.#holders.get(network);
    for (const address of addresses.map(addressOf)) if (held?.get(address)?.id === id) held.delete(address);
    held?.lengths.clear();
    if (held?.size === 0) this.#holders.delete(network);
  }

  /** A container is another now, as above. */
  noteContainer(before: Container | undefined, after: Container | undefined): void {
    if (before?.spec.endpoints === after?.spec.endpoints) return;
    for (const address of claims(before)) {
      const claimants = this.#claimants.get(address);
      claimants?.delete(before?.id ?? '');
      if (claimants?.size === 0) this.#claimants.delete(address);
    }
    for (const address of claims(after)) {
      const claimants = this.#claimants.get(address) ?? new Set();
      this.#claimants.set(address, claimants.add(after?.id ?? ''));
    }
  }
}

function claims(container: Container | undefined): IpAddress[] {
  const requests = container?.spec.endpoints ?? [];
  return requests.flatMap(({ address, address6 }) => [address, address6]).filter((address) => address !== undefined);
}
