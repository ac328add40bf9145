import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, Stop } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { parseSignal } from '../runtime/process/signals.ts';
import { exitedContainer } from './container-exited.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import type { Run } from './live.ts';
import { findContainer } from './lookup.ts';
import type { StopRequest } from './requests.ts';
import { isActive, isUp } from './sandboxes.ts';

const SIGKILL = 9;
const DEFAULT_STOP_SIGNAL = 'SIGTERM';
/** Seconds; Docker's */
const DEFAULT_STOP_TIMEOUT = 10;

/** @throws EngineError notModified when it does not run, invalidArgument for an unknown signal */
export async function stopContainer(core: Core, reference: string, request: StopRequest): Promise<void> {
  const container = findContainer(core.state.containers, reference);
  if (!isActive(container)) throw new EngineError('notModified', 'container is already stopped');
  const stopping = prefixed(`cannot stop container: ${reference}: `, () => stopOf(container, request));
  const run = await runToEnd(core, container, { stoppedByHand: true, stopping });
  if (run === undefined) tellStopped(core, container);
  else await stopRun(core, container, run, stopping);
}

/** What is not asked for, the container's configuration says. @throws EngineError invalidArgument for an unknown signal */
export function stopOf({ spec }: Container, request: StopRequest): Stop {
  return {
    signal: parseSignal(request.signal ?? spec.stopSignal ?? DEFAULT_STOP_SIGNAL),
    timeout: request.timeout ?? spec.stopTimeout ?? DEFAULT_STOP_TIMEOUT,
  };
}

/** What is written down of a container that is made to end. */
type Wish = Pick<Container, 'stopping'> & Partial<Pick<Container, 'stoppedByHand'>>;
const BY_HAND: Wish = { stoppedByHand: true };

/**
 * From now on it is not started again by itself, and it is known that somebody wanted that. One that waits for its restart
 * has ended with this. @returns what still runs of it
 */
export async function runToEnd(core: Core, { id }: Container, wish = BY_HAND): Promise<Run | undefined> {
  const status = core.state.containers.get(id)?.state.status;
  const held = () => runToEndHeld(core, id, wish);
  return status === 'restarting' ? withContainer(core, id, async () => held()) : held();
}

/** The same for one who holds the container's lock. */
export function runToEndHeld(core: Core, id: string, wish = BY_HAND): Run | undefined {
  const container = core.state.containers.get(id);
  if (container === undefined) return undefined;
  const live = core.live.of(container);
  live.restarts.cancel();
  const stopped = { ...container, ...wish };
  if (container.state.status === 'restarting') {
    const { exitCode: code, finishedAt: at } = container.state;
    core.state.apply({ put: { containers: [exitedContainer(stopped, { code, at })] } });
    live.tellExit({ code });
  } else core.state.apply({ put: { containers: [stopped] } });
  return live.run;
}

/** Asks politely, then not. Returns when the end has been dealt with. */
export async function stopRun(core: Core, container: Container, run: Run, { signal, timeout }: Stop): Promise<void> {
  await killRun(core, container, run, signal);
  if (timeout >= 0 && !(await endsWithin(run, timeout * 1000))) await killRun(core, container, run, SIGKILL);
  await run.down;
  tellStopped(core, container);
}

function tellStopped(core: Core, container: Container): void {
  containerEvent(core, core.state.containers.get(container.id) ?? container, 'stop');
}

/** @param milliseconds timers hold 2³¹ − 1 of them at most: 24 days */
async function endsWithin(run: Run, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(Math.min(milliseconds, 0x7fffffff), false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([run.process.exited.then(() => true), late]);
  timer.abort();
  return inTime;
}

/** Sends a signal and tells of it. A paused container is thawed for a signal that ends it. One that has ended is fine. */
export async function killRun(core: Core, container: Container, run: Run, signal: number): Promise<void> {
  const sent = sendSignal(core, container, run, signal);
  run.signals.add(sent);
  try {
    if (!(await sent)) return;
  } finally {
    run.signals.delete(sent);
  }
  const ends = signal === SIGKILL || signal === parseSignal(container.spec.stopSignal ?? DEFAULT_STOP_SIGNAL);
  const paused = core.state.containers.get(container.id)?.state.status === 'paused';
  if (ends && paused) await thaw(core, container, run);
}

/** @returns whether there was somebody to get it */
async function sendSignal(core: Core, container: Container, run: Run, signal: number): Promise<boolean> {
  try {
    await run.process.kill(signal);
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'notFound') return false;
    throw error;
  }
  containerEvent(core, container, 'kill', { signal: String(signal) });
  return true;
}

/** It may have ended or been thawed meanwhile, and then there is nothing left to resume. */
async function thaw({ logger }: Core, { name }: Container, run: Run): Promise<void> {
  try {
    await run.process.resume();
  } catch (error) {
    logger.debug('a paused container was not thawed', { container: name, error: errorMessage(error) });
  }
}

/** @param signal '' is SIGKILL @throws EngineError conflict when it does not run */
export async function killContainer(core: Core, reference: string, signal: string): Promise<void> {
  const { container, number } = prefixed(`cannot kill container: ${reference}: `, () => {
    const found = findContainer(core.state.containers, reference);
    if (!isActive(found)) throw notRunning(found);
    return { container: found, number: signal === '' ? SIGKILL : parseSignal(signal) };
  });
  // One that lives on with any other signal was meant to.
  const wish = number === SIGKILL ? { stoppedByHand: true, stopping: { signal: SIGKILL, timeout: -1 } } : BY_HAND;
  const run = asksToEnd(container, number) ? await runToEnd(core, container, wish) : core.live.of(container).run;
  if (run === undefined) return;
  await killRun(core, container, run, number);
  // As Docker: who kills for good finds the container ended.
  if (number === SIGKILL) await run.down;
}

/** Docker takes every signal for one; but SIGHUP and SIGUSR1 ask for something else, and so does a terminal's SIGWINCH. */
function asksToEnd({ spec }: Container, signal: number): boolean {
  const { SIGINT, SIGQUIT, SIGTERM } = constants.signals;
  return [SIGKILL, SIGINT, SIGQUIT, SIGTERM, parseSignal(spec.stopSignal ?? DEFAULT_STOP_SIGNAL)].includes(signal);
}

/** @throws EngineError as `work`, told in Docker's words for the whole operation */
function prefixed<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, prefix + error.message, { cause: error });
  }
}

/** @throws EngineError conflict in Docker's words */
export function runOf(core: Core, container: Container): Run {
  const { run } = core.live.of(container);
  refuseRestarting(container);
  if (run === undefined || !isUp(container)) throw notRunning(container);
  return run;
}

function notRunning({ id }: Container): EngineError {
  return new EngineError('conflict', `container ${id} is not running`);
}

/** @throws EngineError conflict in Docker's words */
export function refuseRestarting({ id, state }: Container): void {
  if (state.status !== 'restarting') return;
  throw new EngineError('conflict', `Container ${id} is restarting, wait until the container is running`);
}

export async function pauseContainer(core: Core, reference: string): Promise<void> {
  const { id } = findContainer(core.state.containers, reference);
  await withContainer(core, id, async () => {
    const container = findContainer(core.state.containers, id);
    const run = runOf(core, container);
    if (container.state.status === 'paused') {
      throw new EngineError('conflict', `Container ${id} is already paused`);
    }
    await run.process.pause();
    setStatus(core, container, 'paused');
    core.live.of(container).health?.stop();
    containerEvent(core, container, 'pause');
  });
}

export async function unpauseContainer(core: Core, reference: string): Promise<void> {
  const { id } = findContainer(core.state.containers, reference);
  await withContainer(core, id, async () => {
    const container = findContainer(core.state.containers, id);
    if (container.state.status !== 'paused') throw new EngineError('internal', `Container ${id} is not paused`);
    await runOf(core, container).process.resume();
    setStatus(core, container, 'running');
    core.live.of(container).health?.begin();
    containerEvent(core, container, 'unpause');
  });
}

function setStatus({ state }: Core, container: Container, status: 'running' | 'paused'): void {
  state.apply({ put: { containers: [{ ...container, state: { ...container.state, status } }] } });
}
