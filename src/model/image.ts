import type { HealthCheck } from './health.ts';

/** The part of an OCI image configuration that runs containers (OCI image spec, config.md). */
export interface ImageConfig {
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
  readonly workingDirectory: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "80/tcp" */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  /** What is done first in a build that begins with the image; undefined: nothing */
  readonly onBuild?: readonly string[];
  readonly stopSignal?: string;
  readonly healthCheck?: HealthCheck;
  /** What CMD-SHELL and its like run in; undefined: /bin/sh -c */
  readonly shell?: readonly string[];
}

export interface ImageHistory {
  /** ISO 8601 */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export interface Image {
  /** Digest of its configuration: "sha256:…" */
  readonly id: string;
  /** References with a tag, as Docker shows them: "busybox:latest" */
  readonly tags: readonly string[];
  /** References with a digest: "busybox@sha256:…" */
  readonly digests: readonly string[];
  /** Id of the image it was made from by `docker commit`, on this host */
  readonly parent?: string;
  readonly created: string;
  readonly architecture: string;
  readonly os: string;
  /** "v7"; '': none told */
  readonly variant: string;
  readonly author: string;
  readonly comment: string;
  /** Bytes of all layers, unpacked */
  readonly size: number;
  readonly config: ImageConfig;
  /** Digests of the unpacked layers, lowest first (diff_ids) */
  readonly layers: readonly string[];
  /** Bytes of each of them, unpacked */
  readonly layerSizes: readonly number[];
  readonly history: readonly ImageHistory[];
}
