import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import type { Network } from '../model/network.ts';
import { attachmentOwners } from './attachments.ts';
import { linkerOwners } from './container-links.ts';
import type { Core } from './core.ts';
import { bareNetworks } from './endpoints.ts';
import { describe, endpointOwner, sandboxOwner } from './intent.ts';
import { membersOf } from './sandboxes.ts';
import type { Change } from './state.ts';

/** What is left to do in the kernel, and which networks the container was on. */
export interface Departure {
  readonly networks: readonly Network[];
  /** Makes the kernel agree; failures are logged, and what remains carries our mark and is taken away later. */
  finish(): Promise<void>;
}

/**
 * A container that does not run any more gives up its endpoints, and its sandbox unless others share it. Written down at
 * once, in one transaction together with the container's new state: addresses and ports are free when this returns.
 * @param ended as it shall be written
 */
export function leaveSandbox(core: Core, ended: Container): Departure {
  const { state, reconciler, logger, leases } = core;
  const { sandbox, ...container } = ended;
  const endpoints = state.endpointsOf(container.id);
  const others = sandbox === undefined ? [] : membersOf(state, sandbox).filter(({ id }) => id !== container.id);
  const gone = sandbox !== undefined && others.length === 0 ? [sandbox] : [];
  const addressed = endpoints.flatMap(({ network }) => state.networks.get(network) ?? []);
  const networks = [...addressed, ...bareNetworks(state, container)];
  const change: Change = {
    put: { containers: [container] },
    remove: { endpoints: endpoints.map(({ id }) => id), sandboxes: gone },
  };
  for (const { id } of endpoints) leases.release(id);
  state.apply(change);
  const owners = [
    ...endpoints.map(({ id }) => endpointOwner(id)),
    ...attachmentOwners(state, container.id),
    ...linkerOwners(state, container.id),
    ...gone.map(sandboxOwner),
  ];
  return {
    networks,
    finish: async () => {
      if (owners.length === 0) return;
      try {
        await reconciler.commit(describe(core, owners));
      } catch (error) {
        logger.error('a stopped container’s network could not be taken away', {
          container: container.name,
          error: errorMessage(error),
        });
      }
    },
  };
}
