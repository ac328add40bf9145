import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration } from './duration.ts';

test('durations are written as Go writes them', () => {
  const known = [
    [0, '0s'],
    [7, '7ns'],
    [15e3, '15µs'],
    [300e6, '300ms'],
    [1e9, '1s'],
    [1.5e9, '1.5s'],
    [90e9, '1m30s'],
    [7200e9, '2h0m0s'],
  ] as const;
  for (const [nanoseconds, text] of known) assert.equal(formatDuration(nanoseconds), text);
});
