import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { macFromBytes, numberToAddress } from '../../model/address.ts';
import type { PortSecurityResource } from '../../model/resource.ts';
import { elementId } from '../firewall/element.ts';
import { compilePort, decompilePorts } from './meaning.ts';

const address = fc.oneof(
  fc.integer({ min: 1, max: 0xfffffffe }).map((n) => numberToAddress(4, BigInt(n))),
  fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }).map((n) => numberToAddress(6, n)),
);
const port = fc
  .record({
    link: fc.stringMatching(/^[a-z][a-z0-9.-]{0,13}$/),
    mac: fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes)),
    addresses: fc.uniqueArray(address, { maxLength: 4 }).map((some) => some.toSorted()),
  })
  .map((one): PortSecurityResource => ({ kind: 'port-security', namespace: 'host', ...one }));
const ports = fc.uniqueArray(port, { selector: ({ link }) => link, maxLength: 6 });

const byLink = (resources: readonly PortSecurityResource[] | undefined) =>
  resources?.toSorted((a, b) => (a.link < b.link ? -1 : 1));

test('elements mean what they were made from, in whatever order the kernel lists them', () => {
  fc.assert(
    fc.property(ports, fc.boolean(), (resources, reverse) => {
      const elements = resources.flatMap(compilePort);
      assert.deepEqual(byLink(decompilePorts(reverse ? elements.toReversed() : elements)), byLink(resources));
    }),
  );
});

test('one element less never means the same', () => {
  fc.assert(
    fc.property(ports, fc.nat(), (resources, at) => {
      const elements = resources.flatMap(compilePort);
      if (elements.length === 0) return;
      const left = elements.toSpliced(at % elements.length, 1);
      assert.notDeepEqual(byLink(decompilePorts(left)), byLink(resources), elements.map(elementId).join());
    }),
  );
});
