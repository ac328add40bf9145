import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminalSize } from './query.ts';

test('a terminal’s size, and Docker’s words for what is none', () => {
  const size = (query: string) => terminalSize(new URLSearchParams(query));
  assert.deepEqual(size('h=40&w=0'), { height: 40, width: 0 });
  const refused = [
    ['w=1', 'invalid resize height "": invalid syntax'],
    ['h=1&w=', 'invalid resize width "": invalid syntax'],
    ['h=tall&w=1', 'invalid resize height "tall": invalid syntax'],
    ['h=1&w=-100', 'invalid resize width "-100": value out of range'],
    ['h=4294967296&w=1', 'invalid resize height "4294967296": value out of range'],
  ] as const;
  for (const [query, message] of refused) assert.throws(() => size(query), { kind: 'invalidArgument', message });
});
