import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { VolumeMount } from '../model/mount.ts';
import type { LocalVolumes } from '../runtime/volumes/local.ts';
import type { KeyedMutex } from './locks.ts';
import type { State } from './state.ts';

interface VolumeUseParts {
  readonly state: State;
  readonly volumes: LocalVolumes;
  readonly locks: KeyedMutex;
  readonly logger: Logger;
}

/** Volumes with options of their own (tmpfs, NFS, another directory) are mounted while somebody uses them. */
export class VolumeUse {
  readonly #parts: VolumeUseParts;
  /** Who uses what: running containers, and work on the files of others */
  readonly #holders = new Map<string, Set<string>>();

  constructor(parts: VolumeUseParts) {
    this.#parts = parts;
  }

  /** @throws EngineError internal when one cannot be mounted */
  async take(mounts: readonly VolumeMount[], holder: string): Promise<void> {
    for (const { name } of mounts) {
      await this.#locked(name, async () => {
        const volume = this.#parts.state.volumes.get(name);
        if (volume !== undefined) await this.#parts.volumes.mount(volume);
        const holders = this.#holders.get(name) ?? new Set();
        this.#holders.set(name, holders.add(holder));
      });
    }
  }

  async release(mounts: readonly VolumeMount[], holder: string): Promise<void> {
    for (const { name } of mounts) {
      await this.#locked(name, async () => {
        const holders = this.#holders.get(name);
        if (holders?.delete(holder) !== true || holders.size > 0) return;
        this.#holders.delete(name);
        this.#unmount(name);
      });
    }
  }

  /** At the start of the daemon, when those who still run have taken theirs: what only an earlier one's containers used goes. */
  async settle(): Promise<void> {
    for (const { id, options } of [...this.#parts.state.volumes.values()]) {
      if (Object.keys(options).length === 0) continue;
      await this.#locked(id, async () => {
        if (!this.#holders.has(id)) this.#unmount(id);
      });
    }
  }

  /** For the time of some work. */
  async hold<T>(mounts: readonly VolumeMount[], reason: string, work: () => Promise<T>): Promise<T> {
    const holder = `work ${reason} ${performance.now()}`;
    try {
      await this.take(mounts, holder);
      return await work();
    } finally {
      await this.release(mounts, holder);
    }
  }

  /** One that stays mounted is found mounted by the next user. */
  #unmount(name: string): void {
    const { state, volumes, logger } = this.#parts;
    const volume = state.volumes.get(name);
    try {
      if (volume !== undefined) volumes.unmount(volume);
    } catch (error) {
      logger.warn('a volume could not be unmounted', { volume: name, error: errorMessage(error) });
    }
  }

  #locked(name: string, work: () => Promise<void>): Promise<void> {
    return this.#parts.locks.run(`volume ${name}`, work);
  }
}
