import fc from 'fast-check';
import { makePrefix, numberToAddress, parseIpAddress, prefixesOverlap } from '../../src/model/address.ts';
import type { FirewallResource } from '../../src/model/resource.ts';

const address = fc.integer({ min: 0x0a000000, max: 0x0affffff }).map((n) => numberToAddress(4, BigInt(n)));
const subnet = fc.tuple(address, fc.integer({ min: 8, max: 32 })).map(([a, length]) => makePrefix(a, length));
const bridgeName = fc.stringMatching(/^[a-z][a-z0-9._@+#;{}-]{0,13}$/);
const hostAddress = fc.oneof(fc.constant(parseIpAddress('0.0.0.0')), fc.constant(parseIpAddress('127.0.0.1')), address);

const rule: fc.Arbitrary<FirewallResource> = fc.oneof(
  fc
    .record({ bridge: bridgeName, subnet, internal: fc.boolean(), icc: fc.boolean() })
    .map(({ icc, ...rest }): FirewallResource => {
      return { kind: 'firewall', meaning: 'bridge', ...rest, ...(icc ? {} : { icc: false }) };
    }),
  fc.record({ kind: fc.constant('firewall'), meaning: fc.constant('masquerade'), bridge: bridgeName, subnet }),
  fc.constant<FirewallResource>({ kind: 'firewall', meaning: 'forward-guard' }),
  fc
    .record({
      protocol: fc.constantFrom('tcp', 'udp'),
      hostAddress,
      hostPort: fc.integer({ min: 1, max: 60_000 }),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 20 })),
      address,
      port: fc.integer({ min: 1, max: 60_000 }),
      bridge: bridgeName,
      same: fc.boolean(),
    })
    .map(({ same, ...rest }): FirewallResource => {
      return { kind: 'firewall', meaning: 'publish', ...rest, port: same ? rest.hostPort : rest.port };
    }),
);

/** As they can exist together: no two have the same bridge, subnets that overlap, or the same port of the host. */
export const rules = fc.array(rule, { maxLength: 12 }).map((candidates) => {
  const kept: FirewallResource[] = [];
  const taken = new Set<string>();
  for (const candidate of candidates) {
    const keys = claims(candidate);
    if (keys.some((key) => taken.has(key)) || kept.some((other) => overlap(other, candidate))) continue;
    for (const key of keys) taken.add(key);
    kept.push(candidate);
  }
  return kept;
});

function claims(resource: FirewallResource): string[] {
  switch (resource.meaning) {
    case 'bridge':
      return [`bridge ${resource.bridge}`];
    case 'masquerade':
      return [];
    case 'forward-guard':
      return ['guard'];
    case 'publish':
      return Array.from(
        { length: resource.count },
        (_, i) => `${resource.protocol} ${resource.hostAddress} ${resource.hostPort + i}`,
      );
  }
}

function overlap(a: FirewallResource, b: FirewallResource): boolean {
  return a.meaning === b.meaning && 'subnet' in a && 'subnet' in b && prefixesOverlap(a.subnet, b.subnet);
}

/** For comparison: without the order of resources and of their fields. */
export function texts(resources: readonly FirewallResource[] | undefined): string[] | undefined {
  return resources?.map((resource) => JSON.stringify(Object.entries(resource).sort())).sort();
}
