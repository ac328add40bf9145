import { EngineError } from '../model/errors.ts';
import { startHeld } from './container-start.ts';
import { runToEnd, stopOf, stopRun } from './container-stop.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { findContainer } from './lookup.ts';
import type { StopRequest } from './requests.ts';
import { isActive } from './sandboxes.ts';

/** Stops and starts in one; `--rm` does not apply to this end. One that does not run is only started. */
export async function restartContainer(core: Core, reference: string, request: StopRequest): Promise<void> {
  const container = findContainer(core.state.containers, reference);
  const live = core.live.of(container);
  live.restarting = true;
  try {
    const stop = stopOf(container, request);
    // Nobody wants it to stay down: if the daemon ends before the start, its restart policy applies.
    const run = isActive(container) ? await runToEnd(core, container, {}) : undefined;
    if (run !== undefined) await stopRun(core, container, run, stop);
    await withContainer(core, container.id, () => startHeld(core, container.id));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `Cannot restart container ${reference}: ${error.message}`, { cause: error });
  } finally {
    live.restarting = false;
  }
  containerEvent(core, core.state.containers.get(container.id) ?? container, 'restart');
}
