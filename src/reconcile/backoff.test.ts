import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';

test('the first two repairs are free, then the wait doubles up to half a minute', () => {
  const backoff = new Backoff();
  const waits: number[] = [];
  let now = 1_000_000;
  for (let i = 0; i < 13; i++) {
    backoff.repaired('x', now);
    waits.push(backoff.readyAt('x', now) - now);
    now = backoff.readyAt('x', now);
  }
  assert.deepEqual(waits, [0, 0, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
  assert.equal(backoff.readyAt('y', now), now);
});

test('what stayed whole for a minute starts afresh', () => {
  const backoff = new Backoff();
  for (let i = 0; i < 5; i++) backoff.repaired('x', 0);
  backoff.repaired('x', 60_001);
  assert.equal(backoff.readyAt('x', 60_001), 60_001);
});
