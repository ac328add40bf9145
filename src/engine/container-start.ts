import { setImmediate as requestsSent } from 'node:timers/promises';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Endpoint } from '../model/network.ts';
import type { Process } from '../runtime/process/process.ts';
import { StartError } from '../runtime/process/start-error.ts';
import { attachmentOwners } from './attachments.ts';
import { followRun } from './container-exit.ts';
import { linkerOwners, requireLinks, tellLinked } from './container-links.ts';
import { releaseMounts, tellMounted } from './container-mounts.ts';
import { connectStreams, openLog, prepareProcess } from './container-process.ts';
import { removeHeld } from './container-remove.ts';
import { type Core, containerEvent, networkEvent, withContainer } from './core.ts';
import { obtainLeases } from './dhcp.ts';
import { raiseEndpoints } from './endpoint-raise.ts';
import { allocateEndpoints, bareNetworks, needsResolver } from './endpoints.ts';
import { watchHealth } from './health.ts';
import { timestamp } from './ids.ts';
import { describeSpace, sandboxOwner } from './intent.ts';
import type { LiveContainer } from './live.ts';
import { findContainer } from './lookup.ts';
import { providingSandbox } from './remap.ts';
import { writeSandboxFiles } from './sandbox-files.ts';
import { leaveSandbox } from './sandbox-leave.ts';
import { choosePlace, type Place } from './sandboxes.ts';
import { dropSharedMemory } from './shared-memory.ts';

/** Docker's exit code for whatever kept a container from running, except its command: that has 126 and 127. */
const NOT_STARTED = 128;

/**
 * Starts a container. When any step fails, nothing of the attempt remains but the reason in the container's state;
 * with `--rm`, not even the container.
 * @throws EngineError notModified, conflict, or Docker's words about what failed
 */
export async function startContainer(core: Core, reference: string): Promise<void> {
  const { id } = findContainer(core.state.containers, reference);
  await withContainer(core, id, () => startHeld(core, id));
}

/**
 * Starts one that waits for its restart; one that was stopped, started or removed meanwhile is left alone. Never rejects:
 * as in Docker, a start that fails is not tried again.
 */
export async function startAgain(core: Core, id: string): Promise<void> {
  await withContainer(core, id, async () => {
    const container = core.state.containers.get(id);
    if (container?.state.status !== 'restarting') return;
    const live = core.live.of(container);
    try {
      await bringUpOrGiveUp(core, container, live);
    } catch (error) {
      core.logger.error('a container could not be started again', {
        container: container.name,
        error: errorMessage(error),
      });
      live.tellExit({ code: core.state.containers.get(id)?.state.exitCode ?? NOT_STARTED });
    }
  });
}

/** The same for one who holds the container's lock. */
export async function startHeld(core: Core, id: string): Promise<void> {
  const container = core.state.containers.get(id);
  if (container === undefined) throw new EngineError('notFound', `No such container: ${id}`);
  checkStartable(container);
  const live = core.live.of(container);
  live.restarts.reset();
  await bringUpOrGiveUp(core, { ...container, restartCount: 0, stoppedByHand: false }, live);
}

async function bringUpOrGiveUp(core: Core, container: Container, live: LiveContainer): Promise<void> {
  try {
    await bringUp(core, container, live);
  } catch (error) {
    await giveUp(core, container.id, live, error);
    throw error;
  }
}

/** Paused first: a paused container runs as well, and so does, to Docker, one that waits for its restart. @throws EngineError in Docker's words */
function checkStartable({ state, unfinished }: Container): void {
  if (state.status === 'paused') {
    throw new EngineError('conflict', 'cannot start a paused container, try unpause instead');
  }
  if (state.status === 'running' || state.status === 'restarting')
    throw new EngineError('notModified', 'container is already running');
  if (state.status === 'dead' || unfinished !== undefined) {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
}

/** The streams are connected before the process starts, so that nothing it says is missed. */
async function bringUp(core: Core, container: Container, live: LiveContainer): Promise<void> {
  using _moves = core.processes.moves.expect();
  requireLinks(core.state, container);
  const place = choosePlace(core, container, needsResolver(core.state, container));
  const log = openLog(core, container);
  let process: Process;
  let startedAt: string;
  try {
    process = await buildUp(core, container, place);
    connectStreams(live.session, process, log);
    startedAt = timestamp();
    await process.start();
  } catch (error) {
    await log.close();
    throw error;
  }
  const running = noteRunning(core, container, process.pid, startedAt);
  const run = followRun(core, running, live, { process, log, startAgain: () => startAgain(core, container.id) });
  tellStarted(core, running);
  watchHealth(core, running, live, run);
}

/**
 * The namespace comes first, since the task is created in it; then the task and all of the network side by side, which is where
 * the time goes. What containerd is to do is asked for before work on the kernel, which lets nothing else happen. The process can
 * start when both are there.
 */
async function buildUp(core: Core, container: Container, place: Place): Promise<Process> {
  const mounts = core.runtime.snapshots.mounts(container.id);
  // It is looked at only after the network; a failure must not go unheard until then.
  mounts.catch(() => undefined);
  const times: Record<string, number> = {};
  const endpoints = await networking(core, times, async () => {
    const occupied = occupy(core, container, place);
    if (place.kind !== 'joined') {
      writeSandboxFiles(core, container, occupied, place.kind === 'own' && place.sandbox.resolver);
    }
    return occupied;
  });
  const preparing = prepareProcess(core, container, place, mounts);
  preparing.catch(() => undefined);
  await requestsSent();
  const making = networking(core, times, () => makeSpace(core, container, place));
  const [space, prepared] = await Promise.allSettled([making, preparing]);
  if (space.status === 'rejected') throw space.reason;
  if (prepared.status === 'rejected') throw prepared.reason;
  const creating = prepared.value();
  creating.catch(() => undefined);
  await requestsSent();
  core.processes.moves.renew();
  const raised = networking(core, times, async () => {
    await raiseEndpoints(core, container, endpoints, [
      ...(place.kind === 'own' ? [sandboxOwner(place.sandbox.id)] : []),
      ...attachmentOwners(core.state, container.id),
      ...linkerOwners(core.state, container.id),
    ]);
    await obtainLeases(core, container, endpoints);
  });
  const [process, network] = await Promise.allSettled([creating, raised]);
  if (process.status === 'rejected') throw network.status === 'rejected' ? network.reason : process.reason;
  if (network.status === 'fulfilled') {
    core.logger.debug('network of a container is up', { container: container.name, network: times });
    return process.value;
  }
  await process.value.delete();
  throw network.reason;
}

/** The namespace of a new sandbox, with nothing of ours in it yet. */
async function makeSpace(core: Core, { spec }: Container, place: Place): Promise<void> {
  if (place.kind !== 'own' || !place.fresh) return;
  await providingSandbox(core, spec, place, () => core.reconciler.commit(describeSpace(core, place.sandbox)));
}

/** Docker's words before whatever the network had to say. */
async function networking<T>(core: Core, times: Record<string, number>, work: () => Promise<T>): Promise<T> {
  try {
    return await core.stepTimes.measure(times, work);
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : 'internal';
    const message = `failed to set up container networking: ${errorMessage(error)}`;
    throw new EngineError(kind, message, { cause: error });
  }
}

/** Writes down where the container will be, and nothing else of its start yet: one transaction. @returns its endpoints */
function occupy(core: Core, container: Container, place: Place): Endpoint[] {
  if (place.kind === 'host' || place.sandbox === undefined) return [];
  const { sandbox } = place;
  const endpoints = place.kind === 'own' ? allocateEndpoints(core, container, sandbox.id) : [];
  const sandboxes = place.kind === 'own' ? [sandbox] : [];
  const known = findContainer(core.state.containers, container.id);
  core.state.apply({ put: { sandboxes, endpoints, containers: [{ ...known, sandbox: sandbox.id }] } });
  return endpoints;
}

/** @param started as it was when the start began: what was written down since is kept, except for its restarts */
function noteRunning({ state }: Core, started: Container, pid: number, startedAt: string): Container {
  const { restartCount, stoppedByHand } = started;
  const { stopping: _, ...known } = findContainer(state.containers, started.id);
  const container = { ...known, restartCount, stoppedByHand };
  const running = {
    ...container.state,
    status: 'running',
    pid,
    exitCode: 0,
    oomKilled: false,
    error: '',
    startedAt,
  } as const;
  const noted: Container = { ...container, state: running };
  state.apply({ put: { containers: [noted] } });
  return noted;
}

/** Docker tells of a container's networks before it tells of its start. */
function tellStarted(core: Core, container: Container): void {
  const { id } = container;
  const addressed = core.state.endpointsOf(id).flatMap(({ network }) => core.state.networks.get(network) ?? []);
  for (const network of [...addressed, ...bareNetworks(core.state, container)]) {
    networkEvent(core, network, 'connect', { container: id });
  }
  tellMounted(core, container);
  containerEvent(core, container, 'start');
  tellLinked(core, id);
}

/** Takes back whatever the attempt has made, and keeps the reason. */
async function giveUp(core: Core, id: string, live: LiveContainer, error: unknown): Promise<void> {
  const container = core.state.containers.get(id);
  if (container === undefined) return;
  const exitCode = error instanceof StartError ? error.exitCode : NOT_STARTED;
  const status = container.state.status === 'restarting' ? 'exited' : container.state.status;
  const { stopping: _, ...known } = container;
  const departure = leaveSandbox(core, {
    ...known,
    state: { ...container.state, status, pid: 0, exitCode, error: errorMessage(error) },
  });
  await Promise.all([departure.finish(), discardTask(core, id)]);
  dropSharedMemory(core, id);
  await releaseMounts(core, container);
  live.session.end();
  live.session = core.live.newSession(container);
  if (container.spec.autoRemove) await removeHeld(core, id, { volumes: true });
}

async function discardTask({ processes, logger }: Core, id: string): Promise<void> {
  try {
    await processes.discard(id);
  } catch (error) {
    logger.error('a task that did not start could not be taken away', { container: id, error: errorMessage(error) });
  }
}
