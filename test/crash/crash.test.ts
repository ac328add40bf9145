import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Course, type Crash, placesOf, recordCourse, runLap } from './lap.ts';
import { LIFE } from './life.ts';
import { CrashMachine } from './machine.ts';
import { shuffled } from './shuffled.ts';

/** How many of the operations are killed. `npm run test:soak` kills at every point of each. */
const KILLS = 5;
/** Open: containerd may leave a shim behind when nobody waits for its answer any more. The soak kills there, too. */
const OPEN = /^called Tasks\/Delete /;
const seed = Number(process.env['FAIRWAY_TEST_SEED'] ?? 1);

describe(`a daemon killed anywhere leaves nothing half done (FAIRWAY_TEST_SEED=${seed})`, () => {
  let machine: CrashMachine;
  let course: Course;
  before(async () => {
    machine = await CrashMachine.create();
  });
  after(() => machine[Symbol.asyncDispose]());

  test('a life without crashes ends where it began, and passes points of every kind', async () => {
    course = await recordCourse(machine);
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
    const random = shuffled(LIFE.keys(), seed).slice(0, KILLS);
    const crashes = random.flatMap((operation): Crash[] => {
      const places = placesOf(course.points[operation] ?? []).filter((place) => !OPEN.test(place));
      const [point] = shuffled(places, seed);
      return point === undefined ? [] : [{ operation, point }];
    });
    const came = await runLap(machine, course, crashes);
    assert.ok(came.length >= KILLS / 2, `only ${came.length} of ${crashes.length} points were come to again`);
  });
});
