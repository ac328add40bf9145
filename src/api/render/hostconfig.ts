import type { Container, NetworkMode } from '../../model/container.ts';
import type { Resources, ThrottledDevice } from '../../model/resources.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { renderIsolation } from './isolation.ts';
import { orNull } from './list-form.ts';
import { renderMountOptions } from './mount.ts';
import { renderPortBindings } from './ports.ts';

/** What no option of Fairway changes yet; Docker's clients expect the keys. */
const FIXED = {
  ContainerIDFile: '',
  VolumeDriver: '',
  Cgroup: '',
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  DeviceRequests: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
} as const;

/** HostConfig: as the user asked, with Docker's defaults where nothing was asked. */
export function renderHostConfig({ spec }: Container, version: ApiVersion) {
  return {
    ...FIXED,
    ConsoleSize: spec.consoleSize ?? [0, 0],
    // Kernel memory limits left the API with 1.42.
    ...(atLeast(version, '1.42') ? {} : { KernelMemory: 0, KernelMemoryTCP: 0 }),
    ...renderResources(spec.resources),
    ...renderIsolation(spec.isolation, spec.privileged),
    CgroupParent: spec.cgroupParent ?? '',
    OomScoreAdj: spec.oomScoreAdj,
    ...renderMountOptions(spec),
    LogConfig: { Type: spec.logConfig.driver, Config: spec.logConfig.options },
    NetworkMode: renderNetworkMode(spec.networkMode),
    PortBindings: renderPortBindings(spec.portBindings),
    RestartPolicy: { Name: spec.restartPolicy.name, MaximumRetryCount: spec.restartPolicy.maximumRetries },
    ...(spec.init === undefined ? {} : { Init: spec.init }),
    AutoRemove: spec.autoRemove,
    CapAdd: orNull(spec.capAdd),
    CapDrop: orNull(spec.capDrop),
    CgroupnsMode: spec.cgroupNamespace ?? '',
    Dns: spec.dns,
    DnsOptions: spec.dnsOptions,
    DnsSearch: spec.dnsSearch,
    ExtraHosts: orNull(spec.extraHosts),
    GroupAdd: orNull(spec.groupAdd),
    Privileged: spec.privileged,
    PublishAllPorts: spec.publishAll,
    ReadonlyRootfs: spec.readOnlyRoot,
    SecurityOpt: renderSecurity(spec.privileged, spec.securityOptions),
  };
}

/** Zero where there is no limit. */
function renderResources(resources: Resources) {
  const throttles = (devices: readonly ThrottledDevice[] = []) =>
    devices.map(({ path, rate }) => ({ Path: path, Rate: rate }));
  return {
    Memory: resources.memory ?? 0,
    MemorySwap: resources.memorySwap ?? 0,
    MemoryReservation: resources.memoryReservation ?? 0,
    MemorySwappiness: resources.memorySwappiness ?? null,
    OomKillDisable: resources.oomKillDisable ?? false,
    NanoCpus: resources.nanoCpus ?? 0,
    CpuShares: resources.cpuShares ?? 0,
    CpuPeriod: resources.cpuPeriod ?? 0,
    CpuQuota: resources.cpuQuota ?? 0,
    CpusetCpus: resources.cpusetCpus ?? '',
    CpusetMems: resources.cpusetMems ?? '',
    PidsLimit: resources.pidsLimit ?? null,
    BlkioWeight: resources.blkioWeight ?? 0,
    BlkioWeightDevice: (resources.blkioWeightDevices ?? []).map(({ path, weight }) => ({ Path: path, Weight: weight })),
    BlkioDeviceReadBps: throttles(resources.readBps),
    BlkioDeviceWriteBps: throttles(resources.writeBps),
    BlkioDeviceReadIOps: throttles(resources.readIops),
    BlkioDeviceWriteIOps: throttles(resources.writeIops),
  };
}

/** "bridge", "app", ""host", "none" or "container:ID". */
export function renderNetworkMode(mode: NetworkMode): string {
  if (mode.kind === 'network') return mode.name;
  return mode.kind === 'container' ? `container:${mode.container}` : mode.kind;
}

/** Privileged containers carry no label, and Docker says so here. */
function renderSecurity(privileged: boolean, options: readonly string[]): readonly string[] | null {
  const all = privileged ? [...options, 'label=disable'] : options;
  return orNull(all);
}
