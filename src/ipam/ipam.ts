import {
  addressBytes,
  addressFromBytes,
  addressOf,
  familyOf,
  type IpAddress,
  lengthOf,
  numberToAddress,
  type Prefix,
  prefixBounds,
  prefixContains,
  prefixesOverlap,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { IpamPool } from '../model/network.ts';
import { type CheckedPool, checkPools, type PoolRequest } from './request.ts';
import { type AddressPool, DEFAULT_POOLS, lowestFreeSubnet } from './subnets.ts';

export { type AddressPool, DEFAULT_POOLS, type PoolRequest };

/**
 * Which subnet a network gets and which address an endpoint. Holds no state of its own: who holds what is told by the
 * caller every time, so that nothing can be leaked or forgotten.
 */
export class Ipam {
  readonly #pools: readonly AddressPool[];

  constructor(options: { readonly pools: readonly AddressPool[] }) {
    this.#pools = options.pools;
  }

  /**
   * Checks the subnet that was asked for, or chooses the lowest free one; then fills in the gateway, the lowest free
   * address of the range.
   * @param taken subnets of other networks: never overlapped
   * @param host prefixes the host itself uses: avoided when choosing, allowed when the user asks for them
   * @throws EngineError invalidArgument (malformed; pools exhausted), forbidden (overlap), unsupported (IPv6)
   */
  allocatePool(request: PoolRequest, taken: readonly Prefix[], host: readonly Prefix[]): IpamPool {
    const [checked = { auxiliary: {} }] = checkPools([request]);
    const subnet = checked.subnet ?? this.#chooseSubnet([...taken, ...host]);
    if (taken.some((other) => prefixesOverlap(other, subnet))) {
      throw new EngineError('forbidden', 'invalid pool request: Pool overlaps with other one on this address space');
    }
    return this.#withGateway(subnet, checked);
  }

  #chooseSubnet(busy: readonly Prefix[]): Prefix {
    for (const pool of this.#pools) {
      const subnet = lowestFreeSubnet(pool, busy);
      if (subnet !== undefined) return subnet;
    }
    throw new EngineError('invalidArgument', 'all predefined address pools have been fully subnetted');
  }

  #withGateway(subnet: Prefix, { range, gateway, auxiliary }: CheckedPool): IpamPool {
    const pool: IpamPool = { subnet, ...(range === undefined ? {} : { range }), auxiliary };
    try {
      return { ...pool, gateway: this.allocateAddress(pool, new Map(), gateway) };
    } catch (error) {
      if (gateway === undefined || !(error instanceof EngineError)) throw error;
      throw new EngineError(error.kind, `failed to allocate gateway (${gateway}): ${error.message}`, { cause: error });
    }
  }

  /**
   * The lowest free address of the pool's range, or the one that is wanted; that may lie outside the range.
   * The network's own addresses (gateway, auxiliary, first and last) count as held.
   * @param held addresses and the names of their holders
   * @throws EngineError forbidden (held by another), invalidArgument (not in the subnet), unavailable (none left)
   */
  allocateAddress(pool: IpamPool, held: ReadonlyMap<IpAddress, string>, wanted?: IpAddress): IpAddress {
    const own = ownAddresses(pool);
    if (wanted === undefined) return lowestFree(pool, (address) => own.has(address) || held.has(address));
    if (!prefixContains(pool.subnet, wanted)) {
      throw new EngineError('invalidArgument', `no configured subnet or ip-range contain the IP address ${wanted}`);
    }
    const holder = held.get(wanted);
    if (holder !== undefined) {
      throw new EngineError('forbidden', `Address already in use: ${wanted} is held by "${holder}"`);
    }
    const use = own.get(wanted);
    if (use !== undefined) throw new EngineError('forbidden', `Address already in use: ${wanted} is ${use}`);
    return wanted;
  }
}

/** What no endpoint can have. RFC 3021: a /31 has no network and no broadcast address; nor has a /32. */
function ownAddresses({ subnet, gateway, auxiliary }: IpamPool): Map<IpAddress, string> {
  const own = new Map<IpAddress, string>();
  const { family, first, last } = prefixBounds(subnet);
  if (family === 6 && first !== last) own.set(addressOf(subnet), "the network's own address");
  if (family === 4 && lengthOf(subnet) < 31) {
    own.set(addressOf(subnet), "the network's own address");
    own.set(numberToAddress(4, last), 'the broadcast address');
  }
  for (const [name, address] of Object.entries(auxiliary)) own.set(address, `the auxiliary address "${name}"`);
  if (gateway !== undefined) own.set(gateway, 'the gateway');
  return own;
}

/** Counts up in bytes: arithmetic on bigints and their text would cost ten times as much for a thousand holders. */
function lowestFree(pool: IpamPool, isHeld: (address: IpAddress) => boolean): IpAddress {
  const within = pool.range ?? pool.subnet;
  const { last } = prefixBounds(within);
  const end = numberToAddress(familyOf(within), last);
  const bytes = addressBytes(addressOf(within));
  for (;;) {
    const address = addressFromBytes(bytes);
    if (!isHeld(address)) return address;
    if (address === end) break;
    increment(bytes);
  }
  throw new EngineError(
    'unavailable',
    `no available IPv${familyOf(within)} addresses on this network's address pools: ${within}`,
  );
}

function increment(bytes: Uint8Array): void {
  for (let i = bytes.length - 1; i >= 0; i--) {
    const next = ((bytes[i] ?? 0) + 1) & 255;
    bytes[i] = next;
    if (next !== 0) return;
  }
}
