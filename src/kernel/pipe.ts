import { splice } from './sys.ts';
import { bytesWaiting, punchHole, setPipeSize } from './sys-pipes.ts';

/**
 * Moves what a pipe holds to the end of a file. It is in exactly one of the two at any instant, whoever is killed when.
 * @param at where in the file @param length at most so many bytes
 * @returns bytes moved; 0 at the end of the pipe, which has no writer any more; undefined when nothing waits
 * @throws KernelError ENOSPC
 */
export function moveToFile(pipe: number, file: number, at: number, length: number): number | undefined {
  return splice(pipe, file, at, length);
}

/** Gives the beginning of a file back to the file system; the offsets of the rest stay. */
export function forgetBeginning(file: number, length: number): void {
  punchHole(file, 0, length);
}

/** Bytes that a pipe holds. */
export function bytesIn(pipe: number): number {
  return bytesWaiting(pipe);
}

/** Lets a pipe hold more, or less, before its writer waits. @throws KernelError EPERM beyond /proc/sys/fs/pipe-max-size, EBUSY */
export function resizePipe(pipe: number, bytes: number): void {
  setPipeSize(pipe, bytes);
}
