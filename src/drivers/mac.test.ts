import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { macBytes } from '../model/address.ts';
import { endpointMac } from './mac.ts';

test('property: always locally administered, never multicast, the other bits kept', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (random) => {
      const bytes = macBytes(endpointMac(random));
      assert.equal((bytes[0] ?? 0) & 3, 2);
      assert.deepEqual(bytes.subarray(1), random.subarray(1));
    }),
  );
});
