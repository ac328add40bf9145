import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasStatus } from '../grpc/error.ts';
import { type IdMaps, type Owner, rootOf } from '../model/id-map.ts';
import type { Image } from '../model/image.ts';
import { type Containerd, SNAPSHOTTER } from './containerd/client.ts';
import type { Mount } from './containerd/protos/types.ts';
import { chainId } from './images/layers.ts';
import { writableLayer } from './spec/root.ts';

/** In the container's root. Docker's name for it */
const CONTAINER_MARK = '.dockerenv';

/** Containers' writable layers, each a snapshot named by its container's id. */
export class Snapshots {
  readonly #containerd: Containerd;
  readonly #maps: IdMaps | undefined;
  /** What containerd said of those made since the daemon's start: it stays as long as they do. */
  readonly #mounts = new Map<string, readonly Mount[]>();

  /** @param maps of remapped containers */
  constructor(containerd: Containerd, maps?: IdMaps) {
    this.#containerd = containerd;
    this.#maps = maps;
  }

  /**
   * A writable layer on the image's. It holds the image's layers too: they stay even when the image is removed by force.
   * @returns the mounts that make the container's root, as `mounts` tells them later
   * @throws GrpcError conflict when the container has one already
   */
  async prepare(containerId: string, image: Image): Promise<readonly Mount[]> {
    const { mounts } = await this.#containerd.snapshots.prepare({
      snapshotter: SNAPSHOTTER,
      key: containerId,
      parent: chainId(image.layers),
      // Without this, containerd's garbage collector takes what no record refers to.
      labels: { 'containerd.io/gc.root': new Date().toISOString() },
    });
    // Programs ask for this file to learn that they run in a container. The layer is new: nothing can be in the way.
    const layer = writableLayer(mounts);
    writeFileSync(join(layer, CONTAINER_MARK), '', { mode: 0o755 });
    if (this.#maps !== undefined) this.#give(layer, image, rootOf(this.#maps));
    this.#mounts.set(containerId, mounts);
    return mounts;
  }

  /** An image without layers brings no root directory that would have its owner already. */
  #give(layer: string, image: Image, { uid, gid }: Owner): void {
    chownSync(join(layer, CONTAINER_MARK), uid, gid);
    if (image.layers.length === 0) chownSync(layer, uid, gid);
  }

  /** @throws GrpcError notFound */
  async mounts(containerId: string): Promise<readonly Mount[]> {
    const known = this.#mounts.get(containerId);
    return known ?? (await this.#containerd.snapshots.mounts({ snapshotter: SNAPSHOTTER, key: containerId })).mounts;
  }

  /** Missing is fine. */
  async remove(containerId: string): Promise<void> {
    this.#mounts.delete(containerId);
    try {
      await this.#containerd.snapshots.remove({ snapshotter: SNAPSHOTTER, key: containerId });
    } catch (error) {
      if (!hasStatus(error, 'NOT_FOUND')) throw error;
    }
  }

  /** Ids of all containers that have a writable layer. For finding what a crash left behind. */
  async list(): Promise<string[]> {
    const ids: string[] = [];
    const filters = ['kind==active,labels."containerd.io/gc.root"'];
    for await (const { info } of this.#containerd.snapshots.list({ snapshotter: SNAPSHOTTER, filters })) {
      ids.push(...info.map((snapshot) => snapshot.name));
    }
    return ids;
  }
}
