import { familyOf, interfaceAddress } from '../model/address.ts';
import type { Endpoint, Sandbox } from '../model/network.ts';
import type { LinkResource, Resource } from '../model/resource.ts';

/** Of a link-local network: 169.254.0.0/16 (RFC 3927) and fe80::/64 (RFC 4291 section 2.5.6). */
const LINK_LOCAL_LENGTHS = { 4: 16, 6: 64 } as const;

/** For the link that leads to the sandbox: what the network says of how it is told. */
export function announcement({ announce }: Endpoint): Pick<LinkResource, 'announce'> {
  return announce === undefined ? {} : { announce };
}

/**
 * What was asked of one endpoint whatever its network's driver: settings of its link and link-local addresses. Comes after
 * what the driver describes, which makes the link.
 */
export function describeEndpointExtras(endpoint: Endpoint, { namespace }: Sandbox): Resource[] {
  const { interfaceName: link, sysctls = {}, linkLocal = [], announce, addresses } = endpoint;
  const setting = (path: string, value: string): Resource => ({ kind: 'sysctl', namespace, path, value });
  const resources: Resource[] = Object.entries(sysctls).map(([path, value]) => setting(path, value));
  const hasIPv6 = addresses.some((address) => familyOf(address) === 6);
  const wantsIPv6 = hasIPv6 || linkLocal.some((address) => familyOf(address) === 6);
  if (announce?.count === 0) {
    // The sandbox's links announce themselves when they come up: this one not. Where IPv6 does not fit in, there is no such setting.
    resources.push(setting(`net/ipv4/conf/${link}/arp_notify`, '0'));
    if (wantsIPv6) resources.push(setting(`net/ipv6/conf/${link}/ndisc_notify`, '0'));
  }
  if (wantsIPv6 && !hasIPv6) resources.push(setting(`net/ipv6/conf/${link}/disable_ipv6`, '0'));
  for (const address of linkLocal) {
    const own = interfaceAddress(address, LINK_LOCAL_LENGTHS[familyOf(address)]);
    resources.push({ kind: 'address', namespace, link, address: own, adopt: false });
  }
  const known = new Set(Object.keys(sysctls));
  return resources.filter(
    (resource, index) => resource.kind !== 'sysctl' || index < known.size || !known.has(resource.path),
  );
}
