import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { provideRuntime } from './foreign.ts';

const folder = mkdtempSync(join(tmpdir(), 'fairway-foreign-'));
after(() => rmSync(folder, { recursive: true }));

test('without arguments it is the program itself', () => {
  assert.equal(provideRuntime(folder, { path: '/usr/bin/crun', args: [] }), '/usr/bin/crun');
});

test('arguments come first, each one word', () => {
  const script = provideRuntime(folder, { path: 'printf', args: ['%s|', "it's", '$HOME'] });
  assert.equal(execFileSync(script, ['a b', '']).toString(), "it's|$HOME|a b||");
  assert.equal(provideRuntime(folder, { path: 'printf', args: ['%s|', "it's", '$HOME'] }), script);
  assert.notEqual(provideRuntime(folder, { path: 'printf', args: ['%s'] }), script);
});
