import type { ContainerSpec } from '../../model/container.ts';
import type { BindMount, Mount, TmpfsMount, VolumeMount } from '../../model/mount.ts';

/**
 * Mounts, in inspect and in lists. Those of `--tmpfs` are told in HostConfig alone, as by Docker.
 * @param volumePaths of the volumes on the host, by name
 */
export function renderMounts(mounts: readonly Mount[], volumePaths: Readonly<Record<string, string>>) {
  return mounts.filter(({ origin }) => origin !== 'tmpfs').map((mount) => renderMount(mount, volumePaths));
}

function renderMount(mount: Mount, volumePaths: Readonly<Record<string, string>>) {
  const { type, destination, readOnly } = mount;
  if (type === 'volume') {
    const { name, origin } = mount;
    // What comes from binds and mounts is marked as shared among containers (SELinux), whether or not it was asked for.
    const mode = mount.mode === '' && origin !== 'volumes' ? 'z' : mount.mode;
    return {
      Type: type,
      Name: name,
      Source: volumePaths[name] ?? '',
      Destination: destination,
      Driver: 'local',
      Mode: mode,
      RW: !readOnly,
      Propagation: '',
    };
  }
  return {
    Type: type,
    Source: type === 'bind' ? mount.source : '',
    Destination: destination,
    Mode: mount.mode,
    RW: !readOnly,
    Propagation: type === 'bind' ? mount.propagation : '',
  };
}

/** The parts of HostConfig in which mounts were asked for, as they were asked for. */
export function renderMountOptions({ mounts, volumesFrom }: ContainerSpec) {
  const binds = mounts.filter((mount) => mount.origin === 'binds');
  const typed = mounts.filter((mount) => mount.origin === 'mounts');
  const tmpfs = mounts.filter((mount): mount is TmpfsMount => mount.origin === 'tmpfs');
  return {
    Binds: binds.length === 0 ? null : binds.map(renderBind),
    ...(typed.length === 0 ? {} : { Mounts: typed.map(renderMountConfig) }),
    ...(tmpfs.length === 0
      ? {}
      : { Tmpfs: Object.fromEntries(tmpfs.map(({ destination, options }) => [destination, options.join(',')])) }),
    VolumesFrom: volumesFrom.length === 0 ? null : volumesFrom,
  };
}

/** The form of `-v`. */
function renderBind(mount: Mount): string {
  const source = mount.type === 'bind' ? mount.source : mount.type === 'volume' ? mount.name : '';
  return [source, mount.destination, mount.mode].filter((part) => part !== '').join(':');
}

/** The form of `--mount`. */
function renderMountConfig(mount: Mount) {
  const source = mount.type === 'bind' ? mount.source : mount.type === 'volume' ? mount.name : '';
  return {
    Type: mount.type,
    ...(source === '' ? {} : { Source: source }),
    Target: mount.destination,
    ...(mount.readOnly ? { ReadOnly: true } : {}),
    ...renderTypeOptions(mount),
  };
}

function renderTypeOptions(mount: Mount) {
  if (mount.type === 'bind') return whenAny('BindOptions', bindOptions(mount));
  return mount.type === 'volume'
    ? whenAny('VolumeOptions', volumeOptions(mount))
    : whenAny('TmpfsOptions', tmpfsOptions(mount));
}

function bindOptions({ propagation, createSource, recursive, readOnlyBelow }: BindMount) {
  return {
    ...(propagation === '' ? {} : { Propagation: propagation }),
    ...(recursive ? {} : { NonRecursive: true }),
    ...(createSource ? { CreateMountpoint: true } : {}),
    ...(readOnlyBelow === undefined
      ? {}
      : { [readOnlyBelow ? 'ReadOnlyForceRecursive' : 'ReadOnlyNonRecursive']: true }),
  };
}

function volumeOptions({ copy, labels, driverOptions, subpath }: VolumeMount) {
  return {
    ...(copy ? {} : { NoCopy: true }),
    ...whenAny('Labels', labels),
    ...(Object.keys(driverOptions).length === 0 ? {} : { DriverConfig: { Options: driverOptions } }),
    ...(subpath === '' ? {} : { Subpath: subpath }),
  };
}

function tmpfsOptions({ size, permissions, options }: TmpfsMount) {
  return {
    ...(size === undefined ? {} : { SizeBytes: size }),
    ...(permissions === undefined ? {} : { Mode: permissions }),
    ...(options.length === 0 ? {} : { Options: options.map((option) => option.split('=')) }),
  };
}

/** Docker leaves out what is empty. */
function whenAny(key: string, value: object): Record<string, object> {
  return Object.keys(value).length === 0 ? {} : { [key]: value };
}
