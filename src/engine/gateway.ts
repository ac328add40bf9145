import { type AddressFamily, addressOf, type IpAddress, parseIpAddress } from '../model/address.ts';
import { type Endpoint, type Network, poolOf } from '../model/network.ts';
import { traitsOf } from './intent.ts';

/** `--default-gateway` and `--default-gateway-v6` of the default network are kept under the names Docker gives them. */
export const DEFAULT_GATEWAY_KEYS: Readonly<Record<AddressFamily, string>> = {
  4: 'DefaultGatewayIPv4',
  6: 'DefaultGatewayIPv6',
};

/** "By the link itself": Endpoint.gateways */
const BY_LINK: Readonly<Record<AddressFamily, IpAddress>> = { 4: parseIpAddress('0.0.0.0'), 6: parseIpAddress('::') };

/** What an endpoint has that tells which way out is its. */
type Place = Pick<Endpoint, 'addresses' | 'lease'>;

interface Candidate {
  readonly network: Network;
  readonly endpoint?: Place;
  readonly gatewayPriority: number;
}

/**
 * What containers on this network route through; none on internal networks and those without addresses of the family. The
 * unspecified address stands for the link itself.
 * @param place the endpoint's, which tells which of the network's subnets it is in, and what a DHCP server said
 */
export function gatewayOf(
  network: Network,
  family: AddressFamily,
  { addresses, lease }: Place = { addresses: [] },
): IpAddress | undefined {
  if (lease !== undefined && family === 4) return network.internal ? undefined : lease.gateway;
  const pool = poolOf(network, family, addresses.map(addressOf));
  const { defaultRoute } = traitsOf(network);
  if (network.internal || pool === undefined || defaultRoute === 'none') return undefined;
  if (defaultRoute === 'link') return BY_LINK[family];
  return pool.auxiliary[DEFAULT_GATEWAY_KEYS[family]] ?? pool.gateway;
}

/**
 * Which of a sandbox's endpoints gives the default route of a family: of those that have a gateway at all the highest
 * priority; then one that has gateways of both families; then the network's name in byte order, as Docker decides
 * (libnetwork's Endpoint.Less).
 */
export function chooseGateway<T extends Candidate>(candidates: readonly T[], family: AddressFamily): T | undefined {
  const has = ({ network, endpoint }: T, one: AddressFamily) => gatewayOf(network, one, endpoint) !== undefined;
  const able = candidates.filter((candidate) => has(candidate, family));
  const isDual = (candidate: T) => Number(has(candidate, 4) && has(candidate, 6));
  return able.toSorted(
    (a, b) =>
      b.gatewayPriority - a.gatewayPriority || isDual(b) - isDual(a) || (a.network.name < b.network.name ? -1 : 1),
  )[0];
}
