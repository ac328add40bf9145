import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Disk } from './disk.ts';
import { type Course, type Crash, placesOf, recordCourse, runLap } from './lap.ts';
import { LIFE } from './life.ts';
import { CrashMachine } from './machine.ts';
import { cutPower } from './power.ts';
import { shuffled } from './shuffled.ts';

/** How many of the operations are killed. `npm run test:soak` kills at every point of each. */
const KILLS = 5;
/** The operation that the power is cut in: the one that deletes files. `npm run test:soak` cuts it in each. */
const CUT = LIFE.findIndex(({ name }) => name === 'rm -f');
/** Always among those that are killed, where what was written down has not been done: the next daemon does it. */
const WRITTEN = { stop: 'pidfd_send_signal ', restart: 'call Tasks/Create ', kill: 'pidfd_send_signal ' };
const seed = Number(process.env['FAIRWAY_TEST_SEED'] ?? 1);

describe(`a daemon killed anywhere leaves nothing half done (FAIRWAY_TEST_SEED=${seed})`, () => {
  let machine: CrashMachine;
  let course: Course;
  const disks: Disk[] = [];
  before(async () => {
    machine = await CrashMachine.create();
  });
  after(() => machine[Symbol.asyncDispose]());

  test('a life without crashes ends where it began, and passes points of every kind', async () => {
    course = await recordCourse(machine, async (operations) => {
      if (operations === CUT || operations === CUT + 1) disks.push(await machine.disk(String(operations)));
    });
    assert.deepEqual(course.pictures.at(-1), course.pictures[0]);
    const all = course.points.flat().join('\n');
    for (const door of [
      'sql exec',
      'sql run',
      'send',
      'mount',
      'nft_run_cmd',
      'bind',
      'called Tasks/Create',
      'answer',
    ]) {
      assert.match(all, new RegExp(`^${door}`, 'm'));
    }
  });

  test('killed at a point of some operations, it is as before or as after, and goes on', async () => {
    const written = new Map(Object.entries(WRITTEN));
    const others = LIFE.map(({ name }) => name).filter((name) => !written.has(name));
    const chosen = [...written.keys(), ...shuffled(others, seed).slice(0, KILLS - written.size)];
    const crashes = chosen.flatMap((name): Crash[] => {
      const operation = LIFE.findIndex((one) => one.name === name);
      const places = placesOf(course.points[operation] ?? []);
      const [point] = shuffled(
        places.filter((place) => place.startsWith(written.get(name) ?? '')),
        seed,
      );
      assert.ok(point !== undefined, `${name} passes no such point`);
      return [{ operation, point }];
    });
    const came = await runLap(machine, course, crashes);
    assert.ok(came.length >= KILLS / 2, `only ${came.length} of ${crashes.length} points were come to again`);
  });

  test('power lost while a container is being removed leaves it whole or gone', async () => {
    const [before, after] = disks;
    const removal = LIFE[CUT];
    assert.ok(before !== undefined && after !== undefined && removal !== undefined);
    const { cuts, problems } = await cutPower(removal, before, after, (all) => all.slice(0, 1));
    assert.equal(cuts, 1);
    assert.deepEqual(problems, []);
  });
});
