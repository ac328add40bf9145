import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Health, HealthCheck } from '../model/health.ts';
import { judge, mergeHealthCheck, pauseBeforeProbe, probeCommand } from './health.ts';

const CHECK: HealthCheck = {
  test: ['CMD', 'true'],
  interval: 0,
  timeout: 0,
  startPeriod: 0,
  startInterval: 0,
  retries: 0,
};
const NEW: Health = { status: 'starting', failingStreak: 0, log: [] };
const probe = (exitCode: number, output = '') => ({ start: 's', end: 'e', exitCode, output });

test('three failures in a row make it unhealthy, one success healthy; five probes are remembered', () => {
  let health = NEW;
  const told = [1, 1, 0, 1, 2, 1, 1, 0].map((exitCode, index) => {
    health = judge(CHECK, health, probe(exitCode, String(index)), 0);
    return `${health.status} ${health.failingStreak}`;
  });
  assert.deepEqual(told, [
    'starting 1',
    'starting 2',
    'healthy 0',
    'healthy 1',
    'healthy 2',
    'unhealthy 3',
    'unhealthy 4',
    'healthy 0',
  ]);
  assert.deepEqual(
    health.log.map(({ output }) => output),
    ['3', '4', '5', '6', '7'],
  );
});

test('failures of the start period do not count, until it was healthy', () => {
  const check = { ...CHECK, startPeriod: 10, retries: 1 };
  assert.equal(judge(check, NEW, probe(1), 9).status, 'starting');
  assert.equal(judge(check, NEW, probe(1), 10).status, 'unhealthy');
  assert.equal(judge(check, judge(check, NEW, probe(0), 1), probe(1), 2).status, 'unhealthy');
});

test('the pause: the start interval while it starts, the interval then', () => {
  const check = { ...CHECK, startPeriod: 10, startInterval: 2 };
  assert.equal(pauseBeforeProbe(check, NEW, 9), 2);
  assert.equal(pauseBeforeProbe(check, NEW, 10), 30e9);
  assert.equal(pauseBeforeProbe(check, { ...NEW, status: 'healthy' }, 1), 30e9);
  assert.equal(pauseBeforeProbe({ ...CHECK, startPeriod: 10 }, NEW, 0), 5e9);
  assert.equal(pauseBeforeProbe({ ...CHECK, interval: 7 }, NEW, 0), 7);
});

test('what is run, and what the image adds', () => {
  assert.deepEqual(probeCommand({ healthCheck: CHECK }), ['true']);
  const shell = { ...CHECK, test: ['CMD-SHELL', 'a || b'] };
  assert.deepEqual(probeCommand({ healthCheck: shell }), ['/bin/sh', '-c', 'a || b']);
  assert.deepEqual(probeCommand({ healthCheck: shell, shell: ['ash', '-ec'] }), ['ash', '-ec', 'a || b']);
  for (const nothing of [['NONE'], []])
    assert.equal(probeCommand({ healthCheck: { ...CHECK, test: nothing } }), undefined);
  const image = { ...CHECK, interval: 5, retries: 2 };
  assert.deepEqual(mergeHealthCheck({ ...CHECK, test: [], interval: 9 }, image), { ...image, interval: 9 });
  assert.equal(mergeHealthCheck(undefined, image), image);
});
