import type { Ipam, PoolRequest } from '../ipam/ipam.ts';
import {
  addressOf,
  familyOf,
  type InterfaceAddress,
  type Prefix,
  prefixContains,
  prefixesOverlap,
  prefixOf,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { DriverOptions, IpamPool, Network } from '../model/network.ts';
import { hostLink } from '../reconcile/host.ts';
import type { HostUses } from '../reconcile/host-use.ts';
import type { NetworkConfig } from './config.ts';
import { DEFAULT_GATEWAY_KEYS } from './gateway.ts';
import { newId, timestamp } from './ids.ts';
import { driverOf } from './intent.ts';
import { networkByName } from './lookup.ts';
import type { State } from './state.ts';
import { surroundings } from './surroundings.ts';

const DEFAULT_BRIDGE = 'docker0';

interface Inputs {
  readonly state: State;
  readonly ipam: Ipam;
  readonly hostUses: HostUses;
  readonly config: NetworkConfig;
  readonly logger: Logger;
}

/**
 * Writes down bridge, host and none as the daemon's flags and the host want them. The default network keeps its id over
 * restarts, and all of its settings while containers run on it, as Docker with live-restore.
 * @throws EngineError when `--bridge` names a link that is not there, or no subnet can be had
 */
export function ensurePredefinedNetworks(inputs: Inputs): void {
  const { state, config } = inputs;
  const bare = (['host', 'none'] as const).filter((name) => networkByName(state.networks, name) === undefined);
  const known = networkByName(state.networks, 'bridge');
  const inUse = state.endpoints.values().some(({ network }) => network === known?.id);
  const wanted = config.bridge === 'none' ? [] : inUse ? [] : [planDefaultNetwork(inputs, known)];
  const remove = config.bridge === 'none' && known !== undefined && !inUse ? [known.id] : [];
  state.apply({ put: { networks: [...wanted, ...bare.map(bareNetwork)] }, remove: { networks: remove } });
}

function bareNetwork(name: 'host' | 'none'): Network {
  const options: DriverOptions = {};
  const driver = name === 'none' ? 'null' : name;
  return { ...record(name, driver), pools: [], driverOptions: options, options: driverOf(driver).parse(options) };
}

function record(name: string, driver: string) {
  return {
    id: newId(),
    name,
    driver,
    created: timestamp(),
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: false,
    ipamDriver: 'default',
    ipamOptions: {},
    labels: {},
  };
}

function planDefaultNetwork(inputs: Inputs, known: Network | undefined): Network {
  const { config } = inputs;
  const driverOptions = defaultOptions(config);
  const former = known === undefined ? {} : { id: known.id, created: known.created };
  return {
    ...record('bridge', 'bridge'),
    ...former,
    pools: [choosePool(inputs, known)],
    driverOptions,
    options: driverOf('bridge').parse(driverOptions),
  };
}

/** What `docker network inspect bridge` shows. */
function defaultOptions({ bridge = DEFAULT_BRIDGE, icc, ip, ipMasq, mtu }: NetworkConfig): DriverOptions {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(icc),
    'com.docker.network.bridge.enable_ip_masquerade': String(ipMasq),
    'com.docker.network.bridge.host_binding_ipv4': ip,
    'com.docker.network.bridge.name': bridge,
    'com.docker.network.driver.mtu': String(mtu),
  };
}

/**
 * `--bip`, else the address the bridge has already, else the subnet of last time, else the first that overlaps nothing.
 * The flags that narrow it must fit.
 */
function choosePool(inputs: Inputs, known: Network | undefined): IpamPool {
  const { ipam, config, logger } = inputs;
  const traits = driverOf('bridge').subnets(driverOf('bridge').parse({}), false);
  const around = surroundings(inputs, traits, known);
  const { bip, fixedCidr, defaultGateway } = config;
  const own = bip ?? bridgeAddress(config);
  const subnet =
    own === undefined
      ? (fixedCidr ?? reusable(known, [...around.taken, ...around.near, ...around.far]))
      : prefixOf(own);
  const allocate = (requests: readonly PoolRequest[]): IpamPool => {
    const demand = { ipv4: true, ipv6: false, requests, ipamDriver: '', driver: 'bridge', traits };
    const [pool] = ipam.allocatePools(demand, around);
    if (pool === undefined) throw new EngineError('internal', 'the default network has no subnet');
    // Nobody asked for it by name: static addresses are refused on it in any case.
    const { subnetRequested: _, ...rest } = pool;
    return rest;
  };
  const chosen = subnet ?? allocate([]).subnet;
  const gateway = own === undefined ? undefined : addressOf(own);
  const fits = fixedCidr !== undefined && prefixContains(chosen, addressOf(fixedCidr));
  if (fixedCidr !== undefined && !fits) {
    logger.warn('--fixed-cidr lies outside the bridge’s subnet and is ignored', { fixedCidr, subnet: chosen });
  }
  const request = {
    subnet: chosen,
    ...(fits && fixedCidr !== chosen ? { range: fixedCidr } : {}),
    ...(gateway === undefined ? {} : { gateway }),
    auxiliary:
      defaultGateway === undefined || defaultGateway === gateway ? {} : { [DEFAULT_GATEWAY_KEYS[4]]: defaultGateway },
  };
  return allocate([request]);
}

/** The subnet the default network had, unless something else uses it by now. */
function reusable(known: Network | undefined, busy: readonly Prefix[]): Prefix | undefined {
  const subnet = known?.pools[0]?.subnet;
  return subnet === undefined || busy.some((other) => prefixesOverlap(other, subnet)) ? undefined : subnet;
}

/** The bridge as it is found. Of several addresses, the one `--fixed-cidr` belongs to. */
function bridgeAddress({ bridge, fixedCidr }: NetworkConfig): InterfaceAddress | undefined {
  const name = bridge ?? DEFAULT_BRIDGE;
  const found = hostLink(name);
  if (found === undefined) {
    if (bridge === undefined || bridge === DEFAULT_BRIDGE) return undefined;
    throw new EngineError('invalidArgument', `bridge device with non default name ${bridge} must be created manually`);
  }
  if (found.link.kind !== 'bridge') {
    throw new EngineError('invalidArgument', `Cannot use "${name}" as default network: the link is no bridge`);
  }
  const addresses = found.addresses.filter((address) => familyOf(address) === 4);
  const holdsFixed = (address: InterfaceAddress) =>
    fixedCidr !== undefined && prefixContains(prefixOf(address), addressOf(fixedCidr));
  return addresses.find(holdsFixed) ?? addresses[0];
}
