import type { HistoryRow } from '../../engine/images.ts';
import { NEVER } from '../../model/container.ts';
import type { Image, ImageConfig } from '../../model/image.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { renderHealthCheck } from './health.ts';
import { orNull } from './list-form.ts';

/** One entry of GET /images/json. @param containers how many were made from it, or −1 where nobody counted */
export function renderImageSummary(image: Image, version: ApiVersion, containers: number) {
  const labels = image.config.labels;
  // Before API 1.43 an image without a name had one.
  const unnamed = image.tags.length === 0 && !atLeast(version, '1.43');
  return {
    Containers: containers,
    Created: unixSeconds(image.created),
    Id: image.id,
    Labels: Object.keys(labels).length === 0 ? null : labels,
    ParentId: image.parent ?? '',
    RepoDigests: unnamed ? ['<none>@<none>'] : atLeast(version, '1.43') ? image.digests : orNull(image.digests),
    RepoTags: unnamed ? ['<none>:<none>'] : image.tags,
    SharedSize: -1,
    Size: image.size,
    ...(atLeast(version, '1.44') ? {} : { VirtualSize: image.size }),
  };
}

/** GET /images/{name}/json. Where its layers lie is containerd's affair, so GraphDriver names the driver alone. */
export function renderImage(image: Image, version: ApiVersion) {
  return {
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: image.parent ?? '',
    Comment: image.comment,
    Created: image.created,
    Container: '',
    // docker-compose 1.29 reads volumes from it, whatever the version.
    ContainerConfig: renderImageConfig(image.config),
    DockerVersion: '',
    Author: image.author,
    Config: renderImageConfig(image.config),
    Architecture: image.architecture,
    ...(image.variant === '' ? {} : { Variant: image.variant }),
    Os: image.os,
    Size: image.size,
    ...(atLeast(version, '1.44') ? {} : { VirtualSize: image.size }),
    GraphDriver: { Data: {}, Name: 'overlayfs' },
    RootFS: { Type: 'layers', Layers: image.layers },
    Metadata: { LastTagTime: NEVER },
  };
}

/** The keys Docker shares between containers and images, those of containers blank. */
function renderImageConfig(config: ImageConfig) {
  return {
    Hostname: '',
    Domainname: '',
    User: config.user,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: emptyObjects(config.exposedPorts) }),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: orNull(config.env),
    Cmd: orNull(config.command),
    Image: '',
    Volumes: config.volumes.length === 0 ? null : emptyObjects(config.volumes),
    WorkingDir: config.workingDirectory,
    Entrypoint: orNull(config.entrypoint),
    OnBuild: orNull(config.onBuild ?? []),
    Labels: Object.keys(config.labels).length === 0 ? null : config.labels,
    ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    ...renderHealthCheck(config),
  };
}

/** Go's sets: { "80/tcp": {} }. */
function emptyObjects(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

/** GET /images/{name}/history: newest first; only the newest has an id and names. */
export function renderHistory(rows: readonly HistoryRow[]) {
  return rows.map((row) => ({
    Comment: row.comment,
    Created: unixSeconds(row.created),
    CreatedBy: row.createdBy,
    Id: row.id,
    Size: row.size,
    Tags: orNull(row.tags),
  }));
}

/** Images may be without a date: Docker shows 0. */
function unixSeconds(iso: string): number {
  const milliseconds = Date.parse(iso);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
