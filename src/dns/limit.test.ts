import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FairLimit } from './limit.ts';

test('one greedy holder gets half, and a newcomer still finds a place', () => {
  const limit = new FairLimit<string>(1_024);
  let entered = 0;
  while (limit.enter('greedy')) entered++;
  assert.equal(entered, 512);
  assert.ok(limit.enter('newcomer'));
  limit.leave('greedy');
  limit.leave('greedy');
  assert.ok(limit.enter('greedy'));
});

test('whatever happens, the total is kept, and all of it comes back', () => {
  const step = fc.record({ holder: fc.nat(5), enter: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (steps, total) => {
      const limit = new FairLimit<number>(total);
      const held = new Map<number, number>();
      for (const { holder, enter } of steps) {
        const before = held.get(holder) ?? 0;
        if (enter && limit.enter(holder)) held.set(holder, before + 1);
        if (!enter) limit.leave(holder);
        if (!enter && before > 0) held.set(holder, before - 1);
        const sum = [...held.values()].reduce((a, b) => a + b, 0);
        assert.equal(limit.held, sum);
        assert.ok(sum <= total);
      }
    }),
  );
});
