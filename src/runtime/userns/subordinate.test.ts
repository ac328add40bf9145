import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeRange, parseSubordinates, rangesOf } from './subordinate.ts';

const refused = (words: string) => ({ kind: 'invalidArgument', message: words });
const lines = parseSubordinates(
  '# ids\n\nweb:100000:65536\n4711:300000:10\nweb:200000:1000\nnone:1:0\n',
  '/etc/subuid',
);

test('a user’s ranges follow each other in the container; a line for its number comes before those for its name', () => {
  assert.deepEqual(rangesOf(lines, { name: 'web', uid: 33 }, 'subuid'), [
    { container: 0, host: 100_000, size: 65_536 },
    { container: 65_536, host: 200_000, size: 1000 },
  ]);
  assert.deepEqual(rangesOf(lines, { name: 'web', uid: 4711 }, 'subuid'), [{ container: 0, host: 300_000, size: 10 }]);
});

test('a user without ids is refused in Docker’s words, and one whose ids begin too low', () => {
  for (const name of ['ghost', 'none']) {
    const words = `Can't create ID mappings: no subgid ranges found for user "${name}"`;
    assert.throws(() => rangesOf(lines, { name, uid: 1 }, 'subgid'), refused(words));
  }
  const low = parseSubordinates('low:1000:65536', '/etc/subuid');
  assert.throws(() => rangesOf(low, { name: 'low', uid: 1 }, 'subuid'), /begins with 1000: it must begin above 65535$/);
});

test('a file that is none is named', () => {
  const words = 'cannot parse subuid/subgid information: ';
  assert.throws(
    () => parseSubordinates('web:1', '/etc/subuid'),
    refused(`${words}Format not correct for /etc/subuid file`),
  );
  assert.throws(
    () => parseSubordinates('web:1:x', '/etc/subgid'),
    refused(`${words}String to int conversion failed during subuid/gid parsing of /etc/subgid: "x"`),
  );
});

test('a new range begins above all others', () => {
  assert.deepEqual(freeRange([]), { first: 100_000, last: 165_535 });
  assert.deepEqual(freeRange(lines), { first: 300_010, last: 365_545 });
});
