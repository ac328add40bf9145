import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { parseSignal } from '../runtime/process/signals.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import type { Run } from './live.ts';
import { findContainer } from './lookup.ts';
import type { StopRequest } from './requests.ts';
import { isUp } from './sandboxes.ts';

const SIGKILL = 9;
const DEFAULT_STOP_SIGNAL = 'SIGTERM';
/** Seconds; Docker's */
const DEFAULT_STOP_TIMEOUT = 10;

/** @throws EngineError notModified when it does not run, invalidArgument for an unknown signal */
export async function stopContainer(core: Core, reference: string, request: StopRequest): Promise<void> {
  const container = findContainer(core.state.containers, reference);
  const { run } = core.live.of(container);
  if (!isUp(container) || run === undefined) throw new EngineError('notModified', 'container is already stopped');
  if (request.signal !== undefined)
    prefixed(`cannot stop container: ${reference}: `, () => parseSignal(request.signal ?? ''));
  await stopRun(core, container, run, request);
}

/** Asks politely, then not. Returns when the end has been dealt with. */
export async function stopRun(core: Core, container: Container, run: Run, request: StopRequest): Promise<void> {
  const { spec } = container;
  const signal = parseSignal(request.signal ?? spec.stopSignal ?? DEFAULT_STOP_SIGNAL);
  const timeout = request.timeout ?? spec.stopTimeout ?? DEFAULT_STOP_TIMEOUT;
  await killRun(core, container, run, signal);
  if (timeout >= 0 && !(await endsWithin(run, timeout * 1000))) await killRun(core, container, run, SIGKILL);
  await run.down;
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
  try {
    await run.process.kill(signal);
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'notFound') return;
    throw error;
  }
  containerEvent(core, container, 'kill', { signal: String(signal) });
  const ends = signal === SIGKILL || signal === parseSignal(container.spec.stopSignal ?? DEFAULT_STOP_SIGNAL);
  const paused = core.state.containers.get(container.id)?.state.status === 'paused';
  if (ends && paused) await thaw(core, container, run);
}

/** runc thaws what it kills with SIGKILL by itself, and then there is nothing left to resume. */
async function thaw({ logger }: Core, { name }: Container, run: Run): Promise<void> {
  try {
    await run.process.resume();
  } catch (error) {
    logger.debug('a paused container was not thawed', { container: name, error: errorMessage(error) });
  }
}

/** @param signal '' is SIGKILL @throws EngineError conflict when it does not run */
export async function killContainer(core: Core, reference: string, signal: string): Promise<void> {
  const { container, run, number } = prefixed(`cannot kill container: ${reference}: `, () => {
    const found = findContainer(core.state.containers, reference);
    return { container: found, number: signal === '' ? SIGKILL : parseSignal(signal), run: runOf(core, found) };
  });
  await killRun(core, container, run, number);
  // As Docker: who kills for good finds the container ended.
  if (number === SIGKILL) await run.down;
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
  if (run === undefined || !isUp(container)) {
    throw new EngineError('conflict', `container ${container.id} is not running`);
  }
  return run;
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
    containerEvent(core, container, 'unpause');
  });
}

function setStatus({ state }: Core, container: Container, status: 'running' | 'paused'): void {
  state.apply({ put: { containers: [{ ...container, state: { ...container.state, status } }] } });
}
