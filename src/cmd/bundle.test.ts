import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

test('the first start makes one file of the daemon and one of each thread, for the sources as they are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairway-bundle-'));
  try {
    const cache = join(folder, 'cache');
    const start = (root: string) =>
      execFileSync(join(root, 'bin/fairwayd'), ['--version'], {
        env: { ...process.env, NODE_COMPILE_CACHE: cache },
        encoding: 'utf8',
      });
    const bundles = () => globSync('bundle/*', { cwd: cache });
    const version = start(ROOT);
    const threads = globSync('**/*.worker.ts', { cwd: join(ROOT, 'src') });
    const files = ['fairwayd.ts', ...threads].map((path) => `${basename(path, '.ts')}.cjs`);
    const [made = ''] = bundles();
    assert.deepEqual(readdirSync(join(cache, made)).sort(), files.sort());
    // What V8 would keep two bytes a character of.
    assert.doesNotMatch(readFileSync(join(cache, made, 'fairwayd.cjs'), 'utf8'), /[^\0-\x7f]/);
    start(ROOT);
    assert.deepEqual(bundles(), [made]);

    // Another checkout with the same cache, unpacked with times of long ago.
    const other = join(folder, 'other');
    for (const part of ['bin', 'src', 'package.json', 'package-lock.json']) {
      cpSync(join(ROOT, part), join(other, part), { recursive: true, preserveTimestamps: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(other, 'node_modules'));
    const manifest = join(other, 'package.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/"version": "[^"]*"/, '"version": "9.9.9-test"'));
    utimesSync(manifest, 0, 0);
    assert.match(start(other), /9\.9\.9-test/);
    assert.equal(start(ROOT), version);
    assert.equal(bundles().length, 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('where no bundle can be kept, the sources run', () => {
  const options = { env: { ...process.env, NODE_COMPILE_CACHE: '/dev/null/nowhere' }, encoding: 'utf8' } as const;
  assert.match(execFileSync(join(ROOT, 'bin/fairwayd'), ['--version'], options), /^Fairway version /);
});
