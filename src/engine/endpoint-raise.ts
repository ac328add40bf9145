import type { Container } from '../model/container.ts';
import type { Endpoint } from '../model/network.ts';
import type { Owner } from '../model/resource.ts';
import { PortUnavailable } from '../reconcile/listeners.ts';
import type { Core } from './core.ts';
import { connectivityError } from './endpoints.ts';
import { describe, endpointOwner } from './intent.ts';

/**
 * Makes endpoints that are in the state already.
 * @param others more owners the same commit is to make
 * @throws EngineError in Docker's words; the kernel is as before then, the state is the caller's to take back
 */
export async function raiseEndpoints(
  core: Core,
  container: Container,
  endpoints: readonly Endpoint[],
  others: readonly Owner[] = [],
): Promise<void> {
  const owners = [...others, ...endpoints.map(({ id }) => endpointOwner(id))];
  if (owners.length === 0) return;
  try {
    await core.reconciler.commit(describe(core, owners));
  } catch (error) {
    const publisher = endpoints.find(({ ports }) => ports.length > 0);
    if (!(error instanceof PortUnavailable) || publisher === undefined) throw error;
    throw connectivityError(container, publisher, error.message);
  }
}
