import { cpus } from 'node:os';
import type { Container, RestartPolicy } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Resources } from '../model/resources.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { findContainer } from './lookup.ts';
import { checkResources } from './resources.ts';
import { isUp } from './sandboxes.ts';

/** What `docker update` changes; what is left out stays. */
export interface UpdateRequest {
  readonly resources: Resources;
  readonly restartPolicy?: RestartPolicy;
}

/**
 * Changes limits and restart policy, of a running container at once.
 * @returns warnings about what the host cannot keep
 * @throws EngineError in Docker's words; then nothing has changed
 */
export async function updateContainer(core: Core, reference: string, request: UpdateRequest): Promise<string[]> {
  const { id } = findContainer(core.state.containers, reference);
  const host = { abilities: core.host.cgroups, cpus: cpus().length, update: true };
  const { resources, warnings } = checkResources(request.resources, host);
  await withContainer(core, id, async () => {
    const container = findContainer(core.state.containers, id);
    try {
      const updated = applyUpdate(container, { ...request, resources });
      if (isUp(container)) await core.live.of(container).run?.process.limit(resources);
      core.state.apply({ put: { containers: [{ ...(core.state.containers.get(id) ?? container), spec: updated }] } });
      containerEvent(core, { ...container, spec: updated }, 'update');
    } catch (error) {
      const kind = error instanceof EngineError ? error.kind : 'internal';
      throw new EngineError(kind, `Cannot update container ${id}: ${errorMessage(error)}`, { cause: error });
    }
  });
  return warnings;
}

/** The specification with what is new. @throws EngineError conflict in Docker's words (moby: container_unix.go, UpdateContainer) */
function applyUpdate({ spec, state }: Container, { resources, restartPolicy }: UpdateRequest): Container['spec'] {
  if (state.status === 'dead') throw conflict('Container is marked for removal and cannot be "update".');
  refuseConflicts(spec.resources, resources);
  if (restartPolicy !== undefined && restartPolicy.name !== 'no' && spec.autoRemove) {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  return {
    ...spec,
    resources: { ...spec.resources, ...resources },
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
  };
}

function refuseConflicts(own: Resources, asked: Resources): void {
  const exclusive = [
    [asked.nanoCpus, own.cpuPeriod, 'Nano CPUs cannot be updated as CPU Period has'],
    [asked.nanoCpus, own.cpuQuota, 'Nano CPUs cannot be updated as CPU Quota has'],
    [asked.cpuPeriod, own.nanoCpus, 'CPU Period cannot be updated as NanoCPUs has'],
    [asked.cpuQuota, own.nanoCpus, 'CPU Quota cannot be updated as NanoCPUs has'],
  ] as const;
  for (const [wanted = 0, held = 0, words] of exclusive) {
    if (wanted > 0 && held > 0) throw conflict(`Conflicting options: ${words} already been set`);
  }
  // Without a limit so far, swap counts as limited to nothing: as in Docker, both are said together then.
  const { memorySwap = 0 } = own;
  if (asked.memory !== undefined && asked.memorySwap === undefined && memorySwap !== -1 && asked.memory > memorySwap) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
}

function conflict(message: string): EngineError {
  return new EngineError('conflict', message);
}
