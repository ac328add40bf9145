import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalVolumes } from './local.ts';

test('a removal that was cut off is told by what it left, until the volume is made anew', async () => {
  const root = mkdtempSync(join(tmpdir(), 'fairway-volumes-'));
  try {
    const volumes = new LocalVolumes(root, root, undefined);
    const names = ['data', 'other', 'never made'];
    for (const name of ['data', 'other']) volumes.create(name);
    assert.deepEqual(volumes.removed(names), []);
    const going = volumes.remove('data');
    assert.deepEqual(volumes.removed(names), ['data']);
    volumes.create('data');
    assert.deepEqual(volumes.removed(names), []);
    await going;
    assert.ok(existsSync(volumes.path('data')));
    assert.deepEqual(volumes.removed(names), []);
  } finally {
    rmSync(root, { recursive: true });
  }
});
