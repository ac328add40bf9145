import type { Container } from '../model/container.ts';
import { watchOom } from '../runtime/process/oom.ts';
import { type Core, containerEvent } from './core.ts';
import { isUp } from './sandboxes.ts';

/** Takes note of containers that run out of memory and go on: their own end is looked at when it comes. */
export function watchMemory(core: Core, signal: AbortSignal): void {
  void watchOom(core.runtime.containerd, signal, (id, at) => {
    const container = core.state.containers.get(id);
    // News of an earlier run may come late.
    if (container === undefined || !isUp(container) || at < container.state.startedAt) return;
    tellOom(core, container);
  });
}

/** @returns the container as it is written now */
export function tellOom(core: Core, container: Container): Container {
  const noted: Container = { ...container, state: { ...container.state, oomKilled: true } };
  core.state.apply({ put: { containers: [noted] } });
  containerEvent(core, noted, 'oom');
  return noted;
}
