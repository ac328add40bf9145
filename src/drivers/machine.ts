import type { AddressFamily } from '../model/address.ts';
import type { Resource } from '../model/resource.ts';

/** How the host passes packets of one family on for its containers. */
export interface HostForwarding {
  readonly family: AddressFamily;
  /** Forwarding was off before Fairway: the host must not become a router for others */
  readonly guard: boolean;
}

/** By family. `default` is for links that come later. */
const FORWARDING: Readonly<Record<AddressFamily, readonly string[]>> = {
  4: ['net/ipv4/ip_forward'],
  6: ['net/ipv6/conf/default/forwarding', 'net/ipv6/conf/all/forwarding'],
};

/** What the host holds for all networks together, wished by `host`. */
export interface HostNeeds {
  /** Families whose forwarding is switched on and held */
  readonly forwarding: readonly HostForwarding[];
  /** Some way is too narrow for the packets of a network */
  readonly clamp: boolean;
}

export function describeHost({ forwarding, clamp }: HostNeeds): Resource[] {
  return [
    ...forwarding.flatMap(({ family, guard }): Resource[] => [
      ...FORWARDING[family].map((path): Resource => ({ kind: 'sysctl', namespace: 'host', path, value: '1' })),
      ...(guard ? [{ kind: 'firewall', meaning: 'forward-guard', family } as const] : []),
    ]),
    ...(clamp ? [{ kind: 'firewall', meaning: 'clamp' } as const] : []),
  ];
}
