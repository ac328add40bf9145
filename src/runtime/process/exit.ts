import { setTimeout as sleep } from 'node:timers/promises';
import { hasStatus } from '../../grpc/error.ts';
import type { Containerd } from '../containerd/client.ts';
import { formatTime, NanosecondClock } from '../logs/clock.ts';
import type { ProcessExit } from './process.ts';

/** Which process: a container's own has an empty execId. */
export interface ProcessName {
  readonly containerId: string;
  readonly execId: string;
}

/** 128 + SIGKILL: what becomes of a process whose shim is gone, since containerd kills it then. */
const LOST = 137;
/** Between attempts to reach a containerd that is being started again. Milliseconds */
const FIRST_PAUSE = 50;
const LAST_PAUSE = 1000;

/**
 * Waits until a process has ended, over restarts of containerd. Never rejects.
 * @returns undefined when `signal` was aborted before
 */
export async function waitForExit(
  containerd: Containerd,
  name: ProcessName,
  signal: AbortSignal,
): Promise<ProcessExit | undefined> {
  for (let pause = FIRST_PAUSE; !signal.aborted; pause = Math.min(2 * pause, LAST_PAUSE)) {
    try {
      const { exitStatus, exitedAt } = await containerd.tasks.wait(name, { signal });
      return { code: exitStatus, at: exitedAt };
    } catch (error) {
      if (!signal.aborted && !hasStatus(error, 'UNAVAILABLE')) return await lastKnown(containerd, name);
    }
    await sleep(pause, undefined, { ref: false, signal }).catch(() => undefined);
  }
  return undefined;
}

/** The wait itself failed: the shim was killed, or the task was deleted meanwhile. */
async function lastKnown(containerd: Containerd, name: ProcessName): Promise<ProcessExit> {
  const lost = { code: LOST, at: formatTime(new NanosecondClock().now()) };
  try {
    const { process } = await containerd.tasks.get(name);
    return process?.status === 'stopped' ? { code: process.exitStatus, at: process.exitedAt } : lost;
  } catch {
    return lost;
  }
}
