import { type Dirent, existsSync, lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { EngineError } from '../../model/errors.ts';
import type { DeviceMapping } from '../../model/isolation.ts';
import type { OciDevice, OciDeviceNumber, OciDeviceRule, OciMount } from './oci.ts';

const NOTHING: OciDeviceRule = { allow: false, access: 'rwm' };
export const EVERYTHING: OciDeviceRule = { allow: true, access: 'rwm' };

function character(major: number, minor?: number): OciDeviceRule {
  return { allow: true, type: 'c', major, ...(minor === undefined ? {} : { minor }), access: 'rwm' };
}

/** Docker's rules, which runc completes with its own (pts, ptmx, tun off). Numbers: Documentation/admin-guide/devices.txt. */
export const DEFAULT_DEVICE_RULES: readonly OciDeviceRule[] = [
  NOTHING,
  character(1, 3), // null
  character(1, 5), // zero
  character(1, 8), // random
  character(1, 9), // urandom
  character(5, 0), // tty
  character(5, 1), // console
];

/** What lives under /dev and is not the host's to give: runc makes these anew, or they are no devices. */
const OWN = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console', 'ptmx']);

/** Every device of the host, for a privileged container. What vanishes while it is read is left out. */
export function readHostDevices(directory = '/dev'): OciDevice[] {
  return entries(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (directory === '/dev' && OWN.has(entry.name)) return [];
    if (entry.isDirectory()) return readHostDevices(path);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? [] : [describe(path, stats)];
  });
}

/** A directory that vanished meanwhile has none. */
function entries(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/**
 * The number of a device node, for a limit on it.
 * @throws EngineError invalidArgument when there is none of that name
 */
export function deviceNumber(path: string): OciDeviceNumber {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new EngineError('invalidArgument', `stat ${path}: no such file or directory`);
  return splitNumber(stats.rdev);
}

/** What `--device` comes to: the nodes to make, and what may be done with them. */
export interface MappedDevices {
  readonly nodes: readonly OciDevice[];
  /** The same as mounts, for who may make no nodes */
  readonly binds: readonly OciMount[];
  readonly rules: readonly OciDeviceRule[];
}

/**
 * A folder stands for all devices below it; symbolic links are followed on the host. A privileged container has the host's
 * devices already, at their own paths.
 * @throws EngineError internal in Docker's words when there is no such device
 */
export function mapDevices(mappings: readonly DeviceMapping[], privileged: boolean): MappedDevices {
  const wanted = mappings.filter(({ host, container }) => !privileged || host !== container);
  const mapped = wanted.flatMap((mapping) => devicesAt(mapping).map((found) => ({ ...found, mapping })));
  return {
    nodes: mapped.map(({ node }) => node),
    binds: mapped.map(({ source, node: { path } }) => deviceMount(source, path)),
    rules: mapped.map(({ node: { type, major, minor }, mapping: { permissions } }) => ({
      allow: true,
      type: type === 'b' ? 'b' : 'c',
      major,
      minor,
      access: permissions,
    })),
  };
}

/** Their paths on the host, and the nodes that they become. */
function devicesAt({ host, container }: DeviceMapping): { source: string; node: OciDevice }[] {
  const failed = (why: string) =>
    new EngineError('internal', `error gathering device information while adding custom device "${host}": ${why}`);
  if (!existsSync(host)) throw failed('no such file or directory');
  const path = realpathSync(host);
  const stats = lstatSync(path);
  if (stats.isBlockDevice() || stats.isCharacterDevice()) {
    return [{ source: path, node: { ...describe(path, stats), path: container } }];
  }
  const below = stats.isDirectory() ? readHostDevices(path) : [];
  if (below.length === 0) throw failed('not a device node');
  return below.map((device) => ({
    source: device.path,
    node: { ...device, path: join(container, relative(path, device.path)) },
  }));
}

function deviceMount(source: string, destination: string): OciMount {
  return { destination, type: 'bind', source, options: ['bind', 'nosuid', 'noexec'] };
}

/** "c 1:* rwm", in the form the parser of the API has checked. */
export function parseDeviceRule(text: string): OciDeviceRule {
  const [, type = '', major = '', minor = '', access = ''] = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(text) ?? [];
  return {
    allow: true,
    type: type === 'a' || type === 'b' ? type : 'c',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

function describe(path: string, stats: Stats): OciDevice {
  const { major, minor } = splitNumber(stats.rdev);
  return {
    path,
    type: stats.isBlockDevice() ? 'b' : 'c',
    major,
    minor,
    fileMode: stats.mode & 0o777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

/** glibc's encoding of dev_t, sys/sysmacros.h; the parts above 32 bits are not in use. */
function splitNumber(device: number): OciDeviceNumber {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
