import type { IpcMode, Isolation } from '../../model/isolation.ts';
import { orNull } from './list-form.ts';

/** Docker's defaults (moby: oci/defaults.go); a privileged container sees everything. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** HostConfig's part about namespaces, devices and settings. Sysctls and annotations are there only when there are any. */
export function renderIsolation(isolation: Isolation, privileged: boolean) {
  const { sysctls, annotations, ulimits, devices } = isolation;
  return {
    PidMode: renderMode(isolation.pid),
    IpcMode: renderMode(isolation.ipc ?? { kind: 'private' }) || 'private',
    UTSMode: isolation.hostUts ? 'host' : '',
    UsernsMode: isolation.hostUser ? 'host' : '',
    Isolation: isolation.technology,
    ShmSize: isolation.shmSize,
    Runtime: isolation.runtime ?? 'runc',
    ...(Object.keys(sysctls).length === 0 ? {} : { Sysctls: sysctls }),
    ...(Object.keys(annotations).length === 0 ? {} : { Annotations: annotations }),
    Ulimits: ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft })),
    Devices: devices.map(({ host, container, permissions }) => ({
      PathOnHost: host,
      PathInContainer: container,
      CgroupPermissions: permissions,
    })),
    DeviceCgroupRules: orNull(isolation.deviceRules),
    MaskedPaths: isolation.maskedPaths ?? (privileged ? null : MASKED_PATHS),
    ReadonlyPaths: isolation.readonlyPaths ?? (privileged ? null : READONLY_PATHS),
  };
}

function renderMode(mode: IpcMode): string {
  if (mode.kind === 'private') return '';
  return mode.kind === 'container' ? `container:${mode.container}` : mode.kind;
}
