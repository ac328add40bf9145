import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { Network } from '../model/network.ts';
import type { State } from './state.ts';

/**
 * By full id, then name (with or without its slash), then unique prefix of an id, as Docker does.
 * @throws EngineError notFound or invalidArgument in Docker's words
 */
export function findContainer(containers: ReadonlyMap<string, Container>, reference: string): Container {
  if (reference === '') throw new EngineError('invalidArgument', 'invalid name or ID supplied: ""');
  const exact = exactContainer(containers, reference);
  if (exact !== undefined) return exact;
  const [found, another] = matching(containers.values(), reference);
  if (another !== undefined) {
    throw new EngineError('invalidArgument', `multiple IDs found with provided prefix: ${reference}`);
  }
  if (found === undefined) throw new EngineError('notFound', `No such container: ${reference}`);
  return found;
}

/** findContainer where it may be missing. @throws EngineError invalidArgument when several could be meant */
export function tryFindContainer(containers: ReadonlyMap<string, Container>, reference: string): Container | undefined {
  try {
    return findContainer(containers, reference);
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'notFound') return undefined;
    throw error;
  }
}

/** By full id or name, with or without its slash, or by a link's: "web/db". */
function exactContainer(containers: ReadonlyMap<string, Container>, reference: string): Container | undefined {
  const name = reference.replace(/^\//, '');
  const target = linkByName(containers, name)?.link.container;
  return containers.get(reference) ?? containerByName(containers, name) ?? containers.get(target ?? '');
}

/** A link of the default network by the name it gives: "web/db" is what web calls db. */
export function linkByName(containers: ReadonlyMap<string, Container>, name: string) {
  const [parentName = '', alias, ...more] = name.split('/');
  if (alias === undefined || more.length > 0) return undefined;
  const parent = containerByName(containers, parentName);
  const link = parent?.spec.links.find((candidate) => candidate.alias === alias);
  return parent === undefined || link === undefined ? undefined : { parent, link };
}

export function containerByName(containers: ReadonlyMap<string, Container>, name: string): Container | undefined {
  for (const container of containers.values()) if (container.name === name) return container;
  return undefined;
}

/** The networks there are. */
type Networks = Pick<State, 'networks' | 'networkNamed'>;

/** The same for networks. "default" is another name of the default network. */
export function findNetwork(state: Networks, reference: string): Network {
  const name = reference === 'default' ? 'bridge' : reference;
  const exact = state.networks.get(name) ?? state.networkNamed(name);
  if (exact !== undefined) return exact;
  const found = name === '' ? [] : matching(state.networks.values(), name);
  if (found.length > 1) {
    const matches = `${found.length} matches found based on ID prefix`;
    throw new EngineError('invalidArgument', `network ${reference} is ambiguous (${matches})`);
  }
  const [network] = found;
  if (network === undefined) throw new EngineError('notFound', `network ${reference} not found`);
  return network;
}

/** findNetwork where an unknown name is allowed: Docker lets a container name a network that comes later. */
export function tryFindNetwork(state: Networks, reference: string): Network | undefined {
  try {
    return findNetwork(state, reference);
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'notFound') return undefined;
    throw error;
  }
}

function matching<T extends { readonly id: string }>(candidates: Iterable<T>, prefix: string): T[] {
  return [...candidates].filter(({ id }) => id.startsWith(prefix));
}
