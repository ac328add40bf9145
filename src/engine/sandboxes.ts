import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { type Sandbox, shortId } from '../model/network.ts';
import type { Core } from './core.ts';
import { newId } from './ids.ts';
import { findContainer } from './lookup.ts';
import { checkJoinable } from './remap.ts';
import type { State } from './state.ts';
import { networkSysctls } from './sysctls.ts';

/** Where a container runs: in the host's network, in a sandbox of its own, or in another container's. */
export type Place =
  | { readonly kind: 'host' }
  | { readonly kind: 'own'; readonly sandbox: Sandbox; readonly fresh: boolean }
  | { readonly kind: 'joined'; readonly sandbox?: Sandbox; readonly owner: Container };

/**
 * The place a container that starts will run in. A sandbox that another container kept alive while this one was stopped
 * is taken again, so that both go on sharing it.
 * @throws EngineError conflict in Docker's words when the container to join does not run
 */
export function choosePlace(core: Core, container: Container, resolver: boolean): Place {
  const { state } = core;
  const mode = container.spec.networkMode;
  if (mode.kind === 'host') return { kind: 'host' };
  if (mode.kind === 'container') {
    const owner = joinedContainer(state, container, mode.container);
    checkJoinable(core, container, owner);
    const sandbox = owner.sandbox === undefined ? undefined : state.sandboxes.get(owner.sandbox);
    return { kind: 'joined', owner, ...(sandbox === undefined ? {} : { sandbox }) };
  }
  const kept = keptSandbox(state, container);
  if (kept !== undefined) return { kind: 'own', sandbox: { ...kept, resolver }, fresh: false };
  const id = newId();
  const sysctls = networkSysctls(container.spec);
  return { kind: 'own', sandbox: { id, namespace: `sandbox:${shortId(id)}`, resolver, sysctls }, fresh: true };
}

function joinedContainer(state: State, container: Container, reference: string): Container {
  let owner: Container;
  try {
    owner = findContainer(state.containers, reference);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // Docker masks "not found" here: what is missing is not what was asked for.
    throw new EngineError('internal', `joining network namespace of container: ${error.message}`, { cause: error });
  }
  if (owner.id === container.id) throw new EngineError('internal', 'cannot join own network namespace');
  if (!isUp(owner)) {
    const reason = `container ${owner.name} is ${owner.state.status}`;
    throw new EngineError('conflict', `cannot join network namespace of a non running container: ${reason}`);
  }
  return owner;
}

/** It has processes. */
export function isUp({ state }: Container): boolean {
  return state.status === 'running' || state.status === 'paused';
}

/** Docker's "running": also one that waits for being started again. */
export function isActive(container: Container): boolean {
  return isUp(container) || container.state.status === 'restarting';
}

/** Whose sandbox it is that a container runs in: its own, or that of the end of a chain of `container:` modes. */
export function sandboxOwnerId(state: State, container: Container): string {
  let current = container;
  for (let steps = 0; steps <= state.containers.size; steps++) {
    const mode = current.spec.networkMode;
    if (mode.kind !== 'container') return current.id;
    const next = state.containers.get(mode.container);
    if (next === undefined) return mode.container;
    current = next;
  }
  return current.id;
}

function keptSandbox(state: State, owner: Container): Sandbox | undefined {
  for (const member of state.containers.values()) {
    if (member.sandbox === undefined || member.id === owner.id) continue;
    if (sandboxOwnerId(state, member) === owner.id) return state.sandboxes.get(member.sandbox);
  }
  return undefined;
}

/** Containers that hold the sandbox: it lives as long as there is one. */
export function membersOf(state: State, sandbox: string): Container[] {
  return [...state.containers.values()].filter((container) => container.sandbox === sandbox);
}
