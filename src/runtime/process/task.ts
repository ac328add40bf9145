import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcError, hasStatus } from '../../grpc/error.ts';
import type { Logger } from '../../model/logger.ts';
import type { Containerd } from '../containerd/client.ts';
import { endPastShim } from './shims.ts';

/** containerd clears up after a killed shim by itself, in a moment. Milliseconds, and how often to look */
const PAUSE = 50;
const ATTEMPTS = 100;
/** So often a task is made again because of what was left of an earlier one. */
const AGAIN = 4;

/** Takes an ended task away. Missing is fine. @throws GrpcError conflict while it runs */
export async function removeTask({ tasks }: Containerd, containerId: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await tasks.delete({ containerId });
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || !shimIsGone(error)) return ignoreMissing(error);
    }
    await sleep(PAUSE);
  }
}

/**
 * Makes a task. containerd may still be busy with taking the last one away, which a daemon had asked for that is not there any more:
 * it takes folders away by the container's name, and twice. And the last one's shim may be there without containerd knowing, and
 * would be this one's, too (endPastShim()).
 * @throws GrpcError with runc's words
 */
export async function createTask(
  { containerd, logger }: { readonly containerd: Containerd; readonly logger: Logger },
  request: Parameters<Containerd['tasks']['create']>[0] & { readonly containerId: string },
): Promise<{ readonly pid: number }> {
  const { containerId } = request;
  for (let left = AGAIN, waited = false; ; left--) {
    try {
      const made = await containerd.tasks.create(request);
      if (left === 0 || !endPastShim(made.pid, containerId)) return made;
    } catch (error) {
      const folder = folderInTheWay(error);
      // Whatever a task says that may have lost its folder.
      if (left === 0 || !(folder !== undefined || waited || metAnEarlierOne(error))) throw error;
      if (folder !== undefined && !(await goesAway(folder))) throw error;
      waited ||= folder !== undefined;
    }
    logger.info('a container’s task is made again: an earlier one was still being taken away', {
      container: containerId,
    });
    await removeTask(containerd, containerId);
  }
}

/** Of an earlier task. */
function folderInTheWay(error: unknown): string | undefined {
  if (!(error instanceof GrpcError)) return undefined;
  return /failed to start shim: mkdir (\S+): file exists/.exec(error.message)?.[1];
}

/** Once it is gone, containerd looks once more whether it is, and would take away a new one. */
async function goesAway(folder: string): Promise<boolean> {
  for (let look = 0; look < ATTEMPTS && existsSync(folder); look++) await sleep(PAUSE);
  await sleep(PAUSE);
  return !existsSync(folder);
}

/** Its folder was taken away, or its shim was about to end when it was given the task. */
function metAnEarlierOne(error: unknown): boolean {
  const words =
    /failed to start shim: .*(?:connection refused|no such file)|failed to create shim task: (?:ttrpc: closed|(?!OCI ).*no such file)/;
  return error instanceof GrpcError && words.test(error.message);
}

/** What containerd says between the end of a shim and having cleared up after it. */
function shimIsGone(error: unknown): boolean {
  return error instanceof GrpcError && /ttrpc: closed|connection refused|no such file/.test(error.message);
}

/** The other side is gone already, and that was the aim. */
export function ignoreMissing(error: unknown): void {
  if (!hasStatus(error, 'NOT_FOUND')) throw error;
}

/** Ending what has ended is no failure. */
export function ignoreGone(error: unknown): void {
  if (!hasStatus(error, 'NOT_FOUND', 'FAILED_PRECONDITION', 'UNKNOWN', 'INTERNAL')) throw error;
}
