import { inspect } from 'node:util';
import { LIFE } from './life.ts';
import type { CrashMachine } from './machine.ts';
import type { Picture } from './picture.ts';

/** What an undisturbed life looks like: a picture before the first operation and after each, and the points each passes. */
export interface Course {
  readonly pictures: readonly Picture[];
  readonly points: readonly (readonly string[])[];
}

/** Which point of which operation (its index in LIFE). */
export interface Crash {
  readonly operation: number;
  readonly point: string;
}

/** @param look is called before the first operation and after each, with how many there were */
export async function recordCourse(
  machine: CrashMachine,
  look: (operations: number) => Promise<void> = async () => undefined,
): Promise<Course> {
  const pictures = [await machine.settled()];
  const points: string[][] = [];
  await look(0);
  for (const [index, operation] of LIFE.entries()) {
    points.push(await machine.record(operation));
    pictures.push(await machine.settled());
    await look(index + 1);
  }
  return { pictures, points };
}

/** After a crash, something is neither as it was nor as it should be. */
export class CrashDifference extends Error {
  override readonly name = 'CrashDifference';
  readonly operation: number;
  /** Kills before this one that went well, and this one if it hit */
  readonly came: readonly Crash[];

  constructor(operation: number, came: readonly Crash[], message: string) {
    super(message);
    this.operation = operation;
    this.came = came;
  }
}

/**
 * One life with a crash at each of these points, one an operation at most. After each crash and a new start all is as
 * before the operation or as after it, the client heard nothing that is not so, and the operation can be repeated.
 * @returns the crashes that came about
 * @throws CrashDifference
 */
export async function runLap(machine: CrashMachine, course: Course, crashes: readonly Crash[]): Promise<Crash[]> {
  const came: Crash[] = [];
  let looked = -1;
  for (const [index, operation] of LIFE.entries()) {
    const crash = crashes.find((one) => one.operation === index);
    if (crash === undefined) {
      await machine.ask(operation);
      continue;
    }
    const before = course.pictures[index] ?? {};
    // What the operation before it left to the background is no concern of this one.
    const begun = looked === index ? 0 : await machine.becomes([before]);
    looked = index + 1;
    const { problem, killed } =
      typeof begun === 'number'
        ? await crashAt(machine, crash, before, course.pictures[index + 1] ?? {}).catch(toProblem)
        : { problem: ['it does not begin as it should', ...begun], killed: false };
    if (killed) came.push(crash);
    if (problem === undefined) continue;
    const log = machine.daemon.log.split('\n').slice(-15);
    throw new CrashDifference(
      index,
      came,
      [`${operation.name}, before ${crash.point}:`, ...problem, ...log].join('\n'),
    );
  }
  return came;
}

/** A daemon that does not come up again, or that refuses the operation's repetition. */
function toProblem(error: unknown) {
  return { killed: true, problem: [`the crash's test itself failed: ${inspect(error)}`] };
}

/** @returns what is wrong, one line a difference */
async function crashAt(machine: CrashMachine, { operation: index, point }: Crash, before: Picture, after: Picture) {
  const operation = LIFE[index];
  if (operation === undefined) throw new Error(`there is no operation ${index}`);
  const { heard, killed } = await machine.crash(operation, point);
  // Where nothing tells the two apart, as with a restart, it is done.
  const found = await machine.becomes([after, before]);
  if (typeof found !== 'number') {
    return { killed, problem: [`neither as before nor as after; the client heard ${heard}`, ...found] };
  }
  if (found === 0) return { killed };
  if (heard === 'done') return { killed, problem: ['the client heard that it is done, and it is not'] };
  await machine.ask(operation);
  const repeated = await machine.becomes([after]);
  return typeof repeated === 'number'
    ? { killed }
    : { killed, problem: ['repeated, it does not end as it should', ...repeated] };
}

/** One a place: what is different is where in the product it is, not the how manyth time. */
export function placesOf(points: readonly string[]): string[] {
  const places = new Map<string, string>();
  for (const point of points) places.set(point.replace(/#\d+$/, ''), point);
  return [...places.values()];
}
