import { setImmediate as immediately } from 'node:timers/promises';
import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import type { ContainerLog } from '../runtime/logs/log.ts';
import { ranOutOfMemory } from '../runtime/process/oom.ts';
import type { Process, ProcessExit } from '../runtime/process/process.ts';
import { cgroupOf } from '../runtime/spec/spec.ts';
import { exitedContainer } from './container-exited.ts';
import { releaseMounts, tellUnmounted } from './container-mounts.ts';
import { anonymousVolumes, clearRemains, removeVolumes, strikeOut } from './container-remove.ts';
import { type Core, containerEvent, networkEvent, withContainer } from './core.ts';
import type { LiveContainer, Run } from './live.ts';
import { tellOom } from './oom.ts';
import { leaveSandbox } from './sandbox-leave.ts';
import { dropSharedMemory } from './shared-memory.ts';

/** 128 + SIGKILL */
const KILLED = 137;

/** A process that runs, and what goes on with it. */
export interface Started {
  readonly process: Process;
  readonly log: ContainerLog;
  /** Starts the container again, if it still waits for that. Never rejects. */
  readonly startAgain: () => Promise<void>;
}

/** Takes note of a running process; when it ends, its end is dealt with. */
export function followRun(core: Core, container: Container, live: LiveContainer, started: Started): Run {
  const { process, log } = started;
  const { session } = live;
  const told = Promise.withResolvers<void>();
  const logged = process.exited.then(() => finishOutput(process, log));
  const run: Run = { process, session, signals: new Set(), log, logged, down: told.promise, settled: logged };
  run.settled = process.exited
    .then(async (exit) => {
      await logged;
      await withContainer(core, container.id, () =>
        end(core, container.id, live, { run, exit, tell: told.resolve, startAgain: started.startAgain }),
      );
    })
    .catch((error: unknown) => {
      const details = { container: container.name, error: errorMessage(error) };
      core.logger.error('a container’s end could not be dealt with', details);
    })
    .finally(() => {
      session.end();
      told.resolve();
    });
  live.run = run;
  return run;
}

/** The log is closed before the end is told, so that whoever waits for the end finds the whole of it. */
async function finishOutput(process: Process, log: ContainerLog): Promise<void> {
  await process.io.settled();
  await log.close();
}

interface End {
  readonly run: Run;
  readonly exit: ProcessExit;
  /** Fulfils `run.down` */
  readonly tell: () => void;
  readonly startAgain: () => Promise<void>;
}

/**
 * Writes the end down and lets the network go; everybody who waited is told after that. What takes runc and containerd
 * longer to clear away, 20 ms or more, goes on beside that and keeps nobody waiting but the next who wants this container.
 */
async function end(core: Core, id: string, live: LiveContainer, { run, exit, tell, startAgain }: End): Promise<void> {
  await Promise.allSettled(run.signals);
  const container = core.state.containers.get(id);
  if (container === undefined || live.run !== run) return;
  live.health?.stop();
  const exited = {
    ...exitedContainer(noteOom(core, container, exit), exit),
    ...(live.health && { health: live.health.current }),
  };
  const pause = live.restarting ? undefined : pauseBeforeRestart(live, exited);
  const ended = pause === undefined ? exited : awaitingRestart(exited);
  const departure = leaveSandbox(core, ended);
  // Written down: who was attached and asks now for the exit code gets it.
  run.session.end();
  delete live.run;
  live.session = core.live.newSession(container);
  containerEvent(core, ended, 'die', { exitCode: String(exit.code), execDuration: String(secondsRun(ended)) });
  // On its way before the kernel is worked on, which is synchronous.
  const taken = tolerate(core, ended, () => run.process.delete());
  await immediately();
  await departure.finish();
  for (const network of departure.networks) networkEvent(core, network, 'disconnect', { container: id });
  tellUnmounted(core, ended);
  live.tellExit({ code: exit.code });
  tell();
  // Whoever stopped it tells of that first.
  await immediately();
  const vanishes = ended.spec.autoRemove && !live.restarting && !live.removing;
  // Who waits for a container to be gone finds its volumes gone, too.
  if (vanishes && anonymousVolumes(ended).length === 0) strikeOut(core, id);
  await taken;
  dropSharedMemory(core, id);
  await releaseMounts(core, ended);
  if (vanishes) {
    try {
      await clearRemains(core, id);
      await removeVolumes(core, anonymousVolumes(ended), id);
    } finally {
      strikeOut(core, id);
    }
  } else await tolerate(core, ended, () => core.processes.discard(id));
  if (pause !== undefined) live.restarts.schedule(pause, () => void startAgain());
}

/** The kernel ends with SIGKILL what needs more memory than there is. */
function noteOom(core: Core, container: Container, { code }: ProcessExit): Container {
  if (code !== KILLED || container.state.oomKilled) return container;
  return ranOutOfMemory(cgroupOf(container), core.host.unifiedCgroups) ? tellOom(core, container) : container;
}

/** Milliseconds; undefined: it is not started again. */
function pauseBeforeRestart(live: LiveContainer, { spec, state, restartCount }: Container): number | undefined {
  const ranFor = Date.parse(state.finishedAt) - Date.parse(state.startedAt);
  return live.restarts.after(spec.restartPolicy, { exitCode: state.exitCode, ranFor, restartCount });
}

/** Counted when it is decided, as by Docker. */
function awaitingRestart(exited: Container): Container {
  return { ...exited, restartCount: exited.restartCount + 1, state: { ...exited.state, status: 'restarting' } };
}

/** Docker's execDuration: whole seconds; 0 when a time is missing. */
function secondsRun({ state }: Container): number {
  return Math.max(0, Math.floor((Date.parse(state.finishedAt) - Date.parse(state.startedAt)) / 1000)) || 0;
}

/** A task that stays behind harms nobody: the next start or the next daemon takes it away. */
async function tolerate({ logger }: Core, { name }: Container, clear: () => Promise<void>): Promise<void> {
  try {
    await clear();
  } catch (error) {
    logger.warn('an ended task could not be taken away', { container: name, error: errorMessage(error) });
  }
}
