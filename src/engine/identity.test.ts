import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_POOLS, FURTHER_POOLS } from '../ipam/ipam.ts';
import { parsePrefix } from '../model/address.ts';
import { addressPools, uniqueLocalPrefix } from './identity.ts';

// printf %s ID | sha256sum: bytes 3 to 7.
test('the IPv6 pool is the /48 that Docker derives from the same id', () => {
  assert.equal(uniqueLocalPrefix(''), 'fd42:98fc:1c14::/48');
  assert.equal(uniqueLocalPrefix('abc'), 'fdbf:8f01:cfea::/48');
});

test('configured pools replace Docker’s; only a pool of IPv6 among them replaces the derived one', () => {
  const derived = { base: uniqueLocalPrefix('x'), size: 64 };
  const four = { base: parsePrefix('10.0.0.0/8'), size: 24 };
  const six = { base: parsePrefix('fd00::/48'), size: 64 };
  assert.deepEqual(addressPools([], 'x'), { pools: [...DEFAULT_POOLS, derived], further: FURTHER_POOLS });
  assert.deepEqual(addressPools([four], 'x'), { pools: [four, derived], further: [] });
  assert.deepEqual(addressPools([four, six], 'x'), { pools: [four, six], further: [] });
});
