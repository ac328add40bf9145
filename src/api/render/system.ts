import type { EngineInfo, EngineVersion } from '../../engine/system-views.ts';
import { type ApiVersion, atLeast, MAXIMUM_API, MINIMUM_API } from '../version.ts';

/** GET /version. docker-compose 1.29 takes it as it is, so every key is text, as in Docker. */
export function renderVersion(version: EngineVersion) {
  const { architecture, kernelVersion, nodeVersion } = version;
  const engine = {
    ApiVersion: MAXIMUM_API,
    Arch: architecture,
    BuildTime: '',
    Experimental: 'false',
    GitCommit: '',
    // The field says what the engine is written in.
    GoVersion: `node ${nodeVersion}`,
    KernelVersion: kernelVersion,
    MinAPIVersion: MINIMUM_API,
    Os: 'linux',
  };
  const { containerd } = version;
  const { Experimental, ...top } = engine;
  return {
    Platform: { Name: 'Fairway' },
    Components: [
      { Name: 'Engine', Version: version.version, Details: { ...top, Experimental } },
      { Name: 'containerd', Version: containerd.version, Details: { GitCommit: containerd.revision } },
      { Name: 'runc', Version: version.runc, Details: { GitCommit: '' } },
    ],
    Version: version.version,
    ...top,
  };
}

/** What the host's cgroups can limit. */
function renderAbilities({ limits }: EngineInfo) {
  return {
    MemoryLimit: limits.memory,
    SwapLimit: limits.swap,
    CpuCfsPeriod: limits.cpuQuota,
    CpuCfsQuota: limits.cpuQuota,
    CPUShares: limits.cpuShares,
    CPUSet: limits.cpuset,
    PidsLimit: limits.pids,
    OomKillDisable: limits.oomKillDisable,
  };
}

/** Swarm mode as a node tells it that never joined one. */
const SWARM = {
  NodeID: '',
  NodeAddr: '',
  LocalNodeState: 'inactive',
  ControlAvailable: false,
  Error: '',
  RemoteManagers: null,
};

/** By Docker's keys: what is pulled by way of others, and without checks. */
function renderRegistries({ registries }: EngineInfo) {
  const hosts = registries.insecure.filter((text) => !text.includes('/'));
  const mirrors = registries.mirrors.map((url) => `${url}/`);
  const index = (Name: string, Secure: boolean, Mirrors: readonly string[]) => ({
    Name,
    Mirrors,
    Secure,
    Official: Name === 'docker.io',
  });
  return {
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...registries.insecure.filter((text) => text.includes('/'))],
    IndexConfigs: Object.fromEntries([
      ['docker.io', index('docker.io', true, mirrors)],
      ...hosts.map((host) => [host, index(host, false, [])]),
    ]),
    Mirrors: mirrors,
  };
}

/** GET /info. @param now the daemon's clock */
export function renderInfo(info: EngineInfo, version: ApiVersion, now: Date) {
  const { running, paused, stopped } = info.containers;
  return {
    ID: info.id,
    Containers: running + paused + stopped,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: stopped,
    Images: info.images,
    Driver: 'overlayfs',
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    Plugins: { Volume: ['local'], Network: info.networkDrivers, Authorization: null, Log: info.logDrivers },
    ...renderAbilities(info),
    // Fairway limits no kernel memory.
    ...(atLeast(version, '1.42') ? {} : { KernelMemory: false, KernelMemoryTCP: false }),
    IPv4Forwarding: info.ipv4Forwarding,
    // Clients warn where this is false, but the firewall here does not depend on br_netfilter.
    ...(atLeast(version, '1.50') ? {} : { BridgeNfIptables: true, BridgeNfIp6tables: true }),
    Debug: info.debug,
    NFd: 0,
    NGoroutines: 0,
    SystemTime: now.toISOString(),
    LoggingDriver: info.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: info.cgroupVersion,
    NEventsListener: info.eventListeners,
    ...renderHost(info),
    ...renderRuntimes(info, version),
    ...(atLeast(version, '1.49') ? { FirewallBackend: { Driver: 'nftables' } } : {}),
    DefaultAddressPools: info.addressPools.map(({ base, size }) => ({ Base: base, Size: size })),
    SecurityOptions: info.securityOptions,
    Warnings: info.warnings.length === 0 ? null : info.warnings,
  };
}

/** The machine, and what the daemon is told about the world outside. */
function renderHost(info: EngineInfo) {
  return {
    KernelVersion: info.kernelVersion,
    OperatingSystem: info.operatingSystem,
    OSVersion: info.osVersion,
    OSType: 'linux',
    Architecture: info.architecture,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: renderRegistries(info),
    NCPU: info.cpus,
    MemTotal: info.memory,
    GenericResources: null,
    DockerRootDir: info.dataRoot,
    HttpProxy: info.proxies.http,
    HttpsProxy: info.proxies.https,
    NoProxy: info.proxies.except,
    Name: info.name,
    Labels: info.labels,
    ExperimentalBuild: false,
    ServerVersion: info.version,
  };
}

/** What runs containers. Commits are versions here: Debian's packages say no more. */
function renderRuntimes(info: EngineInfo, version: ApiVersion) {
  const commit = (id: string) => ({ ID: id, ...(atLeast(version, '1.49') ? {} : { Expected: id }) });
  const { byName, chosen } = info.runtimes;
  const others = Object.entries(byName).map(([name, { path, args }]) => [
    name,
    { path, ...(args.length === 0 ? {} : { runtimeArgs: args }) },
  ]);
  return {
    Runtimes: {
      ...Object.fromEntries(others),
      'io.containerd.runc.v2': { path: 'runc' },
      runc: { path: 'runc' },
    },
    DefaultRuntime: chosen,
    Swarm: SWARM,
    LiveRestoreEnabled: info.liveRestore,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: commit(info.containerdVersion),
    RuncCommit: commit(info.runcVersion),
    InitCommit: commit(''),
  };
}
