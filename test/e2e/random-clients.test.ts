import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { compare, RandomClient, traces } from '../random-clients.ts';

const CLIENTS = 8;
const STEPS = 16;

test('clients that create, start, connect and remove at random get the answers they must, and nothing is left', async (t) => {
  const seed = Number(process.env['FAIRWAY_TEST_SEED'] ?? 1);
  t.diagnostic(`FAIRWAY_TEST_SEED=${seed}`);
  await using daemon = await TestDaemon.create();
  await daemon.ok('network', 'create', 'common');
  await daemon.ok('run', '--rm', '--network', 'common', 'busybox', 'true');
  await daemon.swept();
  const clean = await traces(daemon);
  const clients = Array.from({ length: CLIENTS }, (_, i) => new RandomClient(daemon, `c${i}`, seed + i));
  const work = async (client: RandomClient) => {
    for (let step = 0; step < STEPS; step++) await client.step();
  };
  await Promise.all(clients.map(work));
  await compare(daemon, clients);
  await daemon.stop('SIGKILL');
  await daemon.start();
  await compare(daemon, clients);
  await Promise.all(clients.map((client) => client.removeAll()));
  await eventually('what goes in the background is gone', async () => {
    const left = await traces(daemon);
    return Object.entries(clean).every(([what, text]) => left[what] === text);
  }).catch(async () => assert.deepEqual(await traces(daemon), clean));
});
