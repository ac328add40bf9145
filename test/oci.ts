import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack as createPack } from 'tar-stream';

/** Bytes with the descriptor that leads to them. */
export interface BuiltBlob {
  readonly bytes: Buffer;
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

export interface BuiltLayer extends BuiltBlob {
  readonly diffId: string;
}

export interface BuiltImage {
  readonly layers: readonly BuiltLayer[];
  readonly config: BuiltBlob;
  readonly manifest: BuiltBlob;
}

const OCI = 'application/vnd.oci.image';

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function blob(mediaType: string, bytes: Buffer): BuiltBlob {
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

/** @param compress gzip unless told otherwise; `suffix` names it in the media type */
export async function layer(
  files: Readonly<Record<string, Buffer | string>>,
  compress: { readonly suffix: string; readonly run: (tar: Buffer) => Buffer } = { suffix: '+gzip', run: gzipSync },
): Promise<BuiltLayer> {
  const pack = createPack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name, mode: 0o755, mtime: new Date(0) }, content);
  pack.finalize();
  const tar = await buffer(pack);
  return { ...blob(`${OCI}.layer.v1.tar${compress.suffix}`, compress.run(tar)), diffId: digestOf(tar) };
}

/** An image of these layers, lowest first. @param over takes the place of keys of its configuration */
export function image(layers: readonly BuiltLayer[], over: Readonly<Record<string, unknown>> = {}): BuiltImage {
  const document = {
    created: '2024-01-01T00:00:00Z',
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...over,
  };
  const config = blob(`${OCI}.config.v1+json`, Buffer.from(JSON.stringify(document)));
  return { layers, config, manifest: manifest(config, layers) };
}

function manifest(config: BuiltBlob, layers: readonly BuiltLayer[]): BuiltBlob {
  const mediaType = `${OCI}.manifest.v1+json`;
  const document = {
    schemaVersion: 2,
    mediaType,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  };
  return blob(mediaType, Buffer.from(JSON.stringify(document)));
}

/** An index of images for platforms: "linux/arm64" or "linux/arm/v7". */
export function index(entries: Readonly<Record<string, BuiltBlob>>): BuiltBlob {
  const mediaType = `${OCI}.index.v1+json`;
  const manifests = Object.entries(entries).map(([platform, { descriptor }]) => {
    const [os, architecture, variant] = platform.split('/');
    return { ...descriptor, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
  });
  return blob(mediaType, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })));
}
