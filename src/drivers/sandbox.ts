import { parseIpAddress } from '../model/address.ts';
import type { Sandbox } from '../model/network.ts';
import type { Resource } from '../model/resource.ts';

/** Docker's address of the embedded resolver, as resolv.conf in containers names it. */
const RESOLVER_ADDRESS = parseIpAddress('127.0.0.11');

/** What every sandbox holds, whatever it is attached to; wished by `sandbox:<id>`. */
export function describeSandbox({ namespace, resolver, sysctls = {} }: Sandbox): Resource[] {
  // The user's word takes the place of ours.
  const sysctl = (path: string, value: string): Resource => {
    return { kind: 'sysctl', namespace, path, value: sysctls[path] ?? value };
  };
  const resources: Resource[] = [
    { kind: 'namespace', name: namespace },
    { kind: 'link', type: 'loopback', namespace, name: 'lo', up: true },
    // Containers are root of their own network: port 80 and ping need no capability, as in Docker since 20.10.
    sysctl('net/ipv4/ip_unprivileged_port_start', '0'),
    sysctl('net/ipv4/ping_group_range', '0 2147483647'),
    // For links that come later; lo was born before and keeps ::1. A link with an IPv6 address has it switched on again.
    sysctl('net/ipv6/conf/default/disable_ipv6', '1'),
    // Each address is allotted once: asking the network for duplicates would keep it unusable for a second.
    sysctl('net/ipv6/conf/default/accept_dad', '0'),
    // A link tells its neighbours when it comes up: they may have known its address with another MAC address.
    sysctl('net/ipv4/conf/default/arp_notify', '1'),
    sysctl('net/ipv6/conf/default/ndisc_notify', '1'),
  ];
  const known = new Set(resources.map((resource) => (resource.kind === 'sysctl' ? resource.path : '')));
  for (const [path, value] of Object.entries(sysctls)) if (!known.has(path)) resources.push(sysctl(path, value));
  if (resolver) resources.push({ kind: 'listener', purpose: 'resolver', namespace, address: RESOLVER_ADDRESS });
  return resources;
}
