import { readdirSync } from 'node:fs';
import { NetworkNamespace } from '../kernel/netns.ts';
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts';
import type { AddressFamily } from '../model/address.ts';
import { hasCode } from '../model/errors.ts';

/** Below /proc/sys: one directory a link, and `all` and `default`. */
const IPV6_CONF = 'net/ipv6/conf';
/** accept_ra: 1 is "unless this host forwards", 2 "also then" (ip-sysctl.rst in the kernel's documentation) */
const UNLESS_FORWARDING = '1';
const ALWAYS = '2';

/** Whether the host passes packets of the family on; of IPv6, whether one of its links does. */
export function isRouter(family: AddressFamily, namespace: NetworkNamespace = NetworkNamespace.home()): boolean {
  if (family === 4) return readSysctl(namespace, 'net/ipv4/ip_forward') === '1';
  return ipv6Links(namespace).some((link) => read(namespace, link, 'forwarding') === '1');
}

/**
 * A host that learns its default route from router advertisements loses it when forwarding is switched on, for routers do
 * not listen to routers (rt6_purge_dflt_routers in net/ipv6/route.c). Links that listen, and those to come, are told to go
 * on. What does not listen goes on not listening.
 */
export function goOnHearingRouters(namespace: NetworkNamespace = NetworkNamespace.home()): void {
  for (const link of ipv6Links(namespace)) {
    if (link === 'all' || read(namespace, link, 'accept_ra') !== UNLESS_FORWARDING) continue;
    unlessGone(() => writeSysctl(namespace, `${IPV6_CONF}/${link}/accept_ra`, ALWAYS));
  }
}

/** Names as they are in /proc/sys; none on a kernel without IPv6. */
function ipv6Links(namespace: NetworkNamespace): string[] {
  return unlessGone(() => namespace.run(() => readdirSync(`/proc/sys/${IPV6_CONF}`))) ?? [];
}

function read(namespace: NetworkNamespace, link: string, name: string): string | undefined {
  return unlessGone(() => readSysctl(namespace, `${IPV6_CONF}/${link}/${name}`));
}

/** Links come and go while they are looked at. */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
