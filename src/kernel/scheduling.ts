import { readdirSync } from 'node:fs';
import { failure, lazily, libcFunction } from './sys.ts';

/** linux/sched.h */
const SCHED_BATCH = 3;
/** struct sched_param: a priority, which only real-time policies have */
const NO_PRIORITY = new Uint8Array(4);

type SetScheduler = (thread: number, policy: number, parameter: Uint8Array) => number;
const setScheduler: () => SetScheduler = lazily(() => libcFunction('int sched_setscheduler(int, int, void*)'));

/**
 * The threads of a process, and those they will make, interrupt nobody when they are woken (sched(7), SCHED_BATCH): they wait until a processor is
 * free, or their turn comes. @throws KernelError ESRCH, Error ENOENT when it is gone
 */
export function interruptNobody(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (setScheduler()(Number(thread), SCHED_BATCH, NO_PRIORITY) === -1) throw failure(`make thread ${thread} a batch`);
  }
}
