import { rmSync } from 'node:fs';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { attachmentsOf } from './attachments.ts';
import { tellUnlinked, withoutLink } from './container-links.ts';
import { volumesOf } from './container-mounts.ts';
import { containerFolder } from './container-paths.ts';
import { killRun, runToEndHeld } from './container-stop.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { enact } from './intent.ts';
import { findContainer, linkByName } from './lookup.ts';
import type { RemoveRequest } from './requests.ts';
import { isActive } from './sandboxes.ts';
import { removeVolume, volumeUsers } from './volumes.ts';

const SIGKILL = 9;

/** @throws EngineError conflict in Docker's words for one that runs (without force) or is being removed already */
export async function removeContainer(core: Core, reference: string, request: RemoveRequest): Promise<void> {
  const container = findContainer(core.state.containers, reference);
  if (request.link) return unlink(core, reference);
  const live = core.live.of(container);
  if (live.removing) {
    throw new EngineError('conflict', `removal of container ${reference} is already in progress`);
  }
  live.removing = true;
  try {
    if (request.force) await endRun(core, container.id, request);
    await withContainer(core, container.id, async () => {
      refuseRunning(core, container.id, reference);
      await removeHeld(core, container.id, { volumes: request.volumes });
    });
  } finally {
    live.removing = false;
  }
}

/** `docker rm --link web/db`. @throws EngineError in Docker's words (moby: rmLink) */
async function unlink(core: Core, reference: string): Promise<void> {
  const find = () => linkByName(core.state.containers, reference.replace(/^\//, ''));
  const { parent } = find() ?? refuseUnlink();
  await withContainer(core, parent.id, async () => {
    const { parent, link } = find() ?? refuseUnlink();
    await enact(core, withoutLink(core.state, parent, link.alias));
    tellUnlinked(core, parent, link.alias);
  });
}

function refuseUnlink(): never {
  throw new EngineError('internal', 'Conflict, cannot remove the default link name of the container');
}

/** Asked with the container's lock held: a start that came first counts. @throws EngineError conflict */
function refuseRunning({ state }: Core, id: string, reference: string): void {
  const container = state.containers.get(id);
  if (container === undefined || !isActive(container)) return;
  const { status } = container.state;
  const reason =
    status === 'paused'
      ? 'container is paused and must be unpaused first'
      : `container is ${status}: stop the container before removing or force remove`;
  throw new EngineError('conflict', `cannot remove container "${reference}": ${reason}`);
}

/**
 * SIGKILL, and the end of the end. A start that is under way is waited for first; one that waits for its restart has ended. From
 * now on it is going, whatever becomes of us.
 */
async function endRun(core: Core, id: string, options: Pick<RemoveRequest, 'volumes'>): Promise<void> {
  const run = await withContainer(core, id, async () => {
    markGoing(core, id, options);
    const running = runToEndHeld(core, id);
    const container = core.state.containers.get(id);
    try {
      if (container !== undefined && running !== undefined) await killRun(core, container, running, SIGKILL);
    } catch (error) {
      unmark(core, id);
      throw error;
    }
    return running;
  });
  await run?.down;
}

/**
 * Takes a stopped container away with everything of it. For one who holds its lock; one that is gone is fine.
 * What cannot be removed leaves the record, so that it can be tried again.
 */
export async function removeHeld(core: Core, id: string, options: { readonly volumes: boolean }): Promise<void> {
  const going = markGoing(core, id, options);
  if (going !== undefined) await takeAway(core, going);
}

/** It could not be ended: whoever asked is told, and it goes on. */
function unmark({ state }: Core, id: string): void {
  const container = state.containers.get(id);
  if (container === undefined) return;
  const { unfinished: _, ...whole } = container;
  state.apply({ put: { containers: [whole] } });
}

/** Flushed: after a power cut, files that are gone must not belong to a container that is whole. */
function markGoing({ state }: Core, id: string, options: { readonly volumes: boolean }): Container | undefined {
  const container = state.containers.get(id);
  if (container === undefined) return undefined;
  const volumes = options.volumes ? anonymousVolumes(container) : [];
  if (container.unfinished?.volumes.join() === volumes.join()) return container;
  const going = { ...container, unfinished: { volumes } };
  state.apply({ put: { containers: [going] } }, { flush: true });
  return going;
}

/** What has begun to go, or was never finished. @throws what `clearRemains` throws; then the record stays */
export async function takeAway(core: Core, { id, unfinished }: Container): Promise<void> {
  await clearRemains(core, id);
  await removeVolumes(core, unfinished?.volumes ?? [], id);
  strikeOut(core, id);
}

/** Those nobody gave a name. */
export function anonymousVolumes(container: Container): string[] {
  return volumesOf(container).flatMap(({ name, anonymous }) => (anonymous ? name : []));
}

/** Unless a container besides this one has them. */
export async function removeVolumes(core: Core, names: readonly string[], container: string): Promise<void> {
  for (const name of names) {
    const volume = core.state.volumes.get(name);
    if (volume === undefined || volumeUsers(core.state, name, container).length > 0) continue;
    try {
      await removeVolume(core, volume, container);
    } catch (error) {
      core.logger.warn('a volume could not be removed with its container', {
        volume: name,
        error: errorMessage(error),
      });
    }
  }
}

/** Task, root file system and folder. What stays after a failure is taken away by the next daemon, or the next try. */
export async function clearRemains(core: Core, id: string): Promise<void> {
  await core.processes.discard(id);
  await core.runtime.snapshots.remove(id);
  rmSync(containerFolder(core.config, id), { recursive: true, force: true });
}

/** The record goes, and everybody hears of it. */
export function strikeOut(core: Core, id: string): void {
  const container = core.state.containers.get(id);
  if (container === undefined) return;
  const attachments = attachmentsOf(core.state, id).map((attachment) => attachment.id);
  core.state.apply({ remove: { containers: [id], attachments } });
  containerEvent(core, container, 'destroy');
  core.live.of(container).tellRemoved({ code: container.state.exitCode });
  if (container.spec.autoRemove) core.live.rememberEnd(id, container.state.exitCode);
  core.live.forget(id);
}
