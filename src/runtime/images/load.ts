import { EngineError } from '../../model/errors.ts';
import { hostPlatform, isPlatform } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import type { Archive } from './archive.ts';
import type { Blob, Blobs } from './blobs.ts';
import { parseConfig, string } from './config.ts';
import { detectCompression } from './decompress.ts';
import { LAYER, type LayerDescriptor } from './layers.ts';
import { type IndexEntry, isIndex, parseArchiveManifest, parseIndex, parseManifest } from './manifest.ts';
import { parseReference, type Reference } from './reference.ts';

/** An image found in an archive. */
export interface ArchivedImage {
  readonly config: Blob;
  readonly layers: readonly LayerDescriptor[];
  readonly tags: readonly Reference[];
}

/** Indexes may hold indexes; nobody nests them deeper than twice. */
const MAX_DEPTH = 4;
const MAGIC_BYTES = 6;

/**
 * The images of an archive of `docker save`, of any age since Docker 1.10, or of an OCI layout.
 *
 * @param platform images for others are left out; undefined: none is, and of several this machine's is meant
 * @throws EngineError invalidArgument when the archive is neither, or incomplete
 */
export async function archivedImages(
  archive: Archive,
  blobs: Blobs,
  platform: Platform | undefined,
): Promise<ArchivedImage[]> {
  const images = await allImages(archive, blobs, (platform ?? hostPlatform()).architecture);
  if (platform === undefined) return images;
  const made = await Promise.all(
    images.map(async ({ config }) => parseConfig(await blobs.readDocument(config.digest))),
  );
  return images.filter((_, index) => isPlatform(made[index] ?? hostPlatform(), platform));
}

async function allImages(archive: Archive, blobs: Blobs, architecture: string): Promise<ArchivedImage[]> {
  if (archive.has('manifest.json')) return dockerImages(archive, blobs);
  if (!archive.has('index.json')) {
    throw new EngineError('invalidArgument', 'invalid archive: does not contain a manifest.json');
  }
  const entries = await indexEntries(archive, blobs, archive.file('index.json').digest, architecture);
  return Promise.all(entries.map((entry) => ociImage(archive, blobs, entry)));
}

async function dockerImages(archive: Archive, blobs: Blobs): Promise<ArchivedImage[]> {
  const entries = parseArchiveManifest(await blobs.readDocument(archive.file('manifest.json').digest));
  return Promise.all(
    entries.map(async (entry) => ({
      config: archive.file(entry.config),
      layers: await Promise.all(entry.layers.map((path) => describeLayer(blobs, archive.file(path)))),
      tags: entry.tags.map(parseReference),
    })),
  );
}

async function ociImage(archive: Archive, blobs: Blobs, entry: IndexEntry): Promise<ArchivedImage> {
  const manifest = parseManifest(await blobs.readDocument(archive.blob(entry.digest).digest));
  const name = imageName(entry);
  return {
    config: archive.blob(manifest.config.digest),
    layers: await Promise.all(manifest.layers.map((layer) => describeLayer(blobs, archive.blob(layer.digest)))),
    tags: name === '' ? [] : [parseReference(name)],
  };
}

/** Entries for images; of a further index, the one for this machine, under the index's name. */
async function indexEntries(
  archive: Archive,
  blobs: Blobs,
  digest: string,
  architecture: string,
  depth = 0,
): Promise<IndexEntry[]> {
  if (depth > MAX_DEPTH) throw new EngineError('invalidArgument', 'invalid archive: indexes nested too deeply');
  const entries = parseIndex(await blobs.readDocument(digest));
  const images: IndexEntry[] = [];
  for (const entry of entries) {
    if (!isIndex(entry)) {
      images.push(entry);
      continue;
    }
    const inner = await indexEntries(archive, blobs, archive.blob(entry.digest).digest, architecture, depth + 1);
    const fits = ({ platform }: IndexEntry) => platform?.os === 'linux' && platform.architecture === architecture;
    const chosen = inner.find(fits) ?? inner.find(({ platform }) => platform === undefined);
    if (chosen === undefined) throw new EngineError('notFound', `no image for linux/${architecture} in the archive`);
    images.push({ ...chosen, annotations: { ...chosen.annotations, ...entry.annotations } });
  }
  return images;
}

/** containerd's annotation has the whole name; the standard's often only the tag, which names nothing. */
function imageName({ annotations }: IndexEntry): string {
  const full = string(annotations['io.containerd.image.name'], 'annotation');
  const standard = string(annotations['org.opencontainers.image.ref.name'], 'annotation');
  return full === '' && /[:/]/.test(standard) ? standard : full;
}

/** Looks at the layer itself: old archives do not say how it is compressed, and some say it wrongly. */
export async function describeLayer(blobs: Blobs, layer: Blob): Promise<LayerDescriptor> {
  const start: Buffer[] = [];
  for await (const chunk of blobs.read(layer.digest, Math.min(MAGIC_BYTES, layer.size))) start.push(chunk);
  const compression = detectCompression(Buffer.concat(start));
  if (compression === 'bzip2' || compression === 'xz') {
    throw new EngineError('invalidArgument', `Cannot unpack layer ${layer.digest}: ${compression} is not supported`);
  }
  return { ...layer, mediaType: compression === 'none' ? LAYER : `${LAYER}+${compression}` };
}
