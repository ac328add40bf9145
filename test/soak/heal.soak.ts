import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { median } from '../../bench/measure.ts';
import { TestDaemon } from '../daemon.ts';
import { blowsAt, randomBlows, type Victim, victimOf } from '../heal/blows.ts';
import { measureRepairs, outage, strike } from '../heal/strike.ts';
import { eventually } from '../host.ts';

const NETWORKS = ['one', 'two', 'three'];
const NAMES = NETWORKS.flatMap((network) => [`${network}-web`, `${network}-db`]);
/** Of the random blows */
const MINUTES = Number(process.env['FAIRWAY_SOAK_MINUTES'] ?? 10);
const SEED = Number(process.env['FAIRWAY_TEST_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = 5;
/** Blows between two looks at the time */
const CHUNK = 10;

describe('healing, at length', () => {
  let daemon: TestDaemon;
  let victims: Victim[];
  before(async () => {
    daemon = await TestDaemon.create();
    for (const network of NETWORKS) await daemon.ok('network', 'create', network);
    for (const [i, name] of NAMES.entries()) {
      const [network = ''] = name.split('-');
      const run = ['run', '-d', '--name', name, '--network', network, '-p', `${8080 + i}:80`];
      await daemon.ok(...run, 'busybox', 'httpd', '-f', '-h', '/var/www');
    }
    victims = await Promise.all(NAMES.map((name) => victimOf(daemon, name, name.split('-')[0] ?? '')));
  });
  after(() => daemon[Symbol.asyncDispose]());

  const answers = async () => {
    const ports = NAMES.map((_, i) => `http://192.0.2.2:${8080 + i}/`);
    const tries = ports.map((url) => daemon.host.lan(['curl', '-s', '-m', '1', url]));
    return (await Promise.all(tries)).every(({ code }) => code === 0);
  };

  test('how long each kind takes', async () => {
    const [struck, beside] = victims;
    assert.ok(struck && beside);
    const times = await measureRepairs(daemon.host, victims, blowsAt(struck, beside), ROUNDS);
    for (const [name, found] of times) {
      console.log(
        `${name.padEnd(36)} median ${median(found).toFixed(0)} ms, longest ${Math.max(...found).toFixed(0)} ms`,
      );
    }
    const silences: number[] = [];
    for (let round = 0; round < ROUNDS; round++) silences.push(await outage(daemon.host, 8080, 'nft flush ruleset'));
    console.log(`published port silent after nft flush ruleset: median ${median(silences).toFixed(0)} ms`);
    await eventually('every port answers', answers);
  });

  test('at random', async () => {
    console.log(`seed ${SEED}, ${MINUTES} minutes`);
    let count = 0;
    for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; count += CHUNK) {
      const struck = await strike(daemon.host, victims, randomBlows(SEED + count, CHUNK, victims), 120_000);
      assert.deepEqual(
        struck.filter(({ differs }) => differs !== undefined),
        [],
        `after blow ${count}`,
      );
      await eventually('every port answers', answers);
    }
    console.log(`${count} blows, one to three at once each`);
  });
});
