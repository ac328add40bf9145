import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as immediately } from 'node:timers/promises';
import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import { isRunc } from '../model/oci-runtime.ts';
import type { ContainerLog } from '../runtime/logs/log.ts';
import { NOWHERE } from '../runtime/logs/logs.ts';
import { namesIn } from '../runtime/names-in.ts';
import type { TaskSummary } from '../runtime/process/processes.ts';
import { followRun } from './container-exit.ts';
import { exitedContainer } from './container-exited.ts';
import { releaseMounts, volumesOf } from './container-mounts.ts';
import { containerFolder } from './container-paths.ts';
import { connectStreams, openLog } from './container-process.ts';
import { removeHeld, takeAway } from './container-remove.ts';
import { carryOut } from './container-restart.ts';
import { startAgain } from './container-start.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { watchHealth } from './health.ts';
import { timestamp } from './ids.ts';
import { describeAll, describeHost } from './intent.ts';
import { restartsWithDaemon } from './restarts.ts';
import { restoreSandboxFiles } from './sandbox-files.ts';
import { leaveSandbox } from './sandbox-leave.ts';
import { isUp } from './sandboxes.ts';
import { dropStaleMemory } from './shared-memory.ts';

/** The exit code of a container whose end nobody saw, as after a reboot. Docker's. */
const UNSEEN_EXIT = 255;

/** What containerd has of a former daemon. */
export interface Remains extends Disposable {
  readonly tasks: Promise<readonly TaskSummary[]>;
  /** Ids of containers that have no task, but a record or files */
  readonly containers: Promise<readonly string[]>;
  /** Root snapshots, by the ids of their containers */
  readonly snapshots: Promise<readonly string[]>;
}

/**
 * Asks for it as soon as containerd is there: that asks one shim after another, and meanwhile much else can be done. Shims that
 * wait for a reader go on before that, since they answer nothing.
 */
export async function findRemains({ processes, runtime }: Pick<Core, 'processes' | 'runtime'>): Promise<Remains> {
  const readers = processes.unblock();
  const tasks = processes.list();
  const containers = tasks.then((found) => processes.remains(found.map(({ id }) => id)));
  const remains = { tasks, containers, snapshots: runtime.snapshots.list() };
  // Whoever takes them later hears of it.
  for (const answer of Object.values(remains)) answer.catch(() => undefined);
  // What is asked goes out in the loop's next turn.
  await immediately();
  return { ...remains, [Symbol.dispose]: () => readers[Symbol.dispose]() };
}

/**
 * Takes up what the last daemon left: networks and sandboxes as they are written down, containers that still run, the
 * ends of those that don't. Whatever nobody wrote down is taken away.
 */
export async function restore(core: Core, remains: Remains): Promise<void> {
  using _remains = remains;
  const tasks = new Map((await remains.tasks).map((task) => [task.id, task]));
  const running = [...core.state.containers.values()].filter(
    (container) => isUp(container) && tasks.has(container.id) && container.unfinished === undefined,
  );
  const lost = dropUnseen(core, new Set(running.map(({ id }) => id)));
  await raiseEverything(core);
  await Promise.all(running.map((container) => resume(core, container, tasks.get(container.id))));
  for (const container of lost) {
    const exitCode = String(container.state.exitCode);
    containerEvent(core, container, 'die', { exitCode, execDuration: '0' });
  }
  dropStaleMemory(core, new Set(running.map(({ id }) => id)));
  await clearLeftovers(core, remains, lost);
}

/**
 * Containers that do not run hold nothing: not those a reboot ended, not those whose start was cut off. @returns those
 * that ran when they were last seen
 */
function dropUnseen(core: Core, running: ReadonlySet<string>): Container[] {
  const { state } = core;
  const lost: Container[] = [];
  for (const container of [...state.containers.values()]) {
    if (running.has(container.id)) continue;
    const seenUp = isUp(container);
    const ended = seenUp ? exitedContainer(container, { code: UNSEEN_EXIT, at: timestamp() }) : container;
    leaveSandbox(core, atRest(ended));
    if (seenUp) lost.push(ended);
  }
  const held = new Set([...state.containers.values()].map(({ sandbox }) => sandbox));
  state.apply({
    remove: {
      sandboxes: [...state.sandboxes.keys()].filter((id) => !held.has(id)),
      endpoints: [...state.endpoints.values()].filter(({ container }) => !running.has(container)).map(({ id }) => id),
    },
  });
  return lost;
}

/** One that does not run, until the containers are started that this daemon has to start: as if somebody did, restarts are counted anew. */
function atRest(ended: Container): Container {
  if (restartsWithDaemon(ended)) return { ...ended, restartCount: 0, state: { ...ended.state, status: 'restarting' } };
  // It waited for its restart when the last daemon ended, and need not any more.
  return ended.state.status === 'restarting' ? { ...ended, state: { ...ended.state, status: 'exited' } } : ended;
}

/**
 * Starts what has to run by its restart policy, all side by side. Who joins another container's network, or has a link to it, comes after it.
 * Never rejects.
 */
export async function startWaiting(core: Core): Promise<void> {
  const starts = new Map<string, Promise<void>>();
  const start = (id: string): Promise<void> => {
    const known = starts.get(id);
    if (known !== undefined) return known;
    // Whoever comes back to it while it is being looked at goes on without it: links can be circular after renames.
    starts.set(id, Promise.resolve());
    const started = Promise.all(neededBy(core.state.containers.get(id)).map(start)).then(() => startAgain(core, id));
    starts.set(id, started);
    return started;
  };
  await Promise.all([...core.state.containers.keys()].map(start));
}

/** Whose network it joins, and whom it has links to. */
function neededBy(container: Container | undefined): string[] {
  if (container === undefined) return [];
  const { networkMode, links } = container.spec;
  return [...(networkMode.kind === 'container' ? [networkMode.container] : []), ...links.map((link) => link.container)];
}

async function raiseEverything(core: Core): Promise<void> {
  const { reconciler, logger } = core;
  const repairs = await reconciler.restore(new Map([...describeHost(core), ...describeAll(core)]));
  for (const { error, because } of repairs) {
    if (error !== undefined) logger.error('the network could not be restored in full', { error, because });
  }
}

/** Goes on with a container: its output, and its end, which may have come already. */
async function resume(core: Core, container: Container, task: TaskSummary | undefined): Promise<void> {
  const { tty, openStdin, isolation } = container.spec;
  const live = core.live.of(container);
  try {
    await core.volumeUse.take(volumesOf(container), container.id);
    const process = await core.processes.restore(
      container.id,
      { tty, stdin: openStdin, foreign: !isRunc(isolation.runtime) },
      task,
    );
    if (process === undefined) {
      await leaveSandbox(core, atRest(exitedContainer(container, { code: UNSEEN_EXIT, at: timestamp() }))).finish();
      return;
    }
    restoreSandboxFiles(core, container);
    const log = reopenLog(core, container);
    connectStreams(live.session, process, log);
    const run = followRun(core, container, live, { process, log, startAgain: () => startAgain(core, container.id) });
    watchHealth(core, container, live, run);
    void carryOut(core, container, run);
  } catch (error) {
    core.logger.error('a running container could not be taken up', {
      container: container.name,
      error: errorMessage(error),
    });
  }
}

/** A container goes on without its log rather than without its daemon. */
function reopenLog(core: Core, container: Container): ContainerLog {
  try {
    return openLog(core, container);
  } catch (error) {
    const details = { container: container.name, error: errorMessage(error) };
    core.logger.warn('what a running container prints is not logged any more', details);
    return NOWHERE;
  }
}

/**
 * Tasks, root snapshots and folders without a record; containers half made or half gone, and with --rm that ended unseen. What
 * containerd is taking away by itself is gone afterwards, too.
 */
async function clearLeftovers(core: Core, remains: Remains, lost: readonly Container[]): Promise<void> {
  const { state, logger } = core;
  const { halves = [], whole = [] } = Object.groupBy(state.containers.values(), ({ unfinished }) =>
    unfinished === undefined ? 'whole' : 'halves',
  );
  const removed = core.runtime.volumes.removed(state.volumes.keys());
  if (removed.length > 0) state.apply({ remove: { volumes: removed } });
  const stale = whole.filter((container) => container.spec.autoRemove && hasEnded(container));
  const unknown = (ids: readonly string[]) => ids.filter((id) => !state.containers.has(id));
  const tasks = (await remains.tasks).map(({ id }) => id);
  const idle = [...new Set([...tasks, ...(await remains.containers)])].filter((id) => {
    const container = state.containers.get(id);
    return container === undefined || !isUp(container);
  });
  const work = [
    ...idle.map((id) => core.processes.discard(id)),
    ...unknown(await remains.snapshots).map((id) => core.runtime.snapshots.remove(id)),
    ...lost.map((container) => releaseMounts(core, container)),
    core.volumeUse.settle(),
    core.runtime.volumes.clear(),
    ...halves.map((container) => withContainer(core, container.id, () => takeAway(core, container))),
    ...stale.map(({ id }) => withContainer(core, id, () => removeHeld(core, id, { volumes: true }))),
  ];
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') {
      logger.warn('something of a former daemon could not be taken away', { error: errorMessage(result.reason) });
    }
  }
  if (idle.length > 0) await core.processes.cleared();
  for (const id of unknown(folders(core))) rmSync(containerFolder(core.config, id), { recursive: true, force: true });
}

/** One that was created and never started waits for its start. */
function hasEnded({ state }: Container): boolean {
  return state.status === 'exited' || (state.status === 'created' && state.error !== '');
}

function folders({ config }: Core): string[] {
  return namesIn(join(config.dataRoot, 'containers'));
}
