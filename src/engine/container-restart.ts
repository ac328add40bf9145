import type { Container, Stop } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { startHeld } from './container-start.ts';
import { runToEnd, stopOf, stopRun } from './container-stop.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import type { Run } from './live.ts';
import { findContainer } from './lookup.ts';
import type { StopRequest } from './requests.ts';
import { isActive } from './sandboxes.ts';

/** Stops and starts in one; `--rm` does not apply to this end. One that does not run is only started. */
export async function restartContainer(core: Core, reference: string, request: StopRequest): Promise<void> {
  const container = findContainer(core.state.containers, reference);
  try {
    await asRestart(core, container, async () => {
      const stop: Stop = { ...stopOf(container, request), thenStart: true };
      const run = isActive(container) ? await runToEnd(core, container, { stopping: stop }) : undefined;
      if (run !== undefined) await stopRun(core, container, run, stop);
    });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `Cannot restart container ${reference}: ${error.message}`, { cause: error });
  }
}

/** A stop or a restart that the last daemon began with a container that still ran when it ended. Never rejects. */
export async function carryOut(core: Core, container: Container, run: Run): Promise<void> {
  const { stopping: stop } = container;
  if (stop === undefined) return;
  core.live.of(container).restarts.cancel();
  const work = () => stopRun(core, container, run, stop);
  try {
    await (stop.thenStart ? asRestart(core, container, work) : work());
  } catch (error) {
    const details = { container: container.name, error: errorMessage(error) };
    core.logger.warn('a stop that a former daemon began could not be carried out', details);
  }
}

/** @param end brings it to its end */
async function asRestart(core: Core, container: Container, end: () => Promise<void>): Promise<void> {
  const live = core.live.of(container);
  live.restarting = true;
  try {
    await end();
    await withContainer(core, container.id, () => startHeld(core, container.id));
  } finally {
    live.restarting = false;
  }
  containerEvent(core, core.state.containers.get(container.id) ?? container, 'restart');
}
