import { createHash, randomBytes } from 'node:crypto';
import { endpointMac } from '../drivers/mac.ts';
import {
  type AddressFamily,
  FAMILIES,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  type MacAddress,
  ofFamily,
  parseIpAddress,
} from '../model/address.ts';
import type { Container, EndpointRequest } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { type Endpoint, type Network, PREDEFINED_NETWORKS, type PublishedPort, shortId } from '../model/network.ts';
import { addressHolders } from './address-holders.ts';
import { attachedEnds } from './attachments.ts';
import { refuseEndpoints } from './configuration-network.ts';
import type { Core } from './core.ts';
import { announcementOf, linkSettings, wantedLinkName } from './endpoint-options.ts';
import { chooseGateway, gatewayOf } from './gateway.ts';
import { newId } from './ids.ts';
import { isBare, traitsOf } from './intent.ts';
import { findNetwork, tryFindNetwork } from './lookup.ts';
import { type HeldPort, portWishes, type Way } from './ports.ts';
import type { State } from './state.ts';
import { disablesIPv6 } from './sysctls.ts';

/** Networks one container can be on: far beyond use, and a bound on what one request can cost. */
export const MAX_ENDPOINTS = 128;

/** Everybody but the predefined networks gives names and takes static addresses. */
export function isUserDefined(network: Network): boolean {
  return !PREDEFINED_NETWORKS.includes(network.name);
}

/** What the bridge driver's options say about endpoints; the other drivers have none. */
function endpointDefaults(network: Network): { readonly prefix: string; readonly hostBinding: IpAddress } {
  const options = network.options as { readonly interfacePrefix?: string; readonly hostBinding?: IpAddress };
  return { prefix: options.interfacePrefix ?? 'eth', hostBinding: options.hostBinding ?? parseIpAddress('0.0.0.0') };
}

/**
 * The endpoints of a container that starts (none on networks without addresses: host, none), in the order of its requests, with addresses, gateway and ports chosen.
 * Nothing is held before the result is applied to the state, which must happen in the same turn of the event loop.
 * @throws EngineError in Docker's words: no such network, no free or a held address, no free port
 */
export function allocateEndpoints(core: Core, container: Container, sandbox: string): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const request of container.spec.endpoints) {
    const network = tryFindNetwork(core.state, request.network);
    if (network !== undefined) refuseEndpoints(network);
    if (network !== undefined && isBare(network)) continue;
    // With `--bridge none` there is no default network; who is on it has a loopback only.
    if (request.network === 'bridge' && core.config.network.bridge === 'none') continue;
    endpoints.push(allocateEndpoint(core, container, sandbox, request, endpoints));
  }
  return assignGateway(core, container, endpoints);
}

/** One more endpoint beside `others`; it is no gateway yet. */
export function allocateEndpoint(
  core: Core,
  container: Container,
  sandbox: string,
  request: EndpointRequest,
  others: readonly Endpoint[],
): Endpoint {
  const { state } = core;
  const network = findNetwork(state, request.network);
  const addresses = allocateAddresses(core, container, network, request);
  if (addresses.length === 0 && network.pools.length > 0) {
    throw new EngineError('invalidArgument', `network ${network.name} has no addresses to give`);
  }
  const interfaceName = linkName(container, network, request, [...others, ...attachedEnds(state, container.id)]);
  return {
    id: newId(),
    network: network.id,
    sandbox,
    container: container.id,
    interfaceName,
    ...chooseMac(network, container, request),
    addresses,
    ...endpointExtras(network, request, interfaceName),
    gateways: [],
    ports: [],
  };
}

/** By chance, as in Docker; but DHCP servers know their clients by it, so there a container keeps its own. */
function macSeed({ id, ipamDriver }: Network, container: Container): Buffer {
  return ipamDriver === 'dhcp'
    ? createHash('sha256').update(`${id} ${container.id}`).digest().subarray(0, 6)
    : randomBytes(6);
}

/** @throws EngineError internal in Docker's words when none can be asked for */
function chooseMac(network: Network, container: Container, { mac }: EndpointRequest): { readonly mac?: MacAddress } {
  if (traitsOf(network).ownMac) return { mac: mac ?? endpointMac(macSeed(network, container)) };
  if (mac === undefined) return {};
  throw new EngineError('internal', `${network.driver} interfaces do not support custom mac address assignment`);
}

/** One of each family the network has; none of IPv6 where the container switches that off. */
function allocateAddresses(
  { state, ipam }: Core,
  container: Container,
  network: Network,
  { address, address6 }: EndpointRequest,
): InterfaceAddress[] {
  const pools = network.pools.filter(({ subnet }) => familyOf(subnet) === 4 || !disablesIPv6(container.spec));
  const wanted = [address, address6].filter((one) => one !== undefined);
  return ipam.allocateAddresses({ ...network, pools }, addressHolders(state, network, container, wanted), wanted);
}

/** Containers on user networks ask the embedded resolver; the default network has no names. */
export function needsResolver(state: State, { spec }: Container): boolean {
  return spec.endpoints.some(({ network: reference }) => {
    const network = tryFindNetwork(state, reference);
    return network !== undefined && isUserDefined(network);
  });
}

/** What goes with a link whatever its driver. */
function endpointExtras(network: Network, { linkLocal, driverOptions }: EndpointRequest, interfaceName: string) {
  const sysctls = linkSettings(driverOptions, interfaceName);
  const announce = announcementOf(network.driverOptions);
  return {
    ...(linkLocal === undefined ? {} : { linkLocal }),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
    ...(announce === undefined ? {} : { announce }),
  };
}

/**
 * The name that is wanted, else the network's prefix and the lowest free number. Names wanted on other networks are not
 * free, though their links may come later.
 * @throws EngineError conflict when another link has the name that is wanted
 */
function linkName(
  { name, spec }: Container,
  network: Network,
  request: EndpointRequest,
  others: readonly Pick<Endpoint, 'interfaceName'>[],
): string {
  const taken = new Set(others.map(({ interfaceName }) => interfaceName));
  const wanted = wantedLinkName(request.driverOptions);
  if (wanted !== undefined) {
    if (!taken.has(wanted)) return wanted;
    throw new EngineError('conflict', `interface name "${wanted}" is taken by another link of container "${name}"`);
  }
  for (const { driverOptions } of spec.endpoints) taken.add(wantedLinkName(driverOptions) ?? '');
  const { prefix } = endpointDefaults(network);
  for (let index = 0; ; index++) if (!taken.has(`${prefix}${index}`)) return `${prefix}${index}`;
}

/**
 * The same endpoints with the default route and the published ports on the one that is the gateway now. Ports that are
 * published already keep their numbers when the gateway moves.
 * @throws EngineError internal in Docker's words when a port cannot be had
 */
export function assignGateway(core: Core, container: Container, endpoints: readonly Endpoint[]): Endpoint[] {
  const chosen = gatewaysAmong(core.state, container, endpoints);
  const ports = publishOnce(core, container, endpoints, chosen);
  return endpoints.map((endpoint) => ({
    ...endpoint,
    gateways: FAMILIES.flatMap((family) => {
      const gateway = chosen.get(family);
      return gateway?.endpoint === endpoint ? (gatewayOf(gateway.network, family, endpoint) ?? []) : [];
    }),
    ports: ports.filter(({ hostAddress }) => bearerOf(chosen, familyOf(hostAddress))?.endpoint === endpoint),
  }));
}

type Gateways = ReadonlyMap<AddressFamily, Placed | undefined>;

function gatewaysAmong(state: State, container: Container, endpoints: readonly Endpoint[]): Gateways {
  const placed = endpoints.flatMap((endpoint) => candidate(state, container, endpoint));
  return new Map(FAMILIES.map((family) => [family, chooseGateway(able(placed, family), family)]));
}

/** The endpoint that a host address of this family leads to. IPv6 leads to IPv4 where nobody has IPv6. */
function bearerOf(gateways: Gateways, family: AddressFamily): Placed | undefined {
  return family === 4 ? gateways.get(4) : (gateways.get(6) ?? gateways.get(4));
}

/** How host addresses of each family lead to the container; none of a family of which they do not. */
function waysOf({ ports }: Core, gateways: Gateways): ReadonlyMap<AddressFamily, Way> {
  const ways = FAMILIES.flatMap((family): [AddressFamily, Way][] => {
    const bearer = bearerOf(gateways, family);
    if (bearer === undefined || (family === 6 && !ports.hasIPv6)) return [];
    const own = gateways.get(family) === bearer;
    const routed = traitsOf(bearer.network).routed.includes(own ? family : 4);
    // Where IPv4 is routed, nothing is passed on to it.
    if (routed) return own ? [[family, 'routed']] : [];
    return [[family, own ? 'translated' : 'relayed']];
  });
  return new Map(ways);
}

/** On a LAN of others, containers are reached at their own addresses. */
function publishes(network: Network): boolean {
  return traitsOf(network).publishes && network.ipamDriver !== 'dhcp';
}

/** What is published already keeps its numbers, whoever bears it from now on, unless it has none and now needs one, or the other way. */
function publishOnce(core: Core, container: Container, endpoints: readonly Endpoint[], gateways: Gateways) {
  const published = endpoints.flatMap(({ ports }) => ports);
  const bearer = gateways.get(4) ?? gateways.get(6);
  if (bearer === undefined) return published;
  if (!publishes(bearer.network)) return refusePorts(core, container, bearer.network);
  if (published.length === 0 && !wantsPorts(container)) return [];
  const ways = waysOf(core, gateways);
  const keep = published.every(({ hostAddress, hostPort }) => {
    const way = ways.get(familyOf(hostAddress));
    return way === undefined || (way === 'routed') === (hostPort === 0);
  });
  return keep && published.length > 0 ? published : publish(core, container, bearer, ways, container.id);
}

function wantsPorts({ spec }: Container): boolean {
  return spec.portBindings.length > 0 || spec.publishAll;
}

/**
 * Ports for the container's bindings beside those it has already; none where nothing leads to the outside.
 * @throws EngineError internal in Docker's words when a port cannot be had
 */
export function publishBesides(core: Core, container: Container, endpoints: readonly Endpoint[]): PublishedPort[] {
  const gateways = gatewaysAmong(core.state, container, endpoints);
  const bearer = gateways.get(4) ?? gateways.get(6);
  if (bearer === undefined || !publishes(bearer.network)) return [];
  const spec = { ...container.spec, publishAll: false };
  return publish(core, { ...container, spec }, bearer, waysOf(core, gateways));
}

/** Those that have an address of the family: a container may want none of IPv6. */
function able(placed: readonly Placed[], family: AddressFamily): Placed[] {
  return placed.filter(({ endpoint }) => ofFamily(endpoint.addresses, family) !== undefined);
}

interface Placed {
  readonly endpoint: Endpoint;
  readonly network: Network;
  readonly gatewayPriority: number;
}

function candidate(state: State, container: Container, endpoint: Endpoint): Placed[] {
  const network = state.networks.get(endpoint.network);
  if (network === undefined) return [];
  const request = requestFor(state, container, network);
  return [{ endpoint, network, gatewayPriority: request?.gatewayPriority ?? 0 }];
}

/** What the container asked of a network, under whichever of the network's names. */
export function requestFor(state: State, { spec }: Container, network: Network): EndpointRequest | undefined {
  return spec.endpoints.find((request) => tryFindNetwork(state, request.network)?.id === network.id);
}

/**
 * @param except whose ports are free to be taken again: a container's that starts
 * @throws EngineError internal in Docker's words when a port cannot be had
 */
function publish(
  core: Core,
  container: Container,
  { endpoint, network }: Placed,
  families: ReadonlyMap<AddressFamily, Way>,
  except?: string,
): PublishedPort[] {
  const wishes = portWishes(container.spec, { hostBinding: endpointDefaults(network).hostBinding, families });
  if (wishes.length === 0) return [];
  try {
    return core.ports.allocate(wishes, heldPorts(core.state, except));
  } catch (error) {
    throw connectivityError(container, endpoint, errorMessage(error));
  }
}

/** As in Docker, a container runs without what cannot be published; it is only said. */
function refusePorts({ logger }: Core, container: Container, network: Network): [] {
  if (wantsPorts(container)) {
    const details = { container: container.name, network: network.name };
    logger.warn(`${network.driver} driver does not support port mappings`, details);
  }
  return [];
}

function* heldPorts(state: State, except: string | undefined): Generator<HeldPort> {
  for (const { container, ports } of state.endpoints.values()) {
    const holder = state.containers.get(container)?.name ?? shortId(container);
    if (container !== except) for (const port of ports) yield { ...port, holder };
  }
}

/** Docker's sentence around whatever went wrong with a published port (libnetwork/endpoint.go). */
export function connectivityError(container: Container, endpoint: Endpoint, reason: string): EngineError {
  const where = `endpoint ${container.name} (${endpoint.id})`;
  return new EngineError('internal', `driver failed programming external connectivity on ${where}: ${reason}`);
}

/** The networks without addresses (host, none) a container is on. In the kernel it has nothing there, and so no endpoint. */
export function bareNetworks(state: State, { spec }: Container): Network[] {
  const networks = spec.endpoints.flatMap((request) => tryFindNetwork(state, request.network) ?? []);
  return networks.filter(isBare);
}

/** What Docker's clients see in place of an endpoint's id there: the same as long as the container runs. */
export function bareEndpointId({ id, state }: Container, network: Network): string {
  return createHash('sha256').update(`${id} ${network.id} ${state.startedAt}`).digest('hex');
}

/** The names containers of the same network know it by; the first is what its address resolves to. */
export function dnsNames(container: Container, aliases: readonly string[]): string[] {
  const { hostname } = container.spec;
  return [...new Set([container.name, ...aliases, shortId(container.id), hostname])].filter((name) => name !== '');
}
