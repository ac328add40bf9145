import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../host.ts';
import { Room } from './room.ts';

describe('who reaches what', () => {
  let room: Room;
  before(async () => {
    room = await Room.create();
  });
  after(() => room?.[Symbol.asyncDispose]());

  test('as Docker documents it', async (context) => {
    const cells = await room.check();
    context.diagnostic(`${cells} questions`);
    assert.ok(cells > 2000);
  });

  test('the same while the daemon is down, but for what it passes on itself', async () => {
    await room.daemon.stop('SIGKILL');
    await room.check({ down: true });
  });

  test('the same when the next daemon is there', async () => {
    await room.daemon.start();
    await room.check();
  });

  test('the same after nft flush ruleset', async () => {
    const { host } = room.daemon;
    await host.shell('nft flush ruleset');
    const whole = async () => (await host.exec(['nft', 'list', 'map', 'inet', 'fairway', 'port4_any'])).code === 0;
    await eventually('the table is back', whole);
    await room.check();
  });
});
