import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMapped, rootOf, toContainer, toHost } from './id-map.ts';

const ranges = [
  { container: 0, host: 100_000, size: 10 },
  { container: 10, host: 500_000, size: 5 },
];

test('ids go there and back, range by range', () => {
  for (const [inside, outside] of [
    [0, 100_000],
    [9, 100_009],
    [10, 500_000],
    [14, 500_004],
  ] as const) {
    assert.equal(toHost(ranges, inside), outside);
    assert.equal(toContainer(ranges, outside), inside);
    assert.ok(isMapped(ranges, outside));
  }
});

test('who has no number in the container is nobody there; what the container has no number for is no owner', () => {
  assert.equal(toHost(ranges, 15), undefined);
  assert.equal(toContainer(ranges, 0), 65_534);
  assert.ok(!isMapped(ranges, 100_010));
  assert.deepEqual(rootOf({ uids: ranges, gids: [{ container: 0, host: 7000, size: 1 }] }), {
    uid: 100_000,
    gid: 7000,
  });
});
