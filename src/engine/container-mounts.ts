import { existsSync, realpathSync } from 'node:fs';
import { posix } from 'node:path';
import type { Container, ContainerSpec } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { BindMount, Mount, VolumeMount } from '../model/mount.ts';
import type { Volume } from '../model/volume.ts';
import type { RootView, SeenMount } from '../runtime/files/job.ts';
import type { PlacedMount } from '../runtime/spec/mounts.ts';
import { RootFilesystem, type SnapshotMount } from '../runtime/spec/root.ts';
import type { Core } from './core.ts';
import { findContainer } from './lookup.ts';
import type { State } from './state.ts';
import { anonymousVolume, plainVolume } from './volumes.ts';

/** A container's mounts, and those of its volumes that are not there yet. */
export interface MountPlan {
  readonly mounts: readonly Mount[];
  readonly volumes: readonly Volume[];
}

/**
 * Everything that will be mounted in a container, in the order of what prevails: the image's and `-v /path`'s volumes
 * last, where nothing else is.
 * @throws EngineError notFound or invalidArgument in Docker's words
 */
export function planMounts({ state, config }: Pick<Core, 'state' | 'config'>, spec: ContainerSpec): MountPlan {
  const places = new Map<string, Mount>();
  for (const mount of spec.volumesFrom.flatMap((text) => mountsOf(state, text))) places.set(mount.destination, mount);
  for (const mount of spec.mounts) places.set(mount.destination, mount);
  // "VOLUME /data/" of an image is the same place as -v data:/data.
  for (const destination of spec.volumes.map((path) => posix.resolve('/', path)))
    if (!places.has(destination)) places.set(destination, imageVolume(destination));
  const volumes = new Map<string, Volume>();
  const mounts = [...places.values()].map((mount) => {
    if (mount.type === 'bind') return { ...mount, propagation: propagationOf(mount, config) };
    return mount.type === 'volume' ? withVolume(state, mount, volumes) : mount;
  });
  return { mounts, volumes: [...volumes.values()] };
}

/**
 * Containers' roots and volumes are mounted below the daemon's own folders. Who binds what holds them would keep them busy after
 * they have gone, unless unmounting reaches the bind, too (moby: validateBindDaemonRoot).
 * @throws EngineError invalidArgument in Docker's words
 */
function propagationOf({ source, propagation }: BindMount, { dataRoot, execRoot }: Core['config']): string {
  const real = existsSync(source) ? realpathSync(source) : source;
  const inData = isBelow(real, dataRoot) || isBelow(dataRoot, real);
  if (propagation === '') return inData || isBelow(execRoot, real) ? 'rslave' : 'rprivate';
  if (!inData || propagation === 'rslave' || propagation === 'rshared') return propagation;
  const where = `daemon root: "${dataRoot}", bind mount source: "${source}", propagation: "${propagation}"`;
  const must = 'must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root';
  throw new EngineError('invalidArgument', `invalid mount config: ${must}, ${where}`);
}

/** Whether it is the folder, or in it. */
function isBelow(path: string, folder: string): boolean {
  return `${path}/`.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** "name[:mode]" of --volumes-from. What is copied into an empty volume is the other container's affair. */
function mountsOf(state: State, text: string): Mount[] {
  const colon = text.indexOf(':');
  const reference = colon < 0 ? text : text.slice(0, colon);
  const mode = colon < 0 ? '' : text.slice(colon + 1);
  if (reference === '') throw new EngineError('invalidArgument', 'volumes from: empty specification');
  const words = mode === '' ? [] : mode.split(',');
  if (!words.every((word) => ['ro', 'rw', 'z', 'Z'].includes(word))) {
    throw new EngineError('invalidArgument', `invalid mode: ${mode}`);
  }
  const { mounts } = findContainer(state.containers, reference);
  return mounts.map((mount): Mount => {
    const taken = { origin: 'volumesFrom', readOnly: mount.readOnly || words.includes('ro') } as const;
    return mount.type === 'volume' ? { ...mount, ...taken, copy: false } : { ...mount, ...taken };
  });
}

function imageVolume(destination: string): VolumeMount {
  const nothing = { mode: '', name: '', subpath: '', driverOptions: {}, labels: {} };
  return { type: 'volume', origin: 'volumes', destination, readOnly: false, anonymous: true, copy: true, ...nothing };
}

/** A volume that is not there is made with the container. */
function withVolume(state: State, mount: VolumeMount, volumes: Map<string, Volume>): VolumeMount {
  const request = { labels: mount.labels, options: mount.driverOptions };
  const known = state.volumes.get(mount.name) ?? volumes.get(mount.name);
  if (known !== undefined) return mount;
  const volume = mount.name === '' ? anonymousVolume(request) : plainVolume(mount.name, request);
  volumes.set(volume.id, volume);
  return { ...mount, name: volume.id };
}

/** Docker's copy-up: empty volumes get what the image has at their place. Before the container ever runs. */
export async function fillVolumes(core: Core, container: Container, layers: readonly SnapshotMount[]): Promise<void> {
  const wanting = container.mounts.filter((mount): mount is VolumeMount => mount.type === 'volume' && mount.copy);
  if (wanting.length === 0) return;
  await core.volumeUse.hold(wanting, container.id, async () => {
    const { volumes } = core.runtime;
    const empty = wanting.filter(({ name, subpath }) => volumes.isEmpty(name, subpath));
    const chosen = byDepth(empty.filter(({ destination }) => has(layers, destination)));
    if (chosen.length === 0) return;
    const mounts = chosen.map((mount) => seenMount(core, mount));
    await core.runtime.files.copyUp(freshRoot(core, layers, mounts));
  });
}

/** Where the image has none: `cp` to a container that was never started finds it. What a start mounts is not yet there, as in Docker. */
export async function makeWorkingDirectory(
  core: Core,
  { spec: { workingDirectory: path } }: Container,
  layers: readonly SnapshotMount[],
): Promise<void> {
  if (path === '' || has(layers, path)) return;
  await core.runtime.files.makeDirectory(freshRoot(core, layers), path);
}

/** The root of a container that is being made: to be written to, also where the container itself may not. */
function freshRoot(
  { config: { remap } }: Core,
  layers: readonly SnapshotMount[],
  mounts: readonly SeenMount[] = [],
): RootView {
  return { layers, mounts, readOnly: false, ...(remap === undefined ? {} : { maps: remap }) };
}

function has(layers: readonly SnapshotMount[], path: string): boolean {
  using root = RootFilesystem.open(layers);
  return root.isDirectory(path);
}

/** A container's binds and volumes as `cp` sees them. Like Docker's, it sees no tmpfs: that is the running container's own. */
export function seenMounts(core: Core, container: Container): SeenMount[] {
  return byDepth(container.mounts.filter((mount) => mount.type !== 'tmpfs'))
    .filter((mount) => mount.type === 'volume' || existsSync(mount.source))
    .map((mount) => seenMount(core, mount));
}

function seenMount(core: Core, mount: Exclude<Mount, { type: 'tmpfs' }>): SeenMount {
  const { destination, readOnly } = mount;
  if (mount.type === 'bind') return { source: mount.source, subpath: '', destination, readOnly };
  return { source: core.runtime.volumes.path(mount.name), subpath: mount.subpath, destination, readOnly };
}

/** What lies in a mount comes after it. */
function byDepth<M extends Mount>(mounts: readonly M[]): M[] {
  const depth = ({ destination }: M) => destination.split('/').length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

/** Mounts what must be mounted on the host for a start. @returns the mounts with the paths they are made from */
export async function placeMounts(core: Core, container: Container): Promise<PlacedMount[]> {
  const { id, mounts } = container;
  await core.volumeUse.take(volumesOf(container), id);
  return mounts.map((mount, index): PlacedMount => {
    if (mount.type !== 'volume') return mount;
    const { name, subpath, destination, readOnly } = mount;
    const { volumes } = core.runtime;
    const source = subpath === '' ? volumes.path(name) : volumes.mountSubpath(name, subpath, id, index);
    return { type: 'bind', source, destination, readOnly, propagation: 'rprivate', recursive: true };
  });
}

/** Takes back what `placeMounts` did. Nothing to take back is fine. */
export async function releaseMounts(core: Core, container: Container): Promise<void> {
  if (container.mounts.some((mount) => mount.type === 'volume' && mount.subpath !== '')) {
    core.runtime.volumes.unmountSubpaths(container.id);
  }
  await core.volumeUse.release(volumesOf(container), container.id);
}

export function volumesOf({ mounts }: Container): VolumeMount[] {
  return mounts.filter((mount) => mount.type === 'volume');
}

/** Docker tells of every volume that a container begins or ends to use. */
export function tellMounted({ events }: Core, container: Container): void {
  for (const { name, destination, readOnly } of volumesOf(container)) {
    events.emit('volume', 'mount', name, {
      container: container.id,
      destination,
      driver: 'local',
      propagation: '',
      'read/write': String(!readOnly),
    });
  }
}

export function tellUnmounted({ events }: Core, container: Container): void {
  for (const { name } of volumesOf(container)) {
    events.emit('volume', 'unmount', name, { container: container.id, driver: 'local' });
  }
}
