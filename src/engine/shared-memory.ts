import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { mountTmpfs, unmountLazily } from '../kernel/tmpfs.ts';
import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import { rootOf } from '../model/id-map.ts';
import type { Core } from './core.ts';

/** Where a container's /dev/shm lies on the host when others may share it. */
export function sharedMemoryOf({ config }: Pick<Core, 'config'>, id: string): string {
  return join(config.execRoot, 'shm', id);
}

/** Mounts a fresh one for `--ipc shareable`, whose size is the container's. @throws KernelError */
export function makeSharedMemory(core: Core, { id, spec }: Container): void {
  if (spec.isolation.ipc?.kind !== 'shareable') return;
  const { remap } = core.config;
  const folder = sharedMemoryOf(core, id);
  dropSharedMemory(core, id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mountTmpfs(folder, spec.isolation.shmSize, remap === undefined ? { uid: 0, gid: 0 } : rootOf(remap));
}

/** Who shares it still has it: the memory goes with the last mount. Missing is fine. Never throws. */
export function dropSharedMemory(core: Core, id: string): void {
  const folder = sharedMemoryOf(core, id);
  if (!existsSync(folder)) return;
  try {
    unmountLazily(folder);
    rmdirSync(folder);
  } catch (error) {
    core.logger.warn('shared memory could not be taken away', { container: id, error: errorMessage(error) });
  }
}

/** What a former daemon's containers left behind. @param running ids of those that still use theirs */
export function dropStaleMemory(core: Core, running: ReadonlySet<string>): void {
  const folder = join(core.config.execRoot, 'shm');
  if (!existsSync(folder)) return;
  for (const id of readdirSync(folder)) if (!running.has(id)) dropSharedMemory(core, id);
}
