import { EngineError, errorMessage } from '../model/errors.ts';
import { ANONYMOUS_LABEL, type Volume } from '../model/volume.ts';
import { checkVolumeOptions } from '../runtime/volumes/local.ts';
import type { Core } from './core.ts';
import { newId } from './ids.ts';
import { matchesPrune, type PruneGuard } from './prune.ts';
import type { Pruned, PruneFilters, VolumeRequest } from './requests.ts';
import type { State } from './state.ts';
import type { VolumeView } from './views.ts';

type Details = Pick<VolumeRequest, 'labels' | 'options'>;

/** A volume as it will be written down. @throws EngineError invalidArgument for options the local driver has not */
export function plainVolume(name: string, { labels, options }: Details): Volume {
  try {
    checkVolumeOptions(options);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `create ${name}: ${error.message}`, { cause: error });
  }
  return { id: name, created: new Date().toISOString().replace(/\.\d+Z$/, 'Z'), labels, options };
}

export function anonymousVolume({ labels, options }: Details): Volume {
  return plainVolume(newId(), { labels: { ...labels, [ANONYMOUS_LABEL]: '' }, options });
}

/** Makes volumes' directories and tells of them; they are written down already. */
export function makeVolumes({ runtime, events }: Core, volumes: readonly Volume[]): void {
  for (const { id } of volumes) {
    runtime.volumes.create(id);
    events.emit('volume', 'create', id, { driver: 'local' });
  }
}

/** Containers that have it among their mounts, running or not. @param except one that is about to vanish */
export function volumeUsers(state: State, name: string, except?: string): string[] {
  return [...state.containers.values()]
    .filter(({ id, mounts }) => id !== except && mounts.some((mount) => mount.type === 'volume' && mount.name === name))
    .map(({ id }) => id);
}

/**
 * Takes a volume away with its files. The record and the name go at once, so that whoever comes meanwhile gets a new one.
 * @throws EngineError conflict in Docker's words while a container has it
 */
export async function removeVolume(core: Core, volume: Volume, except?: string): Promise<void> {
  const users = volumeUsers(core.state, volume.id, except);
  if (users.length > 0) {
    throw new EngineError('conflict', `remove ${volume.id}: volume is in use - [${users.join(', ')}]`);
  }
  const removed = core.runtime.volumes.remove(volume.id);
  // Until its first wait it has done what can fail: only deleting the files is left.
  core.state.apply({ remove: { volumes: [volume.id] } });
  core.events.emit('volume', 'destroy', volume.id, { driver: 'local' });
  await removed;
}

/** Named directories that outlive containers. */
export class Volumes {
  readonly #core: Core;
  readonly #pruning: PruneGuard;

  constructor(core: Core, pruning: PruneGuard) {
    this.#core = core;
    this.#pruning = pruning;
  }

  /** One of that name that is there already is the answer. @throws EngineError invalidArgument */
  create(request: VolumeRequest): VolumeView {
    const core = this.#core;
    const known = core.state.volumes.get(request.name);
    if (known !== undefined) return this.#view(known);
    const volume = request.name === '' ? anonymousVolume(request) : plainVolume(request.name, request);
    const undo = core.state.apply({ put: { volumes: [volume] } }, { flush: true });
    try {
      makeVolumes(core, [volume]);
    } catch (error) {
      undo();
      throw new EngineError('internal', `create ${volume.id}: ${errorMessage(error)}`, { cause: error });
    }
    return this.#view(volume);
  }

  /** @throws EngineError notFound in Docker's words */
  find(name: string): VolumeView {
    const volume = this.#core.state.volumes.get(name);
    if (volume === undefined) throw new EngineError('notFound', `get ${name}: no such volume`);
    return this.#view(volume);
  }

  /** In the order they were made. */
  list(): VolumeView[] {
    return [...this.#core.state.volumes.values()].map((volume) => this.#view(volume));
  }

  /** @param options force: one that is not there is no error */
  async remove(name: string, options: { readonly force: boolean }): Promise<void> {
    if (options.force && !this.#core.state.volumes.has(name)) return;
    await removeVolume(this.#core, this.find(name).volume);
  }

  /** Bytes of the files in each volume, by name; not mounted ones count as empty. */
  async sizes(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { runtime } = this.#core;
    const sizes = await runtime.files.sizes(names.map((name) => runtime.volumes.path(name)));
    return new Map(names.map((name, index) => [name, sizes[index] ?? 0]));
  }

  /**
   * Takes away what no container has: anonymous ones, or all.
   * @throws EngineError conflict while another prune runs
   */
  async prune(options: { readonly all: boolean; readonly filters: PruneFilters }): Promise<Pruned> {
    return this.#pruning.run(async () => {
      const core = this.#core;
      const unused = [...core.state.volumes.values()].filter(
        (volume) =>
          (options.all || ANONYMOUS_LABEL in volume.labels) &&
          volumeUsers(core.state, volume.id).length === 0 &&
          matchesPrune(options.filters, volume),
      );
      const sizes = await this.sizes(unused.map(({ id }) => id));
      const deleted: string[] = [];
      let reclaimed = 0;
      for (const volume of unused) {
        if (!(await this.#pruneOne(volume))) continue;
        deleted.push(volume.id);
        reclaimed += sizes.get(volume.id) ?? 0;
      }
      core.events.emit('volume', 'prune', '', { reclaimed: String(reclaimed) });
      return { deleted, reclaimed };
    });
  }

  /** One that somebody took or removed meanwhile is none of ours. */
  async #pruneOne(volume: Volume): Promise<boolean> {
    const { state } = this.#core;
    if (!state.volumes.has(volume.id) || volumeUsers(state, volume.id).length > 0) return false;
    await removeVolume(this.#core, volume);
    return true;
  }

  #view(volume: Volume): VolumeView {
    const { state, runtime } = this.#core;
    return { volume, mountpoint: runtime.volumes.path(volume.id), users: volumeUsers(state, volume.id).length };
  }
}
