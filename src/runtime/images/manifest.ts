import { EngineError } from '../../model/errors.ts';
import type { Platform } from '../../model/registry.ts';
import { array, object, string, strings } from './config.ts';
import type { LayerDescriptor } from './layers.ts';

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';

/** Docker's own list of manifests, which an index of another tool may hold. */
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

export interface Manifest {
  readonly config: LayerDescriptor;
  readonly layers: readonly LayerDescriptor[];
}

/** One entry of an OCI index (image-index.md). */
export interface IndexEntry extends LayerDescriptor {
  readonly annotations: Readonly<Record<string, unknown>>;
  readonly platform?: Platform;
}

/** One image of `docker save`'s manifest.json. Paths are those in the archive. */
export interface ArchiveEntry {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

/** @throws EngineError invalidArgument */
export function parseManifest(document: unknown): Manifest {
  const root = object(document, 'manifest');
  const layers = array(root['layers'], 'manifest.layers');
  return {
    config: parseDescriptor(root['config'], 'manifest.config'),
    layers: layers.map((layer) => parseDescriptor(layer, 'manifest.layers')),
  };
}

/** @throws EngineError invalidArgument */
export function parseIndex(document: unknown): IndexEntry[] {
  return array(object(document, 'index')['manifests'], 'index.manifests').map((value) => {
    const entry = object(value, 'index.manifests');
    const descriptor = parseDescriptor(entry, 'index.manifests');
    const annotations = object(entry['annotations'] ?? {}, 'annotations');
    if (entry['platform'] === undefined) return { ...descriptor, annotations };
    const platform = object(entry['platform'], 'platform');
    return { ...descriptor, annotations, platform: parsePlatform(platform) };
  });
}

function parsePlatform(platform: Readonly<Record<string, unknown>>): Platform {
  return {
    os: string(platform['os'], 'platform.os'),
    architecture: string(platform['architecture'], 'platform.architecture'),
    variant: string(platform['variant'], 'platform.variant'),
  };
}

/** Whether an entry of an index leads to a further index. */
export function isIndex(entry: Pick<LayerDescriptor, 'mediaType'>): boolean {
  return entry.mediaType === INDEX || entry.mediaType === DOCKER_LIST;
}

/** @throws EngineError invalidArgument */
export function parseArchiveManifest(document: unknown): ArchiveEntry[] {
  return array(document, 'manifest.json').map((value) => {
    const entry = object(value, 'manifest.json');
    return {
      config: string(entry['Config'], 'Config'),
      tags: strings(entry['RepoTags'], 'RepoTags'),
      layers: strings(entry['Layers'], 'Layers'),
    };
  });
}

function parseDescriptor(value: unknown, name: string): LayerDescriptor {
  const descriptor = object(value, name);
  const digest = string(descriptor['digest'], name);
  const size = descriptor['size'];
  if (!/^sha256:[0-9a-f]{64}$/.test(digest) || !Number.isSafeInteger(size) || Number(size) < 0) {
    throw new EngineError('invalidArgument', `invalid image: malformed ${name}`);
  }
  return { mediaType: string(descriptor['mediaType'], name), digest, size: Number(size) };
}
