import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { followers } from './follow-way-out.ts';
import { MTU_OPTION } from './mtu.ts';

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
