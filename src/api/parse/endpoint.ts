import {
  type AddressFamily,
  type IpAddress,
  isIpAddress,
  type MacAddress,
  parseIpAddress,
  parseMacAddress,
} from '../../model/address.ts';
import type { EndpointLink, EndpointRequest, NetworkMode } from '../../model/container.ts';
import { invalid } from '../status.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { Fields } from './fields.ts';

/** What `inspect` shows of an endpoint. Clients send it back as they got it; Docker reads none of it. */
const OPERATIONAL: readonly string[] = [
  'NetworkID',
  'EndpointID',
  'Gateway',
  'IPAddress',
  'IPPrefixLen',
  'IPv6Gateway',
  'GlobalIPv6Address',
  'GlobalIPv6PrefixLen',
  'DNSNames',
];

/**
 * EndpointSettings: { IPAMConfig: { IPv4Address }, Aliases, Links, MacAddress, DriverOpts, GwPriority }. Whether the network can
 * give what is asked is the engine's to say: here the network is only a name.
 * @throws EngineError invalidArgument
 */
export function parseEndpoint(network: string, fields: Fields): EndpointRequest {
  const ipam = fields.child('IPAMConfig');
  const address = parseStaticAddress(ipam.text('IPv4Address'), 4);
  const address6 = parseStaticAddress(ipam.text('IPv6Address'), 6);
  const linkLocal = ipam.texts('LinkLocalIPs').map(parseLinkLocal);
  ipam.close();
  const mac = fields.text('MacAddress');
  const aliases = fields.texts('Aliases');
  const links = parseLinks(fields.texts('Links'));
  const driverOptions = fields.map('DriverOpts');
  const gatewayPriority = fields.integer('GwPriority') ?? 0;
  fields.ignore(...OPERATIONAL);
  fields.close();
  return {
    network,
    aliases: [...new Set(aliases)],
    ...(links.length === 0 ? {} : { links }),
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
    ...(linkLocal.length === 0 ? {} : { linkLocal }),
    ...(mac === '' ? {} : { mac: parseMacAddress(mac) }),
    driverOptions,
    gatewayPriority,
  };
}

/**
 * "container" or "container:alias"; without an alias the name itself is one.
 * @throws EngineError invalidArgument in Docker's words (docker/cli: opts.ParseLink)
 */
export function parseLinks(texts: readonly string[]): EndpointLink[] {
  return texts.map((text) => {
    const [container = '', alias = container, ...more] = text.split(':');
    if (container === '' || alias === '' || more.length > 0) throw invalid(`bad format for links: ${text}`);
    return { container: container.replace(/^\//, ''), alias: alias.slice(alias.lastIndexOf('/') + 1) };
  });
}

/** Docker's two lines: the heading comes from the place, the reason from the address. */
function parseStaticAddress(text: string, family: AddressFamily): EndpointRequest['address'] {
  if (text === '') return undefined;
  if (!isIpAddress(text) || text.includes(':') !== (family === 6)) {
    throw invalid(`invalid endpoint settings:\ninvalid IPv${family} address: ${text}`);
  }
  return parseIpAddress(text);
}

function parseLinkLocal(text: string): IpAddress {
  if (!isIpAddress(text)) throw invalid(`invalid endpoint settings:\ninvalid link-local IP address: ${text}`);
  return parseIpAddress(text);
}

interface EndpointsInput {
  readonly mode: NetworkMode;
  /** NetworkingConfig.EndpointsConfig */
  readonly configs: readonly [string, unknown][];
  /** HostConfig.Links: the main network's */
  readonly links: readonly EndpointLink[];
  /** Config.MacAddress: the container-wide one of clients before API 1.44 */
  readonly mac?: MacAddress;
  readonly version: ApiVersion;
}

/**
 * The networks asked for at create: those configured, or the mode's own.
 * @throws EngineError invalidArgument with Docker's words
 */
export function parseEndpoints(input: EndpointsInput): EndpointRequest[] {
  const { mode, configs, version } = input;
  if (configs.length > 1 && !atLeast(version, '1.44')) {
    const names = configs.map(([name]) => name).join(', ');
    throw invalid(`Container cannot be created with multiple network endpoints: ${names}`);
  }
  if (mode.kind !== 'network') {
    refuseEndpoints(mode, configs);
    if (input.mac !== undefined && !atLeast(version, '1.44')) {
      throw invalid('conflicting options: mac-address and the network mode');
    }
    return [];
  }
  const endpoints = configs.map(([name, value]) =>
    parseEndpoint(name === 'default' ? 'bridge' : name, new Fields(value, `NetworkingConfig.EndpointsConfig.${name}`)),
  );
  // The CLI sends the others sorted by name: the first it was told is the mode's.
  endpoints.sort((a, b) => Number(b.network === mode.name) - Number(a.network === mode.name));
  if (endpoints.length === 0) endpoints.push(parseEndpoint(mode.name, new Fields({}, '')));
  return withContainerMac(withLinks(endpoints, mode.name, input.links), mode.name, input.mac);
}

/**
 * docker-compose 1 links a one-off container to its siblings this way. On a user network a link is one more name; on the
 * default network, which has no names, it is the container's own.
 */
function withLinks(endpoints: EndpointRequest[], main: string, links: readonly EndpointLink[]): EndpointRequest[] {
  if (links.length === 0 || main === 'bridge') return endpoints;
  return endpoints.map((endpoint) =>
    endpoint.network === main ? { ...endpoint, links: [...(endpoint.links ?? []), ...links] } : endpoint,
  );
}

/** Clients name the mode itself as a network without settings: that asks for nothing. */
function refuseEndpoints(mode: NetworkMode, configs: readonly [string, unknown][]): void {
  const own = mode.kind === 'container' ? `container:${mode.container}` : mode.kind;
  const others = configs.filter(([name]) => name !== own && name !== 'default');
  for (const [name, value] of configs.filter((config) => !others.includes(config))) {
    const { aliases, address, address6 } = parseEndpoint(
      name,
      new Fields(value, `NetworkingConfig.EndpointsConfig.${name}`),
    );
    if (address !== undefined || address6 !== undefined)
      throw invalid('user specified IP address is supported on user defined networks only');
    if (aliases.length > 0) {
      throw invalid('network-scoped alias is supported only for containers in user defined networks');
    }
  }
  if (others.length === 0) return;
  if (mode.kind === 'none') {
    throw invalid('container cannot be connected to multiple networks with one of the networks in private (none) mode');
  }
  throw invalid(
    'container sharing network namespace with another container or host cannot be connected to any other network',
  );
}

/** Clients before API 1.44 know one MAC address for the container: the main network's. */
function withContainerMac(endpoints: EndpointRequest[], main: string, mac: MacAddress | undefined): EndpointRequest[] {
  if (mac === undefined) return endpoints;
  const target = endpoints.find((endpoint) => endpoint.network === main) ?? endpoints[0];
  if (target?.mac !== undefined && target.mac !== mac) {
    throw invalid(
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    );
  }
  return endpoints.map((endpoint) => (endpoint === target ? { ...endpoint, mac } : endpoint));
}
