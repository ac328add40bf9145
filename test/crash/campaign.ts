import { type Course, type Crash, CrashDifference, recordCourse, runLap } from './lap.ts';
import { LIFE } from './life.ts';
import { CrashMachine } from './machine.ts';
import type { Passed } from './passed.ts';

/** What came of the crashes of one operation. */
export interface Tally {
  readonly name: string;
  /** Kills that hit */
  killed: number;
  /** Points that the operation did not come to this time: what goes on side by side is not the same each time */
  missed: number;
  readonly differences: string[];
}

/** What a campaign is led by. */
export interface Campaign {
  readonly hosts: number;
  /** Which of an operation's points */
  readonly choose: (points: readonly string[]) => readonly string[];
  /** Is told of every lap */
  readonly tell: (line: string) => void;
  /** Where it has been before */
  readonly passed: Passed;
}

/** Kills at all these points, one after the other, on several hosts side by side. */
export async function runCampaign(campaign: Campaign): Promise<Tally[]> {
  const { hosts, choose, passed } = campaign;
  const tallies = LIFE.map(({ name }): Tally => ({ name, killed: 0, missed: 0, differences: [] }));
  const first = await arrive();
  const waiting = first.course.points.map((points, operation) => {
    const left = choose(points).filter((point) => !passed.has({ operation, point }));
    const tally = tallies[operation];
    if (tally !== undefined) tally.killed = choose(points).length - left.length;
    return left;
  });
  const others = Array.from({ length: hosts - 1 }, () => arrive());
  await Promise.all([first, ...others].map((place) => work(place, waiting, tallies, campaign)));
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
  { tell, passed }: Campaign,
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
        passed.add(error.came.filter(({ operation }) => operation !== error.operation));
        return error.came;
      });
      if (place !== undefined) passed.add(came);
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
