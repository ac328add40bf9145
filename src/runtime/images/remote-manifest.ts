import { EngineError } from '../../model/errors.ts';
import type { Platform } from '../../model/registry.ts';
import { persist } from '../registry/persist.ts';
import type { FetchedManifest, Repository } from '../registry/repository.ts';
import { parseDocument } from './blobs.ts';
import { object } from './config.ts';
import { INDEX, isIndex, MANIFEST, type Manifest, parseIndex, parseManifest } from './manifest.ts';
import { choosePlatform } from './platform.ts';

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
/** Tools before 2017 wrote the last ones. */
const CONFIG_TYPES = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/octet-stream',
  'text/html',
  '',
];
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.tar([.+](gzip|zstd))?$|^application\/octet-stream$/;
/** Docker's bound: overlays cannot be stacked higher (mount options end at a page) */
const MAX_LAYERS = 127;
/** Indexes may hold indexes; nobody nests them deeper than twice. */
const MAX_DEPTH = 4;
/** For manifests: a pull that is to fail should say so soon. */
export const MANIFEST_ATTEMPTS = 3;

/** An image's manifest with the bytes its digest is of. */
export interface RemoteManifest extends FetchedManifest {
  readonly manifest: Manifest;
}

/** What a tag or digest leads to, index or manifest. @throws EngineError when it is of a kind nobody should use any more */
export async function fetchManifest(
  repository: Repository,
  reference: string,
  signal: AbortSignal,
): Promise<FetchedManifest> {
  const fetched = await persist(MANIFEST_ATTEMPTS, signal, () => repository.manifest(reference, signal));
  const root = object(parseDocument(fetched.bytes, fetched.digest), 'manifest');
  if (root['schemaVersion'] === 1) {
    throw new EngineError(
      'invalidArgument',
      `Docker Image manifest version 2, schema 1 is not supported. Suggest the author of ${repository.path}:${reference} ` +
        'to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. ' +
        'More information at https://docs.docker.com/go/deprecated-image-specs/',
    );
  }
  // Some servers say no more than that it is JSON.
  const told = fetched.mediaType.startsWith('application/vnd.') ? fetched.mediaType : undefined;
  return { ...fetched, mediaType: told ?? (root['manifests'] === undefined ? MANIFEST : INDEX) };
}

/**
 * The manifest of the image for a platform.
 * @throws EngineError notFound when there is none for it; invalidArgument when it is no image this engine can run
 */
export async function imageManifest(
  repository: Repository,
  top: FetchedManifest,
  platform: Platform,
  signal: AbortSignal,
): Promise<RemoteManifest> {
  let fetched = top;
  for (let depth = 0; isIndex(fetched); depth++) {
    if (depth === MAX_DEPTH) throw new EngineError('invalidArgument', 'invalid image: indexes nested too deeply');
    const entries = parseIndex(parseDocument(fetched.bytes, fetched.digest));
    fetched = await fetchManifest(repository, choosePlatform(entries, platform).digest, signal);
  }
  if (fetched.mediaType !== MANIFEST && fetched.mediaType !== DOCKER_MANIFEST) {
    throw new EngineError('invalidArgument', `unsupported manifest media type "${fetched.mediaType}"`);
  }
  const manifest = parseManifest(parseDocument(fetched.bytes, fetched.digest));
  checkManifest(manifest);
  return { ...fetched, manifest };
}

function checkManifest({ config, layers }: Manifest): void {
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    throw new EngineError(
      'invalidArgument',
      `unsupported media type "${config.mediaType}": this is no container image`,
    );
  }
  if (layers.length > MAX_LAYERS) throw new EngineError('invalidArgument', 'max depth exceeded');
  for (const { mediaType, digest } of layers) {
    if (LAYER_TYPE.test(mediaType)) continue;
    const foreign = /foreign|nondistributable/.test(mediaType);
    const why = foreign
      ? 'non-distributable (foreign) layers are not supported'
      : `unsupported media type "${mediaType}"`;
    throw new EngineError('invalidArgument', `Cannot pull layer ${digest}: ${why}`);
  }
}
