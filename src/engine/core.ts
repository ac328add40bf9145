import type { Ipam } from '../ipam/ipam.ts';
import type { Container } from '../model/container.ts';
import type { Logger } from '../model/logger.ts';
import type { Network } from '../model/network.ts';
import type { HostUses } from '../reconcile/host-use.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { WayOut } from '../reconcile/way-out.ts';
import type { Processes } from '../runtime/process/processes.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { HostFacts } from '../runtime/spec/host.ts';
import type { UserNamespace } from '../runtime/userns/user-namespace.ts';
import type { EngineConfig } from './config.ts';
import type { Events } from './events.ts';
import type { Forwarding } from './forwarding.ts';
import type { Leases } from './leases.ts';
import type { LiveContainers } from './live.ts';
import type { KeyedMutex } from './locks.ts';
import type { Overlaps } from './overlaps.ts';
import type { PortAllocator } from './ports.ts';
import type { LiveSettings } from './settings.ts';
import type { State } from './state.ts';
import type { StepTimes } from './step-times.ts';
import type { VolumeUse } from './volume-use.ts';

/** What the nouns of the engine share: the intent, the way into the kernel, the way to containerd, who is told. */
export interface Core {
  readonly config: EngineConfig;
  /** What may change while the daemon runs */
  readonly settings: LiveSettings;
  readonly logger: Logger;
  readonly state: State;
  /** Keys: "container <id>". Networks need none: see State. */
  readonly locks: KeyedMutex;
  readonly events: Events;
  readonly reconciler: Reconciler;
  readonly forwarding: Forwarding;
  readonly ipam: Ipam;
  readonly hostUses: HostUses;
  readonly wayOut: WayOut;
  readonly overlaps: Overlaps;
  readonly leases: Leases;
  readonly ports: PortAllocator;
  readonly runtime: Runtime;
  readonly processes: Processes;
  readonly live: LiveContainers;
  readonly volumeUse: VolumeUse;
  readonly host: HostFacts;
  /** Of remapped containers */
  readonly userNamespace?: UserNamespace;
  readonly stepTimes: StepTimes;
}

/** One operation on a container at a time; different containers go on side by side. */
export function withContainer<T>({ locks }: Core, id: string, work: () => Promise<T>): Promise<T> {
  return locks.run(`container ${id}`, work);
}

/** With Docker's attributes: labels, image, name. */
export function containerEvent(
  { events }: Core,
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { labels, image } = container.spec;
  events.emit('container', action, container.id, { ...labels, ...attributes, image, name: container.name });
}

export function networkEvent(
  { events }: Core,
  network: Network,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  events.emit('network', action, network.id, { ...attributes, name: network.name, type: network.driver });
}
