import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestHost } from '../host.ts';
import { DATA_ROOT } from './picture.ts';

const LOG = 'fairway.db-wal';
/** sqlite.org/fileformat2.html, "The WAL File": frames are a header and a page each */
const FRAME = 24 + 4096;

/** What is on a machine's disk at a moment: all files as they were written, and what of the store's log is known to be on it. */
export interface Disk {
  /** As the test process reaches it; it goes with the machine it is kept on */
  readonly path: string;
  /** Bytes of the store's log */
  readonly log: number;
  /** Bytes of it that no power cut takes away */
  readonly flushed: number;
}

/** @param notes the file in which the preload notes how long the log was each time it was flushed */
export async function keepDisk(host: TestHost, name: string, notes: string): Promise<Disk> {
  const path = host.path(`/run/disks/${name}`);
  mkdirSync(path, { recursive: true });
  await copy(host.path(DATA_ROOT), path);
  const flushed = existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n').at(-1) : '0';
  return { path, log: statSync(join(path, LOG)).size, flushed: Number(flushed) };
}

/** Puts it into a machine that has no daemon yet. @param log bytes that are left of the store's log */
export async function useDisk(disk: Disk, host: TestHost, log: number): Promise<void> {
  mkdirSync(host.path(DATA_ROOT));
  await copy(disk.path, host.path(DATA_ROOT));
  truncateSync(join(host.path(DATA_ROOT), LOG), log);
}

/** Devices and extended attributes, too. */
async function copy(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', `${from}/.`, to]);
}

/**
 * Where the log may end after a power cut before `after`, from what was there `before` on: behind each transaction that was not
 * flushed. (That one torn in the middle is as good as none is shown by src/store/power-loss.test.ts.)
 */
export function cutsBetween(before: Disk, after: Disk): number[] {
  const database = (disk: Disk) => readFileSync(join(disk.path, 'fairway.db'));
  if (!database(before).equals(database(after))) throw new Error('the log was copied into the database meanwhile');
  const log = readFileSync(join(after.path, LOG));
  const cuts: number[] = [];
  for (let end = before.log; end < after.log; end += FRAME) {
    // The last frame of a transaction holds the database's size, the others 0.
    const ends = log.readUInt32BE(end - FRAME + 4) !== 0;
    if (ends && end >= after.flushed) cuts.push(end);
  }
  return cuts;
}
