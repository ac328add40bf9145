import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { PathChange, PathStat, RootView, SeenMount } from '../runtime/files/job.ts';
import { decompress } from '../runtime/images/decompress.ts';
import { writableLayer } from '../runtime/spec/root.ts';
import { resolveUser } from '../runtime/spec/user.ts';
import { seenMounts, volumesOf } from './container-mounts.ts';
import { containerPaths } from './container-paths.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { findContainer } from './lookup.ts';
import { isUp } from './sandboxes.ts';

export type { PathChange, PathStat } from '../runtime/files/job.ts';

export interface ArchiveUpload {
  /** A file may not take a directory's place, nor the other way round */
  readonly keepTypes: boolean;
  /** Everything belongs to the user the container runs as */
  readonly ownedByUser: boolean;
}

/** Containers' files, running or not: `cp`, `diff`, `export`. Volumes and binds are seen by `cp` alone. */
export class Archives {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** @throws EngineError notFound in Docker's words */
  async stat(reference: string, path: string): Promise<PathStat> {
    const container = this.#find(reference);
    return this.#looking(container, reference, path, (root) => this.#files.stat(root, absolute(path)));
  }

  /** A tar of what lies at a path, which bears the name of the path's last part. @throws EngineError notFound */
  async read(reference: string, path: string): Promise<{ readonly stat: PathStat; readonly tar: Readable }> {
    const container = this.#find(reference);
    const found = await this.#looking(container, reference, path, (root) => this.#files.pack(root, absolute(path)));
    containerEvent(this.#core, container, 'archive-path');
    return found;
  }

  /**
   * Lays a tar, compressed or not, down in a directory.
   * @throws EngineError notFound, forbidden (read-only), invalidArgument (no directory, no tar) in Docker's words
   */
  async write(reference: string, path: string, tar: Readable, upload: ArchiveUpload): Promise<void> {
    const container = this.#find(reference);
    const archive = await decompress(tar);
    const lay = () =>
      this.#looking(container, reference, path, async (root) => {
        const owner = upload.ownedByUser ? ownerOf(container, root) : {};
        await this.#files.unpack(root, absolute(path), archive, { keepTypes: upload.keepTypes, ...owner });
      });
    // Nobody shall start it in the middle: its root would be mounted twice.
    await (isUp(container) ? lay() : withContainer(this.#core, container.id, lay));
    containerEvent(this.#core, container, 'extract-to-dir');
  }

  /** The whole root as a tar, without what is mounted in it. */
  async export(reference: string): Promise<Readable> {
    const container = this.#find(reference);
    const layers = await this.#core.runtime.snapshots.mounts(container.id);
    const tar = await this.#files.export({ layers, mounts: [], readOnly: true, ...this.#maps });
    containerEvent(this.#core, container, 'export');
    return tar;
  }

  /** What the container changed of its image. */
  async changes(reference: string): Promise<PathChange[]> {
    const { id } = this.#find(reference);
    return this.#files.changes(await this.#core.runtime.snapshots.mounts(id));
  }

  /** Bytes of the files that each container wrote, by its id. One that vanishes meanwhile is left out. */
  async sizes(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return writtenSizes(this.#core, ids);
  }

  /** Owners are told and taken as remapped containers see them. */
  get #maps(): Pick<RootView, 'maps'> {
    const { remap } = this.#core.config;
    return remap === undefined ? {} : { maps: remap };
  }

  get #files() {
    return this.#core.runtime.files;
  }

  #find(reference: string): Container {
    return findContainer(this.#core.state.containers, reference);
  }

  /** Work with the container's root in view; volumes with options of their own are mounted meanwhile. */
  async #looking<T>(
    container: Container,
    reference: string,
    path: string,
    work: (root: RootView) => Promise<T>,
  ): Promise<T> {
    const { runtime, volumeUse } = this.#core;
    if (path === '') throw new EngineError('invalidArgument', 'bad parameter: path cannot be empty');
    const layers = await runtime.snapshots.mounts(container.id);
    try {
      return await volumeUse.hold(volumesOf(container), container.id, async () =>
        work({ layers, mounts: this.#mounts(container), readOnly: container.spec.readOnlyRoot, ...this.#maps }),
      );
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'notFound') throw error;
      throw new EngineError('notFound', `Could not find the file ${path} in container ${reference}`, { cause: error });
    }
  }

  /** The files of its network lie in no layer either. */
  #mounts(container: Container): SeenMount[] {
    const { hosts, hostname, resolvConf } = containerPaths(this.#core.config, this.#core.state, container);
    const users = seenMounts(this.#core, container);
    const taken = new Set(users.map(({ destination }) => destination));
    const own = [
      { source: hosts, destination: '/etc/hosts' },
      { source: hostname, destination: '/etc/hostname' },
      { source: resolvConf, destination: '/etc/resolv.conf' },
    ].filter(({ source, destination }) => !taken.has(destination) && existsSync(source));
    const readOnly = container.spec.readOnlyRoot;
    return [...users, ...own.map((file) => ({ ...file, subpath: '', readOnly }))];
  }
}

/** Bytes of the files that each container wrote. */
export async function writtenSizes({ runtime }: Core, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const places = await Promise.all(
    ids.map(async (id) => {
      const layers = await runtime.snapshots.mounts(id).catch(() => undefined);
      return layers === undefined ? undefined : { id, directory: writableLayer(layers) };
    }),
  );
  const known = places.filter((place) => place !== undefined);
  const sizes = await runtime.files.sizes(known.map(({ directory }) => directory));
  return new Map(known.map(({ id }, index) => [id, sizes[index] ?? 0]));
}

/** A slash or a dot at the end says that the directory is meant, not a link to it. */
function absolute(path: string): string {
  const whole = posix.join('/', path).replace(/(.)\/$/, '$1');
  if (/(^|\/)\.\/*$/.test(path)) return whole === '/' ? '/.' : `${whole}/.`;
  return path.endsWith('/') && whole !== '/' ? `${whole}/` : whole;
}

function ownerOf({ spec }: Container, { layers }: RootView) {
  if (spec.user === '') return {};
  const { uid, gid } = resolveUser(layers, spec.user, []);
  return { owner: { uid, gid } };
}
