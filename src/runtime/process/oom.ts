import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Containerd } from '../containerd/client.ts';
import { TaskOom } from '../containerd/protos/events.ts';
import { legacyMounts } from '../spec/cgroups.ts';

/** Between attempts to reach a containerd that is being started again. Milliseconds */
const PAUSE = 500;

/**
 * Tells of every container in which the kernel has killed a process for want of memory, until the signal. Never rejects.
 * @param tell gets the container's id and when it was noticed, as ISO 8601
 */
export async function watchOom(
  containerd: Containerd,
  signal: AbortSignal,
  tell: (containerId: string, at: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { event, timestamp } of containerd.events.subscribe(
        { filters: ['topic=="/tasks/oom"'] },
        { signal },
      )) {
        if (event !== undefined) tell(TaskOom.decode(event.value).containerId, timestamp);
      }
    } catch {
      // containerd ended, or we do.
    }
    await sleep(PAUSE, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

/**
 * Whether the kernel has killed a process of this cgroup for want of memory. For a container that has just ended, whose
 * cgroup is still there: containerd may tell of it only later. @param cgroup below the hierarchy's root
 */
export function ranOutOfMemory(cgroup: string, unified: boolean): boolean {
  try {
    const root = unified ? '/sys/fs/cgroup' : legacyMounts(readFileSync('/proc/self/mountinfo', 'utf8')).get('memory');
    if (root === undefined) return false;
    // Documentation/admin-guide/cgroup-v2.rst, and the like-named line of v1's memory.oom_control.
    const text = readFileSync(join(root, cgroup, unified ? 'memory.events' : 'memory.oom_control'), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
  } catch {
    return false;
  }
}
