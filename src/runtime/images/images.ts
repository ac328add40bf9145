import { Readable } from 'node:stream';
import { EngineError } from '../../model/errors.ts';
import type { IdMaps } from '../../model/id-map.ts';
import type { Image } from '../../model/image.ts';
import type { Logger } from '../../model/logger.ts';
import { hostPlatform } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import type { Containerd } from '../containerd/client.ts';
import type { Descriptor } from '../containerd/protos/types.ts';
import type { RegistryOptions } from '../registry/registry.ts';
import { Archive } from './archive.ts';
import { Blobs } from './blobs.ts';
import { Catalog, describeImage, hasChildren, hasName, type ImageContent, type StoredImage } from './catalog.ts';
import { applyChanges } from './changes.ts';
import type { CommitRequest } from './commit.ts';
import { type ConfigDocument, parseConfig } from './config.ts';
import { decompress, expectErrors } from './decompress.ts';
import { findImage } from './find.ts';
import { type HistoryRow, imageHistory } from './history.ts';
import { chainId, LAYER, type LayerDescriptor, Layers, type OwnLayer } from './layers.ts';
import { Queue, withLease } from './lease.ts';
import { type ArchivedImage, archivedImages } from './load.ts';
import { CONFIG, MANIFEST } from './manifest.ts';
import { familiarReference, parseTag } from './reference.ts';
import type { RemoteImages } from './remote.ts';
import { deleteImage, type ImageRemoval, type RemoveOptions, removeImage } from './remove.ts';
import { saveArchive, selectImages } from './save.ts';
import { storeManifest } from './store-manifest.ts';

interface ImagesOptions {
  readonly logger: Logger;
  readonly registry: RegistryOptions;
  /** Of remapped containers, whose layers have the host's owners */
  readonly maps?: IdMaps | undefined;
  readonly own?: OwnLayer | undefined;
}

export interface ImportOptions {
  /** "busybox" or "busybox:1"; '' or absent: the image gets no name */
  readonly repository?: string;
  readonly tag?: string;
  /** Dockerfile instructions: `CMD ["sh"]` */
  readonly changes: readonly string[];
  /** The history's comment; '': "Imported from -" */
  readonly message: string;
  /** What it is for; undefined: this machine's */
  readonly platform?: Platform;
}

export interface PruneOptions {
  /** Only images without a tag; a digest is no name people use */
  readonly danglingOnly: boolean;
  inUse(imageId: string): boolean;
}

export interface PrunedImages {
  readonly deleted: readonly ImageRemoval[];
  /** Bytes */
  readonly reclaimed: number;
}

/** What an image consists of, as the content store has it. */
export interface ImageParts {
  readonly config: LayerDescriptor;
  readonly layers: readonly LayerDescriptor[];
}

export interface AdoptedLayer {
  readonly layer: LayerDescriptor;
  /** Its bytes; undefined: it is here already */
  readonly content?: Readable;
}

/**
 * Images in containerd: content, unpacked layers, and names. Whatever fails in the middle leaves nothing behind; whatever
 * is removed takes along what nothing else needs.
 */
export class Images {
  readonly #containerd: Containerd;
  readonly #blobs: Blobs;
  readonly #catalog: Catalog;
  readonly #layers: Layers;
  readonly #maps: IdMaps | undefined;
  readonly #queue = new Queue();
  readonly #registry: RegistryOptions;
  #remote: Promise<RemoteImages> | undefined;

  constructor(containerd: Containerd, options: ImagesOptions) {
    this.#containerd = containerd;
    this.#registry = options.registry;
    this.#blobs = new Blobs(containerd);
    this.#catalog = new Catalog(containerd, this.#blobs, options.logger);
    this.#layers = new Layers(containerd, options.own);
    this.#maps = options.maps;
  }

  /**
   * Makes an image of one layer from a tar of a root filesystem, plain or compressed with gzip or zstd.
   *
   * @returns its id
   * @throws EngineError invalidArgument for a bad name or change, or when it is no tar
   */
  async import(tar: Readable, options: ImportOptions): Promise<string> {
    expectErrors(tar);
    const { repository = '', tag = '', message, platform } = options;
    const { os, architecture, variant } = platform ?? hostPlatform();
    const name = repository === '' ? undefined : parseTag(repository, tag);
    const config = applyChanges({}, options.changes);
    return withLease(this.#containerd, async (lease) => {
      const layer = await this.#blobs.write(await decompress(tar), { lease });
      const created = new Date().toISOString();
      const comment = message === '' ? 'Imported from -' : message;
      const document = {
        architecture,
        os,
        ...(variant === '' ? {} : { variant }),
        created,
        comment,
        config,
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
        history: [{ created, comment }],
      } satisfies ConfigDocument;
      const blob = await this.#blobs.write([Buffer.from(JSON.stringify(document))], { lease });
      const tags = name === undefined ? [] : [name];
      const image = { config: blob, layers: [{ ...layer, mediaType: LAYER }], tags };
      const target = await this.#unpack(image, lease);
      await this.#queue.run(() => this.#name(image, target, () => undefined));
      return blob.digest;
    });
  }

  /**
   * Makes an image of a container: its image's layers and what it has written, if anything.
   *
   * @returns its id
   * @throws EngineError invalidArgument for a bad name or change; notFound when the container's image is gone
   */
  async commit(request: CommitRequest): Promise<string> {
    const { repository = '', tag = '' } = request;
    const tags = repository === '' ? [] : [parseTag(repository, tag)];
    const { content } = findImage(await this.#catalog.all(), request.image);
    return withLease(this.#containerd, async (lease) => {
      const { committedConfig } = await import('./commit.ts');
      const base = await this.#blobs.readDocument(content.manifest.config.digest);
      // Bad changes are told before the work.
      committedConfig(base, request, undefined);
      const layer = await this.#writtenLayer(request.container, content, lease);
      const document = Buffer.from(JSON.stringify(committedConfig(base, request, layer)));
      const config = await this.#blobs.write([document], { lease });
      const layers = [...content.manifest.layers, ...(layer === undefined ? [] : [layer])];
      const made = await this.#unpack({ config, layers, tags }, lease);
      await this.#queue.run(() => this.#name({ config, layers, tags }, made, () => undefined, request.image));
      return config.digest;
    });
  }

  /** What an image consists of. @throws EngineError notFound */
  async parts(reference: string): Promise<ImageParts> {
    const { manifest } = findImage(await this.#catalog.all(), reference).content;
    return { config: manifest.config, layers: manifest.layers };
  }

  readBlob(digest: string): AsyncGenerator<Buffer> {
    return this.#blobs.read(digest);
  }

  /** @param id "sha256:…" */
  async has(id: string): Promise<boolean> {
    return (await this.#catalog.all()).some((image) => image.id === id);
  }

  /** Layers of all images, by diff id. */
  async knownLayers(): Promise<Map<string, LayerDescriptor>> {
    const images = await this.#catalog.all();
    return new Map(
      images.flatMap(({ content }) =>
        content.manifest.layers.map((layer, index) => [content.config.layers[index] ?? '', layer] as const),
      ),
    );
  }

  /**
   * Takes in an image somebody else has made, without a name.
   * @param config as its digest names the image
   * @param layers lowest first; those without content are here already
   * @throws EngineError invalidArgument when it is malformed
   */
  async adopt(config: Buffer, layers: readonly AdoptedLayer[]): Promise<void> {
    await withLease(this.#containerd, async (lease) => {
      const blob = await this.#blobs.write([config], { lease });
      for (const { content } of layers) if (content !== undefined) await this.#blobs.write(content, { lease });
      const image = { config: blob, layers: layers.map(({ layer }) => layer), tags: [] };
      const target = await this.#unpack(image, lease);
      await this.#queue.run(() => this.#name(image, target, () => undefined));
    });
  }

  /**
   * Takes in an archive of `docker save` or an OCI layout: all its images or none.
   *
   * @param progress gets a line for each name or nameless image: "Loaded image: busybox:latest\n"
   * @param platform images for others are left out; undefined: none is, and of several this machine's is meant
   * @throws EngineError invalidArgument when the archive is malformed or incomplete
   */
  async load(tar: Readable, progress: (line: string) => void, platform?: Platform): Promise<void> {
    expectErrors(tar);
    await withLease(this.#containerd, async (lease) => {
      const archive = await Archive.read(tar, this.#blobs, lease);
      const images = await archivedImages(archive, this.#blobs, platform);
      const targets: Descriptor[] = [];
      for (const image of images) targets.push(await this.#unpack(image, lease));
      for (const [index, target] of targets.entries()) {
        const image = images[index];
        if (image !== undefined) await this.#queue.run(() => this.#name(image, target, progress));
      }
    });
  }

  /** The way to registries. Loaded when it is first taken: many daemons never do. */
  remote(): Promise<RemoteImages> {
    this.#remote ??= import('./remote.ts').then(
      ({ RemoteImages }) =>
        new RemoteImages({
          containerd: this.#containerd,
          blobs: this.#blobs,
          layers: this.#layers,
          catalog: this.#catalog,
          queue: this.#queue,
          registry: this.#registry,
        }),
    );
    return this.#remote;
  }

  /**
   * An archive of these images for `load`. The stream fails when one is not found, before anything is written to it.
   * @param saved gets the id of each when it is in the archive
   */
  save(references: readonly string[], saved: (id: string) => void = () => undefined): Readable {
    return Readable.from(this.#save(references, saved), { objectMode: false });
  }

  /** Newest first. */
  async list(): Promise<Image[]> {
    return (await this.#catalog.all()).map(describeImage);
  }

  /** @throws EngineError notFound, invalidArgument; see findImage */
  async find(reference: string): Promise<Image> {
    return describeImage(findImage(await this.#catalog.all(), reference));
  }

  /** Rows of `docker history`, newest first. @throws EngineError notFound */
  async history(reference: string): Promise<HistoryRow[]> {
    const images = await this.#catalog.all();
    return imageHistory(findImage(images, reference), images);
  }

  /** Gives an image a further name, taking it from the image that had it. @throws EngineError notFound, invalidArgument */
  async tag(source: string, repository: string, tag: string): Promise<void> {
    const name = parseTag(repository, tag);
    await this.#queue.run(async () => {
      const image = findImage(await this.#catalog.all(), source);
      await this.#catalog.point(name, image);
    });
  }

  /** Removes a name, or an image. @throws EngineError notFound, conflict; see removeImage */
  async remove(reference: string, options: RemoveOptions): Promise<ImageRemoval[]> {
    return this.#queue.run(() => removeImage(this.#catalog, reference, options));
  }

  /** Removes what nobody uses. */
  async prune(options: PruneOptions): Promise<PrunedImages> {
    return this.#queue.run(async () => {
      const deleted: ImageRemoval[] = [];
      const gone = new Set<string>();
      let reclaimed = 0;
      const images = await this.#catalog.all();
      // Newest first: children before their parents.
      for (const image of images) {
        if (gone.has(image.id) || (options.danglingOnly && isTagged(image)) || options.inUse(image.id)) continue;
        deleted.push(...image.names.map((name) => ({ Untagged: familiarReference(name) })));
        const staying = images.filter(({ id }) => !gone.has(id));
        if (hasChildren(staying, image.id)) {
          await this.#catalog.keepNameless(image);
          for (const name of image.names) await this.#catalog.removeName(name);
          continue;
        }
        const removals = await deleteImage(this.#catalog, image, { prune: true, inUse: options.inUse });
        deleted.push(...removals);
        for (const { Deleted } of removals) gone.add(Deleted);
        image.content.chains.forEach((chain, index) => {
          if (removals.some(({ Deleted }) => Deleted === chain)) reclaimed += image.content.layerSizes[index] ?? 0;
        });
      }
      return { deleted, reclaimed };
    });
  }

  /**
   * Unpacks an image whose blobs are there, under the lease. In the queue, because layers that are there already must not
   * be removed meanwhile.
   *
   * @returns its manifest, to which names may point
   */
  async #unpack(image: ArchivedImage, lease: string): Promise<Descriptor> {
    const { layers } = parseConfig(await this.#blobs.readDocument(image.config.digest));
    if (layers.length !== image.layers.length) {
      throw new EngineError('invalidArgument', 'invalid manifest, layers length mismatch');
    }
    return this.#queue.run(async () => {
      await this.#layers.unpackAll(image.layers, layers, lease);
      const config = { mediaType: CONFIG, ...image.config };
      const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: image.layers };
      const bytes = Buffer.from(JSON.stringify(manifest));
      return storeManifest(this.#blobs, { bytes, mediaType: MANIFEST, manifest, chain: chainId(layers) }, lease);
    });
  }

  /** What a container has written, with the owners that it sees. */
  async #writtenLayer(container: string, image: ImageContent, lease: string): Promise<LayerDescriptor | undefined> {
    const { writtenLayer } = await import('./commit.ts');
    const layer = await writtenLayer(this.#containerd, container, image, lease);
    if (layer === undefined || this.#maps === undefined) return layer;
    const { containerOwners } = await import('./tar-owners.ts');
    const written = await this.#blobs.write(containerOwners(this.#blobs.read(layer.digest), this.#maps), { lease });
    return { mediaType: LAYER, ...written };
  }

  /** @param parent of one that was made here */
  async #name(
    image: ArchivedImage,
    target: Descriptor,
    progress: (line: string) => void,
    parent?: string,
  ): Promise<void> {
    const id = image.config.digest;
    const recorded = { id, target, ...(parent === undefined ? {} : { parent }) };
    const present = await this.#catalog.all();
    for (const name of image.tags) {
      const former = present.find((other) => other.id !== id && hasName(other, name));
      const shown = familiarReference(name);
      if (former !== undefined) {
        progress(`The image ${shown} already exists, renaming the old one with ID ${former.id} to empty string\n`);
      }
      await this.#catalog.point(name, recorded);
      progress(`Loaded image: ${shown}\n`);
    }
    if (image.tags.length > 0) return;
    if (!present.some((other) => other.id === id)) await this.#catalog.keepNameless(recorded);
    progress(`Loaded image ID: ${id}\n`);
  }

  async *#save(references: readonly string[], saved: (id: string) => void): AsyncGenerator<Buffer> {
    const images = selectImages(await this.#catalog.all(), references);
    yield* saveArchive(this.#blobs, images);
    for (const { image } of images) saved(image.id);
  }
}

function isTagged({ names }: StoredImage): boolean {
  return names.some(({ digest }) => digest === undefined);
}
