import { createHash, randomBytes } from 'node:crypto';
import { hasStatus } from '../../grpc/error.ts';
import { EngineError } from '../../model/errors.ts';
import { type Containerd, SNAPSHOTTER } from '../containerd/client.ts';
import type { Descriptor } from '../containerd/protos/types.ts';
import { writableLayer } from '../spec/root.ts';

/** Media types of layers, plain and compressed (OCI image spec, layer.md). Diff takes no others. */
export const LAYER = 'application/vnd.oci.image.layer.v1.tar';
export type LayerDescriptor = Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;

/** Names of a stack of layers at every height, lowest first (OCI image spec, config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chains: string[] = [];
  for (const id of diffIds) {
    const below = chains.at(-1);
    chains.push(below === undefined ? id : `sha256:${createHash('sha256').update(`${below} ${id}`).digest('hex')}`);
  }
  return chains;
}

/** Name of the whole stack; '' for an image without layers, which containerd takes as an empty root. */
export function chainId(diffIds: readonly string[]): string {
  return chainIds(diffIds).at(-1) ?? '';
}

/** One layer to put on those below it. */
export interface UnpackStep {
  /** Of the layer in its image, counted from 0, lowest first */
  readonly index: number;
  readonly layer: LayerDescriptor;
  readonly diffId: string;
  /** '' for the lowest */
  readonly parent: string;
  readonly chain: string;
}

/** Gives what a layer holds to its owners on this host. @param directory of the host */
export type OwnLayer = (directory: string) => Promise<void>;

/** Layers of images as snapshots, named by their chain ids. */
export class Layers {
  readonly #containerd: Containerd;
  readonly #own: OwnLayer | undefined;

  /** @param own undefined: owners are the host's as the layer says them */
  constructor(containerd: Containerd, own?: OwnLayer) {
    this.#containerd = containerd;
    this.#own = own;
  }

  /**
   * Makes every layer a snapshot. Those that are there already stay as they are.
   *
   * @param layers as many as there are diffIds, in the same order
   * @throws EngineError invalidArgument when a layer is not what its diff id says; GrpcError when it is no tar
   */
  async unpackAll(layers: readonly LayerDescriptor[], diffIds: readonly string[], lease: string): Promise<void> {
    const chains = chainIds(diffIds);
    for (const [index, layer] of layers.entries()) {
      const [diffId = '', parent = '', chain = ''] = [diffIds[index], chains[index - 1], chains[index]];
      await this.unpack({ index, layer, diffId, parent, chain }, lease);
    }
  }

  /** Makes a layer a snapshot, unless it is there. @throws as `unpackAll` */
  async unpack(
    { index, layer, diffId, parent, chain }: UnpackStep,
    lease: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const containerd = this.#containerd;
    if (await hasSnapshot(containerd, chain)) return;
    const key = `unpack-${randomBytes(6).toString('hex')} ${chain}`;
    const { mounts } = await containerd.snapshots.prepare({ snapshotter: SNAPSHOTTER, key, parent }, { lease });
    try {
      const { applied } = await containerd.diff.apply({ diff: layer, mounts }, { signal });
      if (applied?.digest !== diffId) throw wrongLayer(index, diffId, applied?.digest);
      await this.#own?.(writableLayer(mounts));
      await containerd.snapshots.commit({ snapshotter: SNAPSHOTTER, name: chain, key }, { lease });
    } catch (error) {
      await containerd.snapshots.remove({ snapshotter: SNAPSHOTTER, key });
      // Somebody else was quicker with the same layer.
      if (!hasStatus(error, 'ALREADY_EXISTS')) throw error;
    }
  }
}

export async function hasSnapshot(containerd: Containerd, chain: string): Promise<boolean> {
  try {
    await containerd.snapshots.stat({ snapshotter: SNAPSHOTTER, key: chain });
    return true;
  } catch (error) {
    if (hasStatus(error, 'NOT_FOUND')) return false;
    throw error;
  }
}

function wrongLayer(index: number, expected: string, found = ''): EngineError {
  return new EngineError(
    'invalidArgument',
    `invalid diffID for layer ${index}: expected "${expected}", got "${found}"`,
  );
}
