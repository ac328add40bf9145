import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RestartPolicy } from '../model/container.ts';
import { Restarts } from './restarts.ts';

const ALWAYS: RestartPolicy = { name: 'always', maximumRetries: 0 };
const failed = (restartCount = 0, ranFor = 5) => ({ exitCode: 1, ranFor, restartCount });
const succeeded = { exitCode: 0, ranFor: 5, restartCount: 0 };

test('the pauses double from 100 ms to a minute, and begin anew after 10 s of running', () => {
  const restarts = new Restarts();
  const pauses = Array.from({ length: 12 }, (_, count) => restarts.after(ALWAYS, failed(count)));
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.equal(restarts.after(ALWAYS, failed(12, 9_999)), 60_000);
  assert.equal(restarts.after(ALWAYS, failed(13, 10_000)), 100);
  assert.equal(restarts.after(ALWAYS, failed(14)), 200);
});

test('each policy', () => {
  const pause = (policy: RestartPolicy, end = failed()) => new Restarts().after(policy, end);
  assert.equal(pause({ name: 'no', maximumRetries: 0 }), undefined);
  assert.equal(pause(ALWAYS, succeeded), 100);
  assert.equal(pause({ name: 'unless-stopped', maximumRetries: 0 }, succeeded), 100);
  const onFailure = (maximumRetries: number): RestartPolicy => ({ name: 'on-failure', maximumRetries });
  assert.equal(pause(onFailure(0), succeeded), undefined);
  assert.equal(pause(onFailure(0), failed(1000)), 100);
  assert.equal(pause(onFailure(3), failed(2)), 100);
  assert.equal(pause(onFailure(3), failed(3)), undefined);
});

test('who was told to end is not started again, until somebody starts it', () => {
  const restarts = new Restarts();
  restarts.after(ALWAYS, failed());
  restarts.cancel();
  assert.equal(restarts.after(ALWAYS, failed()), undefined);
  restarts.reset();
  assert.equal(restarts.after(ALWAYS, failed()), 100);
});
