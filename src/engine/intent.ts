import { describeAttachment } from '../drivers/attachment.ts';
import type { NetworkDriver, NetworkTraits } from '../drivers/driver.ts';
import { describeEndpointExtras } from '../drivers/endpoint.ts';
import { drivers } from '../drivers/index.ts';
import { describeHost as describeMachine } from '../drivers/machine.ts';
import { describeSandbox } from '../drivers/sandbox.ts';
import type { Attachment } from '../model/attachment.ts';
import { EngineError } from '../model/errors.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import type { Owner, ResolverListener, Resource } from '../model/resource.ts';
import { linkedEndpoints } from './container-links.ts';
import type { Core } from './core.ts';
import { underFlags } from './host-rules.ts';
import { isTooNarrow } from './mtu.ts';
import type { Change, State } from './state.ts';

const networkOwner = (id: string): Owner => `network:${id}`;
export const sandboxOwner = (id: string): Owner => `sandbox:${id}`;
export const endpointOwner = (id: string): Owner => `endpoint:${id}`;
export const attachmentOwner = (id: string): Owner => `attachment:${id}`;

/** @throws EngineError notFound in Docker's words */
export function driverOf(name: string): NetworkDriver {
  const driver = drivers.get(name);
  if (driver === undefined) throw new EngineError('notFound', `plugin "${name}" not found`);
  return driver;
}

export function traitsOf({ driver, options }: Network): NetworkTraits {
  return driverOf(driver).traits(options);
}

/** On such a network nothing is allotted and nothing made: host, none, configurations. */
export function isBare(network: Network): boolean {
  return !traitsOf(network).addresses;
}

/**
 * Writes down what is wanted and makes the kernel agree: all of it or, when it throws, nothing of it.
 * @throws what the store or the reconciler throws
 */
export async function enact(core: Core, change: Change): Promise<void> {
  const undo = core.state.apply(change);
  try {
    await core.reconciler.commit(describe(core, ownersOf(change)));
  } catch (error) {
    // The reconciler has led the kernel back already.
    undo();
    throw error;
  }
}

/** What these owners want now, as the daemon's flags allow it; those that are gone want nothing. */
export function describe(
  { state, config }: Pick<Core, 'state' | 'config'>,
  owners: Iterable<Owner>,
): Map<Owner, readonly Resource[]> {
  return new Map(Array.from(owners, (owner) => [owner, underFlags(describeOwner(state, owner), config.network)]));
}

/** Of a new sandbox, its namespace alone: what the rest can be put into while others use it already. */
export function describeSpace(core: Pick<Core, 'state' | 'config'>, { id }: Sandbox): Map<Owner, readonly Resource[]> {
  const whole = describe(core, [sandboxOwner(id)]);
  return new Map(Array.from(whole, ([owner, all]) => [owner, all.filter(({ kind }) => kind === 'namespace')]));
}

/** What the host itself must hold now, as the daemon's flags allow it. */
export function describeHost(
  core: Pick<Core, 'forwarding' | 'state' | 'wayOut' | 'config'>,
): Map<Owner, readonly Resource[]> {
  const { forwarding, state, wayOut, config } = core;
  const clamp = isTooNarrow(state.packetSizes, wayOut.narrowest);
  const resources = describeMachine({ forwarding: forwarding.needed(), clamp });
  return new Map([['host', underFlags(resources, config.network)]]);
}

/** What everybody wants, the host itself apart. */
export function describeAll(core: Pick<Core, 'state' | 'config'>): Map<Owner, readonly Resource[]> {
  const { state } = core;
  return describe(core, [
    ...Array.from(state.networks.keys(), networkOwner),
    ...Array.from(state.sandboxes.keys(), sandboxOwner),
    ...Array.from(state.endpoints.keys(), endpointOwner),
    ...Array.from(state.attachments.keys(), attachmentOwner),
  ]);
}

/** The resolvers of all sandboxes. */
export function describeResolvers({ sandboxes }: State): ResolverListener[] {
  return [...sandboxes.values()].flatMap(describeSandbox).filter((resource) => isResolver(resource));
}

function isResolver(resource: Resource): resource is ResolverListener {
  return resource.kind === 'listener' && resource.purpose === 'resolver';
}

/** Containers own nothing in the kernel: they are processes. */
function ownersOf({ put, remove }: Change): Set<Owner> {
  const ids = (rows: readonly { readonly id: string }[] | undefined) => (rows ?? []).map(({ id }) => id);
  return new Set<Owner>([
    ...[...ids(put?.networks), ...(remove?.networks ?? [])].map(networkOwner),
    ...[...ids(put?.sandboxes), ...(remove?.sandboxes ?? [])].map(sandboxOwner),
    ...[...ids(put?.endpoints), ...(remove?.endpoints ?? [])].map(endpointOwner),
    ...[...ids(put?.attachments), ...(remove?.attachments ?? [])].map(attachmentOwner),
  ]);
}

function describeOwner(state: State, owner: Owner): readonly Resource[] {
  const id = owner.slice(owner.indexOf(':') + 1);
  if (owner.startsWith('network:')) {
    const network = state.networks.get(id);
    return network === undefined ? [] : driverOf(network.driver).network(network);
  }
  if (owner.startsWith('sandbox:')) {
    const sandbox = state.sandboxes.get(id);
    return sandbox === undefined ? [] : describeSandbox(sandbox);
  }
  if (owner.startsWith('attachment:')) {
    const attachment = state.attachments.get(id);
    return attachment === undefined ? [] : describeAttachment(attachment, sandboxesOf(state, attachment));
  }
  const endpoint = state.endpoints.get(id);
  return endpoint === undefined ? [] : describeEndpoint(state, endpoint);
}

/** Of its ends; undefined where a container does not run. */
function sandboxesOf(state: State, { ends }: Attachment): (Sandbox | undefined)[] {
  return ends.map(({ container }) => state.sandboxes.get(state.containers.get(container)?.sandbox ?? ''));
}

function describeEndpoint(state: State, endpoint: Endpoint): readonly Resource[] {
  const network: Network | undefined = state.networks.get(endpoint.network);
  const sandbox = state.sandboxes.get(endpoint.sandbox);
  if (network === undefined || sandbox === undefined) return [];
  const driver = driverOf(network.driver);
  const links = linkedEndpoints(state, endpoint);
  return [
    ...driver.endpoint(network, endpoint, sandbox),
    ...describeEndpointExtras(endpoint, sandbox),
    ...links.flatMap(({ to, ports }) => driver.link?.(network, endpoint, to, ports) ?? []),
  ];
}
