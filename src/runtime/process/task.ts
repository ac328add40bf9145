import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcError, hasStatus } from '../../grpc/error.ts';
import type { Containerd } from '../containerd/client.ts';

/** containerd clears up after a killed shim by itself, in a moment. Milliseconds, and how often to look */
const PAUSE = 50;
const ATTEMPTS = 100;

/** Takes an ended task away. Missing is fine. @throws GrpcError conflict while it runs */
export async function removeTask({ tasks }: Containerd, containerId: string): Promise<void> {
  await whileBusy(() => tasks.delete({ containerId }), shimIsGone).catch(ignoreMissing);
}

/**
 * Makes a task. containerd may still be busy with taking the last one away, which a daemon had asked for that is not there any more.
 * @throws GrpcError with runc's words
 */
export async function createTask(
  { tasks }: Containerd,
  request: Parameters<Containerd['tasks']['create']>[0],
): Promise<{ readonly pid: number }> {
  return await whileBusy(() => tasks.create(request), folderIsThere);
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
