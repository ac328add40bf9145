import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../model/errors.ts';
import { existingCgroups, removeCgroup } from '../runtime/cgroup-parent.ts';
import { cgroupOf } from '../runtime/spec/spec.ts';
import { type Core, withContainer } from './core.ts';
import { isUp } from './sandboxes.ts';

/**
 * Milliseconds after the start of the daemon, each after the one before. What a former daemon had asked containerd for when it died
 * may still be coming: containerd gives up in its own time, and on a busy machine leaves a shim or an empty cgroup behind. Not at
 * once: all shims are asked, and the API shall answer first.
 */
const LOOKS = [1_000, 5_000, 60_000] as const;

/** Takes away what runs, or is in the kernel, of containers that do not run. Never rejects. */
export async function clearForgotten(core: Core, signal: AbortSignal): Promise<void> {
  for (const pause of LOOKS) {
    try {
      await sleep(pause, undefined, { signal, ref: false });
      await endShims(core);
      await removeCgroups(core);
    } catch (error) {
      if (signal.aborted) return;
      core.logger.warn('what containerd has forgotten was not taken away', { error: errorMessage(error) });
    }
  }
}

async function endShims(core: Core): Promise<void> {
  const known = new Set((await core.processes.list()).map(({ id }) => id));
  for (const shim of core.processes.shims()) {
    const { containerId } = shim;
    if (known.has(containerId)) continue;
    await ofStopped(core, containerId, () => {
      core.processes.endShim(shim);
      core.logger.info('a shim was ended that containerd had forgotten', { container: containerId });
    });
  }
}

async function removeCgroups(core: Core): Promise<void> {
  const stopped = [...core.state.containers.values()].filter((container) => !isUp(container));
  const owners = new Map(stopped.map((container) => [cgroupOf(container), container.id]));
  for (const path of existingCgroups([...owners.keys()])) {
    await ofStopped(core, owners.get(path) ?? '', () => removeCgroup(path));
  }
}

/** Unless it runs by then. */
async function ofStopped(core: Core, id: string, work: () => void): Promise<void> {
  await withContainer(core, id, async () => {
    const container = core.state.containers.get(id);
    if (container === undefined || !isUp(container)) work();
  });
}
