import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { humanDuration } from './duration.ts';
import { renderStatus } from './list.ts';

describe('ages', () => {
  const second = 1000;
  const hour = 3600 * second;
  const CASES: readonly (readonly [number, string])[] = [
    [0, 'Less than a second'],
    [second, '1 second'],
    [47 * second, '47 seconds'],
    [60 * second, 'About a minute'],
    [59 * 60 * second, '59 minutes'],
    [hour, 'About an hour'],
    [1.5 * hour, '2 hours'],
    [47 * hour, '47 hours'],
    [48 * hour, '2 days'],
    [24 * 14 * hour, '2 weeks'],
    [24 * 60 * hour, '2 months'],
    [24 * 365 * 2 * hour, '2 years'],
  ];
  for (const [ms, text] of CASES) test(text, () => assert.equal(humanDuration(ms), text));
});

test('states in the words of docker ps', () => {
  const state = {
    pid: 0,
    oomKilled: false,
    exitCode: 7,
    error: '',
    startedAt: '2026-01-01T00:00:00.000000000Z',
    finishedAt: '2026-01-01T00:01:00.000000000Z',
  };
  const now = Date.parse('2026-01-01T00:01:30Z');
  const words = (['created', 'running', 'paused', 'exited', 'dead'] as const).map((status) =>
    renderStatus({ ...state, status }, now),
  );
  assert.deepEqual(words, [
    'Created',
    'Up About a minute',
    'Up About a minute (Paused)',
    'Exited (7) 30 seconds ago',
    'Dead',
  ]);
});
