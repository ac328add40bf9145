import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, constants, lstatSync, mkdirSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mknod } from '../../kernel/sys-files.ts';
import { type Containerd, SNAPSHOTTER } from '../containerd/client.ts';
import type { Mount } from '../containerd/protos/types.ts';
import { layersOf, writableLayer } from '../spec/root.ts';
import type { Blob } from './blobs.ts';
import type { ImageContent } from './catalog.ts';
import { applyChanges } from './changes.ts';
import { type ConfigDocument, type ConfigSection, object } from './config.ts';
import { chainId, LAYER, type LayerDescriptor } from './layers.ts';

/** An image to be made from a container. */
export interface CommitRequest {
  /** The key of its writable layer */
  readonly container: string;
  /** Id of the image it was made from */
  readonly image: string;
  /** How it runs; what `given` and `changes` do not say is taken from here */
  readonly config: ConfigSection;
  /** What the client says of the image's configuration */
  readonly given: ConfigSection;
  /** Dockerfile instructions on top of that: `CMD ["sh"]` */
  readonly changes: readonly string[];
  readonly author: string;
  readonly comment: string;
  /** '' or absent: the image gets no name */
  readonly repository?: string;
  readonly tag?: string;
}

/** Digest of a tar without entries: 1,024 zero bytes. */
const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/** The daemon and runc make these, empty, in every container whose image has none. */
const OWN_FILES: readonly string[] = ['.dockerenv', 'etc/hostname', 'etc/hosts', 'etc/mtab', 'etc/resolv.conf'];
/** Device 0/0 as a character device: overlayfs.rst, "whiteouts and opaque directories" */
const WHITEOUT = 0;
const MODE_BITS = 0o7777;

/**
 * What a container has written, as a layer in the content store: removed files are whiteouts, links, owners and attributes
 * are kept (containerd's differ).
 *
 * @returns undefined when it has written nothing
 */
export async function writtenLayer(
  containerd: Containerd,
  container: string,
  image: ImageContent,
  lease: string,
): Promise<LayerDescriptor | undefined> {
  const { snapshots } = containerd;
  const name = `${randomBytes(6).toString('hex')} ${container}`;
  const below = { snapshotter: SNAPSHOTTER, key: `commit-${name}`, parent: chainId(image.config.layers) };
  const above = { ...below, key: `cover-${name}` };
  const { mounts: left } = await snapshots.view(below, { lease });
  try {
    const { mounts: cover } = await snapshots.prepare(above, { lease });
    const { mounts } = await snapshots.mounts({ snapshotter: SNAPSHOTTER, key: container });
    const right = coveredMounts(mounts, cover);
    const { diff } = await containerd.diff.diff({ left, right, mediaType: LAYER, ref: below.key }, { lease });
    if (diff === undefined || diff.digest === EMPTY_LAYER) return undefined;
    return { mediaType: LAYER, digest: diff.digest, size: diff.size };
  } finally {
    // With the lease at the latest.
    await snapshots.remove(above).catch(() => undefined);
    await snapshots.remove(below);
  }
}

/**
 * The container's root to read from: its writable layer as the highest of the lower ones, because a second mount that writes
 * there would clear the work directory under a running container. On top lies a layer that hides what the daemon and runc have
 * put there.
 *
 * @param cover mounts of a new, empty layer on the same image
 */
function coveredMounts(mounts: readonly Mount[], cover: readonly Mount[]): readonly Mount[] {
  const [mount] = mounts;
  if (mount?.type !== 'overlay') return mounts;
  const hiding = writableLayer(cover);
  const layers = layersOf(mounts);
  hideOwnFiles(hiding, layers);
  const others = mount.options.filter((option) => !/^(lower|upper|work)dir=/.test(option));
  return [{ ...mount, options: [...others, `lowerdir=${[hiding, ...layers].join(':')}`] }];
}

/** Only what is still as it was made, and is not the image's: the rest is the container's. */
function hideOwnFiles(hiding: string, [upper = '', ...lowers]: readonly string[]): void {
  for (const path of OWN_FILES) {
    const own = lstatSync(join(upper, path), { throwIfNoEntry: false });
    if (own?.isFile() !== true || own.size > 0) continue;
    if (lowers.some((lower) => lstatSync(join(lower, path), { throwIfNoEntry: false }) !== undefined)) continue;
    const folder = dirname(path);
    if (folder !== '.') mkdirSync(join(hiding, folder), { recursive: true });
    mknod(join(hiding, path), constants.S_IFCHR, WHITEOUT);
    if (folder !== '.') likeThat(join(hiding, folder), join(upper, folder));
  }
}

/** A folder of the uppermost layer is shown with that layer's attributes. */
function likeThat(folder: string, model: string): void {
  const { uid, gid, mode, atime, mtime } = lstatSync(model);
  chownSync(folder, uid, gid);
  chmodSync(folder, mode & MODE_BITS);
  utimesSync(folder, atime, mtime);
}

/**
 * The configuration of the new image: that of the container's image with one more step.
 *
 * @param base the configuration of the container's image
 * @throws EngineError invalidArgument for a bad change, in Docker's words
 */
export function committedConfig(base: unknown, request: CommitRequest, layer: Blob | undefined): ConfigDocument {
  const former = object(base, 'image configuration') as ConfigDocument;
  const created = new Date().toISOString();
  const { author, comment, config, given } = request;
  // A change may name a variable of the container's, and a folder below its own.
  const beneath = {
    Env: mergeVariables(given.Env, config.Env),
    WorkingDir: given.WorkingDir || (config.WorkingDir ?? ''),
  };
  const step = {
    created,
    ...(author !== '' && { author }),
    created_by: (config.Cmd ?? []).join(' '),
    ...(comment !== '' && { comment }),
    ...(layer === undefined && { empty_layer: true }),
  };
  return {
    ...former,
    created,
    author,
    comment,
    config: mergeConfig(applyChanges({ ...given, ...beneath }, request.changes), { ...unchanged(former), ...config }),
    rootfs: { type: 'layers', diff_ids: [...(former.rootfs?.diff_ids ?? []), ...(layer ? [layer.digest] : [])] },
    history: [...(former.history ?? []), step],
  };
}

/** What a container does not carry, because nothing can change it there. */
function unchanged({ config = {} }: ConfigDocument): ConfigSection {
  return { Volumes: config.Volumes ?? null };
}

/** What the user has not set is the container's; who sets an entrypoint drops the command (moby: daemon/commit.go, merge). */
function mergeConfig(user: ConfigSection, own: ConfigSection): ConfigSection {
  const inheritsCommand = isEmpty(user.Entrypoint) && isEmpty(user.Cmd);
  const merged = {
    ...own,
    ...user,
    Env: mergeVariables(user.Env, own.Env),
    Cmd: inheritsCommand ? own.Cmd : user.Cmd,
    Entrypoint: user.Entrypoint ?? own.Entrypoint,
    ExposedPorts: { ...own.ExposedPorts, ...user.ExposedPorts },
    Labels: { ...own.Labels, ...user.Labels },
    Volumes: { ...own.Volumes, ...user.Volumes },
  };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => !isEmpty(value)));
}

function mergeVariables(user: ConfigSection['Env'], own: ConfigSection['Env']): readonly string[] {
  const names = new Set((user ?? []).map(variableName));
  return [...(user ?? []), ...(own ?? []).filter((entry) => !names.has(variableName(entry)))];
}

function variableName(entry: string): string {
  return entry.split('=', 1)[0] ?? '';
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
