import {
  addressOf,
  interfaceAddress,
  lengthOf,
  type MacAddress,
  parseMacAddress,
  parsePrefix,
} from '../../model/address.ts';
import { type Endpoint, type Network, type Sandbox, shortId } from '../../model/network.ts';
import type { BridgeRule, Resource } from '../../model/resource.ts';
import type { NetworkDriver } from '../driver.ts';
import { type BridgeOptions, parseBridgeOptions } from './options.ts';

const DEFAULT_ROUTE = parsePrefix('0.0.0.0/0');

/** A Linux bridge on the host, a veth pair for every endpoint, NAT towards the outside. */
export const bridge: NetworkDriver<BridgeOptions> = {
  name: 'bridge',
  parse: parseBridgeOptions,
  traits: ({ interfacePrefix, hostBinding }) => ({ addresses: true, interfacePrefix, hostBinding }),
  subnets: () => ({ manySubnets: false, subnetless: false, gateways: [4, 6], sharedSubnets: false }),
  network: (network) => [...bridgeLink(network), ...network.pools.flatMap((pool) => subnet(network, pool))],
  endpoint: (network, endpoint, sandbox) => [
    ...sandboxLink(network, endpoint, sandbox),
    ...endpoint.ports.flatMap((port) => published(network, endpoint, port)),
  ],
};

function bridgeName(network: Network<BridgeOptions>): string {
  return network.options.bridge ?? `br-${shortId(network.id)}`;
}

/** A bridge the user named may be there already: then it is theirs, and stays as it is when the network goes. */
function bridgeLink(network: Network<BridgeOptions>): Resource[] {
  const name = bridgeName(network);
  const { mtu, bridge: named } = network.options;
  const mac = bridgeMac(network.id);
  return [
    { kind: 'link', type: 'bridge', namespace: 'host', name, mtu, mac, up: true, adopt: named !== undefined },
    // A connection from 127.0.0.1 to a published port leaves through the bridge; the kernel drops it as martian without this.
    { kind: 'sysctl', namespace: 'host', path: `net/ipv4/conf/${name}/route_localnet`, value: '1' },
    // Neighbour discovery and MLD flood every port of the bridge, for an address family nobody here uses.
    { kind: 'sysctl', namespace: 'host', path: `net/ipv6/conf/${name}/disable_ipv6`, value: '1' },
  ];
}

/**
 * Without one of its own, a bridge takes the lowest address of its ports, and loses its neighbours' packets whenever that
 * port goes (br_stp_recalculate_bridge_id in the kernel). Locally administered, the rest from the network's id.
 */
function bridgeMac(id: string): MacAddress {
  return parseMacAddress(`02:${id.slice(0, 10).replace(/..(?=.)/g, '$&:')}`);
}

function subnet(network: Network<BridgeOptions>, pool: Network['pools'][number]): Resource[] {
  const name = bridgeName(network);
  const { icc, masquerade, bridge: named } = network.options;
  const rule: BridgeRule = {
    kind: 'firewall',
    meaning: 'bridge',
    bridge: name,
    subnet: pool.subnet,
    internal: network.internal,
    mode: 'nat',
    ...(icc ? {} : { icc }),
  };
  const rules: Resource[] = [rule];
  if (pool.gateway !== undefined) {
    const address = interfaceAddress(pool.gateway, lengthOf(pool.subnet));
    rules.unshift({ kind: 'address', namespace: 'host', link: name, address, adopt: named !== undefined });
  }
  if (masquerade && !network.internal) {
    rules.push({ kind: 'firewall', meaning: 'masquerade', bridge: name, subnet: pool.subnet });
  }
  return rules;
}

function sandboxLink(network: Network<BridgeOptions>, endpoint: Endpoint, sandbox: Sandbox): Resource[] {
  const { icc, mtu } = network.options;
  const { namespace } = sandbox;
  const link = endpoint.interfaceName;
  const resources: Resource[] = [
    {
      kind: 'link',
      type: 'veth',
      namespace: 'host',
      name: `veth${endpoint.id.slice(0, 7)}`,
      mtu,
      up: true,
      master: bridgeName(network),
      isolated: !icc,
      peer: { namespace, name: link, mac: endpoint.mac, mtu },
    },
    { kind: 'address', namespace, link, address: endpoint.address, adopt: false },
  ];
  if (endpoint.gateway !== undefined) {
    resources.push({ kind: 'route', namespace, destination: DEFAULT_ROUTE, gateway: endpoint.gateway, link });
  }
  return resources;
}

/** The rule leads packets in; the bound socket keeps everybody else off the port while it does. */
function published(
  network: Network<BridgeOptions>,
  endpoint: Endpoint,
  { protocol, hostAddress, hostPort, count, containerPort }: Endpoint['ports'][number],
): Resource[] {
  const address = addressOf(endpoint.address);
  const bridge = bridgeName(network);
  return [
    {
      kind: 'listener',
      purpose: 'reservation',
      namespace: 'host',
      protocol,
      address: hostAddress,
      port: hostPort,
      count,
    },
    {
      kind: 'firewall',
      meaning: 'publish',
      protocol,
      hostAddress,
      hostPort,
      count,
      address,
      port: containerPort,
      bridge,
    },
  ];
}
