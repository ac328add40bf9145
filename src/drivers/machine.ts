import type { Resource } from '../model/resource.ts';

/** How the host passes packets on for its containers. */
export interface HostForwarding {
  /** Unless false, forwarding is switched on and held (`--ip-forward`) */
  readonly forwarding?: boolean;
  /** Forwarding was off before Fairway: the host must not become a router for others */
  readonly forwardingGuard: boolean;
}

/** What the host holds for all networks together; wished by `host`. */
export function describeHost(options: HostForwarding): Resource[] {
  const resources: Resource[] = [];
  if (options.forwarding !== false) {
    resources.push({ kind: 'sysctl', namespace: 'host', path: 'net/ipv4/ip_forward', value: '1' });
  }
  if (options.forwardingGuard) resources.push({ kind: 'firewall', meaning: 'forward-guard', family: 4 });
  return resources;
}
