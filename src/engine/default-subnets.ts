import type { Ipam, PoolRequest } from '../ipam/ipam.ts';
import {
  type AddressFamily,
  addressOf,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  interfaceAddress,
  lengthOf,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixOf,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { type IpamPool, type Network, poolOf } from '../model/network.ts';
import { hostLink } from '../reconcile/host.ts';
import type { HostUses } from '../reconcile/host-use.ts';
import type { NetworkConfig } from './config.ts';
import { DEFAULT_GATEWAY_KEYS } from './gateway.ts';
import { driverOf } from './intent.ts';
import type { State } from './state.ts';
import { surroundings } from './surroundings.ts';

export const DEFAULT_BRIDGE = 'docker0';

export interface Inputs {
  readonly state: State;
  readonly ipam: Ipam;
  readonly hostUses: HostUses;
  readonly config: NetworkConfig;
  readonly logger: Logger;
}

/** What the flags say of one family. */
interface FamilyFlags {
  readonly family: AddressFamily;
  /** `--bip`, `--bip6` */
  readonly bip?: InterfaceAddress | undefined;
  /** `--fixed-cidr`, `--fixed-cidr-v6` */
  readonly fixed?: Prefix | undefined;
  /** `--default-gateway`, `--default-gateway-v6` */
  readonly gateway?: IpAddress | undefined;
}

/** Every interface with IPv6 has an address of it (RFC 4291): it says nothing of a bridge's subnet. */
const LINK_LOCAL = parsePrefix('fe80::/10');

/**
 * The default network's subnets, IPv4 first. Of each family: `--bip`, else the address the bridge has already, else the
 * subnet of last time, else the first that overlaps nothing. The flags that narrow it must fit.
 * @throws EngineError when `--bridge` names a link that is not there, or no subnet can be had
 */
export function chooseDefaultPools(inputs: Inputs, known: Network | undefined): IpamPool[] {
  const { config, logger } = inputs;
  const { bip, fixedCidr, defaultGateway, bip6, fixedCidrV6, defaultGatewayV6 } = config;
  const four = { family: 4, bip, fixed: fixedCidr, gateway: defaultGateway } as const;
  const six = { family: 6, bip: bip6, fixed: fixedCidrV6, gateway: defaultGatewayV6 } as const;
  if (config.ipv6) return [four, six].map((flags) => choosePool(inputs, known, flags));
  for (const [flag, value] of [['bip6', bip6] as const, ['fixed-cidr-v6', fixedCidrV6] as const]) {
    if (value !== undefined) logger.warn(`--${flag} has no effect without --ipv6`, { [flag]: value });
  }
  return [choosePool(inputs, known, four)];
}

function choosePool(inputs: Inputs, known: Network | undefined, flags: FamilyFlags): IpamPool {
  const { ipam, config } = inputs;
  const traits = driverOf('bridge').subnets(driverOf('bridge').parse({}), false);
  const around = surroundings(inputs, traits, known);
  const { family, fixed } = flags;
  const allocate = (requests: readonly PoolRequest[]): IpamPool => {
    const demand = { ipv4: family === 4, ipv6: family === 6, requests, ipamDriver: '', driver: 'bridge', traits };
    const [pool] = ipam.allocatePools(demand, around);
    if (pool === undefined) throw new EngineError('internal', 'the default network has no subnet');
    // Nobody asked for it by name: static addresses are refused on it in any case.
    const { subnetRequested: _, gatewayRequested: __, ...rest } = pool;
    return rest;
  };
  const own = flags.bip ?? bridgeAddress(config, flags);
  const busy = [...around.taken, ...around.near, ...around.far];
  const subnet = own === undefined ? (fixed ?? reusable(known, family, busy)) : prefixOf(own);
  const chosen = subnet ?? allocate([]).subnet;
  const range = usableRange(inputs, flags, chosen);
  const gateway = own === undefined ? undefined : addressOf(own);
  return allocate([
    {
      subnet: chosen,
      ...(range === undefined ? {} : { range }),
      ...(gateway === undefined ? {} : { gateway }),
      auxiliary:
        flags.gateway === undefined || flags.gateway === gateway
          ? {}
          : { [DEFAULT_GATEWAY_KEYS[family]]: flags.gateway },
    },
  ]);
}

/**
 * Of what `--fixed-cidr` says. One that lies outside is ignored for IPv4, as Docker still does, and an error for IPv6.
 * @returns undefined: the whole subnet
 */
function usableRange({ logger }: Inputs, { family, fixed }: FamilyFlags, subnet: Prefix): Prefix | undefined {
  if (fixed === undefined) return undefined;
  if (prefixContains(subnet, addressOf(fixed)) && lengthOf(fixed) >= lengthOf(subnet)) return fixed;
  if (family === 6) {
    throw new EngineError('invalidArgument', `--fixed-cidr-v6=${fixed} is outside the bridge’s subnet ${subnet}`);
  }
  logger.warn('--fixed-cidr lies outside the bridge’s subnet and is ignored', { fixedCidr: fixed, subnet });
  return undefined;
}

/** The subnet the default network had, unless something else uses it by now. */
function reusable(known: Network | undefined, family: AddressFamily, busy: readonly Prefix[]): Prefix | undefined {
  const subnet = known === undefined ? undefined : poolOf(known, family)?.subnet;
  return subnet === undefined || busy.some((other) => prefixesOverlap(other, subnet)) ? undefined : subnet;
}

/**
 * The bridge as it is found. Of several addresses, the one `--fixed-cidr` belongs to. On docker0, which is nobody's but ours, the flag
 * counts for more than what is left of other settings: an address elsewhere says nothing, and one in a smaller subnet grows.
 */
function bridgeAddress({ bridge }: NetworkConfig, { family, fixed }: FamilyFlags): InterfaceAddress | undefined {
  const name = bridge ?? DEFAULT_BRIDGE;
  const found = hostLink(name);
  if (found === undefined) {
    if (bridge === undefined || bridge === DEFAULT_BRIDGE) return undefined;
    throw new EngineError('invalidArgument', `bridge device with non default name ${bridge} must be created manually`);
  }
  if (found.link.kind !== 'bridge') {
    throw new EngineError('invalidArgument', `Cannot use "${name}" as default network: the link is no bridge`);
  }
  const addresses = found.addresses.filter(
    (address) => familyOf(address) === family && (family === 4 || !prefixContains(LINK_LOCAL, addressOf(address))),
  );
  if (fixed === undefined) return addresses[0];
  const holder = addresses.find((address) => prefixContains(prefixOf(address), addressOf(fixed)));
  if (bridge !== undefined) return holder ?? addresses[0];
  return holder && interfaceAddress(addressOf(holder), Math.min(lengthOf(holder), lengthOf(fixed)));
}
