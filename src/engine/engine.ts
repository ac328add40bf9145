import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIfThere } from '../dns/hostresolv.ts';
import { DnsServer } from '../dns/server.ts';
import { parseServices } from '../dns/services.ts';
import { Ipam } from '../ipam/ipam.ts';
import { NetworkNamespace, warmThreadPool } from '../kernel/netns.ts';
import { closeSocket, openUdp, reservePorts, speaksSctp } from '../kernel/socket.ts';
import { readSysctl } from '../kernel/sysctl.ts';
import { type IpAddress, parseIpAddress } from '../model/address.ts';
import { errorMessage, KernelError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { shortId } from '../model/network.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { WayOut } from '../reconcile/way-out.ts';
import { loadDefaultProfile } from '../runtime/apparmor.ts';
import { removeCgroupParents } from '../runtime/cgroup-parent.ts';
import { Processes } from '../runtime/process/processes.ts';
import { provideRunc } from '../runtime/process/runc.ts';
import { runProgram } from '../runtime/program.ts';
import type { RegistryOptions } from '../runtime/registry/registry.ts';
import { Runtime } from '../runtime/runtime.ts';
import { SocketHolder } from '../runtime/socket-holder.ts';
import { readHostFacts } from '../runtime/spec/host.ts';
import { UserNamespace } from '../runtime/userns/user-namespace.ts';
import { Store } from '../store/store.ts';
import { Archives } from './archives.ts';
import { Attachments } from './attachments.ts';
import { Builds } from './builds.ts';
import type { EngineConfig } from './config.ts';
import { stopOf, stopRun } from './container-stop.ts';
import { Containers } from './containers.ts';
import { type Core, withContainer } from './core.ts';
import { ensurePredefinedNetworks } from './default-network.ts';
import { followLease, resumeLeases } from './dhcp.ts';
import { Events } from './events.ts';
import { Execs } from './execs.ts';
import { followers, followWayOut } from './follow-way-out.ts';
import { clearForgotten } from './forgotten.ts';
import { Forwarding } from './forwarding.ts';
import { HostResolver } from './host-resolver.ts';
import { addressPools, engineId } from './identity.ts';
import { ImageStore } from './images.ts';
import { describeResolvers } from './intent.ts';
import { Leases } from './leases.ts';
import { LiveContainers } from './live.ts';
import { KeyedMutex } from './locks.ts';
import { automaticMtu } from './mtu.ts';
import { Names } from './names.ts';
import { Networks } from './networks.ts';
import { occupantsOf } from './occupants.ts';
import { watchMemory } from './oom.ts';
import { Overlaps } from './overlaps.ts';
import { PortAllocator, parsePortList, parsePortRange } from './ports.ts';
import { PruneGuard } from './prune.ts';
import { Registries } from './registries.ts';
import { refreshAllResolvConf } from './resolv-conf.ts';
import { findRemains, type Remains, restore, startWaiting } from './restore.ts';
import { sandboxSockets } from './sandbox-sockets.ts';
import { LiveSettings } from './settings.ts';
import { State } from './state.ts';
import { StepTimes } from './step-times.ts';
import { System } from './system.ts';
import { VolumeUse } from './volume-use.ts';
import { Volumes } from './volumes.ts';

/** Seconds beyond a container's own time to stop, as in Docker */
const STOP_GRACE = 5;

/** The daemon's heart: what was asked is in its state, what is in the kernel follows, and what runs is in containerd. */
export class Engine {
  readonly containers: Containers;
  readonly archives: Archives;
  readonly networks: Networks;
  readonly attachments: Attachments;
  readonly images: ImageStore;
  readonly volumes: Volumes;
  readonly registries: Registries;
  readonly builds: Builds;
  readonly execs: Execs;
  readonly events: Events;
  readonly system: System;
  readonly #core: Core;
  readonly #resources: AsyncDisposableStack;
  /** Containers that a restart policy brings back are started while the API answers already */
  #starting: Promise<void> = Promise.resolve();

  private constructor(core: Core, dns: DnsServer, resources: AsyncDisposableStack) {
    const pruning = new PruneGuard();
    this.#core = core;
    this.#resources = resources;
    this.containers = new Containers(core, pruning);
    this.archives = new Archives(core);
    this.networks = new Networks(core, pruning);
    this.attachments = new Attachments(core);
    this.images = new ImageStore(core, pruning);
    this.volumes = new Volumes(core, pruning);
    this.registries = new Registries(core);
    this.builds = new Builds(core, this.registries);
    this.execs = new Execs(core);
    this.events = core.events;
    this.system = new System(core, dns);
  }

  /**
   * Opens the store, takes up what an earlier daemon left, and is ready when it resolves.
   * @throws EngineError when the store, containerd, the kernel or the network flags do not allow it
   */
  static async start(config: EngineConfig): Promise<Engine> {
    await warmThreadPool();
    await using building = new AsyncDisposableStack();
    const { core, dns, hostResolver, remains } = await assemble(config, building);
    // Before all that can wait: somebody is being asked for a name.
    core.reconciler.resume(describeResolvers(core.state));
    ensurePredefinedNetworks({ ...core, config: config.network }, core.wayOut.mtu);
    core.state.apply({ put: { networks: followers(core.state.networks.values(), automaticMtu(core.wayOut.mtu)) } });
    await restore(core, remains);
    core.overlaps.lookSoon();
    resumeLeases(core);
    const watching = new AbortController();
    building.defer(() => watching.abort());
    watchMemory(core, watching.signal);
    void clearForgotten(core, watching.signal);
    followHostResolver(core, hostResolver);
    const engine = new Engine(core, dns, building.move());
    engine.#starting = startWaiting(core);
    return engine;
  }

  /** With `liveRestore` containers keep running; without, they are stopped first, as Docker does. */
  async close(): Promise<void> {
    const { config, settings, live, reconciler, forwarding } = this.#core;
    live.cancelRestarts();
    await Promise.all([this.#starting, this.builds.close()]);
    if (!settings.current.liveRestore || config.leaveNoTrace) await inTime(this.#core, stopAll(this.#core));
    if (config.leaveNoTrace) {
      await reconciler.clear();
      forwarding.takeBack();
    }
    await this.#resources.disposeAsync();
    if (config.leaveNoTrace) removeCgroupParents();
  }
}

/** services(5): what SRV questions mean by a port's name */
const SERVICES = '/etc/services';

interface Assembled {
  readonly core: Core;
  readonly dns: DnsServer;
  readonly hostResolver: HostResolver;
  readonly remains: Remains;
}

/** What changed while no daemon was there counts, too. */
function followHostResolver(core: Core, hostResolver: HostResolver): void {
  hostResolver.onChange(() => refreshAllResolvConf(core));
  refreshAllResolvConf(core);
  hostResolver.watch();
}

/** Everything in the order it needs each other; the stack takes it down the other way round. */
async function assemble(config: EngineConfig, stack: AsyncDisposableStack): Promise<Assembled> {
  const { dataRoot, execRoot, logger, network } = config;
  for (const folder of [dataRoot, execRoot]) mkdirSync(folder, { recursive: true, mode: 0o711 });
  const settings = new LiveSettings(config.reloadable);
  const state = new State(stack.use(Store.open(join(dataRoot, 'fairway.db'))));
  const runtime = await Runtime.start({
    dataRoot,
    execRoot,
    logger,
    containerd: config.containerd,
    containerdNamespace: config.containerdNamespace,
    registry: registryOptions(config, settings),
    maps: config.remap,
  });
  stack.defer(() => runtime.close());
  await loadDefaultProfile(logger);
  const host = readHostFacts();
  const programs = join(dataRoot, 'bin');
  const runc = provideRunc(join(programs, 'runc'));
  const processes = new Processes(runtime.containerd, { execRoot, programs, runc, logger, host });
  const remains = stack.use(await findRemains({ processes, runtime }));
  const userNamespace = config.remap && stack.use(await UserNamespace.open(execRoot, config.remap));
  const stepTimes = new StepTimes();
  const { reconciler, dns, hostResolver } = openNetwork(config, { state, stepTimes, stack });
  const overlaps = stack.use(new Overlaps({ state, reconciler, logger }));
  const locks = new KeyedMutex();
  const live = new LiveContainers(logger);
  stack.defer(() => live.close());
  stack.defer(() => processes.close());
  const core: Core = {
    config,
    settings,
    logger,
    state,
    locks,
    events: new Events(),
    reconciler,
    forwarding: new Forwarding(state, network),
    ipam: new Ipam(addressPools(network.defaultAddressPools, engineId(state))),
    overlaps,
    leases: stack.use(leasesOf(reconciler, logger, (endpoint, lease) => followLease(core, endpoint, lease))),
    hostUses: overlaps.hostUses,
    wayOut: stack.use(new WayOut(NetworkNamespace.home(), () => void followWayOut(core))),
    ports: hostPorts(),
    runtime,
    processes,
    live,
    volumeUse: new VolumeUse({ state, volumes: runtime.volumes, locks, logger }),
    host,
    ...(userNamespace === undefined ? {} : { userNamespace }),
    stepTimes,
  };
  return { core, dns, hostResolver, remains };
}

function leasesOf(reconciler: Reconciler, logger: Logger, follow: ConstructorParameters<typeof Leases>[0]['follow']) {
  return new Leases({
    logger,
    follow,
    sandboxPath: ({ sandbox }) => reconciler.sandboxPath(`sandbox:${shortId(sandbox)}`),
  });
}

/** Registries learn by whom they are asked. Silence of half a minute is the end of a connection, as for Docker's dials. */
function registryOptions({ version }: EngineConfig, settings: LiveSettings): RegistryOptions {
  const userAgent = `Fairway/${version} (linux; ${process.arch})`;
  return { config: settings.registry, stallTimeout: 30_000, environment: process.env, userAgent };
}

/** Reconciler and resolver know each other: the one opens the sockets, the other answers on them. */
function openNetwork(
  config: EngineConfig,
  parts: { readonly state: State; readonly stepTimes: StepTimes; readonly stack: AsyncDisposableStack },
) {
  const { execRoot, logger } = config;
  const { state, stepTimes, stack } = parts;
  const hostResolver = stack.use(new HostResolver(logger));
  const dns = new DnsServer({
    names: new Names(state, config, hostResolver),
    servicePorts: parseServices(readIfThere(SERVICES)),
    logger,
    openSocket: sandboxSockets((namespace) => reconciler.sandboxPath(namespace)),
  });
  stack.defer(() => dns.close());
  hostResolver.onChange(() => dns.forgetAnswers());
  const reconciler: Reconciler = Reconciler.open({
    execRoot,
    logger,
    run: runProgram,
    ...(config.network.acceptMark === undefined ? {} : { acceptMark: config.network.acceptMark }),
    occupants: occupantsOf(state),
    trace: (step, milliseconds) => {
      stepTimes.record(step, milliseconds);
      config.trace?.(step, milliseconds);
    },
    resolver: (namespace, sockets) => dns.attach(namespace, sockets),
    keeper: stack.use(new SocketHolder(execRoot, logger)),
  });
  stack.defer(() => reconciler.close());
  return { reconciler, dns, hostResolver };
}

/** The host's own settings decide what is ephemeral; they are read once, as by Docker. */
function hostPorts(): PortAllocator {
  const home = NetworkNamespace.home();
  const read = (name: string) => readSysctl(home, `net/ipv4/${name}`);
  return new PortAllocator({
    ephemeral: parsePortRange(read('ip_local_port_range')),
    hasIPv6: () => canListen(home, parseIpAddress('::1')),
    speaksSctp: () => speaksSctp(home),
    reserved: parsePortList(read('ip_local_reserved_ports')),
    isUnused: (protocol, address, port) => {
      try {
        reservePorts(home, { protocol, address, port, count: 1 })[Symbol.dispose]();
        return true;
      } catch (error) {
        // Of an address that is not the host's no port is better than another: binding says what is wrong.
        return error instanceof KernelError && error.code === 'EADDRNOTAVAIL';
      }
    },
  });
}

/** As Docker tries it: a kernel without IPv6 and a loopback without ::1 both refuse. */
function canListen(namespace: NetworkNamespace, address: IpAddress): boolean {
  try {
    closeSocket(openUdp(namespace, address, 0));
    return true;
  } catch (error) {
    if (error instanceof KernelError) return false;
    throw error;
  }
}

/** The daemon's end does not wait for what hangs: `--shutdown-timeout`, or longer where a container may take longer to stop. */
async function inTime({ settings, state, logger }: Core, work: Promise<void>): Promise<void> {
  const patience = [...state.containers.values()].map(({ spec }) => spec.stopTimeout ?? 0);
  const { shutdownTimeout } = settings.current;
  if (shutdownTimeout < 0 || patience.some((seconds) => seconds < 0)) return work;
  const seconds = Math.max(shutdownTimeout, ...patience.map((own) => own + STOP_GRACE));
  const timer = new AbortController();
  const late = sleep(Math.min(seconds * 1000, 0x7fffffff), true, { signal: timer.signal }).catch(() => false);
  if (await Promise.race([work.then(() => false), late])) logger.warn('containers did not stop in time', { seconds });
  timer.abort();
}

/** One that cannot be stopped holds up neither the others nor the daemon's end. */
async function stopAll(core: Core): Promise<void> {
  const stops = [...core.state.containers.values()].map(async (container) => {
    // A start that is under way comes first.
    const run = await withContainer(core, container.id, async () => core.live.of(container).run);
    if (run === undefined) return;
    await stopRun(core, container, run, stopOf(container, {}));
    await run.settled;
  });
  for (const result of await Promise.allSettled(stops)) {
    if (result.status === 'rejected') {
      core.logger.warn('a container could not be stopped', { error: errorMessage(result.reason) });
    }
  }
}
