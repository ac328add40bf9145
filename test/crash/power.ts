import { cutsBetween, type Disk } from './disk.ts';
import { SUBJECT } from './life.ts';
import { CrashMachine, type Operation } from './machine.ts';
import type { Picture } from './picture.ts';

/** What a machine comes to after it was switched on with a whole disk. */
export async function pictureAfterBoot(disk: Disk): Promise<Picture> {
  await using machine = await CrashMachine.boot(disk, disk.log);
  return await machine.settled();
}

/**
 * A container that is to end ends with the machine, however far it was asked to: with the store's word that somebody wished it,
 * and without an exit code. A restart that was wished for is carried out by the next daemon.
 */
async function pictureOfWish(operation: Operation, before: Disk, old: Picture): Promise<Picture[]> {
  const { name } = operation;
  if (name === 'stop' || name === 'kill') {
    const containers = (old['store containers'] ?? []).map((row) =>
      row.includes(`"name":"${SUBJECT}"`) ? row.replace('"stoppedByHand":false', '"stoppedByHand":true') : row,
    );
    return [{ ...old, 'store containers': containers }];
  }
  if (name !== 'restart') return [];
  await using machine = await CrashMachine.boot(before, before.log);
  await machine.ask(operation);
  return [await machine.settled()];
}

/**
 * Power cuts during an operation, or right after it: all is on the disk but the end of the store's log.
 * @param choose which of the places where the log may end @returns what is wrong, one line a difference; how many cuts there were
 */
export async function cutPower(
  operation: Operation,
  before: Disk,
  after: Disk,
  choose: (cuts: readonly number[]) => readonly number[] = (cuts) => cuts,
): Promise<{ readonly cuts: number; readonly problems: string[] }> {
  const old = await pictureAfterBoot(before);
  const wanted = [old, await pictureAfterBoot(after), ...(await pictureOfWish(operation, before, old))];
  const cuts = choose(cutsBetween(before, after));
  const problems: string[] = [];
  for (const cut of cuts) {
    await using machine = await CrashMachine.boot(after, cut);
    const found = await machine.becomes(wanted);
    if (typeof found === 'number') continue;
    problems.push(
      `${cut - before.log} bytes of ${after.log - before.log} are left: neither as before nor as after`,
      ...found,
    );
  }
  return { cuts: cuts.length, problems };
}
