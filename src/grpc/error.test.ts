import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from './error.ts';

test('a message is decoded, and one that cannot be is told as it came', () => {
  assert.equal(decodeMessage('image %22caf%C3%A9%22: not found'), 'image "café": not found');
  assert.equal(decodeMessage('100% of \u00ff'), '100% of \u00ff');
  assert.equal(decodeMessage('%FF'), '%FF');
});
