import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';

test('the first five repairs are free, then the wait doubles up to half a minute', () => {
  const backoff = new Backoff();
  const waits: number[] = [];
  const told: boolean[] = [];
  let now = 1_000_000;
  for (let i = 0; i < 16; i++) {
    told.push(backoff.repaired('x', now));
    waits.push(backoff.readyAt('x', now) - now);
    now = backoff.readyAt('x', now);
  }
  const free = [0, 0, 0, 0, 0];
  assert.deepEqual(waits, [...free, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
  assert.equal(told.indexOf(true), 5);
  assert.equal(told.lastIndexOf(true), 5);
  assert.equal(backoff.readyAt('y', now), now);
});

test('what stayed whole for ten seconds after its wait starts afresh', () => {
  const backoff = new Backoff();
  for (let i = 0; i < 7; i++) backoff.repaired('x', 0);
  assert.deepEqual(backoff.contested(400), [{ key: 'x', count: 7, since: 0, next: 400 }]);
  assert.equal(backoff.contested(10_400).length, 1);
  assert.deepEqual(backoff.contested(10_401), []);
  backoff.repaired('x', 10_401);
  assert.equal(backoff.readyAt('x', 10_401), 10_401);
});

test('what could not be mended is told with its reason from the first time on', () => {
  const backoff = new Backoff();
  backoff.repaired('x', 5, { failure: 'no such device' });
  assert.deepEqual(backoff.contested(6), [{ key: 'x', count: 1, since: 5, next: 5, failure: 'no such device' }]);
  backoff.repaired('x', 7);
  assert.deepEqual(backoff.contested(8), []);
});
