import type { Blobs } from './blobs.ts';
import type { StoredImage } from './catalog.ts';
import { findImage, fullId, isIdOf, namedReference } from './find.ts';
import { INDEX } from './manifest.ts';
import { familiarReference, formatReference, parseReference, type Reference } from './reference.ts';
import { END_OF_TAR, tarHeader, tarPadding } from './tar.ts';

/** An image to save, under these of its names. */
export interface SavedImage {
  readonly image: StoredImage;
  readonly names: readonly Reference[];
}

/**
 * What `docker save` saves: an id without its names, a name with a tag under that name, a name without one with all tags
 * of the repository.
 *
 * @throws EngineError notFound, invalidArgument; see findImage
 */
export function selectImages(images: readonly StoredImage[], references: readonly string[]): SavedImage[] {
  const selected = new Map<StoredImage, Set<Reference>>();
  const add = (image: StoredImage, names: readonly Reference[]) => {
    selected.set(image, new Set([...(selected.get(image) ?? []), ...names]));
  };
  for (const text of references) {
    const image = images.find((candidate) => isIdOf(candidate, text));
    const matches = image === undefined ? matchingNames(images, text) : [];
    for (const match of matches) add(match.image, match.names);
    if (matches.length === 0) add(findImage(images, text), []);
  }
  return [...selected].map(([image, names]) => ({ image, names: [...names] }));
}

function matchingNames(images: readonly StoredImage[], text: string): SavedImage[] {
  if (fullId(text) !== undefined) return [];
  const asked = parseReference(text);
  const wholeRepository = asked.tag === undefined && asked.digest === undefined;
  const wanted = formatReference(namedReference(text));
  const fits = (name: Reference) => (wholeRepository ? name.name === asked.name : formatReference(name) === wanted);
  return images.map((image) => ({ image, names: image.names.filter(fits) })).filter(({ names }) => names.length > 0);
}

/**
 * A tar that is both a `docker save` archive (manifest.json) and an OCI layout (index.json, oci-layout), as Docker 25 and
 * later write it. Layers stay as they are stored, and are read as the tar is.
 */
export async function* saveArchive(blobs: Blobs, saved: readonly SavedImage[]): AsyncGenerator<Buffer> {
  const blobsOf = saved.flatMap(({ image }) => {
    const { manifest, config } = image.content;
    return [...manifest.layers, manifest.config, image.target].map(({ digest, size }) => {
      return [digest, { size, time: secondsOf(config.created) }] as const;
    });
  });
  for (const [digest, { size, time }] of new Map(blobsOf)) {
    yield tarHeader(blobPath(digest), size, time);
    yield* blobs.read(digest);
    yield tarPadding(size);
  }
  yield* document('index.json', { schemaVersion: 2, mediaType: INDEX, manifests: saved.flatMap(indexEntries) });
  yield* document('manifest.json', saved.map(archiveEntry));
  yield* document('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield END_OF_TAR;
}

/** @param moment in ISO 8601 @returns seconds since 1970; 0 where an image does not tell, or tells of something that no tar can say */
function secondsOf(moment: string): number {
  const seconds = Math.floor(Date.parse(moment) / 1000);
  return seconds >= 0 && seconds < 8 ** 11 ? seconds : 0;
}

function indexEntries({ image, names }: SavedImage): object[] {
  const { mediaType, digest, size } = image.target;
  if (names.length === 0) return [{ mediaType, digest, size }];
  return names.map((name) => ({
    mediaType,
    digest,
    size,
    annotations: {
      'io.containerd.image.name': formatReference(name),
      ...(name.tag !== undefined && { 'org.opencontainers.image.ref.name': name.tag }),
    },
  }));
}

function archiveEntry({ image, names }: SavedImage): object {
  const { manifest, config } = image.content;
  return {
    Config: blobPath(manifest.config.digest),
    RepoTags: names.length === 0 ? null : names.map(familiarReference),
    Layers: manifest.layers.map((layer) => blobPath(layer.digest)),
    LayerSources: Object.fromEntries(manifest.layers.map((layer, index) => [config.layers[index], { ...layer }])),
  };
}

function* document(name: string, content: unknown): Generator<Buffer> {
  const bytes = Buffer.from(JSON.stringify(content));
  yield tarHeader(name, bytes.length);
  yield bytes;
  yield tarPadding(bytes.length);
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
