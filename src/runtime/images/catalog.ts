import { hasStatus } from '../../grpc/error.ts';
import { EngineError, errorMessage } from '../../model/errors.ts';
import type { Image } from '../../model/image.ts';
import type { Logger } from '../../model/logger.ts';
import { type Containerd, SNAPSHOTTER } from '../containerd/client.ts';
import type { ImageRecord } from '../containerd/protos/images.ts';
import type { Descriptor } from '../containerd/protos/types.ts';
import type { Blobs } from './blobs.ts';
import { type ParsedConfig, parseConfig } from './config.ts';
import { chainIds } from './layers.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { familiarReference, formatReference, parseReference, type Reference } from './reference.ts';

/** What cannot change about an image: all of it is named by the manifest's digest. */
export interface ImageContent {
  readonly manifest: Manifest;
  readonly config: ParsedConfig;
  readonly chains: readonly string[];
  /** Bytes of each layer unpacked, lowest first */
  readonly layerSizes: readonly number[];
}

/** An image with the names it has now. */
export interface StoredImage {
  readonly id: string;
  /** Where its names point; of several manifests with one configuration, the first */
  readonly target: Descriptor;
  readonly content: ImageContent;
  readonly names: readonly Reference[];
  /** Id of the image it was made from, here: archives and registries know nothing of it */
  readonly parent?: string;
}

/** What a record says of an image. */
export type Recorded = Pick<StoredImage, 'id' | 'target' | 'parent'>;

/** Of each of an image's records */
const PARENT_LABEL = 'fairway/parent';

/** Keeps an image without a name from garbage collection. */
const DANGLING = 'dangling@';

/**
 * The images: containerd's records, grouped by the image they lead to. An image is known by the digest of its
 * configuration, as in Docker's own store; a record leads to a manifest, and that to the configuration.
 */
export class Catalog {
  readonly #containerd: Containerd;
  readonly #blobs: Blobs;
  readonly #logger: Logger;
  readonly #contents = new Map<string, Promise<ImageContent>>();

  constructor(containerd: Containerd, blobs: Blobs, logger: Logger) {
    this.#containerd = containerd;
    this.#blobs = blobs;
    this.#logger = logger;
  }

  /** All images, newest first. One that cannot be read is left out, and said so in the log. */
  async all(): Promise<StoredImage[]> {
    const { images: records } = await this.#containerd.images.list({});
    const known = new Set(records.map((record) => record.target?.digest));
    for (const digest of this.#contents.keys()) if (!known.has(digest)) this.#contents.delete(digest);
    const images = new Map<string, StoredImage>();
    for (const record of records) {
      const image = await this.#read(record);
      if (image === undefined) continue;
      const same = images.get(image.id);
      images.set(image.id, same === undefined ? image : { ...same, names: [...same.names, ...image.names] });
    }
    return [...images.values()].sort((a, b) => (a.content.config.created < b.content.config.created ? 1 : -1));
  }

  /** Gives a name to an image, taking it from the one that had it, which stays, nameless if need be. */
  async point(name: Reference, image: Recorded): Promise<void> {
    const present = await this.all();
    const holder = present.find((other) => hasName(other, name));
    if (holder?.id === image.id) return;
    if (holder?.names.length === 1) await this.keepNameless(holder);
    // It may be here already, and come anew from somewhere else.
    const known = present.find(({ id }) => id === image.id);
    await this.#put(formatReference(name), { ...(known?.parent && { parent: known.parent }), ...image });
    await this.#forget(danglingName(image.id));
  }

  /** Keeps an image that has no name. */
  async keepNameless(image: Recorded): Promise<void> {
    await this.#put(danglingName(image.id), image);
  }

  async removeName(name: Reference): Promise<void> {
    await this.#forget(formatReference(name));
  }

  /**
   * Removes every record of an image; its content and snapshots go with it, where nothing else needs them.
   *
   * @returns chain ids of the layers that are gone, highest first
   */
  async removeAll(image: StoredImage): Promise<string[]> {
    for (const name of image.names) await this.removeName(name);
    // A record is needed to ask for garbage collection: the nameless one may not be there yet.
    await this.keepNameless(image);
    await this.#containerd.images.delete({ name: danglingName(image.id), sync: true });
    const gone: string[] = [];
    for (const chain of image.content.chains.toReversed()) if (await this.#isGone(chain)) gone.push(chain);
    return gone;
  }

  /** What a manifest leads to. @throws EngineError invalidArgument when it or its configuration is malformed */
  content(manifestDigest: string): Promise<ImageContent> {
    const cached = this.#contents.get(manifestDigest);
    if (cached !== undefined) return cached;
    const content = this.#readContent(manifestDigest);
    this.#contents.set(manifestDigest, content);
    content.catch(() => this.#contents.delete(manifestDigest));
    return content;
  }

  async #read(record: ImageRecord): Promise<StoredImage | undefined> {
    const { target } = record;
    if (target === undefined) return undefined;
    try {
      const content = await this.content(target.digest);
      const names = record.name.startsWith(DANGLING) ? [] : [parseReference(record.name)];
      const parent = record.labels[PARENT_LABEL];
      return {
        id: content.manifest.config.digest,
        target,
        content,
        names,
        ...(parent === undefined ? {} : { parent }),
      };
    } catch (error) {
      // Removed since it was listed, or damaged: the others are to be had all the same.
      if (!hasStatus(error, 'NOT_FOUND') && !(error instanceof EngineError && error.kind === 'invalidArgument'))
        throw error;
      this.#logger.warn('image cannot be read', { name: record.name, error: errorMessage(error) });
      return undefined;
    }
  }

  async #readContent(manifestDigest: string): Promise<ImageContent> {
    const manifest = parseManifest(await this.#blobs.readDocument(manifestDigest));
    const config = parseConfig(await this.#blobs.readDocument(manifest.config.digest));
    const chains = chainIds(config.layers);
    const usages = chains.map((key) => this.#containerd.snapshots.usage({ snapshotter: SNAPSHOTTER, key }));
    const layerSizes = (await Promise.all(usages)).map((usage) => usage.size);
    return { manifest, config, chains, layerSizes };
  }

  async #put(name: string, { target, parent }: Recorded): Promise<void> {
    const image = { name, target, labels: parent === undefined ? {} : { [PARENT_LABEL]: parent } };
    try {
      await this.#containerd.images.create({ image });
    } catch (error) {
      if (!hasStatus(error, 'ALREADY_EXISTS')) throw error;
      await this.#containerd.images.update({ image, updateMask: { paths: ['target', 'labels'] } });
    }
  }

  async #forget(name: string): Promise<void> {
    try {
      await this.#containerd.images.delete({ name });
    } catch (error) {
      if (!hasStatus(error, 'NOT_FOUND')) throw error;
    }
  }

  async #isGone(chain: string): Promise<boolean> {
    try {
      await this.#containerd.snapshots.stat({ snapshotter: SNAPSHOTTER, key: chain });
      return false;
    } catch (error) {
      if (hasStatus(error, 'NOT_FOUND')) return true;
      throw error;
    }
  }
}

/** As the rest of the engine sees it. */
export function describeImage({ id, content, names, parent }: StoredImage): Image {
  const { config, layerSizes } = content;
  return {
    ...config,
    id,
    tags: names.filter((name) => name.digest === undefined).map(familiarReference),
    digests: names.filter((name) => name.digest !== undefined).map(familiarReference),
    ...(parent === undefined ? {} : { parent }),
    layerSizes,
    size: layerSizes.reduce((sum, size) => sum + size, 0),
  };
}

export function hasName(image: StoredImage, name: Reference): boolean {
  return image.names.some((own) => formatReference(own) === formatReference(name));
}

/** Whether an image was made from this one, and so cannot be without it. */
export function hasChildren(images: readonly Pick<StoredImage, 'parent'>[], id: string): boolean {
  return images.some(({ parent }) => parent === id);
}

function danglingName(id: string): string {
  return `${DANGLING}${id}`;
}
