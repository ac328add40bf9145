import {
  type AddressFamily,
  addressOf,
  familyOf,
  type IpAddress,
  isLoopback,
  isUnspecified,
  UNSPECIFIED,
} from '../../model/address.ts';
import type { Endpoint, Network, PublishedPort } from '../../model/network.ts';
import { openPorts } from '../../model/open-ports.ts';
import type { Resource } from '../../model/resource.ts';
import { bridgeName } from './name.ts';
import type { BridgeOptions } from './options.ts';

/**
 * What leads to an endpoint's published ports, by family: bound host ports and their translation; where nothing is
 * translated, or where somebody may come past the translation, the container's own ports, opened.
 */
export function published(network: Network<BridgeOptions>, endpoint: Endpoint): Resource[] {
  const translated = endpoint.addresses.flatMap((own) => {
    const family = familyOf(own);
    const ports = endpoint.ports.filter(({ hostAddress }) => familyOf(hostAddress) === family);
    const address = addressOf(own);
    const bound = network.options.gatewayModes[family] === 'routed' ? [] : ports;
    return [...bound.flatMap((port) => bind(network, address, port)), ...opened(network, address, family, ports)];
  });
  // Where IPv4 is routed, nothing of it is translated, and so nothing passed on.
  return joinFamilies(
    network.options.gatewayModes[4] === 'routed' ? translated : [...translated, ...relayed(endpoint)],
  );
}

/** TCP's ports on all addresses of both families are held by one socket each, where what comes by IPv6 is passed on by the daemon. */
function joinFamilies(resources: readonly Resource[]): Resource[] {
  const held = resources.filter((one) => one.kind === 'listener' && one.purpose === 'reservation');
  const of = (address: IpAddress) => held.filter((one) => one.protocol === 'tcp' && one.address === address);
  const fours = new Map(of(UNSPECIFIED[4]).map((four) => [`${four.port} ${four.count}`, four]));
  const instead = new Map<Resource, Resource[]>();
  for (const six of of(UNSPECIFIED[6])) {
    const four = fours.get(`${six.port} ${six.count}`);
    if (four !== undefined && six.relay !== undefined) instead.set(four, []).set(six, [{ ...six, dualStack: true }]);
  }
  return resources.flatMap((one) => instead.get(one) ?? [one]);
}

/** What arrives by IPv6 for a container without it cannot be translated: the daemon passes it on, but for SCTP, which Node does not speak. */
function relayed({ addresses, ports }: Endpoint): Resource[] {
  const [four] = addresses;
  if (four === undefined || addresses.some((address) => familyOf(address) === 6)) return [];
  const passed = ports.filter(({ hostAddress, protocol }) => familyOf(hostAddress) === 6 && protocol !== 'sctp');
  return passed.map((port) => reserve(port, addressOf(four)));
}

/**
 * The rule leads packets in; the bound socket keeps everybody else off the port while it does. What comes from the host's
 * ::1 and link-local addresses cannot leave the host, and reaches the socket.
 */
function bind(network: Network<BridgeOptions>, address: IpAddress, published: PublishedPort): Resource[] {
  const { protocol, hostAddress, hostPort, count, containerPort: port } = published;
  const bridge = bridgeName(network);
  const confined = hostAddress === '::' || hostAddress === '::1' || hostAddress.startsWith('fe80:');
  return [
    reserve(published, confined && protocol !== 'sctp' ? address : undefined),
    { kind: 'firewall', meaning: 'publish', protocol, hostAddress, hostPort, count, address, port, bridge },
  ];
}

/** @param inside to whom the daemon passes on what reaches the socket itself */
function reserve(
  { protocol, hostAddress, hostPort, count, containerPort }: PublishedPort,
  inside?: IpAddress,
): Resource {
  return {
    kind: 'listener',
    purpose: 'reservation',
    namespace: 'host',
    protocol,
    address: hostAddress,
    port: hostPort,
    count,
    ...(inside === undefined ? {} : { relay: { address: inside, port: containerPort } }),
  };
}

function opened(
  network: Network<BridgeOptions>,
  address: IpAddress,
  family: AddressFamily,
  ports: readonly PublishedPort[],
): Resource[] {
  const { gatewayModes, trustedLinks } = network.options;
  const bridge = bridgeName(network);
  const rules = (of: readonly PublishedPort[], through?: string) =>
    openPorts(
      { address, bridge, ...(through === undefined ? {} : { through }) },
      of.map(({ protocol, containerPort, count }) => ({ protocol, port: containerPort, count })),
    );
  // A port of one address of the host has no meaning where nothing is translated.
  if (gatewayModes[family] === 'routed') return rules(ports.filter(({ hostAddress }) => isUnspecified(hostAddress)));
  if (gatewayModes[family] !== 'nat') return [];
  // A port of 127.0.0.1 is the host's own affair, also where a link is trusted.
  const outside = ports.filter(({ hostAddress }) => !isLoopback(hostAddress));
  return trustedLinks.flatMap((link) => rules(outside, link));
}
