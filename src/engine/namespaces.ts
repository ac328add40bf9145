import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { DEFAULT_SHM_SIZE, type IpcMode, type Isolation, type NamespaceMode } from '../model/isolation.ts';
import type { SharedNamespaces } from '../runtime/spec/namespaces.ts';
import type { Core } from './core.ts';
import { findContainer, tryFindContainer } from './lookup.ts';
import { checkJoinable } from './remap.ts';
import { chooseRuntime } from './runtimes.ts';
import { isUp } from './sandboxes.ts';
import { sharedMemoryOf } from './shared-memory.ts';

/** Docker's /dev/shm of the host, for `--ipc host`. */
const HOST_SHM = '/dev/shm';

/**
 * References to other containers become full ids, so that a rename does not part them.
 * @throws EngineError invalidArgument when whose processes shall be seen is not there; for IPC that is told at the start, as in Docker
 */
export function completeIsolation(core: Core, isolation: Isolation): Isolation {
  const { state, config } = core;
  const complete = <Mode extends NamespaceMode | IpcMode>(mode: Mode): Mode =>
    mode.kind === 'container'
      ? { ...mode, container: tryFindContainer(state.containers, mode.container)?.id ?? mode.container }
      : mode;
  const { pid, ipc = { kind: config.defaults?.ipcMode ?? 'private' } } = isolation;
  if (pid.kind === 'container' && tryFindContainer(state.containers, pid.container) === undefined)
    throw new EngineError('invalidArgument', `No such container: ${pid.container}`);
  return {
    ...isolation,
    pid: complete(pid),
    ipc: complete(ipc),
    shmSize: isolation.shmSize || (config.defaults?.shmSize ?? DEFAULT_SHM_SIZE),
    runtime: chooseRuntime(core, isolation.runtime),
  };
}

/**
 * What a container that starts shares with others and with the host.
 * @throws EngineError in Docker's words when the other container does not run, or keeps its IPC to itself
 */
export function sharedNamespaces(core: Core, container: Container): SharedNamespaces {
  const { pid } = container.spec.isolation;
  return {
    ...(pid.kind === 'private'
      ? {}
      : { pid: pid.kind === 'host' ? 'host' : enter(core, container, pid.container, 'pid') }),
    ...sharedIpc(core, container),
  };
}

function sharedIpc(core: Core, container: Container): Pick<SharedNamespaces, 'ipc' | 'shm'> {
  const { ipc = { kind: 'private' } } = container.spec.isolation;
  switch (ipc.kind) {
    case 'private':
    case 'none':
      return {};
    case 'host':
      return { ipc: 'host', shm: HOST_SHM };
    case 'shareable':
      return { shm: sharedMemoryOf(core, container.id) };
    case 'container':
      return { ipc: enter(core, container, ipc.container, 'ipc'), shm: donatedMemory(core, ipc.container) };
  }
}

/** In the daemon's own count of processes, which is containerd's and runc's. */
function enter(core: Core, container: Container, reference: string, namespace: 'pid' | 'ipc'): { path: string } {
  const donor = runningContainer(core, reference, namespace);
  checkJoinable(core, container, donor);
  const { state } = donor;
  return { path: `/proc/${state.pid}/ns/${namespace}` };
}

function runningContainer({ state }: Core, reference: string, namespace: 'pid' | 'ipc'): Container {
  const failed = (kind: EngineError['kind'], why: string) =>
    new EngineError(kind, `failed to join ${namespace.toUpperCase()} namespace: ${why}`);
  const donor = tryFindContainer(state.containers, reference);
  if (donor === undefined) throw failed('invalidArgument', `No such container: ${reference}`);
  // Docker looks for one after the other: what it finds while it writes the specification is its own failure.
  if (!isUp(donor)) throw failed(namespace === 'pid' ? 'internal' : 'conflict', `container ${donor.id} is not running`);
  return donor;
}

/** The folder of the one who has it: a donor may have joined another one himself. */
function donatedMemory(core: Core, reference: string): string {
  const donor = findContainer(core.state.containers, reference);
  const { ipc } = donor.spec.isolation;
  if (ipc?.kind === 'host') return HOST_SHM;
  if (ipc?.kind === 'shareable') return sharedMemoryOf(core, donor.id);
  if (ipc?.kind === 'container') return donatedMemory(core, ipc.container);
  const hint = 'non-shareable IPC (hint: use IpcMode:shareable for the donor container)';
  throw new EngineError('invalidArgument', `failed to join IPC namespace: container ${donor.id}: ${hint}`);
}
