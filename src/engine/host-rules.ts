import { type AddressFamily, familyOf, type IpAddress } from '../model/address.ts';
import type { FirewallResource, PublishRule, TransportProtocol } from '../model/firewall.ts';
import { openPorts } from '../model/open-ports.ts';
import type { Resource } from '../model/resource.ts';
import type { NetworkConfig } from './config.ts';

type Flags = Pick<NetworkConfig, 'firewall' | 'allowDirectRouting'>;

/**
 * What drivers describe, as the daemon's flags allow it: `--iptables=false` and `--ip6tables=false` leave the rules of their
 * family away, so that the daemon passes on itself what comes to published ports, `--allow-direct-routing` opens published ports at
 * the containers' own addresses, too.
 */
export function underFlags(resources: readonly Resource[], flags: Flags): readonly Resource[] {
  const { firewall, allowDirectRouting } = flags;
  if (firewall.ipv4 && firewall.ipv6 && !allowDirectRouting) return resources;
  const refused = resources.filter((resource) => !isAllowed(resource, firewall));
  const targets = new Map(refused.filter(isPublish).map((one) => [placeOf(one.hostAddress, one.hostPort, one), one]));
  const allowed = resources.flatMap((resource) => {
    if (!isAllowed(resource, firewall)) return [];
    return [relayed(guarded(resource, firewall), targets)];
  });
  if (!allowDirectRouting) return allowed;
  return [...allowed, ...direct(allowed)];
}

function isAllowed(resource: Resource, { ipv4, ipv6 }: Flags['firewall']): boolean {
  if (resource.kind !== 'firewall' && resource.kind !== 'passage') return true;
  if (resource.kind === 'firewall' && resource.meaning === 'clamp') return ipv4 || ipv6;
  const family = resource.kind === 'passage' ? resource.family : familyOfRule(resource);
  return family === 4 ? ipv4 : ipv6;
}

/** route_localnet lets the host's 127.0.0.1 leave by the bridge. What keeps containers from coming in by it are rules. */
function guarded(resource: Resource, { ipv4 }: Flags['firewall']): Resource {
  const isDoor = resource.kind === 'sysctl' && resource.path.endsWith('/route_localnet');
  return isDoor && !ipv4 ? { ...resource, value: '0' } : resource;
}

/** As Docker's proxy does, but for SCTP, which Node does not speak. */
function relayed(resource: Resource, targets: ReadonlyMap<string, PublishRule>): Resource {
  if (resource.kind !== 'listener' || resource.purpose !== 'reservation') return resource;
  const target = targets.get(placeOf(resource.address, resource.port, resource));
  if (target === undefined || resource.relay !== undefined || target.protocol === 'sctp') return resource;
  return { ...resource, relay: { address: target.address, port: target.port } };
}

function placeOf(address: IpAddress, port: number, { protocol }: { readonly protocol: TransportProtocol }): string {
  return `${protocol} ${address} ${port}`;
}

function isPublish(resource: Resource): resource is PublishRule {
  return resource.kind === 'firewall' && resource.meaning === 'publish';
}

function familyOfRule(rule: Exclude<FirewallResource, { readonly meaning: 'clamp' }>): AddressFamily {
  if ('family' in rule) return rule.family;
  if (rule.meaning === 'link') return familyOf(rule.to);
  // Frames of any family; without rules for IPv4 there is no guard they would have to pass.
  if (rule.meaning === 'carry') return 4;
  return familyOf('subnet' in rule ? rule.subnet : rule.address);
}

/** Each container's published ports at its own address. */
function direct(resources: readonly Resource[]): Resource[] {
  const published = resources.filter(isPublish);
  const containers = Map.groupBy(published, ({ address, bridge }) => `${address} ${bridge}`);
  return [...containers.values()].flatMap((rules) => {
    const [place] = rules;
    return place === undefined ? [] : openPorts(place, rules);
  });
}
