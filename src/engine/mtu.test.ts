import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { automaticMtu, followers, followsHost, MTU_OPTION } from './mtu.ts';

test('what the way out takes, within what IPv6 needs and Ethernet has', () => {
  assert.deepEqual([1420, 9000, 576, undefined].map(automaticMtu), [1420, 1500, 1280, 1500]);
});

test('a bridge network goes by the host unless its options say a number', () => {
  assert.ok(followsHost('bridge', {}));
  assert.ok(followsHost('bridge', { [MTU_OPTION]: '0' }));
  assert.ok(!followsHost('bridge', { [MTU_OPTION]: '1400' }));
  assert.ok(!followsHost('host', {}));
});

test('only networks that go by the host follow, and the default one shows it', () => {
  const network = (name: string, mtu?: number, option?: string) =>
    plainNetwork<unknown>(
      name,
      {},
      {
        ...(mtu === undefined ? {} : { mtu }),
        driverOptions: option === undefined ? {} : { [MTU_OPTION]: option },
      },
    );
  const found = followers(
    [network('fixed', undefined, '1500'), network('a', 1500), network('b', 1420), network('bridge', 1500, '1500')],
    1420,
  );
  assert.deepEqual(
    found.map(({ name, mtu, driverOptions }) => [name, mtu, driverOptions[MTU_OPTION]]),
    [
      ['a', 1420, undefined],
      ['bridge', 1420, '1420'],
    ],
  );
  const options = found.map(({ options: parsed }) => (parsed as { readonly mtu?: number }).mtu);
  assert.deepEqual(options, [undefined, 1420]);
});
