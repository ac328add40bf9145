import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCampaign } from '../crash/campaign.ts';
import { placesOf } from '../crash/lap.ts';
import { Passed } from '../crash/passed.ts';

/** Hosts side by side: one a processor. */
const HOSTS = Number(process.env['FAIRWAY_SOAK_HOSTS'] ?? 2);
/** "all": each passage; "places": once at each line that leads out, however often it does. */
const POINTS = process.env['FAIRWAY_SOAK_POINTS'] ?? 'all';

test('a daemon killed at every point leaves nothing half done', async () => {
  const choose = POINTS === 'all' ? (points: readonly string[]) => points : placesOf;
  const passed = new Passed(process.env['FAIRWAY_SOAK_PASSED']);
  const tallies = await runCampaign({ hosts: HOSTS, choose, passed, tell: (line) => console.log(line) });
  console.table(
    tallies.map(({ name, killed, missed, differences }) => ({ name, killed, missed, differences: differences.length })),
  );
  assert.deepEqual(
    tallies.flatMap(({ differences }) => differences),
    [],
  );
});
