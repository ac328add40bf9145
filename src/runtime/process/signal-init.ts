import { closeSync, readFileSync } from 'node:fs';
import { openProcess, signalProcess } from '../../kernel/sys-descriptors.ts';
import { hasCode } from '../../model/errors.ts';

/**
 * Sends a signal to a container's first process, as `runc kill` does (runc: libcontainer/container_linux.go, Signal), without
 * executing it. By then the number may be another's: who is not in the container's cgroup is not meant.
 * @returns false when nobody got it, and runc is to say why
 */
export function signalInit(pid: number, containerId: string, signal: number): boolean {
  try {
    const process = openProcess(pid);
    try {
      if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(containerId)) return false;
      signalProcess(process, signal);
      return true;
    } finally {
      closeSync(process);
    }
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'ENOENT')) return false;
    throw error;
  }
}
