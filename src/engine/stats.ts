import { setTimeout as sleep } from 'node:timers/promises';
import { NetworkNamespace } from '../kernel/netns.ts';
import { RouteSocket } from '../kernel/rtnetlink.ts';
import type { Container } from '../model/container.ts';
import { hasCode } from '../model/errors.ts';
import type { LinkCounters, MachineUsage, Usage } from '../model/usage.ts';
import { cgroupOf } from '../runtime/spec/spec.ts';
import { readMachineUsage, readUsage } from '../runtime/stats/cgroup.ts';
import type { Core } from './core.ts';
import { timestamp } from './ids.ts';
import { findContainer } from './lookup.ts';
import { isUp } from './sandboxes.ts';

/** Milliseconds between two looks, as in Docker. */
const INTERVAL = 1000;

/** One look at a running container. */
export interface Sample {
  readonly at: string;
  readonly usage: Usage;
  readonly machine: MachineUsage;
  /** By the names of its interfaces, without lo; empty in host mode and without network */
  readonly networks: ReadonlyMap<string, LinkCounters>;
}

/** What `docker stats` shows: a look and the one before it, from which clients reckon percentages. */
export interface Stats {
  readonly container: Container;
  /** undefined: it does not run */
  readonly now?: Sample;
  /** undefined: this is the first look */
  readonly before?: Sample;
}

/** One look. @throws EngineError notFound */
export function readStats(core: Core, reference: string, before?: Sample): Stats {
  const container = findContainer(core.state.containers, reference);
  const now = takeSample(core, container);
  return { container, ...(now === undefined ? {} : { now }), ...(before === undefined ? {} : { before }) };
}

/**
 * A look each second, until the container is removed or nobody listens any more. The first one has none before it.
 * @throws EngineError notFound when there is no such container
 */
export async function* followStats(core: Core, reference: string, signal: AbortSignal): AsyncGenerator<Stats> {
  const { id } = findContainer(core.state.containers, reference);
  let before: Sample | undefined;
  while (!signal.aborted && core.state.containers.has(id)) {
    const stats = readStats(core, id, before);
    yield stats;
    before = stats.now;
    await sleep(INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Of a container that ends while it is looked at there is nothing to see either. */
function takeSample(core: Core, container: Container): Sample | undefined {
  if (!isUp(container)) return undefined;
  try {
    return {
      at: timestamp(),
      usage: readUsage(cgroupOf(container), core.host.unifiedCgroups),
      machine: readMachineUsage(),
      networks: readNetworks(core, container),
    };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
    throw error;
  }
}

/** Of the sandbox, which may be another container's. */
function readNetworks({ state, reconciler }: Core, container: Container): ReadonlyMap<string, LinkCounters> {
  const sandbox = container.sandbox === undefined ? undefined : state.sandboxes.get(container.sandbox);
  if (sandbox === undefined) return new Map();
  using namespace = NetworkNamespace.open(reconciler.sandboxPath(sandbox.namespace));
  using socket = new RouteSocket(namespace);
  return new Map([...socket.counters()].filter(([name]) => name !== 'lo'));
}
