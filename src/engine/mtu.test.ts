import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { automaticMtu, followsHost, isTooNarrow, MTU_OPTION, packetSize } from './mtu.ts';

test('what the way out takes, within what IPv6 needs and Ethernet has', () => {
  assert.deepEqual([1420, 9000, 576, undefined].map(automaticMtu), [1420, 1500, 1280, 1500]);
});

test('a bridge network goes by the host unless its options say a number', () => {
  assert.ok(followsHost('bridge', {}));
  assert.ok(followsHost('bridge', { [MTU_OPTION]: '0' }));
  assert.ok(!followsHost('bridge', { [MTU_OPTION]: '1400' }));
  assert.ok(!followsHost('host', {}));
});

test('the size of a network’s packets: what its options say, else what goes by the host; none where they go another way', () => {
  const option = (mtu: string) => ({ driverOptions: { [MTU_OPTION]: mtu } });
  const size = (more: object) => packetSize({ ...plainNetwork<unknown>('a', {}, {}), ...more });
  assert.deepEqual([{ mtu: 1400 }, option('9000'), option('0'), {}, { mtu: 1400, driver: 'macvlan' }].map(size), [
    1400,
    9000,
    1500,
    1500,
    undefined,
  ]);
});

test('a network is too large for a way, or for another network, that takes less', () => {
  assert.ok(!isTooNarrow([], 1280));
  assert.ok(!isTooNarrow([1500], 1500));
  assert.ok(isTooNarrow([1500], 1499));
  assert.ok(isTooNarrow([1500, 9000], 9000));
  assert.ok(!isTooNarrow([9000], Number.POSITIVE_INFINITY));
});
