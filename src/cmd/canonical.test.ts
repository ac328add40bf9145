import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonical } from './canonical.ts';

test('a path without its links, also of what does not exist yet', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fairway-canonical-')));
  mkdirSync(join(folder, 'real/inner'), { recursive: true });
  symlinkSync('real', join(folder, 'link'));
  try {
    assert.equal(canonical(join(folder, 'link/inner')), join(folder, 'real/inner'));
    assert.equal(canonical(join(folder, 'link')), join(folder, 'real'));
    assert.equal(canonical(join(folder, 'link/not/yet')), join(folder, 'real/not/yet'));
    assert.equal(canonical('/'), '/');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
