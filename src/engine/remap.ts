import { chownSync } from 'node:fs';
import type { Container, ContainerSpec } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { type IdMaps, rootOf } from '../model/id-map.ts';
import type { RemappedUsers } from '../runtime/spec/namespaces.ts';
import type { Core } from './core.ts';
import type { Place } from './sandboxes.ts';

/** Another's namespace belongs to another's users: nobody but the host's root has a right to it. */
const NOT_SHARED = 'a container with remapped users cannot join one that runs with --userns=host';

/** Whether the container's users are others on the host: `--userns-remap`, unless it runs with `--userns=host`. */
function isRemapped({ config }: Pick<Core, 'config'>, { isolation }: Pick<ContainerSpec, 'isolation'>): boolean {
  return config.remap !== undefined && !isolation.hostUser;
}

/**
 * What is the host's cannot be had by those who are nobody there.
 * @throws EngineError invalidArgument in Docker's words
 */
export function checkRemapped(core: Pick<Core, 'config'>, spec: ContainerSpec): void {
  if (!isRemapped(core, spec)) return;
  if (spec.privileged) {
    const advice = 'You must run the container in the host namespace when running privileged mode';
    throw refuse(`privileged mode is incompatible with user namespaces.  ${advice}`);
  }
  if (spec.networkMode.kind === 'host') {
    throw refuse("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (spec.isolation.pid.kind === 'host') {
    throw refuse('cannot share the host PID namespace when user namespaces are enabled');
  }
}

/** @throws EngineError invalidArgument when a remapped container is to enter a namespace of one that is not */
export function checkJoinable(core: Pick<Core, 'config'>, container: Container, owner: Container): void {
  if (isRemapped(core, container.spec) && !isRemapped(core, owner.spec)) throw refuse(NOT_SHARED);
}

/** For the spec of a container; undefined: it has the host's users. */
export function usersOf(core: Core, { spec }: Container): RemappedUsers | undefined {
  return isRemapped(core, spec) ? core.userNamespace : undefined;
}

/** A new sandbox of a remapped container is a network namespace that belongs to the same users. @param make makes the sandbox */
export async function providingSandbox<T>(
  core: Core,
  spec: ContainerSpec,
  place: Place,
  make: () => Promise<T>,
): Promise<T> {
  if (core.userNamespace === undefined || place.kind !== 'own' || !place.fresh || !isRemapped(core, spec))
    return make();
  using _unused = core.reconciler.provideNamespace(place.sandbox.namespace, await core.userNamespace.network());
  return await make();
}

/** What the daemon writes for its containers belongs to their root. */
export function giveToContainers(maps: IdMaps | undefined, paths: readonly string[]): void {
  if (maps === undefined) return;
  const { uid, gid } = rootOf(maps);
  for (const path of paths) chownSync(path, uid, gid);
}

function refuse(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
