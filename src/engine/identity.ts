import { createHash, randomUUID } from 'node:crypto';
import { type AddressPool, DEFAULT_POOLS, FURTHER_POOLS } from '../ipam/ipam.ts';
import { addressFromBytes, familyOf, makePrefix, type Prefix } from '../model/address.ts';
import type { State } from './state.ts';

const ID_KEY = 'engine id';

/** Made up once for a data root, so that clients recognise the engine after a restart. */
export function engineId(state: State): string {
  const known = state.meta(ID_KEY);
  if (known !== undefined) return known;
  const id = randomUUID();
  state.setMeta(ID_KEY, id);
  return id;
}

/**
 * The configured pools, or Docker's and then those that come after them; and where none of them is IPv6, the engine's own
 * /48 cut into /64: 65,536 networks.
 */
export function addressPools(configured: readonly AddressPool[], id: string) {
  const pools = configured.length > 0 ? configured : DEFAULT_POOLS;
  const own = pools.some(({ base }) => familyOf(base) === 6) ? [] : [{ base: uniqueLocalPrefix(id), size: 64 }];
  return { pools: [...pools, ...own], further: configured.length > 0 ? [] : FURTHER_POOLS };
}

/**
 * A unique local /48 (RFC 4193): fd, then 40 bits that no other engine is likely to have. Docker takes the same ones of the
 * same id (moby: daemon/daemon.go, deriveULABaseNetwork), the low 40 of the first 64 of its SHA-256.
 */
export function uniqueLocalPrefix(id: string): Prefix {
  const digest = createHash('sha256').update(id).digest();
  return makePrefix(addressFromBytes(Uint8Array.from([0xfd, ...digest.subarray(3, 8), ...new Uint8Array(10)])), 48);
}
