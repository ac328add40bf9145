import { SNAPSHOTTER } from '../containerd/client.ts';
import type { Descriptor } from '../containerd/protos/types.ts';
import type { Blobs } from './blobs.ts';
import type { Manifest } from './manifest.ts';

export interface ManifestToStore {
  /** As it was made, or as a registry gave it: its digest is its name */
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly manifest: Manifest;
  /** Chain id of its uppermost layer; '' without layers */
  readonly chain: string;
}

/** Stores a manifest so that it refers to all an image consists of, and garbage collection keeps that. */
export async function storeManifest(blobs: Blobs, stored: ManifestToStore, lease: string): Promise<Descriptor> {
  const { bytes, mediaType, manifest, chain } = stored;
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': manifest.config.digest };
  for (const [index, { digest }] of manifest.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = digest;
  if (chain !== '') labels[`containerd.io/gc.ref.snapshot.${SNAPSHOTTER}`] = chain;
  const blob = await blobs.write([bytes], { lease, labels });
  return { ...blob, mediaType, annotations: {} };
}
