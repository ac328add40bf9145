import type { Resource } from '../model/resource.ts';

/** IPV6_MIN_MTU (RFC 8200 section 5): below it the kernel gives a link no IPv6, and no settings of it. */
export const LOWEST_IPV6_MTU = 1280;

/**
 * The host's end of a pair, as the port of a bridge: it speaks no IP itself. What comes in belongs to the bridge, but for frames to
 * 01:80:C2:00:00:0X, which pass it whatever is in them (br_handle_frame in net/bridge/br_input.c): a router advertisement would
 * lead the host's IPv6 to a container, a datagram would go past the firewall, which knows the bridge and not its ports.
 * No way leads out by such a link, so that a reverse path (RFC 3704) refuses every IPv4 packet.
 */
export function describeSilentPort(link: string, mtu: number): Resource[] {
  const setting = (path: string): Resource => ({ kind: 'sysctl', namespace: 'host', path, value: '1' });
  const six = mtu < LOWEST_IPV6_MTU ? [] : [setting(`net/ipv6/conf/${link}/disable_ipv6`)];
  return [setting(`net/ipv4/conf/${link}/rp_filter`), ...six];
}
