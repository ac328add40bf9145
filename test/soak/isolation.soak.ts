import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../host.ts';
import { Room } from '../isolation/room.ts';

/** Kills and flushes, each followed by every question of the matrix. */
const ROUNDS = 20;

test('who reaches what stays the same through kills of the daemon and flushes of its rules', async (context) => {
  await using room = await Room.create();
  const { daemon } = room;
  let asked = await room.check();
  for (let round = 0; round < ROUNDS; round++) {
    await daemon.stop('SIGKILL');
    asked += await room.check({ down: true });
    await daemon.start();
    asked += await room.check();
    await daemon.host.shell('nft flush ruleset');
    await eventually('the table is back', async () => {
      return (await daemon.host.exec(['nft', 'list', 'map', 'inet', 'fairway', 'port4_any'])).code === 0;
    });
    asked += await room.check();
  }
  context.diagnostic(`${ROUNDS} rounds, ${asked} questions, no answer too many and none missing`);
  assert.ok(asked > 0);
});
