import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { EngineError } from '../../model/errors.ts';
import type { Progress } from '../../model/registry.ts';
import { persist } from '../registry/persist.ts';
import { openRepository } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import type { Blob } from './blobs.ts';
import type { StoredImage } from './catalog.ts';
import { shortDigest } from './fetch.ts';
import { LAYER, type LayerDescriptor } from './layers.ts';
import { withLease } from './lease.ts';
import { CONFIG, MANIFEST } from './manifest.ts';
import type { PullTools } from './pull.ts';
import { familiarName, familiarReference, type Reference } from './reference.ts';
import type { RemoteRequest } from './remote.ts';
import { MANIFEST_ATTEMPTS } from './remote-manifest.ts';
import { Slots } from './shared.ts';

/** A layer with the name people know it by here: its diff id. */
interface PushedLayer {
  readonly layer: LayerDescriptor;
  readonly id: string;
}

/** An image as it is sent. */
interface Parcel {
  readonly layers: readonly PushedLayer[];
  readonly config: LayerDescriptor;
  readonly manifest: { readonly bytes: Buffer; readonly mediaType: string };
}

type Report = (progress: Progress) => void;

/** How often one layer is sent, as in Docker */
const ATTEMPTS = 5;
/** Repositories asked for a layer before it is sent */
const MAX_MOUNTS = 3;
const BAR_INTERVAL = 100;
/** Where a plain layer's packed form is found again; by this name garbage collection keeps it as long as the layer. */
const PACKED = 'containerd.io/gc.ref.content.packed';

/** Sends images to registries: layers that are not there yet, the configuration, the manifest last. */
export class Pusher {
  readonly #tools: PullTools;
  readonly #slots: Slots;

  constructor(tools: PullTools) {
    this.#tools = tools;
    this.#slots = new Slots(() => tools.registry.config.maxConcurrentUploads);
  }

  /** Everything is told by progress; "The push refers to …" before anything can fail. */
  async push(request: RemoteRequest): Promise<void> {
    const { reference, progress, signal, auth } = request;
    progress({ status: `The push refers to repository [${reference.name}]` });
    const images = await this.#tools.catalog.all();
    const chosen = chooseTags(images, reference);
    const options = { ...this.#tools.registry, auth, signal };
    using open = await openRepository(reference.name, 'push', options, async () => undefined);
    for (const { image, tag } of chosen) await this.#pushTag(open.repository, image, tag, images, request);
  }

  async #pushTag(
    repository: Repository,
    image: StoredImage,
    tag: string,
    images: readonly StoredImage[],
    { reference, progress, signal }: RemoteRequest,
  ): Promise<void> {
    for (const id of image.content.config.layers.toReversed()) {
      progress({ status: 'Preparing', id: shortDigest(id), detail: {} });
    }
    await withLease(this.#tools.containerd, async (lease) => {
      const parcel = await this.#pack(image, lease);
      const sent = parcel.layers.map(({ layer, id }) => {
        const sources = sourcesOf(images, reference.name, id);
        const work = () => this.#sendLayer(repository, { layer, id }, sources, progress, signal);
        return this.#slots.run(signal, () => progress({ status: 'Waiting', id: shortDigest(id), detail: {} }), work);
      });
      try {
        await Promise.all(sent);
      } finally {
        await Promise.allSettled(sent);
      }
      await persist(ATTEMPTS, signal, () => this.#sendBlob(repository, parcel.config, () => undefined, signal));
      const { bytes, mediaType } = parcel.manifest;
      const digest = await persist(MANIFEST_ATTEMPTS, signal, () =>
        repository.putManifest(tag, mediaType, bytes, signal),
      );
      const name = { name: reference.name, digest };
      await this.#tools.queue.run(() => this.#tools.catalog.point(name, image));
      progress({ status: `${tag}: digest: ${digest} size: ${bytes.length}` });
      progress({ detail: {}, aux: { Tag: tag, Digest: digest, Size: bytes.length } });
    });
  }

  /** The image as it came from a registry; one made here has plain layers, which are packed and get a manifest of their own. */
  async #pack(image: StoredImage, lease: string): Promise<Parcel> {
    const { manifest, config } = image.content;
    const layers: PushedLayer[] = [];
    let changed = false;
    for (const [index, layer] of manifest.layers.entries()) {
      const plain = layer.mediaType === LAYER;
      changed ||= plain;
      layers.push({
        layer: plain ? await this.#packed(layer, lease) : layer,
        id: config.layers[index] ?? layer.digest,
      });
    }
    const sent = { ...manifest.config, ...(changed && { mediaType: CONFIG }) };
    if (!changed) {
      const bytes = await this.#tools.blobs.readWhole(image.target.digest);
      return { layers, config: sent, manifest: { bytes, mediaType: image.target.mediaType } };
    }
    const document = { schemaVersion: 2, mediaType: MANIFEST, config: sent, layers: layers.map(({ layer }) => layer) };
    return { layers, config: sent, manifest: { bytes: Buffer.from(JSON.stringify(document)), mediaType: MANIFEST } };
  }

  /** A plain layer as gzip. It is kept: the next push need not do it again, and knows whether the registry has it. */
  async #packed(layer: LayerDescriptor, lease: string): Promise<LayerDescriptor> {
    const { blobs } = this.#tools;
    const mediaType = `${LAYER}+gzip`;
    const known = (await blobs.info(layer.digest))?.labels[PACKED];
    const packed = known === undefined ? undefined : await blobs.info(known);
    if (known !== undefined && packed !== undefined) return { digest: known, size: packed.size, mediaType };
    const source = Readable.from(blobs.read(layer.digest), { objectMode: false });
    const gzip = createGzip();
    source.on('error', (error) => gzip.destroy(error));
    const blob = await blobs.write(source.pipe(gzip), { lease });
    await blobs.label(layer.digest, { [PACKED]: blob.digest });
    return { ...blob, mediaType };
  }

  async #sendLayer(
    repository: Repository,
    { layer, id }: PushedLayer,
    sources: readonly string[],
    progress: Report,
    signal: AbortSignal,
  ): Promise<void> {
    const show = (status: string, detail = {}) => progress({ status, id: shortDigest(id), detail });
    await persist(ATTEMPTS, signal, async () => {
      if (await repository.hasBlob(layer.digest, signal)) return show('Layer already exists');
      const from = await mountedFrom(repository, layer.digest, sources, signal);
      if (from !== undefined) return show(`Mounted from ${from}`);
      await this.#sendBlob(repository, layer, (current) => show('Pushing', { current, total: layer.size }), signal);
      show('Pushed');
    });
  }

  async #sendBlob(
    repository: Repository,
    blob: Blob,
    bar: (current: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (await repository.hasBlob(blob.digest, signal)) return;
    const location = await repository.startUpload(signal);
    await repository.finishUpload(location, blob, () => withBar(this.#tools.blobs.read(blob.digest), bar), signal);
  }
}

/** The images to send with their tags here. @throws EngineError notFound in Docker's words */
function chooseTags(images: readonly StoredImage[], { name, tag, digest }: Reference) {
  if (digest !== undefined) throw new EngineError('invalidArgument', 'cannot push a digest reference');
  const here = images.flatMap((image) =>
    image.names.flatMap((own) => (own.name === name && own.tag !== undefined ? [{ image, tag: own.tag }] : [])),
  );
  if (here.length === 0) {
    throw new EngineError('notFound', `An image does not exist locally with the tag: ${familiarName(name)}`);
  }
  const chosen = here.filter((candidate) => tag === undefined || candidate.tag === tag);
  if (chosen.length > 0) return chosen.sort((a, b) => (a.tag < b.tag ? -1 : 1));
  throw new EngineError(
    'notFound',
    `tag does not exist: ${familiarReference({ name, ...(tag !== undefined && { tag }) })}`,
  );
}

/** Repositories of the same registry that may hold a layer, because images here have names there. */
function sourcesOf(images: readonly StoredImage[], name: string, diffId: string): string[] {
  const domain = name.slice(0, name.indexOf('/') + 1);
  const names = images
    .filter((image) => image.content.config.layers.includes(diffId))
    .flatMap((image) => image.names.map((own) => own.name))
    .filter((own) => own.startsWith(domain) && own !== name);
  return [...new Set(names)].slice(0, MAX_MOUNTS).map((own) => own.slice(domain.length));
}

/** @returns the repository the layer was taken over from; undefined: it has to be sent */
async function mountedFrom(
  repository: Repository,
  digest: string,
  sources: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const source of sources) {
    try {
      if ((await repository.mount(digest, source, signal)) === undefined) return source;
    } catch {
      // A registry that refuses, because one may not read there or it knows no mounts, takes the bytes all the same.
      signal.throwIfAborted();
    }
  }
  return undefined;
}

async function* withBar(source: AsyncIterable<Buffer>, bar: (current: number) => void): AsyncGenerator<Buffer> {
  let current = 0;
  let shown = 0;
  for await (const chunk of source) {
    current += chunk.length;
    const now = performance.now();
    if (now - shown >= BAR_INTERVAL) {
      shown = now;
      bar(current);
    }
    yield chunk;
  }
  bar(current);
}
