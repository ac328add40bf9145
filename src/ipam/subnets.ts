import {
  type AddressFamily,
  lengthOf,
  makePrefix,
  numberToAddress,
  type Prefix,
  parsePrefix,
  prefixBounds,
} from '../model/address.ts';

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

/** A stretch of addresses as numbers, both ends included. */
interface Bounds {
  readonly first: bigint;
  readonly last: bigint;
}

/** The lowest subnet of the pool that overlaps none of `busy`, or undefined. Linear in `busy`, whatever the pool's size. */
export function lowestFreeSubnet({ base, size }: AddressPool, busy: readonly Bounds[]): Prefix | undefined {
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

/** Those of one family, in rising order of their first address. */
export function sortedBounds(family: AddressFamily, prefixes: readonly Prefix[]): Bounds[] {
  const bounds = prefixes.map(prefixBounds).filter((prefix) => prefix.family === family);
  return bounds.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
}

function alignUp(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}
