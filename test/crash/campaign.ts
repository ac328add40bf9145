import { type Course, type Crash, CrashDifference, recordCourse, runLap } from './lap.ts';
import { LIFE } from './life.ts';
import { CrashMachine } from './machine.ts';

/** What came of the crashes of one operation. */
export interface Tally {
  readonly name: string;
  /** Kills that hit */
  killed: number;
  /** Points that the operation did not come to this time: what goes on side by side is not the same each time */
  missed: number;
  readonly differences: string[];
}

/**
 * Kills at all these points, one after the other, on several hosts side by side.
 * @param choose which of an operation's points @param tell is told of every lap
 */
export async function runCampaign(
  hosts: number,
  choose: (points: readonly string[]) => readonly string[],
  tell: (line: string) => void,
): Promise<Tally[]> {
  const tallies = LIFE.map(({ name }): Tally => ({ name, killed: 0, missed: 0, differences: [] }));
  const first = await arrive();
  const waiting = first.course.points.map((points) => [...choose(points)]);
  const others = Array.from({ length: hosts - 1 }, () => arrive());
  await Promise.all([first, ...others].map((place) => work(place, waiting, tallies, tell)));
  return tallies;
}

interface Place {
  readonly machine: CrashMachine;
  readonly course: Course;
}

async function arrive(): Promise<Place> {
  const machine = await CrashMachine.create();
  try {
    return { machine, course: await recordCourse(machine) };
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Lap by lap until nothing waits. A difference leaves a host as nobody knows it: the next lap is run on a new one. */
async function work(
  begin: Place | Promise<Place>,
  waiting: readonly string[][],
  tallies: readonly Tally[],
  tell: (line: string) => void,
): Promise<void> {
  let place: Place | undefined = await begin;
  try {
    while (waiting.some((points) => points.length > 0)) {
      place ??= await arrive();
      const crashes = take(waiting);
      const came = await runLap(place.machine, place.course, crashes).catch(async (error: unknown) => {
        if (!(error instanceof CrashDifference)) throw error;
        await place?.machine[Symbol.asyncDispose]();
        place = undefined;
        for (const { operation, point } of crashes) if (operation > error.operation) waiting[operation]?.push(point);
        tallies[error.operation]?.differences.push(error.message);
        tell(error.message);
        return error.came;
      });
      note(crashes, came, tallies, place !== undefined);
      tell(`${came.length} of ${crashes.length} points, ${waiting.flat().length} to go`);
    }
  } finally {
    await place?.machine[Symbol.asyncDispose]();
  }
}

function take(waiting: readonly string[][]): Crash[] {
  return waiting.flatMap((points, operation): Crash[] => {
    const point = points.shift();
    return point === undefined ? [] : [{ operation, point }];
  });
}

function note(crashes: readonly Crash[], came: readonly Crash[], tallies: readonly Tally[], whole: boolean): void {
  for (const { operation } of came) {
    const tally = tallies[operation];
    if (tally !== undefined) tally.killed++;
  }
  for (const crash of whole ? crashes : []) {
    const tally = tallies[crash.operation];
    if (tally !== undefined && !came.includes(crash)) tally.missed++;
  }
}
