import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { automaticMtu, followsHost, isTooNarrow, MTU_OPTION } from './mtu.ts';

test('what the way out takes, within what IPv6 needs and Ethernet has', () => {
  assert.deepEqual([1420, 9000, 576, undefined].map(automaticMtu), [1420, 1500, 1280, 1500]);
});

test('a bridge network goes by the host unless its options say a number', () => {
  assert.ok(followsHost('bridge', {}));
  assert.ok(followsHost('bridge', { [MTU_OPTION]: '0' }));
  assert.ok(!followsHost('bridge', { [MTU_OPTION]: '1400' }));
  assert.ok(!followsHost('host', {}));
});

test('a network is too large for a way, or for another network, that takes less', () => {
  const automatic = plainNetwork<unknown>('a', {}, { mtu: 1500 });
  const chosen = plainNetwork<unknown>('b', {}, { driverOptions: { [MTU_OPTION]: '9000' } });
  const silent = plainNetwork<unknown>('c', {}, {});
  assert.ok(!isTooNarrow([], 1280));
  assert.ok(!isTooNarrow([automatic, silent], 1500));
  assert.ok(isTooNarrow([automatic, silent], 1499));
  assert.ok(isTooNarrow([automatic, chosen], 9000));
  assert.ok(!isTooNarrow([chosen], Number.POSITIVE_INFINITY));
  assert.ok(!isTooNarrow([automatic, { ...chosen, driver: 'macvlan' }], 1500));
});
