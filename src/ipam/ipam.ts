import {
  type AddressFamily,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  interfaceAddress,
  lengthOf,
  prefixContains,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { IpamPool, Network, SubnetTraits } from '../model/network.ts';
import { type HeldRun, type Holders, lowestFree, ownAddresses } from './addresses.ts';
import { type CheckedPool, checkPools, type GivenPool, type PoolRequest } from './request.ts';
import { type AddressPool, DEFAULT_POOLS, FURTHER_POOLS, SubnetChoice, type Surroundings } from './subnets.ts';

export {
  type AddressPool,
  DEFAULT_POOLS,
  FURTHER_POOLS,
  type HeldRun,
  type Holders,
  type PoolRequest,
  type Surroundings,
};

/** What a network that is to be made wants of its addresses. */
export interface NetworkDemand {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly requests: readonly PoolRequest[];
  /** `--ipam-driver`; '' is default */
  readonly ipamDriver: string;
  /** The network driver's name, for what is refused */
  readonly driver: string;
  readonly traits: SubnetTraits;
}

/**
 * Which subnets a network gets and which addresses an endpoint. Holds no state of its own: who holds what is told by the
 * caller every time, so that nothing can be leaked or forgotten.
 */
export class Ipam {
  readonly #choice: SubnetChoice;

  /** @param options pools: of both families; a family without any has nothing to choose from. further: for when they are full */
  constructor(options: { readonly pools: readonly AddressPool[]; readonly further?: readonly AddressPool[] }) {
    this.#choice = new SubnetChoice(options.pools, options.further ?? []);
  }

  /**
   * The subnets of a network, IPv4 before IPv6: those asked for, or the lowest free one of each family; each with its
   * gateway, the lowest free address of the range, where the driver wants one.
   * @throws EngineError in Docker's words: invalidArgument (malformed; no family; pools exhausted), forbidden (overlap; too
   * many for the driver), notFound (IPAM driver)
   */
  allocatePools(demand: NetworkDemand, around: Surroundings): IpamPool[] {
    const families = familiesOf(demand);
    const checked = checkPools(demand.requests, families);
    if (demand.ipamDriver === 'null') return nullPools(checked, families);
    if (demand.ipamDriver === 'dhcp') return dhcpPools(demand, checked);
    if (demand.ipamDriver !== '' && demand.ipamDriver !== 'default') {
      throw new EngineError('notFound', `plugin "${demand.ipamDriver}" not found`);
    }
    const pools: IpamPool[] = [];
    for (const family of families) {
      const requests = checked.filter((request) => request.family === family);
      if (requests.length > 1 && !demand.traits.manySubnets) {
        throw new EngineError('forbidden', `${demand.driver} driver doesn't support multiple subnets`);
      }
      const wantsGateway = demand.traits.gateways.includes(family);
      for (const request of requests.length === 0 ? [{ family }] : requests) {
        const taken = [...around.taken, ...pools.map(({ subnet }) => subnet)];
        pools.push(this.#allocatePool(request, wantsGateway, { ...around, taken }));
      }
    }
    return pools;
  }

  #allocatePool(request: CheckedPool, wantsGateway: boolean, around: Surroundings): IpamPool {
    if (request.subnet === undefined) {
      const subnet = this.#choice.choose(request.family, request.length, around);
      return withGateway({ ...request, subnet, auxiliary: {} }, wantsGateway);
    }
    if (this.#choice.overlaps(request.subnet, around.taken)) {
      throw new EngineError('forbidden', 'invalid pool request: Pool overlaps with other one on this address space');
    }
    return { ...withGateway(request, wantsGateway), subnetRequested: true };
  }

  /**
   * One address of each family the network has: the one that is wanted, which may lie outside the range, or the lowest
   * free one. The network's own addresses (gateway, auxiliary, first and last) count as held.
   * @param held addresses and the names of their holders
   * @param wanted at most one of a family
   * @returns IPv4 before IPv6
   * @throws EngineError forbidden (held by another), invalidArgument (in no subnet), unavailable (none left)
   */
  allocateAddresses(
    network: Pick<Network, 'id' | 'name' | 'pools'>,
    held: Holders,
    wanted: readonly IpAddress[] = [],
  ): InterfaceAddress[] {
    const given = wanted.map((address) => wantedAddress(network.pools, held, address));
    const families = ([4, 6] as const).filter((family) =>
      network.pools.some(({ subnet }) => familyOf(subnet) === family),
    );
    return families.map((family) => {
      const chosen = given.find((address) => familyOf(address) === family);
      return chosen ?? freeAddress(network, family, held);
    });
  }
}

/** @throws EngineError invalidArgument in Docker's words when there is none and the driver cannot do without */
function familiesOf({ ipv4, ipv6, traits }: NetworkDemand): AddressFamily[] {
  if (!ipv4 && !ipv6 && !traits.subnetless) {
    throw new EngineError('invalidArgument', 'IPv4 or IPv6 must be enabled');
  }
  return [...(ipv4 ? [4 as const] : []), ...(ipv6 ? [6 as const] : [])];
}

/**
 * The IPAM driver that gives nothing (libnetwork/ipams/null): "0.0.0.0/0" stands for no pool, which network drivers refuse
 * for a family that is switched on. It remains for networks of neither.
 */
function nullPools(requests: readonly CheckedPool[], families: readonly AddressFamily[]): IpamPool[] {
  const refuse = (message: string) => {
    throw new EngineError('invalidArgument', message);
  };
  const [family] = families;
  if (requests.some((request) => family !== undefined && request.subnet !== undefined)) {
    refuse('null ipam driver does not handle specific address pool requests');
  }
  if (family !== undefined) refuse(`ipv${family} pool is empty`);
  return [];
}

/**
 * The IPAM driver that leaves it to the LAN: there is no subnet before its DHCP server has spoken, and each endpoint is told
 * its own.
 */
function dhcpPools({ ipv4, ipv6, traits, driver }: NetworkDemand, requests: readonly CheckedPool[]): IpamPool[] {
  const refuse = (message: string) => {
    throw new EngineError('invalidArgument', message);
  };
  if (!traits.onLan) {
    refuse(`${driver} networks have no LAN to ask: the dhcp IPAM driver is for macvlan and for bridges of the host`);
  }
  if (ipv6 || !ipv4) refuse('the dhcp IPAM driver gives IPv4 addresses, and no others');
  if (requests.some(({ subnet, ...request }) => subnet !== undefined || 'length' in request)) {
    refuse('dhcp ipam driver does not handle specific address pool requests');
  }
  return [];
}

function withGateway(given: GivenPool, wantsGateway: boolean): IpamPool {
  const { subnet, range, gateway, auxiliary } = given;
  const pool: IpamPool = { subnet, ...(range === undefined ? {} : { range }), auxiliary };
  if (gateway !== undefined) return { ...pool, gateway: checkGateway(pool, gateway), gatewayRequested: true };
  if (!wantsGateway) return pool;
  const chosen = lowestFree(pool, new Map());
  if (chosen === undefined) {
    throw new EngineError('internal', 'failed to allocate gateway (): no available addresses on this pool');
  }
  return { ...pool, gateway: chosen };
}

function checkGateway(pool: IpamPool, gateway: IpAddress): IpAddress {
  const use = ownAddresses(pool).get(gateway);
  if (use === undefined) return gateway;
  const reason = `Address already in use: ${gateway} is ${use}`;
  throw new EngineError('forbidden', `failed to allocate gateway (${gateway}): ${reason}`);
}

function wantedAddress(pools: readonly IpamPool[], held: Holders, wanted: IpAddress): InterfaceAddress {
  const pool = pools.find(({ subnet }) => prefixContains(subnet, wanted));
  if (pool === undefined) {
    throw new EngineError('invalidArgument', `no configured subnet or ip-range contain the IP address ${wanted}`);
  }
  const holder = held.get(wanted);
  if (holder !== undefined) {
    throw new EngineError('forbidden', `Address already in use: ${wanted} is held by "${holder}"`);
  }
  const use = ownAddresses(pool).get(wanted);
  if (use !== undefined) throw new EngineError('forbidden', `Address already in use: ${wanted} is ${use}`);
  return interfaceAddress(wanted, lengthOf(pool.subnet));
}

/** From the first of the family's pools that has one left. */
function freeAddress(
  { id, name, pools }: Pick<Network, 'id' | 'name' | 'pools'>,
  family: AddressFamily,
  held: Holders,
): InterfaceAddress {
  for (const pool of pools) {
    if (familyOf(pool.subnet) !== family) continue;
    const address = lowestFree(pool, held);
    if (address !== undefined) return interfaceAddress(address, lengthOf(pool.subnet));
  }
  const where = `this network's address pools: ${name} (${id})`;
  throw new EngineError('unavailable', `no available IPv${family} addresses on ${where}`);
}
