import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../model/network.ts';
import { EndpointIndex } from './endpoint-index.ts';

test('has of every container what a look through all endpoints finds, in that order', () => {
  const step = fc.record({ id: fc.nat(8), container: fc.nat(3), removed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const all = new Map<string, Endpoint>();
      const index = new EndpointIndex();
      for (const { id, container, removed } of steps) {
        const before = all.get(`${id}`);
        const after = removed
          ? undefined
          : ({ id: `${id}`, container: before?.container ?? `${container}` } as Endpoint);
        index.note(before, after);
        if (after === undefined) all.delete(`${id}`);
        else all.set(after.id, after);
      }
      for (const container of ['0', '1', '2', '3']) {
        const found = [...all.values()].filter((endpoint) => endpoint.container === container);
        assert.deepEqual(index.of(container), found);
      }
    }),
  );
});
