import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress as ip, parsePrefix as prefix } from '../model/address.ts';
import { moveAddress, movePool } from './renumber.ts';

test('an address keeps its place', () => {
  assert.equal(moveAddress(ip('10.1.0.7'), prefix('10.1.0.0/24'), prefix('10.2.0.0/24')), '10.2.0.7');
  assert.equal(moveAddress(ip('10.1.1.7'), prefix('10.1.0.0/16'), prefix('10.2.0.0/24')), undefined);
  assert.equal(moveAddress(ip('fd00::7'), prefix('fd00::/64'), prefix('fd01::/64')), 'fd01::7');
  assert.equal(moveAddress(ip('10.9.0.7'), prefix('10.1.0.0/24'), prefix('10.2.0.0/24')), undefined);
});

test('a pool moves as a whole, or not at all', () => {
  const pool = {
    subnet: prefix('10.1.0.0/16'),
    range: prefix('10.1.5.0/24'),
    gateway: ip('10.1.0.1'),
    gatewayRequested: true,
    auxiliary: { printer: ip('10.1.0.9') },
  } as const;
  assert.deepEqual(movePool(pool, prefix('10.2.0.0/16')), {
    subnet: '10.2.0.0/16',
    range: '10.2.5.0/24',
    gateway: '10.2.0.1',
    gatewayRequested: true,
    auxiliary: { printer: '10.2.0.9' },
  });
  assert.equal(movePool(pool, prefix('10.2.0.0/24')), undefined);
});
