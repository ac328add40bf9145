import type { Container, EndpointRequest } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import { refuseEndpoints } from './configuration-network.ts';
import { type Core, networkEvent, withContainer } from './core.ts';
import { obtainLeases } from './dhcp.ts';
import { checkEndpoint } from './endpoint-check.ts';
import { raiseEndpoints } from './endpoint-raise.ts';
import { allocateEndpoint, assignGateway, MAX_ENDPOINTS, needsResolver, requestFor } from './endpoints.ts';
import { describe, enact, endpointOwner, isBare, sandboxOwner } from './intent.ts';
import { findContainer, findNetwork, tryFindContainer, tryFindNetwork } from './lookup.ts';
import { updateSandboxFiles } from './sandbox-files.ts';
import { isUp } from './sandboxes.ts';

/**
 * Puts a container on one more network: at once when it runs, at its next start when not.
 * @throws EngineError in Docker's words; then nothing has changed
 */
export async function connect(core: Core, networkRef: string, containerRef: string, asked: EndpointRequest) {
  const { id } = findContainer(core.state.containers, containerRef);
  const network = findNetwork(core.state, networkRef);
  const request = { ...asked, network: network.name };
  await withContainer(core, id, async () => {
    const container = findContainer(core.state.containers, id);
    refuseEndpoints(network);
    refuseConnect(core, container, network);
    checkEndpoint(request, network);
    const others = container.spec.endpoints.filter(({ network: name }) => name !== network.name);
    if (others.length >= MAX_ENDPOINTS) {
      throw new EngineError('invalidArgument', `a container can be on ${MAX_ENDPOINTS} networks at most`);
    }
    const updated: Container = { ...container, spec: { ...container.spec, endpoints: [...others, request] } };
    if (!isUp(container)) core.state.apply({ put: { containers: [updated] } });
    else await connectLive(core, updated, network, request);
  });
}

/** @throws EngineError invalidArgument in Docker's words (moby: updateNetworkSettings) */
function refuseConnect({ state }: Core, container: Container, network: Network): void {
  const refuse = (message: string) => {
    throw new EngineError('invalidArgument', message);
  };
  const mode = container.spec.networkMode.kind;
  const shared =
    'container sharing network namespace with another container or host cannot be connected to any other network';
  if (mode === 'container') refuse(shared);
  if (network.driver === 'host' && mode !== 'host') {
    refuse('cannot connect container to host network - container must be created in host network mode');
  }
  for (const { network: name } of container.spec.endpoints) {
    const other = tryFindNetwork(state, name);
    if (other === undefined || other.id === network.id) continue;
    if (other.driver === 'host') refuse(shared);
    if (other.driver === 'null' || network.driver === 'null') {
      refuse('container cannot be connected to multiple networks with one of the networks in private (none) mode');
    }
  }
}

/** All or nothing: the link is hot-plugged, names and routes follow, or the container is as it was. */
async function connectLive(core: Core, container: Container, network: Network, request: EndpointRequest) {
  const { state } = core;
  const current = state.endpointsOf(container.id);
  const sandbox = container.sandbox === undefined ? undefined : state.sandboxes.get(container.sandbox);
  if (current.some((endpoint) => endpoint.network === network.id) || sandbox === undefined) {
    const message = `endpoint with name ${container.name} already exists in network ${network.name}`;
    throw new EngineError('forbidden', message);
  }
  if (isBare(network)) {
    state.apply({ put: { containers: [container] } });
    networkEvent(core, network, 'connect', { container: container.id });
    return;
  }
  const added = allocateEndpoint(core, container, sandbox.id, request, current);
  const endpoints = assignGateway(core, container, [...current, added]);
  const changed = resolverChange(core, container, sandbox);
  const undo = state.apply({ put: { containers: [container], endpoints, sandboxes: changed } });
  try {
    await raiseEndpoints(
      core,
      container,
      endpoints,
      changed.map(({ id }) => sandboxOwner(id)),
    );
  } catch (error) {
    undo();
    throw error;
  }
  try {
    await obtainLeases(core, container, [added]);
  } catch (error) {
    undo();
    await core.reconciler.commit(
      describe(
        core,
        endpoints.map(({ id }) => endpointOwner(id)),
      ),
    );
    throw error;
  }
  updateSandboxFiles(core, container, { added });
  networkEvent(core, network, 'connect', { container: container.id });
}

/** The sandbox with its resolver switched on or off; empty when it stays as it is. */
function resolverChange({ state }: Core, container: Container, sandbox: Sandbox): Sandbox[] {
  const resolver = needsResolver(state, container);
  return resolver === sandbox.resolver ? [] : [{ ...sandbox, resolver }];
}

/**
 * Takes a container off a network.
 * @param options force: a network that is gone, too, is struck off a container's list
 * @throws EngineError in Docker's words; then nothing has changed
 */
export async function disconnect(
  core: Core,
  networkRef: string,
  containerRef: string,
  options: { readonly force: boolean },
): Promise<void> {
  const { id } = options.force ? findHolder(core, containerRef) : findContainer(core.state.containers, containerRef);
  await withContainer(core, id, async () => {
    const container = findContainer(core.state.containers, id);
    const network = options.force ? tryFindNetwork(core.state, networkRef) : findNetwork(core.state, networkRef);
    if (network === undefined || !isUp(container)) strikeOff(core, container, network?.name ?? networkRef);
    else await disconnectLive(core, container, network);
  });
}

/**
 * Docker's way to be rid of endpoints whose containers are gone. Here endpoints are what containers hold, and go with them:
 * there is nothing left to be removed.
 * @throws EngineError notFound in Docker's words
 */
function findHolder({ state }: Core, reference: string): Container {
  const container = tryFindContainer(state.containers, reference);
  if (container === undefined) throw new EngineError('notFound', `endpoint ${reference} not found`);
  return container;
}

/** For one that does not run: its next start does not know the network. */
function strikeOff({ state }: Core, container: Container, name: string): void {
  const updated = without(container, name);
  if (updated.spec.endpoints.length === container.spec.endpoints.length) {
    throw new EngineError('internal', `container ${container.id} is not connected to the network ${name}`);
  }
  state.apply({ put: { containers: [updated] } });
}

function without(container: Container, network: string): Container {
  const endpoints = container.spec.endpoints.filter((request) => request.network !== network);
  return { ...container, spec: { ...container.spec, endpoints } };
}

/** Who runs on a network without addresses (none) has no endpoint there: only the list changes. */
async function disconnectLive(core: Core, container: Container, network: Network): Promise<void> {
  const { state } = core;
  if (network.driver === 'host' && container.spec.networkMode.kind === 'host') {
    const message = 'cannot disconnect container from host network - container was created in host network mode';
    throw new EngineError('invalidArgument', message);
  }
  const request = requestFor(state, container, network);
  const updated = without(container, request?.network ?? network.name);
  const current = state.endpointsOf(container.id);
  const removed = current.find((endpoint) => endpoint.network === network.id);
  if (removed !== undefined) await takeDown(core, updated, current, removed);
  else if (request !== undefined && isBare(network)) state.apply({ put: { containers: [updated] } });
  else throw new EngineError('internal', `container ${container.id} is not connected to network ${network.name}`);
  networkEvent(core, network, 'disconnect', { container: container.id });
}

/** The default route and the published ports go to the endpoint that is the gateway then. */
async function takeDown(core: Core, container: Container, current: readonly Endpoint[], removed: Endpoint) {
  const { state } = core;
  const ports = current.flatMap((endpoint) => endpoint.ports);
  const [first, ...rest] = current.filter((endpoint) => endpoint !== removed);
  const bearers =
    first === undefined ? [] : [{ ...first, ports }, ...rest.map((endpoint) => ({ ...endpoint, ports: [] }))];
  const endpoints = assignGateway(core, container, bearers);
  const sandbox = container.sandbox === undefined ? undefined : state.sandboxes.get(container.sandbox);
  const changed = sandbox === undefined ? [] : resolverChange(core, container, sandbox);
  core.leases.release(removed.id);
  await enact(core, {
    put: { containers: [container], endpoints, sandboxes: changed },
    remove: { endpoints: [removed.id] },
  });
  updateSandboxFiles(core, container, { removed });
}
