import fc from 'fast-check';
import {
  type AddressFamily,
  familyOf,
  makePrefix,
  numberToAddress,
  parseIpAddress,
  prefixesOverlap,
} from '../../src/model/address.ts';
import type { BridgeRule, EntryMode, FirewallResource } from '../../src/model/firewall.ts';
import { resourceKey } from '../../src/model/resource.ts';

const ipv4 = fc.integer({ min: 0x0a000000, max: 0x0affffff }).map((n) => numberToAddress(4, BigInt(n)));
const ipv6 = fc.bigInt({ min: 0n, max: (1n << 120n) - 1n }).map((n) => numberToAddress(6, (0xfdn << 120n) | n));
const address = fc.oneof(ipv4, ipv6);
const subnet = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 8, max: 32 })).map(([a, length]) => makePrefix(a, length)),
  fc.tuple(ipv6, fc.integer({ min: 8, max: 128 })).map(([a, length]) => makePrefix(a, length)),
);
const bridgeName = fc.stringMatching(/^[a-z][a-z0-9._@+#;{}-]{0,13}$/);
/** An address of the host and one of a container, of one family. */
const hostAndContainer = fc.oneof(
  fc.tuple(fc.oneof(fc.constantFrom('0.0.0.0', '127.0.0.1').map(parseIpAddress), ipv4), ipv4),
  fc.tuple(fc.oneof(fc.constantFrom('::', '::ffff:192.0.2.2').map(parseIpAddress), ipv6), ipv6),
);
const ports = {
  protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 20 })),
  port: fc.integer({ min: 1, max: 60_000 }),
  bridge: bridgeName,
};

const bridge: fc.Arbitrary<BridgeRule> = fc
  .record({
    bridge: bridgeName,
    subnet,
    internal: fc.boolean(),
    icc: fc.boolean(),
    mode: fc.constantFrom<EntryMode>('nat', 'nat-unprotected', 'routed'),
  })
  .map(({ icc, ...rest }): BridgeRule => {
    return { kind: 'firewall', meaning: 'bridge', ...rest, ...(icc ? {} : { icc: false }) };
  });

/** A network of one family, or one of both. */
const bridges: fc.Arbitrary<FirewallResource[]> = fc.oneof(
  bridge.map((one) => [one]),
  fc.tuple(bridge, bridge).map(([one, other]) => {
    const { internal, bridge, icc: _, ...own } = { ...other, internal: one.internal, bridge: one.bridge };
    const second = { ...own, internal, bridge, ...(one.icc === false ? { icc: one.icc } : {}) };
    return familyOf(one.subnet) === familyOf(other.subnet) ? [one] : [one, second];
  }),
);

const masquerade: fc.Arbitrary<FirewallResource> = fc
  .record({ bridge: bridgeName, subnet, sources: fc.option(fc.tuple(ipv4, ipv6)) })
  .map(({ sources, bridge, subnet }): FirewallResource => {
    const rule = { kind: 'firewall', meaning: 'masquerade', bridge, subnet } as const;
    return sources === null ? rule : { ...rule, source: sources[familyOf(subnet) === 4 ? 0 : 1] };
  });

const publish: fc.Arbitrary<FirewallResource> = fc
  .record({ ...ports, addresses: hostAndContainer, hostPort: fc.integer({ min: 1, max: 60_000 }), same: fc.boolean() })
  .map(({ same, addresses: [hostAddress, address], ...rest }): FirewallResource => {
    const port = same ? rest.hostPort : rest.port;
    return { kind: 'firewall', meaning: 'publish', ...rest, hostAddress, address, port };
  });

const open = fc
  .record({ ...ports, address, through: fc.option(bridgeName) })
  .map(({ through, ...rest }): FirewallResource => {
    return { kind: 'firewall', meaning: 'open', ...rest, ...(through === null ? {} : { through }) };
  });

const guard = fc
  .constantFrom<AddressFamily>(4, 6)
  .map((family): FirewallResource => ({ kind: 'firewall', meaning: 'forward-guard', family }));

const link = fc
  .record({ bridge: bridgeName, from: ipv4, to: ipv4, protocol: ports.protocol, port: ports.port })
  .map((one): FirewallResource => ({ kind: 'firewall', meaning: 'link', ...one }));

const carry = bridgeName.map((name): FirewallResource => ({ kind: 'firewall', meaning: 'carry', bridge: name }));

const clamp = fc.constant<FirewallResource>({ kind: 'firewall', meaning: 'clamp' });

const rule: fc.Arbitrary<FirewallResource[]> = fc.oneof(
  bridges,
  fc.oneof(masquerade, publish, open, link, guard, clamp, carry).map((one) => [one]),
);

/** As they can exist together: no two have the same bridge, subnets that overlap, or the same port. */
export const rules = fc.array(rule, { maxLength: 12 }).map((candidates) => {
  const kept: FirewallResource[] = [];
  const taken = new Set<string>();
  for (const candidate of candidates) {
    const keys = candidate.flatMap(claims);
    const clashes = candidate.some((one) => kept.some((other) => overlap(other, one)));
    if (clashes || keys.some((key) => taken.has(key))) continue;
    for (const key of keys) taken.add(key);
    kept.push(...candidate);
  }
  return kept;
});

function claims(resource: FirewallResource): string[] {
  switch (resource.meaning) {
    case 'bridge':
      return [`bridge ${resource.bridge}`];
    case 'masquerade':
      return [];
    case 'carry':
    case 'clamp':
    case 'forward-guard':
    case 'link':
      return [resourceKey(resource)];
    case 'publish':
    case 'open': {
      const { meaning, protocol, count } = resource;
      const [first, at] =
        meaning === 'open'
          ? [resource.port, `${resource.through} ${resource.address}`]
          : [resource.hostPort, resource.hostAddress];
      return Array.from({ length: count }, (_, i) => `${meaning} ${protocol} ${at} ${first + i}`);
    }
  }
}

function overlap(a: FirewallResource, b: FirewallResource): boolean {
  return a.meaning === b.meaning && 'subnet' in a && 'subnet' in b && prefixesOverlap(a.subnet, b.subnet);
}

/** For comparison: without the order of resources and of their fields. */
export function texts(resources: readonly FirewallResource[] | undefined): string[] | undefined {
  return resources?.map((resource) => JSON.stringify(Object.entries(resource).sort())).sort();
}
