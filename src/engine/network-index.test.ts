import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainNetwork } from '../../test/plain-network.ts';
import { makePrefix, numberToAddress } from '../model/address.ts';
import type { Network } from '../model/network.ts';
import { packetSize } from './mtu.ts';
import { NetworkIndex } from './network-index.ts';

/** A network is put, with this many subnets and this size, or taken away. */
const step = fc.record({ id: fc.nat({ max: 5 }), pools: fc.nat({ max: 2 }), mtu: fc.constantFrom(1400, 1500) });
const steps = fc.array(fc.oneof(step, fc.nat({ max: 5 })), { maxLength: 30 });

let subnets = 0;

function network({ id, pools, mtu }: { id: number; pools: number; mtu: number }): Network<unknown> {
  const subnet = () => makePrefix(numberToAddress(4, BigInt(10 * 2 ** 24 + 256 * subnets++)), 24);
  return plainNetwork<unknown>(
    `n${id}`,
    {},
    { id: `${id}`, mtu, pools: Array.from({ length: pools }, () => ({ subnet: subnet(), auxiliary: {} })) },
  );
}

test('property: whatever comes and goes, it says what going through all networks would', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (all, asks) => {
      const networks = new Map<string, Network>();
      const index = new NetworkIndex(networks);
      for (const one of all) {
        const after = typeof one === 'number' ? undefined : network(one);
        const id = after?.id ?? String(one);
        index.note(networks.get(id), after);
        if (after === undefined) networks.delete(id);
        else networks.set(id, after);
        if (asks) assert.equal(index.subnets.length, [...networks.values()].flatMap(({ pools }) => pools).length);
      }
      const left = [...networks.values()];
      assert.deepEqual(
        index.subnets,
        left.flatMap(({ pools }) => pools.map(({ subnet }) => subnet)),
      );
      assert.deepEqual([...index.packetSizes].sort(), [...new Set(left.map(packetSize))].sort());
      for (const id of [0, 1, 2, 3, 4, 5]) assert.equal(index.named(`n${id}`), networks.get(`${id}`));
    }),
  );
});
