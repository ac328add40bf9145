import type { EndpointView, NetworkView } from '../../engine/views.ts';
import { addressOf, lengthOf, ofFamily } from '../../model/address.ts';
import type { EndpointRequest } from '../../model/container.ts';
import { type IpamPool, type PoolRequest, shortId } from '../../model/network.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { orNull } from './list-form.ts';

/** GET /networks/{id}. @param members false for lists, which name no containers since API 1.28 */
export function renderNetwork(view: NetworkView, version: ApiVersion, members: boolean) {
  const { network } = view;
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: 'local',
    Driver: network.driver,
    ...(atLeast(version, '1.48') ? { EnableIPv4: network.ipv4 } : {}),
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipamDriver,
      Options: network.ipamOptions,
      Config: network.configuration === undefined ? network.pools.map(renderPool) : renderWishes(network.configuration),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? '' },
    ConfigOnly: network.configuration !== undefined,
    Containers: members || !atLeast(version, '1.28') ? renderMembers(view) : {},
    Options: network.driverOptions,
    Labels: network.labels,
  };
}

/** Nothing asked: Docker then shows null or leaves the key out. */
function isEmpty(map: Readonly<Record<string, string>>): boolean {
  return Object.keys(map).length === 0;
}

/** IPAM.Config: where the user named the subnet, what the user said; else what was chosen. */
function renderPool(pool: IpamPool) {
  const hidden = pool.gateway === undefined || (pool.subnetRequested === true && pool.gatewayRequested !== true);
  return {
    Subnet: pool.subnet,
    ...(pool.range === undefined ? {} : { IPRange: pool.range }),
    ...(hidden ? {} : { Gateway: pool.gateway }),
    ...(isEmpty(pool.auxiliary) ? {} : { AuxiliaryAddresses: pool.auxiliary }),
  };
}

/** What networks made from this one will ask for; null where that is nothing. */
function renderWishes(wishes: readonly PoolRequest[]) {
  return wishes.length === 0 ? null : wishes.map(renderWish);
}

function renderWish({ subnet, range, gateway, auxiliary }: PoolRequest) {
  return {
    ...(subnet === undefined ? {} : { Subnet: subnet }),
    ...(range === undefined ? {} : { IPRange: range }),
    ...(gateway === undefined ? {} : { Gateway: gateway }),
    ...(isEmpty(auxiliary) ? {} : { AuxiliaryAddresses: auxiliary }),
  };
}

/** Running containers by id. Addresses carry the length of their network here, and nowhere else. */
function renderMembers(view: NetworkView) {
  return Object.fromEntries(
    view.containers.map((member) => [
      member.id,
      {
        Name: member.name,
        EndpointID: member.endpointId,
        MacAddress: member.mac ?? '',
        IPv4Address: ofFamily(member.addresses, 4) ?? '',
        IPv6Address: ofFamily(member.addresses, 6) ?? '',
      },
    ]),
  );
}

/** EndpointSettings, as inspect and lists show them; blank where the container does not run. */
export function renderEndpoint(view: EndpointView, containerId: string, version: ApiVersion) {
  const { endpoint, request } = view;
  return {
    IPAMConfig: renderStaticAddresses(request),
    Links: renderLinks(request),
    Aliases: renderAliases(view, shortId(containerId), version),
    MacAddress: endpoint?.mac ?? (atLeast(version, '1.44') ? (request.mac ?? '') : ''),
    DriverOpts: renderDriverOptions(request),
    ...(atLeast(version, '1.48') ? { GwPriority: request.gatewayPriority } : {}),
    NetworkID: view.networkId,
    EndpointID: view.endpointId,
    ...renderAddresses(view),
    ...(atLeast(version, '1.44') ? { DNSNames: orNull(view.dnsNames) } : {}),
  };
}

/** IPAMConfig: null where nobody asked. */
function renderStaticAddresses({ address, address6, linkLocal }: EndpointRequest) {
  if (address === undefined && address6 === undefined && linkLocal === undefined) return null;
  return {
    ...(address === undefined ? {} : { IPv4Address: address }),
    ...(address6 === undefined ? {} : { IPv6Address: address6 }),
    ...(linkLocal === undefined ? {} : { LinkLocalIPs: linkLocal }),
  };
}

/** As Docker's CLI writes them: "container:alias" */
function renderLinks({ links = [] }: EndpointRequest): readonly string[] | null {
  return orNull(links.map(({ container, alias }) => `${container}:${alias}`));
}

/** Null and {} are the same to clients; what was asked for is all that is kept. */
function renderDriverOptions(request: EndpointRequest) {
  return isEmpty(request.driverOptions) ? null : request.driverOptions;
}

/** The address fields that NetworkSettings repeats for the default bridge. */
export function renderAddresses({ endpoint, gateways }: Pick<EndpointView, 'endpoint' | 'gateways'>) {
  const four = ofFamily(endpoint?.addresses ?? [], 4);
  const six = ofFamily(endpoint?.addresses ?? [], 6);
  return {
    Gateway: four === undefined ? '' : (ofFamily(gateways, 4) ?? ''),
    IPAddress: four === undefined ? '' : addressOf(four),
    IPPrefixLen: four === undefined ? 0 : lengthOf(four),
    IPv6Gateway: six === undefined ? '' : (ofFamily(gateways, 6) ?? ''),
    GlobalIPv6Address: six === undefined ? '' : addressOf(six),
    GlobalIPv6PrefixLen: six === undefined ? 0 : lengthOf(six),
  };
}

/** Before API 1.45 the short id was one of the aliases of a user network. */
function renderAliases(view: EndpointView, short: string, version: ApiVersion): readonly string[] | null {
  const { aliases } = view.request;
  const all = atLeast(version, '1.45') || !view.dnsNames.includes(short) ? aliases : [...aliases, short];
  return orNull(all);
}
