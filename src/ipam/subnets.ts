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

/** Which subnet is the next one. */
export class SubnetChoice {
  readonly #pools: readonly AddressPool[];
  readonly #further: readonly AddressPool[];
  /** By family, and by what is kept free around the host: no state but saved work */
  readonly #busy = { near: new Map<AddressFamily, Busy>(), wide: new Map<AddressFamily, Busy>() };

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
    const busy = keptBusy(this.#busy.near, family).like(host, taken);
    const wide = () => keptBusy(this.#busy.wide, family).like(host.map(neighbourhood), taken);
    return (
      firstFree(pools, busy) ??
      (further.length === 0 ? undefined : (firstFree(further, wide()) ?? firstFree(further, busy))) ??
      firstFree([...pools, ...further], new Busy(family).like(near, taken)) ??
      exhausted()
    );
  }

  /** Whether a subnet lies over any of the others. */
  overlaps(subnet: Prefix, others: readonly Prefix[]): boolean {
    const own = prefixBounds(subnet);
    return others.some((prefix) => {
      const { family, first, last } = prefixBounds(prefix);
      return family === own.family && first <= own.last && own.first <= last;
    });
  }
}

function keptBusy(kept: Map<AddressFamily, Busy>, family: AddressFamily): Busy {
  const busy = kept.get(family) ?? new Busy(family);
  kept.set(family, busy);
  return busy;
}

/**
 * The stretches of one family that are not free. Networks come one after the other, so what was there the last time is
 * remembered: reading two thousand prefixes costs more than making a network.
 */
class Busy {
  readonly #family: AddressFamily;
  #host: readonly Prefix[] = [];
  #taken: Prefix[] = [];
  /** Rising, and nowhere touching each other: subnets side by side are one stretch */
  readonly #stretches: Bounds[] = [];

  constructor(family: AddressFamily) {
    this.#family = family;
  }

  /** @returns rising stretches */
  like(host: readonly Prefix[], taken: readonly Prefix[]): readonly Bounds[] {
    const grown = beginsWith(host, this.#host) && host.length === this.#host.length && beginsWith(taken, this.#taken);
    const added = grown ? taken.slice(this.#taken.length) : [...host, ...taken];
    if (grown) this.#taken.push(...added);
    else {
      this.#stretches.length = 0;
      this.#host = host;
      this.#taken = [...taken];
    }
    const bounds = added.map(prefixBounds).filter(({ family }) => family === this.#family);
    if (grown) for (const each of bounds) this.#add(each);
    else for (const each of bounds.sort(byFirst)) this.#add(each);
    return this.#stretches;
  }

  /** Swallows what it touches. */
  #add(added: Bounds): void {
    const from = lowerBound(this.#stretches, ({ last }) => last + 1n >= added.first);
    const to = lowerBound(this.#stretches, ({ first }) => first > added.last + 1n);
    let { first, last } = added;
    if (from < to) {
      const [lowest, highest] = [this.#stretches[from], this.#stretches[to - 1]];
      if (lowest !== undefined && lowest.first < first) first = lowest.first;
      if (highest !== undefined && highest.last > last) last = highest.last;
    }
    this.#stretches.splice(from, Math.max(0, to - from), { family: added.family, first, last });
  }
}

function beginsWith(list: readonly Prefix[], beginning: readonly Prefix[]): boolean {
  return list.length >= beginning.length && beginning.every((prefix, index) => prefix === list[index]);
}

function byFirst(a: Bounds, b: Bounds): number {
  return a.first < b.first ? -1 : Number(a.first > b.first);
}

/** The index of the first for which it holds, as it does for all behind; the length when for none. */
function lowerBound(stretches: readonly Bounds[], holds: (stretch: Bounds) => boolean): number {
  let [low, high] = [0, stretches.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const stretch = stretches[middle];
    if (stretch !== undefined && holds(stretch)) high = middle;
    else low = middle + 1;
  }
  return low;
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

/** Linear in the stretches, whatever the pool's size. */
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
