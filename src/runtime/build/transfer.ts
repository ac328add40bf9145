import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../../model/errors.ts';
import type { ImageParts, Images } from '../images/images.ts';
import { LAYER, type LayerDescriptor } from '../images/layers.ts';
import { parseManifest } from '../images/manifest.ts';
import type { Buildah } from './buildah.ts';
import type { WorkFolder } from './work.ts';

/** Docker's types: with the standard's, buildah would not look for what is Docker's own, such as ONBUILD. */
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';

/** The content store's files in a containerd of ours; of another's, blobs are copied. */
export interface TransferOptions {
  readonly buildah: Buildah;
  readonly images: Images;
  /** "…/io.containerd.content.v1.content/blobs/sha256"; undefined: not known */
  readonly blobs: string | undefined;
}

/**
 * Gives an image to buildah, under the id it has here. Its blobs are not copied: the folder buildah reads from
 * (containers-transports(5), "dir:") holds links to them.
 */
export async function giveImage(
  options: TransferOptions,
  id: string,
  work: WorkFolder,
  signal: AbortSignal,
): Promise<void> {
  const { buildah, images } = options;
  if (buildah.images().includes(hex(id))) return;
  const parts = await images.parts(id);
  const folder = join(work.base, hex(id));
  mkdirSync(folder);
  writeFileSync(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(dockerManifest(parts)));
  for (const { digest } of [parts.config, ...parts.layers]) await placeBlob(options, digest, folder, work);
  const pull = ['pull', '--quiet', '--signature-policy', buildah.policy, `dir:${folder}`];
  const pulled = await buildah.ask(pull, work, { signal, blobs: options.blobs });
  await rm(folder, { recursive: true });
  if (pulled.trim() !== hex(id)) throw new EngineError('internal', `buildah knows the image ${id} as ${pulled.trim()}`);
}

function dockerManifest({ config, layers }: ImageParts): object {
  return {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType: DOCKER_CONFIG, digest: config.digest, size: config.size },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType: dockerLayer(mediaType), digest, size })),
  };
}

/** "application/vnd.oci.image.layer.v1.tar+gzip" is Docker's "….diff.tar.gzip" */
function dockerLayer(mediaType: string): string {
  const compression = /[+.](gzip|zstd)$/.exec(mediaType)?.[1];
  return compression === undefined ? DOCKER_LAYER : `${DOCKER_LAYER}.${compression}`;
}

async function placeBlob({ images, blobs }: TransferOptions, digest: string, folder: string, work: WorkFolder) {
  const target = join(folder, hex(digest));
  if (existsSync(target)) return;
  const stored = blobs === undefined ? undefined : join(blobs, hex(digest));
  if (stored !== undefined && existsSync(stored)) symlinkSync(join(work.blobs, hex(digest)), target);
  else await pipeline(Readable.from(images.readBlob(digest)), createWriteStream(target));
}

/**
 * Takes an image that buildah has made. buildah writes no layer that its target has already, so the layers known here are put
 * there by name, empty: only new ones are read, compressed and copied.
 */
export async function takeImage(
  options: TransferOptions,
  id: string,
  work: WorkFolder,
  signal: AbortSignal,
): Promise<void> {
  const { buildah, images } = options;
  const known = await images.knownLayers();
  const blobs = join(work.result, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  work.own(dirname(blobs), blobs);
  for (const diffId of known.keys()) writeFileSync(join(blobs, hex(diffId)), '');
  const target = `oci:${work.result}:result`;
  const policy = ['--signature-policy', buildah.policy];
  await buildah.ask(['push', '--quiet', ...policy, '--compression-level', '1', id, target], work, { signal });
  const config = buildah.configuration(id);
  const written = writtenLayers(work.result);
  const layers = diffIds(config).map((diffId, index) => {
    const layer = known.get(diffId);
    if (layer !== undefined) return { layer };
    const made = written[index];
    if (made === undefined) throw new EngineError('internal', `buildah did not write layer ${diffId}`);
    return { layer: made, content: createReadStream(join(blobs, hex(made.digest))) };
  });
  await images.adopt(Buffer.from(config), layers);
}

function diffIds(config: string): readonly string[] {
  const { rootfs } = JSON.parse(config) as { readonly rootfs?: { readonly diff_ids?: readonly string[] } };
  return rootfs?.diff_ids ?? [];
}

/** From the one manifest in an OCI layout, as the content store is to know them. */
function writtenLayers(layout: string): LayerDescriptor[] {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(layout, path), 'utf8'));
  const index = read('index.json') as { readonly manifests: readonly { readonly digest: string }[] };
  const manifest = parseManifest(read(`blobs/${(index.manifests[0]?.digest ?? '').replace(':', '/')}`));
  return manifest.layers.map(({ mediaType, digest, size }) => ({
    mediaType: mediaType.endsWith('gzip') ? `${LAYER}+gzip` : LAYER,
    digest,
    size,
  }));
}

function hex(digest: string): string {
  return digest.replace('sha256:', '');
}
