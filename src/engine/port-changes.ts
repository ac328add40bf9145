import type { Container, PortBinding } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { Endpoint, PublishedPort } from '../model/network.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { raiseEndpoints } from './endpoint-raise.ts';
import { assignGateway, publishBesides } from './endpoints.ts';
import { findContainer } from './lookup.ts';
import { joinRanges, PORTS_PER_CONTAINER } from './ports.ts';
import { isUp } from './sandboxes.ts';

/**
 * Publishes more ports of a container, of a running one at once; they are its own from then on, over its restarts.
 * @throws EngineError conflict when one is published like that already; in Docker's words when a port cannot be had. Then
 *   nothing has changed
 */
export async function addPorts(core: Core, reference: string, bindings: readonly PortBinding[]): Promise<void> {
  await change(core, reference, async (container) => {
    refuseMode(container);
    for (const binding of bindings) {
      if (!container.spec.portBindings.some((known) => same(known, binding))) continue;
      throw new EngineError(
        'conflict',
        `port ${textOf(binding)} of container "${container.name}" is published already`,
      );
    }
    const portBindings = [...container.spec.portBindings, ...bindings];
    if (portBindings.length > PORTS_PER_CONTAINER) {
      throw new EngineError('invalidArgument', `a container can publish ${PORTS_PER_CONTAINER} ports at most`);
    }
    const updated = withBindings(container, portBindings);
    if (!isUp(container)) return store(core, updated);
    const endpoints = core.state.endpointsOf(container.id);
    const added = publishBesides(core, withBindings(updated, bindings), endpoints);
    if (added.length === 0) {
      const why = 'it is on no network that leads to the outside';
      throw new EngineError('invalidArgument', `Cannot publish ports of container "${container.name}": ${why}`);
    }
    const published = [...endpoints.flatMap(({ ports }) => ports), ...added];
    const [first, ...rest] = endpoints.map((endpoint) => ({ ...endpoint, ports: [] }));
    const bearers = first === undefined ? [] : [{ ...first, ports: published }, ...rest];
    await raise(core, updated, assignGateway(core, updated, bearers));
  });
}

/**
 * Takes ports of a container back. A binding without host ports means all that its container port is published on.
 * @throws EngineError notFound when it is not published like that; then nothing has changed
 */
export async function removePorts(core: Core, reference: string, bindings: readonly PortBinding[]): Promise<void> {
  await change(core, reference, async (container) => {
    const going = bindings.flatMap((binding) => {
      const found = container.spec.portBindings.filter((known) => covers(binding, known));
      if (found.length > 0) return found;
      throw new EngineError('notFound', `port ${textOf(binding)} of container "${container.name}" is not published`);
    });
    const updated = withBindings(
      container,
      container.spec.portBindings.filter((binding) => !going.includes(binding)),
    );
    if (!isUp(container)) return store(core, updated);
    const endpoints = core.state.endpointsOf(container.id).map((endpoint) => ({
      ...endpoint,
      ports: without(endpoint.ports, going),
    }));
    await raise(core, updated, endpoints);
  });
}

async function change(core: Core, reference: string, work: (container: Container) => Promise<void> | void) {
  const { id } = findContainer(core.state.containers, reference);
  await withContainer(core, id, async () => {
    await work(findContainer(core.state.containers, id));
    containerEvent(core, findContainer(core.state.containers, id), 'update');
  });
}

/** @throws EngineError invalidArgument for those that have no network of their own */
function refuseMode({ name, spec }: Container): void {
  const { kind } = spec.networkMode;
  if (kind === 'network') return;
  const why = {
    host: 'it shares the host’s network, where all its ports are reachable',
    none: 'it has no network',
    container: 'it shares another container’s network: publish that one’s',
  }[kind];
  throw new EngineError('invalidArgument', `Cannot publish ports of container "${name}": ${why}`);
}

function store(core: Core, container: Container): void {
  core.state.apply({ put: { containers: [container] } });
}

async function raise(core: Core, container: Container, endpoints: readonly Endpoint[]): Promise<void> {
  const undo = core.state.apply({ put: { containers: [container], endpoints } });
  try {
    await raiseEndpoints(core, container, endpoints);
  } catch (error) {
    undo();
    throw error;
  }
}

function withBindings(container: Container, portBindings: readonly PortBinding[]): Container {
  return { ...container, spec: { ...container.spec, portBindings } };
}

function same(a: PortBinding, b: PortBinding): boolean {
  return textOf(a) === textOf(b);
}

/** Whether what is asked to go means this binding. */
function covers(asked: PortBinding, known: PortBinding): boolean {
  if (asked.protocol !== known.protocol || asked.containerPort !== known.containerPort) return false;
  if (asked.hostPorts === undefined && asked.hostAddress === undefined) return true;
  return same(asked, known);
}

/** As `-p` takes it: "127.0.0.1:8080:80/tcp". */
function textOf({ protocol, containerPort, hostAddress, hostPorts }: PortBinding): string {
  const { first, last } = hostPorts ?? {};
  const host = first === undefined ? '' : first === last ? String(first) : `${first}-${last}`;
  const address = hostAddress === undefined ? '' : `${hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress}:`;
  const front = address === '' && host === '' ? '' : `${address}${host}:`;
  return `${front}${containerPort}/${protocol}`;
}

/** What is published without what these bindings have led to. A range that loses one in its middle becomes two. */
function without(ports: readonly PublishedPort[], bindings: readonly PortBinding[]): PublishedPort[] {
  const single = ports.flatMap((port) =>
    Array.from({ length: port.count }, (_, i) => ({
      ...port,
      containerPort: port.containerPort + i,
      hostPort: port.hostPort === 0 ? 0 : port.hostPort + i,
      count: 1,
    })),
  );
  return joinRanges(single.filter((port) => !bindings.some((binding) => ledTo(binding, port))));
}

function ledTo({ protocol, containerPort, hostAddress, hostPorts }: PortBinding, port: PublishedPort): boolean {
  if (protocol !== port.protocol || containerPort !== port.containerPort) return false;
  if (hostAddress !== undefined && hostAddress !== port.hostAddress) return false;
  return (
    hostPorts === undefined ||
    port.hostPort === 0 ||
    (port.hostPort >= hostPorts.first && port.hostPort <= hostPorts.last)
  );
}
