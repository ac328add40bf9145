import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderPathStat } from './path-stat.ts';

const modeOf = (mode: number) =>
  renderPathStat({ name: 'x', size: 0, mode, modified: 0n, linkTarget: '' }).mode.toString(8);

test('types and special bits as Go has them', () => {
  assert.equal(modeOf(0o100644), '644');
  assert.equal(modeOf(0o040755), '20000000755');
  assert.equal(modeOf(0o041777), '20004000777');
  assert.equal(modeOf(0o120777), '1000000777');
  assert.equal(modeOf(0o104755), '40000755');
  assert.equal(modeOf(0o020600), '410000600');
});

test('the time has its nanoseconds', () => {
  const stat = renderPathStat({ name: 'x', size: 3, mode: 0, modified: 1_795_224_217_000_000_005n, linkTarget: '/y' });
  assert.equal(stat.mtime, '2026-11-21T01:23:37.000000005Z');
  assert.equal(stat.linkTarget, '/y');
});
