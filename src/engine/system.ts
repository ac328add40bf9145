import { readFileSync } from 'node:fs';
import { arch, cpus, hostname, machine, release, totalmem } from 'node:os';
import type { DnsServer } from '../dns/server.ts';
import { drivers } from '../drivers/index.ts';
import { DEFAULT_POOLS } from '../ipam/ipam.ts';
import type { PublishedPort } from '../model/network.ts';
import { withoutCredentials } from '../model/proxy.ts';
import { type Resource, resourceKey } from '../model/resource.ts';
import { LOG_DRIVERS } from '../runtime/logs/settings.ts';
import type { ReloadableConfig } from './config.ts';
import type { Core } from './core.ts';
import { type LayerUsage, layerUsage } from './disk-usage.ts';
import { type Exposure, exposures } from './exposure.ts';
import { engineId } from './identity.ts';
import { limitWarnings } from './resources.ts';
import { reloadAttributes } from './settings.ts';
import type { EngineCounters, EngineInfo, EngineStatus, EngineVersion, PlanLine } from './system-views.ts';

/** What the engine says about itself. Everything is read when it is asked for; nothing is kept up to date meanwhile. */
export class System {
  readonly #core: Core;
  readonly #dns: DnsServer;

  constructor(core: Core, dns: DnsServer) {
    this.#core = core;
    this.#dns = dns;
  }

  /** For `docker info`. @throws EngineError unavailable when containerd does not answer */
  async info(): Promise<EngineInfo> {
    const { config, settings, state, runtime, events, host, forwarding } = this.#core;
    const { labels, liveRestore, debug, registry, runtimes } = settings.current;
    const versions = await runtime.versions();
    const forwards = forwarding.on;
    const { PRETTY_NAME = 'Linux', VERSION_ID = '' } = osRelease();
    const pools = config.network.defaultAddressPools;
    return {
      id: engineId(state),
      name: hostname(),
      version: config.version,
      containers: this.#count(),
      images: (await runtime.images.list()).length,
      kernelVersion: release(),
      operatingSystem: PRETTY_NAME,
      osVersion: VERSION_ID,
      architecture: machine(),
      cpus: cpus().length,
      memory: totalmem(),
      dataRoot: config.dataRoot,
      cgroupVersion: host.unifiedCgroups ? '2' : '1',
      limits: host.cgroups,
      securityOptions: securityOptions(this.#core),
      ipv4Forwarding: forwards,
      labels,
      liveRestore,
      debug,
      addressPools: pools.length > 0 ? pools : DEFAULT_POOLS,
      registries: registry,
      proxies: proxies(),
      runtimes,
      networkDrivers: [...drivers.keys()].sort(),
      logDrivers: LOG_DRIVERS,
      logDriver: config.log.driver,
      containerdVersion: versions.containerd.version,
      runcVersion: versions.runc,
      eventListeners: events.listeners,
      warnings: [
        ...limitWarnings(host.cgroups, host.unifiedCgroups),
        ...(forwards || state.networks.size === 0 ? [] : ['WARNING: IPv4 forwarding is disabled']),
      ],
    };
  }

  /** For `docker version`. @throws EngineError unavailable when containerd does not answer */
  async version(): Promise<EngineVersion> {
    const { containerd, runc } = await this.#core.runtime.versions();
    return {
      version: this.#core.config.version,
      kernelVersion: release(),
      architecture: arch() === 'x64' ? 'amd64' : arch(),
      nodeVersion: process.version,
      containerd,
      runc,
    };
  }

  /** For `fairway status`: the network at a glance, drift included. Asks the kernel, not containerd. */
  status(): EngineStatus {
    const { config, reconciler } = this.#core;
    const { count, last, contested } = reconciler.repairs;
    return {
      version: config.version,
      pid: process.pid,
      uptime: Math.floor(process.uptime()),
      memory: process.memoryUsage.rss(),
      networks: this.#networks(),
      endpoints: this.#endpoints(),
      ports: this.#ports(),
      overlaps: this.#core.overlaps.list(),
      drops: reconciler.drops(),
      drift: {
        repairs: count,
        ...(last === undefined ? {} : { last }),
        contested,
        pending: this.plan().map(({ action, resource, because }) => `${action} ${resource}: ${because}`),
      },
      dns: this.#dns.statistics,
    };
  }

  /** For metrics: cheap enough to be asked every second. */
  counters(): EngineCounters {
    const { reconciler, events } = this.#core;
    const { kinds, contested } = reconciler.repairs;
    return {
      containers: this.#count(),
      repairs: kinds,
      contested: contested.length,
      drops: reconciler.drops(),
      dns: this.#dns.statistics,
      eventListeners: events.listeners,
    };
  }

  /** What of containers is reachable from where. */
  exposure(): Exposure[] {
    return exposures(this.#core);
  }

  /** What a reconcile would do now. Reads the whole of the kernel's state that concerns us. */
  plan(): PlanLine[] {
    return this.#core.reconciler
      .plan()
      .map(({ action, resource, because }) => ({ action, resource: resourceKey(resource), because }));
  }

  /** For `docker system df`: layers that images share are counted once. */
  async diskUsage(): Promise<LayerUsage> {
    return layerUsage(await this.#core.runtime.images.list());
  }

  /** From now on this holds. What was begun goes on as it was. */
  reload(next: ReloadableConfig): void {
    const { settings, events, state } = this.#core;
    settings.replace(next);
    events.emit('daemon', 'reload', engineId(state), { ...reloadAttributes(next), name: hostname() });
  }

  #count(): EngineInfo['containers'] {
    const count = { running: 0, paused: 0, stopped: 0 };
    for (const { state } of this.#core.state.containers.values()) {
      if (state.status === 'running' || state.status === 'paused') count[state.status]++;
      else count.stopped++;
    }
    return count;
  }

  /** The bridge's name is taken from what the driver described: only the driver knows it. */
  #networks(): EngineStatus['networks'] {
    const { state, reconciler } = this.#core;
    const holders = Map.groupBy(state.endpoints.values(), ({ network }) => network);
    return [...state.networks.values()].map(({ id, name, driver, pools: [pool] }) => {
      const bridge = reconciler.desired().get(`network:${id}`)?.flatMap(bridgeName)[0];
      return {
        id,
        name,
        driver,
        ...(bridge === undefined ? {} : { bridge }),
        ...(pool === undefined ? {} : { subnet: pool.subnet }),
        ...(pool?.gateway === undefined ? {} : { gateway: pool.gateway }),
        endpoints: holders.get(id)?.length ?? 0,
      };
    });
  }

  #endpoints(): EngineStatus['endpoints'] {
    const { state } = this.#core;
    return [...state.endpoints.values()].map(({ container, network, interfaceName, addresses, mac, gateways }) => ({
      container: state.containers.get(container)?.name ?? container,
      network: state.networks.get(network)?.name ?? network,
      link: interfaceName,
      address: addresses.join(' '),
      mac: mac ?? '',
      defaultRoute: gateways.length > 0,
    }));
  }

  #ports(): EngineStatus['ports'] {
    const { state } = this.#core;
    return [...state.endpoints.values()].flatMap(({ container, ports }) =>
      ports.filter(isHosts).map(({ protocol, hostAddress, hostPort, containerPort, count }) => ({
        container: state.containers.get(container)?.name ?? container,
        protocol,
        host: hostAddress,
        hostPort,
        containerPort,
        count,
      })),
    );
  }
}

/** Where nothing is translated, a published port is none of the host's. */
function isHosts({ hostPort }: PublishedPort): boolean {
  return hostPort !== 0;
}

/** What the environment names, without the passwords in it. */
function proxies(): EngineInfo['proxies'] {
  const read = (name: string) => process.env[name] ?? process.env[name.toLowerCase()] ?? '';
  return {
    http: withoutCredentials(read('HTTP_PROXY')),
    https: withoutCredentials(read('HTTPS_PROXY')),
    except: read('NO_PROXY'),
  };
}

/** In Docker's order and words (moby: daemon/info.go). */
function securityOptions({ host, config }: Core): string[] {
  const { seccompName = 'builtin', noNewPrivileges = false } = config.defaults ?? {};
  return [
    ...(host.apparmorProfiles === undefined ? [] : ['name=apparmor']),
    ...(host.seccomp ? [`name=seccomp,profile=${seccompName}`] : []),
    ...(config.remap === undefined ? [] : ['name=userns']),
    ...(host.unifiedCgroups ? ['name=cgroupns'] : []),
    ...(noNewPrivileges ? ['name=no-new-privileges'] : []),
  ];
}

function bridgeName(resource: Resource): string[] {
  return resource.kind === 'link' && resource.type === 'bridge' ? [resource.name] : [];
}

/** os-release(5) */
function osRelease(): Readonly<Record<string, string>> {
  try {
    const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^([A-Z_]+)="?(.*?)"?$/gm);
    return Object.fromEntries(Array.from(lines, ([, key = '', value = '']) => [key, value]));
  } catch {
    return {};
  }
}
