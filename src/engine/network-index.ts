import type { Prefix } from '../model/address.ts';
import type { Network } from '../model/network.ts';
import { packetSize } from './mtu.ts';

/** What is asked of all networks together, written down with every change, so that nobody has to go through thousands of them. */
export class NetworkIndex {
  readonly #networks: ReadonlyMap<string, Network>;
  /** Ids */
  readonly #names = new Map<string, string>();
  /** How many networks there are of each packet size */
  readonly #sizes = new Map<number, number>();
  #subnets: Prefix[] | undefined;

  /** @param networks by id; it changes after `note` was told */
  constructor(networks: ReadonlyMap<string, Network>) {
    this.#networks = networks;
    for (const network of networks.values()) this.note(undefined, network);
  }

  named(name: string): Network | undefined {
    return this.#networks.get(this.#names.get(name) ?? '');
  }

  /** Of all networks, in the order they were made. */
  get subnets(): readonly Prefix[] {
    this.#subnets ??= [...this.#networks.values()].flatMap(subnetsOf);
    return this.#subnets;
  }

  /** Bytes: those that networks send by way of the host, each once. */
  get packetSizes(): Iterable<number> {
    return this.#sizes.keys();
  }

  /** A network is another now. @param before undefined: it is new @param after undefined: it is gone */
  note(before: Network | undefined, after: Network | undefined): void {
    if (before !== undefined) this.#names.delete(before.name);
    if (after !== undefined) this.#names.set(after.name, after.id);
    this.#count(before, -1);
    this.#count(after, 1);
    if (before === undefined && after !== undefined) this.#subnets?.push(...subnetsOf(after));
    else if (before?.pools !== after?.pools) this.#subnets = undefined;
  }

  #count(network: Network | undefined, by: 1 | -1): void {
    const size = network === undefined ? undefined : packetSize(network);
    if (size === undefined) return;
    const count = (this.#sizes.get(size) ?? 0) + by;
    if (count > 0) this.#sizes.set(size, count);
    else this.#sizes.delete(size);
  }
}

function subnetsOf({ pools }: Network): Prefix[] {
  return pools.map(({ subnet }) => subnet);
}
