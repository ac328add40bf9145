import {
  addressOf,
  FAMILIES,
  familyOf,
  interfaceAddress,
  lengthOf,
  type MacAddress,
  ofFamily,
  parseMacAddress,
} from '../../model/address.ts';
import type { PortKey } from '../../model/container.ts';
import { EngineError } from '../../model/errors.ts';
import type { BridgeRule, FirewallResource, TransportProtocol } from '../../model/firewall.ts';
import type { Endpoint, Network, Sandbox } from '../../model/network.ts';
import type { Resource } from '../../model/resource.ts';
import { describeAddressing } from '../addressing.ts';
import { type NetworkDriver, USUAL_TRAITS } from '../driver.ts';
import { announcement } from '../endpoint.ts';
import { linkLocalAddress } from '../mac.ts';
import { describeSilentPort, LOWEST_IPV6_MTU } from '../silent-port.ts';
import { bridgeName } from './name.ts';
import { type BridgeOptions, parseBridgeOptions } from './options.ts';
import { published } from './ports.ts';

/** A Linux bridge on the host, a veth pair for every endpoint, NAT towards the outside. */
export const bridge: NetworkDriver<BridgeOptions> = {
  name: 'bridge',
  parse: parseBridgeOptions,
  traits: ({ interfacePrefix, hostBinding, gatewayModes }) => {
    const routed = FAMILIES.filter((family) => gatewayModes[family] === 'routed');
    return { ...USUAL_TRAITS, addresses: true, interfacePrefix, hostBinding, routed };
  },
  subnets: ({ gatewayModes, inhibitIpv4, bridge: named }, internal) => {
    const isolated = FAMILIES.filter((family) => gatewayModes[family] === 'isolated');
    if (isolated.length > 0 && !internal) {
      throw new EngineError('invalidArgument', "gateway mode 'isolated' can only be used for an internal network");
    }
    // No default route leads to the gateway of an internal network: where the host does not have the address, nobody has.
    const needless = inhibitIpv4 && internal ? [...isolated, 4] : isolated;
    const gateways = FAMILIES.filter((family) => !needless.includes(family));
    // A bridge the user made may have a port on the LAN.
    const onLan = named === undefined ? {} : { onLan: true as const };
    return { manySubnets: false, subnetless: false, gateways, sharedSubnets: false, ...onLan };
  },
  check: (network) => {
    const refuse = (message: string) => {
      throw new EngineError('invalidArgument', message);
    };
    if (hasIPv6(network) && mtuOf(network) < LOWEST_IPV6_MTU) {
      refuse(`invalid MTU number: ${mtuOf(network)}: IPv6 needs ${LOWEST_IPV6_MTU} at least`);
    }
    if (network.options.portSecurity && network.ipamDriver === 'dhcp') {
      refuse('option port_security needs addresses of Fairway: with --ipam-driver dhcp they are the LAN’s');
    }
  },
  network: (network) => [
    ...bridgeLink(network),
    ...(network.ipamDriver === 'dhcp' ? [carry(network)] : network.pools.flatMap((pool) => subnet(network, pool))),
  ],
  endpoint: (network, endpoint, sandbox) => [
    ...sandboxLink(network, endpoint, sandbox),
    ...published(network, endpoint),
  ],
  link: linked,
};

/** Nothing is known of the LAN's addresses, and nothing is kept from them. */
function carry(network: Network<BridgeOptions>): Resource {
  return { kind: 'firewall', meaning: 'carry', bridge: bridgeName(network) };
}

/** Ethernet's, and what Docker takes when nobody asks for another. */
const DEFAULT_MTU = 1500;

/** What the user said, else what the host's way out takes. */
function mtuOf({ options, mtu }: Network<BridgeOptions>): number {
  return options.mtu ?? mtu ?? DEFAULT_MTU;
}

/** A bridge the user named may be there already: then it is theirs, and stays as it is when the network goes. */
function bridgeLink(network: Network<BridgeOptions>): Resource[] {
  const name = bridgeName(network);
  const { bridge: named } = network.options;
  const mtu = mtuOf(network);
  const mac = bridgeMac(network.id);
  return [
    { kind: 'link', type: 'bridge', namespace: 'host', name, mtu, mac, up: true, adopt: named !== undefined },
    // A connection from 127.0.0.1 to a published port leaves through the bridge; the kernel drops it as martian without this.
    hostSetting(`net/ipv4/conf/${name}/route_localnet`, '1'),
    ...(network.options.icc ? [] : detour(name)),
    ...(hasIPv6(network) ? ipv6Settings(name) : withoutIPv6(name, mtu)),
  ];
}

/** Where no endpoint has an IPv6 address, neighbour discovery and MLD would flood every port for nothing. */
function withoutIPv6(bridge: string, mtu: number): Resource[] {
  return mtu < LOWEST_IPV6_MTU ? [] : [hostSetting(`net/ipv6/conf/${bridge}/disable_ipv6`, '1')];
}

/**
 * Where they have one, the bridge asks nobody for duplicates, since ipam allots each address once, and takes no router's
 * word: it is the router.
 */
function ipv6Settings(bridge: string): Resource[] {
  const setting = (name: string, value: string) => hostSetting(`net/ipv6/conf/${bridge}/${name}`, value);
  return [setting('disable_ipv6', '0'), setting('accept_dad', '0'), setting('accept_ra', '0')];
}

/**
 * Isolated ports hear nothing of each other. So that links between their containers can lead through the host, the bridge answers
 * ARP for them (proxy_arp_pvlan, made for this), and does not tell them of the shorter way that they do not have.
 */
function detour(bridge: string): Resource[] {
  const setting = (name: string, value: string) => hostSetting(`net/ipv4/conf/${bridge}/${name}`, value);
  return [setting('proxy_arp_pvlan', '1'), setting('send_redirects', '0')];
}

/** IPv4 alone: the kernel knows no such detour for IPv6. */
function linked(
  network: Network<BridgeOptions>,
  from: Endpoint,
  to: Endpoint,
  ports: readonly PortKey[],
): FirewallResource[] {
  const [source, target] = [ofFamily(from.addresses, 4), ofFamily(to.addresses, 4)];
  if (network.options.icc || source === undefined || target === undefined) return [];
  const common = { kind: 'firewall', meaning: 'link', bridge: bridgeName(network) } as const;
  return ports.map((key) => {
    const [port, protocol] = key.split('/') as [string, TransportProtocol];
    return { ...common, from: addressOf(source), to: addressOf(target), protocol, port: Number(port) };
  });
}

function hostSetting(path: string, value: string): Resource {
  return { kind: 'sysctl', namespace: 'host', path, value };
}

/**
 * Without one of its own, a bridge takes the lowest address of its ports, and loses its neighbours' packets whenever that
 * port goes (br_stp_recalculate_bridge_id in the kernel). Locally administered, the rest from the network's id.
 */
function bridgeMac(id: string): MacAddress {
  return parseMacAddress(`02:${id.slice(0, 10).replace(/..(?=.)/g, '$&:')}`);
}

/** On an isolated network the host has no address, not even a link-local one. */
function hasIPv6({ ipv6, options }: Network<BridgeOptions>): boolean {
  return ipv6 && options.gatewayModes[6] !== 'isolated';
}

function subnet(network: Network<BridgeOptions>, { subnet, gateway }: Network['pools'][number]): Resource[] {
  const link = bridgeName(network);
  const { icc, masquerade, bridge: named, gatewayModes, inhibitIpv4, sources } = network.options;
  const family = familyOf(subnet);
  const mode = gatewayModes[family];
  const rule: BridgeRule = {
    kind: 'firewall',
    meaning: 'bridge',
    bridge: link,
    subnet,
    internal: network.internal,
    // What makes it isolated is that it is internal, and the address that the host does not have.
    mode: mode === 'isolated' ? 'nat' : mode,
    ...(icc ? {} : { icc }),
  };
  const resources: Resource[] = [rule, { kind: 'passage', family, link, adopted: named !== undefined }];
  if (gateway !== undefined && mode !== 'isolated' && !(family === 4 && inhibitIpv4)) {
    const address = interfaceAddress(gateway, lengthOf(subnet));
    resources.unshift({ kind: 'address', namespace: 'host', link, address, adopt: named !== undefined });
  }
  if (masquerade && !network.internal && mode !== 'routed') {
    const source = sources[family];
    const rule = { kind: 'firewall', meaning: 'masquerade', bridge: link, subnet } as const;
    resources.push(source === undefined ? rule : { ...rule, source });
  }
  return resources;
}

function sandboxLink(network: Network<BridgeOptions>, endpoint: Endpoint, sandbox: Sandbox): Resource[] {
  const { icc } = network.options;
  const mtu = mtuOf(network);
  const { namespace } = sandbox;
  const { interfaceName: link, mac } = endpoint;
  const name = `veth${endpoint.id.slice(0, 7)}`;
  return [
    ...portSecurity(network, endpoint, name),
    {
      kind: 'link',
      type: 'veth',
      namespace: 'host',
      name,
      mtu,
      up: true,
      master: bridgeName(network),
      isolated: !icc,
      ...announcement(endpoint),
      peer: { namespace, name: link, mtu, ...(mac === undefined ? {} : { mac }) },
    },
    ...describeSilentPort(name, mtu),
    ...describeAddressing(endpoint, sandbox),
  ];
}

/** All that an endpoint may send from: what was allotted and asked for, and what the kernel gives a link that has IPv6. */
function portSecurity({ options }: Network<BridgeOptions>, endpoint: Endpoint, link: string): Resource[] {
  const { mac, addresses, linkLocal = [] } = endpoint;
  if (!options.portSecurity || mac === undefined) return [];
  const allotted = [...addresses.map(addressOf), ...linkLocal];
  const own = allotted.some((address) => familyOf(address) === 6) ? [linkLocalAddress(mac)] : [];
  const all = [...new Set([...allotted, ...own])].toSorted();
  return [{ kind: 'port-security', namespace: 'host', link, mac, addresses: all }];
}
