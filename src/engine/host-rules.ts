import { type AddressFamily, familyOf } from '../model/address.ts';
import { type FirewallResource, type Resource, resourceKey } from '../model/resource.ts';
import type { NetworkConfig } from './config.ts';

type Flags = Pick<NetworkConfig, 'firewall' | 'allowDirectRouting'>;

/**
 * What drivers describe, as the daemon's flags allow it: `--iptables=false` and `--ip6tables=false` leave the rules of their
 * family away, `--allow-direct-routing` opens published ports at the containers' own addresses, too.
 */
export function underFlags(resources: readonly Resource[], flags: Flags): readonly Resource[] {
  const { firewall, allowDirectRouting } = flags;
  if (firewall.ipv4 && firewall.ipv6 && !allowDirectRouting) return resources;
  const allowed = resources.flatMap((resource) => (isAllowed(resource, firewall) ? [guarded(resource, firewall)] : []));
  if (!allowDirectRouting) return allowed;
  // A port that is published twice is opened once.
  const opened = new Map(allowed.flatMap(direct).map((rule) => [resourceKey(rule), rule]));
  return [...allowed, ...opened.values()];
}

function isAllowed(resource: Resource, { ipv4, ipv6 }: Flags['firewall']): boolean {
  if (resource.kind !== 'firewall' && resource.kind !== 'passage') return true;
  const family = resource.kind === 'passage' ? resource.family : familyOfRule(resource);
  return family === 4 ? ipv4 : ipv6;
}

/** route_localnet lets the host's 127.0.0.1 leave by the bridge. What keeps containers from coming in by it are rules. */
function guarded(resource: Resource, { ipv4 }: Flags['firewall']): Resource {
  const isDoor = resource.kind === 'sysctl' && resource.path.endsWith('/route_localnet');
  return isDoor && !ipv4 ? { ...resource, value: '0' } : resource;
}

function familyOfRule(rule: FirewallResource): AddressFamily {
  if ('family' in rule) return rule.family;
  if (rule.meaning === 'link') return familyOf(rule.to);
  // Frames of any family; without rules for IPv4 there is no guard they would have to pass.
  if (rule.meaning === 'carry') return 4;
  return familyOf('subnet' in rule ? rule.subnet : rule.address);
}

function direct(resource: Resource): Resource[] {
  if (resource.kind !== 'firewall' || resource.meaning !== 'publish') return [];
  const { protocol, address, port, count, bridge } = resource;
  return [{ kind: 'firewall', meaning: 'open', protocol, address, port, count, bridge }];
}
