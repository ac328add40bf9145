import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDetachKeys } from './detach.ts';

/** What goes through, chunk by chunk, until the keys were typed. */
function type(keys: string, ...chunks: string[]): string {
  const detach = parseDetachKeys(keys);
  let through = '';
  for (const chunk of chunks) {
    const { bytes, detached } = detach.push(Buffer.from(chunk));
    through += bytes.toString();
    if (detached) return `${through}|`;
  }
  return through;
}

describe('detach keys', () => {
  const CASES: readonly (readonly [string, string[], string])[] = [
    ['', ['ls\n'], 'ls\n'],
    ['', ['ls\x10\x11more'], 'ls|'],
    ['', ['ls\x10', '\x11'], 'ls|'],
    ['', ['\x10', 'x'], '\x10x'],
    ['', ['\x10\x10\x11'], '\x10|'],
    ['ctrl-a,d', ['\x01\x01d'], '\x01|'],
    ['a', ['bca'], 'bc|'],
  ];
  for (const [keys, chunks, wanted] of CASES) {
    test(JSON.stringify([keys, ...chunks]), () => assert.equal(type(keys, ...chunks), wanted));
  }

  for (const keys of ['ctrl-1', 'ctrl-', 'xy', ',']) {
    test(`${keys} are none`, () => {
      assert.throws(() => parseDetachKeys(keys), { message: `Invalid detach keys (${keys}) provided` });
    });
  }
});
