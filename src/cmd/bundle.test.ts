import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

test('the first start makes one file of the daemon and one of each thread; one that is older than the sources is made again', () => {
  const cache = mkdtempSync(join(tmpdir(), 'fairway-compiled-'));
  try {
    const start = () =>
      execFileSync(join(ROOT, 'bin/fairwayd'), ['--version'], { env: { ...process.env, NODE_COMPILE_CACHE: cache } });
    const daemon = join(cache, 'bundle/fairwayd.cjs');
    start();
    const threads = globSync('**/*.worker.ts', { cwd: join(ROOT, 'src') });
    const files = ['fairwayd.ts', ...threads].map((path) => `${basename(path, '.ts')}.cjs`);
    assert.deepEqual(globSync('*', { cwd: join(cache, 'bundle') }).sort(), files.sort());
    // What V8 would keep two bytes a character of.
    assert.doesNotMatch(readFileSync(daemon, 'utf8'), /[^\0-\x7f]/);

    const made = () => statSync(daemon).ino;
    const first = made();
    start();
    assert.equal(made(), first);
    utimesSync(daemon, 0, 0);
    start();
    assert.notEqual(made(), first);
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
});

test('where no bundle can be kept, the sources run', () => {
  const options = { env: { ...process.env, NODE_COMPILE_CACHE: '/dev/null/nowhere' }, encoding: 'utf8' } as const;
  assert.match(execFileSync(join(ROOT, 'bin/fairwayd'), ['--version'], options), /^Fairway version /);
});
