import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { compare, RandomClient, traces } from '../random-clients.ts';
import { at, pinging, resident } from './figures.ts';

const MINUTES = Number(process.env['FAIRWAY_SOAK_MINUTES'] ?? 10);
const CLIENTS = Number(process.env['FAIRWAY_SOAK_CLIENTS'] ?? 64);
/** How often all clients stop to be compared */
const ROUNDS = 5;
/** Milliseconds after which the daemon has nothing left to do */
const REST = 15_000;

test(`${CLIENTS} clients at random, for ${MINUTES} minutes`, { timeout: (MINUTES + 15) * 60_000 }, async (t) => {
  const seed = Number(process.env['FAIRWAY_TEST_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`FAIRWAY_TEST_SEED=${seed}`);
  await using daemon = await TestDaemon.create();
  await daemon.ok('network', 'create', 'common');
  const clients = Array.from({ length: CLIENTS }, (_, i) => new RandomClient(daemon, `c${i}`, seed + i));
  const all = (work: (client: RandomClient) => Promise<void>) => Promise.all(clients.map(work));
  // What is loaded and compiled at the first use is no leak.
  await all(async (client) => {
    for (let step = 0; step < 4; step++) await client.step();
  });
  await all((client) => client.removeAll());
  await sleep(REST);
  const clean = await traces(daemon);
  const before = await resident(daemon);
  (await import('node:fs')).writeFileSync(
    '/tmp/sm.a',
    await daemon.host.out(['cat', `/proc/${await daemon.pid()}/smaps`]),
  );
  const ended = new AbortController();
  const pings = pinging(daemon, ended.signal);
  for (let round = 1; round <= ROUNDS; round++) {
    const until = Date.now() + (MINUTES * 60_000) / ROUNDS;
    await all(async (client) => {
      while (Date.now() < until) await client.step();
    });
    await compare(daemon, clients);
    t.diagnostic(`round ${round}: ${sum(clients)} operations so far, ${await resident(daemon)} MiB`);
  }
  ended.abort();
  const delays = await pings;
  await all((client) => client.removeAll());
  await eventually('nothing is left', async () => {
    const left = await traces(daemon);
    return Object.entries(clean).every(([what, text]) => left[what] === text);
  }).catch(async () => assert.deepEqual(await traces(daemon), clean));
  await sleep(REST);
  const after = await resident(daemon);
  (await import('node:fs')).writeFileSync(
    '/tmp/sm.b',
    await daemon.host.out(['cat', `/proc/${await daemon.pid()}/smaps`]),
  );
  console.log((await daemon.host.out(['cat', `/proc/${await daemon.pid()}/environ`])).replaceAll('\0', ' '));
  for (const [what, count] of counted(clients)) t.diagnostic(`${what} × ${count}`);
  t.diagnostic(`/_ping meanwhile: median ${at(delays, 0.5)} ms, p99 ${at(delays, 0.99)} ms of ${delays.length}`);
  t.diagnostic(`resident: ${before} MiB before, ${after} MiB after: ${(after / before).toFixed(2)} × (bar 1.10 ×)`);
});

function sum(clients: readonly RandomClient[]): number {
  return counted(clients).reduce((total, [, count]) => total + count, 0);
}

function counted(clients: readonly RandomClient[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { answers } of clients) {
    for (const [what, count] of answers) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}
