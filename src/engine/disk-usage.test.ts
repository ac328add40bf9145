import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerUsage } from './disk-usage.ts';

test('layers count once; what two images have in common is shared', () => {
  const base = { id: 'base', layers: ['a'], layerSizes: [100] };
  const app = { id: 'app', layers: ['a', 'b'], layerSizes: [100, 7] };
  const other = { id: 'other', layers: ['b'], layerSizes: [9] };
  const { total, shared } = layerUsage([base, app, other]);
  assert.equal(total, 116);
  assert.deepEqual(
    [...shared],
    [
      ['base', 100],
      ['app', 100],
      ['other', 0],
    ],
  );
});
