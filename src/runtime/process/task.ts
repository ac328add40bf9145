import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcError, hasStatus } from '../../grpc/error.ts';
import type { Logger } from '../../model/logger.ts';
import type { Containerd } from '../containerd/client.ts';
import { endPastShim } from './shims.ts';

/** containerd clears up after a killed shim by itself, in a moment. Milliseconds, and how often to look */
const PAUSE = 50;
const ATTEMPTS = 100;
/** So often a task is made again because of who would have been its shim. */
const SHIMS = 3;

/** Takes an ended task away. Missing is fine. @throws GrpcError conflict while it runs */
export async function removeTask({ tasks }: Containerd, containerId: string): Promise<void> {
  await whileBusy(() => tasks.delete({ containerId }), shimIsGone).catch(ignoreMissing);
}

/**
 * Makes a task. containerd may still be busy with taking the last one away, which a daemon had asked for that is not there any more;
 * and that one's shim may be there without containerd knowing, and would be this one's, too (endPastShim()).
 * @throws GrpcError with runc's words
 */
export async function createTask(
  { containerd, logger }: { readonly containerd: Containerd; readonly logger: Logger },
  request: Parameters<Containerd['tasks']['create']>[0] & { readonly containerId: string },
): Promise<{ readonly pid: number }> {
  const { containerId } = request;
  for (let left = SHIMS; ; left--) {
    try {
      const made = await whileBusy(() => containerd.tasks.create(request), folderIsThere);
      if (left === 0 || !endPastShim(made.pid, containerId)) return made;
    } catch (error) {
      if (left === 0 || !hadDyingShim(error)) throw error;
    }
    logger.info('a container’s task is made again: its shim was an earlier one’s, or ended', {
      container: containerId,
    });
    await removeTask(containerd, containerId);
  }
}

/** Asks again as long as the answer says that containerd is still clearing up. */
async function whileBusy<T>(ask: () => Promise<T>, isBusy: (error: unknown) => boolean): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === ATTEMPTS || !isBusy(error)) throw error;
    }
    await sleep(PAUSE);
  }
}

function folderIsThere(error: unknown): boolean {
  return error instanceof GrpcError && /failed to start shim: mkdir \S+: file exists/.test(error.message);
}

/** Its shim was about to end when it was given the task, or before it could be. */
function hadDyingShim(error: unknown): boolean {
  const words =
    /failed to create shim task: ttrpc: closed|failed to start shim: .* connect: (?:connection refused|no such file)/;
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
