import type { IpAddress } from '../model/address.ts';
import type { Network } from '../model/network.ts';

/** `--default-gateway` of the default network is kept under the name Docker gives it. */
export const DEFAULT_GATEWAY_KEY = 'DefaultGatewayIPv4';

interface Candidate {
  readonly network: Network;
  readonly gatewayPriority: number;
}

/** What containers on this network route through; none on internal networks and those without addresses. */
export function gatewayOf(network: Network): IpAddress | undefined {
  const [pool] = network.pools;
  if (network.internal || pool === undefined) return undefined;
  return pool.auxiliary[DEFAULT_GATEWAY_KEY] ?? pool.gateway;
}

/**
 * Which of a sandbox's endpoints gives the default route: the highest priority; then one that has a gateway at all; then
 * the network's name in byte order, as Docker decides (libnetwork's Endpoint.Less).
 */
export function chooseGateway<T extends Candidate>(candidates: readonly T[]): T | undefined {
  const able = candidates.filter(({ network }) => gatewayOf(network) !== undefined);
  return able.toSorted(
    (a, b) => b.gatewayPriority - a.gatewayPriority || (a.network.name < b.network.name ? -1 : 1),
  )[0];
}
