import type { AddressFamily, IpAddress } from '../model/address.ts';
import { type Network, poolOf } from '../model/network.ts';

/** `--default-gateway` and `--default-gateway-v6` of the default network are kept under the names Docker gives them. */
export const DEFAULT_GATEWAY_KEYS: Readonly<Record<AddressFamily, string>> = {
  4: 'DefaultGatewayIPv4',
  6: 'DefaultGatewayIPv6',
};

interface Candidate {
  readonly network: Network;
  readonly gatewayPriority: number;
}

/** What containers on this network route through; none on internal networks and those without addresses of the family. */
export function gatewayOf(network: Network, family: AddressFamily): IpAddress | undefined {
  const pool = poolOf(network, family);
  if (network.internal || pool === undefined) return undefined;
  return pool.auxiliary[DEFAULT_GATEWAY_KEYS[family]] ?? pool.gateway;
}

/**
 * Which of a sandbox's endpoints gives the default route of a family: of those that have a gateway at all the highest
 * priority; then one that has gateways of both families; then the network's name in byte order, as Docker decides
 * (libnetwork's Endpoint.Less).
 */
export function chooseGateway<T extends Candidate>(candidates: readonly T[], family: AddressFamily): T | undefined {
  const able = candidates.filter(({ network }) => gatewayOf(network, family) !== undefined);
  const isDual = ({ network }: T) => Number(gatewayOf(network, 4) !== undefined && gatewayOf(network, 6) !== undefined);
  return able.toSorted(
    (a, b) =>
      b.gatewayPriority - a.gatewayPriority || isDual(b) - isDual(a) || (a.network.name < b.network.name ? -1 : 1),
  )[0];
}
