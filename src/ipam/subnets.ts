import {
  type AddressFamily,
  addressOf,
  familyOf,
  lengthOf,
  makePrefix,
  numberToAddress,
  type Prefix,
  parsePrefix,
  prefixBounds,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';

/** A range networks take their subnets from when nobody names one. */
export interface AddressPool {
  readonly base: Prefix;
  /** Length of the subnets cut from it; at least the base's own */
  readonly size: number;
}

/** Docker's (libnetwork/ipamutils/utils.go): 31 networks. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: parsePrefix('172.17.0.0/16'), size: 16 },
  { base: parsePrefix('172.18.0.0/16'), size: 16 },
  { base: parsePrefix('172.19.0.0/16'), size: 16 },
  { base: parsePrefix('172.20.0.0/14'), size: 16 },
  { base: parsePrefix('172.24.0.0/14'), size: 16 },
  { base: parsePrefix('172.28.0.0/14'), size: 16 },
  { base: parsePrefix('192.168.0.0/16'), size: 20 },
];

/**
 * What comes after Docker's, best first; docs/decisions/0008-address-pools.md says why. 4,096 networks in the first alone.
 */
export const FURTHER_POOLS: readonly AddressPool[] = [
  { base: parsePrefix('10.64.0.0/12'), size: 24 },
  { base: parsePrefix('10.0.0.0/8'), size: 24 },
  { base: parsePrefix('172.16.0.0/12'), size: 24 },
  { base: parsePrefix('192.168.0.0/16'), size: 24 },
  { base: parsePrefix('100.64.0.0/10'), size: 24 },
];

/** Around what the host uses as much is kept free of further networks: a site has more of the kind. */
const NEIGHBOURHOOD = 16;

/** What stands in the way of a new subnet. */
export interface Surroundings {
  /** Subnets of other networks: never overlapped */
  readonly taken: readonly Prefix[];
  /** What the host is on or depends on: avoided when choosing, allowed when the user asks for exactly that */
  readonly near: readonly Prefix[];
  /** What the host reaches by a gateway: avoided, unless nothing else is left */
  readonly far: readonly Prefix[];
}

/** A stretch of addresses as numbers, both ends included. */
interface Bounds {
  readonly family: AddressFamily;
  readonly first: bigint;
  readonly last: bigint;
}

/** More than there ever are networks and routes: beyond, what is remembered is of things that are gone. */
const MOST_REMEMBERED = 20_000;

/** Which subnet is the next one. */
export class SubnetChoice {
  readonly #pools: readonly AddressPool[];
  readonly #further: readonly AddressPool[];
  /** Reading two thousand prefixes costs more than making a network; this is no state but saved work */
  readonly #bounds = new Map<Prefix, Bounds>();

  constructor(pools: readonly AddressPool[], further: readonly AddressPool[]) {
    this.#pools = pools;
    this.#further = further;
  }

  /**
   * The lowest free subnet of the first pool that has one.
   * @param length of the subnet; undefined: as the pools have it
   * @throws EngineError invalidArgument in Docker's words: pools exhausted, none of that family or that large
   */
  choose(family: AddressFamily, length: number | undefined, { taken, near, far }: Surroundings): Prefix {
    const fitting = (pools: readonly AddressPool[]) =>
      pools
        .filter(({ base }) => familyOf(base) === family && (length === undefined || length >= lengthOf(base)))
        .map(({ base, size }) => ({ base, size: length ?? size }));
    const pools = fitting(this.#pools);
    const further = fitting(this.#further);
    if (pools.length + further.length === 0) throw new EngineError('invalidArgument', 'invalid address pool');
    const host = [...near, ...far];
    const busy = this.#sorted(family, [...taken, ...host]);
    return (
      firstFree(pools, busy) ??
      this.#furtherSubnet(further, busy, [...taken, ...host.map(neighbourhood)]) ??
      firstFree([...pools, ...further], this.#sorted(family, [...taken, ...near])) ??
      exhausted()
    );
  }

  /** Whether a subnet lies over any of the others. */
  overlaps(subnet: Prefix, others: readonly Prefix[]): boolean {
    const own = prefixBounds(subnet);
    return others.some((prefix) => {
      const { family, first, last } = this.#boundsOf(prefix);
      return family === own.family && first <= own.last && own.first <= last;
    });
  }

  #furtherSubnet(pools: readonly AddressPool[], busy: readonly Bounds[], widened: readonly Prefix[]) {
    const [first] = pools;
    if (first === undefined) return undefined;
    return firstFree(pools, this.#sorted(familyOf(first.base), widened)) ?? firstFree(pools, busy);
  }

  /** Those of one family, in rising order of their first address. */
  #sorted(family: AddressFamily, prefixes: readonly Prefix[]): Bounds[] {
    const bounds = prefixes.map((prefix) => this.#boundsOf(prefix)).filter((found) => found.family === family);
    return bounds.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  }

  #boundsOf(prefix: Prefix): Bounds {
    const known = this.#bounds.get(prefix);
    if (known !== undefined) return known;
    if (this.#bounds.size >= MOST_REMEMBERED) this.#bounds.clear();
    const bounds = prefixBounds(prefix);
    this.#bounds.set(prefix, bounds);
    return bounds;
  }
}

function exhausted(): never {
  throw new EngineError('invalidArgument', 'all predefined address pools have been fully subnetted');
}

function neighbourhood(prefix: Prefix): Prefix {
  return lengthOf(prefix) <= NEIGHBOURHOOD ? prefix : makePrefix(addressOf(prefix), NEIGHBOURHOOD);
}

function firstFree(pools: readonly AddressPool[], busy: readonly Bounds[]): Prefix | undefined {
  for (const pool of pools) {
    const subnet = lowestFreeSubnet(pool, busy);
    if (subnet !== undefined) return subnet;
  }
  return undefined;
}

/** Linear in `busy`, whatever the pool's size. */
function lowestFreeSubnet({ base, size }: AddressPool, busy: readonly Bounds[]): Prefix | undefined {
  const { family, first, last } = prefixBounds(base);
  const length = Math.max(size, lengthOf(base));
  const count = 1n << BigInt((family === 4 ? 32 : 128) - length);
  let candidate = first;
  for (const taken of busy) {
    if (taken.first > candidate + count - 1n) break;
    if (taken.last >= candidate) candidate = alignUp(taken.last + 1n, count);
  }
  if (candidate + count - 1n > last) return undefined;
  return makePrefix(numberToAddress(family, candidate), length);
}

function alignUp(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}
