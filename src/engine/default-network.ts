import type { DriverOptions, Network } from '../model/network.ts';
import type { NetworkConfig } from './config.ts';
import { chooseDefaultPools, DEFAULT_BRIDGE, type Inputs } from './default-subnets.ts';
import { newId, timestamp } from './ids.ts';
import { driverOf } from './intent.ts';
import { automaticMtu, MTU_OPTION } from './mtu.ts';

/**
 * Writes down bridge, host and none as the daemon's flags and the host want them. The default network keeps its id over
 * restarts, and all of its settings while containers run on it, as Docker with live-restore.
 * @param wayOut bytes that the host's way out takes; undefined: there is none
 * @throws EngineError when `--bridge` names a link that is not there, or no subnet can be had
 */
export function ensurePredefinedNetworks(inputs: Inputs, wayOut: number | undefined): void {
  const { state, config } = inputs;
  const bare = (['host', 'none'] as const).filter((name) => state.networkNamed(name) === undefined);
  const known = state.networkNamed('bridge');
  const inUse = state.endpoints.values().some(({ network }) => network === known?.id);
  const wanted = config.bridge === 'none' ? [] : inUse ? [] : [planDefaultNetwork(inputs, known, automaticMtu(wayOut))];
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
    ipamOptions: null,
    labels: {},
  };
}

function planDefaultNetwork(inputs: Inputs, known: Network | undefined, automatic: number): Network {
  const { config } = inputs;
  const mtu = config.mtu === 'auto' ? automatic : config.mtu;
  const driverOptions = defaultOptions(config, mtu);
  const former = known === undefined ? {} : { id: known.id, created: known.created };
  return {
    ...record('bridge', 'bridge'),
    ...former,
    ipv6: config.ipv6,
    pools: chooseDefaultPools(inputs, known),
    ...(config.mtu === 'auto' ? { mtu } : {}),
    driverOptions,
    options: driverOf('bridge').parse(driverOptions),
  };
}

/** What `docker network inspect bridge` shows. */
function defaultOptions({ bridge = DEFAULT_BRIDGE, icc, ip, ipMasq }: NetworkConfig, mtu: number): DriverOptions {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(icc),
    'com.docker.network.bridge.enable_ip_masquerade': String(ipMasq),
    'com.docker.network.bridge.host_binding_ipv4': ip,
    'com.docker.network.bridge.name': bridge,
    [MTU_OPTION]: String(mtu),
  };
}
