import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeEnvironment, overlayEnvironment } from './environment.ts';

test('what the user says stands as it was said, before what the image says of other names', () => {
  const merged = mergeEnvironment(['B=2', 'GONE', 'A=1', 'B=3'], ['A=0', 'PATH=/bin', 'GONE=1', 'C=c=c']);
  assert.deepEqual(merged, ['B=2', 'GONE', 'A=1', 'B=3', 'PATH=/bin', 'C=c=c']);
});

test('the process has each name once, as it was said last, and none that was said alone', () => {
  const env = overlayEnvironment(['PATH=/sbin', 'HOSTNAME=h', 'GONE=0'], ['B=2', 'GONE', 'B=3=3', 'HOSTNAME']);
  assert.deepEqual(env, ['PATH=/sbin', 'B=3=3']);
});
