import { familyOf, isUnspecified, ofFamily, parsePrefix } from '../model/address.ts';
import type { Endpoint, Sandbox } from '../model/network.ts';
import type { Resource } from '../model/resource.ts';

const DEFAULT_ROUTES = { 4: parsePrefix('0.0.0.0/0'), 6: parsePrefix('::/0') } as const;

/** An end of a link in a sandbox: an endpoint's, or an attachment's. */
type AddressedLink = Pick<Endpoint, 'interfaceName' | 'addresses' | 'gateways'>;

/** What a link in a sandbox carries, whatever it leads to. An unspecified gateway: everything is on the link itself. */
export function describeAddressing(end: AddressedLink, { namespace }: Sandbox): Resource[] {
  const { addresses, gateways, interfaceName: link } = end;
  const resources: Resource[] = [];
  // A sandbox is born without IPv6: describeSandbox.
  if (ofFamily(addresses, 6) !== undefined) {
    resources.push({ kind: 'sysctl', namespace, path: `net/ipv6/conf/${link}/disable_ipv6`, value: '0' });
  }
  for (const address of addresses) resources.push({ kind: 'address', namespace, link, address, adopt: false });
  for (const gateway of gateways) {
    const destination = DEFAULT_ROUTES[familyOf(gateway)];
    resources.push({ kind: 'route', namespace, destination, link, ...(isUnspecified(gateway) ? {} : { gateway }) });
  }
  return resources;
}
