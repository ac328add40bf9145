import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

test('the first start leaves everything the daemon may load compiled, the next one adds nothing', () => {
  const cache = mkdtempSync(join(tmpdir(), 'fairway-compiled-'));
  try {
    const start = () =>
      execFileSync(join(ROOT, 'bin/fairwayd'), ['--version'], { env: { ...process.env, NODE_COMPILE_CACHE: cache } });
    const entries = () => globSync('*/*', { cwd: cache }).sort();
    start();
    const first = entries();
    const sources = globSync('**/*.ts', { cwd: join(ROOT, 'src'), exclude: ['**/*.test.ts', 'cmd/**'] });
    assert.ok(first.length >= sources.length, `${first.length} entries for ${sources.length} sources`);
    start();
    assert.deepEqual(entries(), first);
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
});
