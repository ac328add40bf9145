import { readFileSync, writeFileSync } from 'node:fs';
import { type HostRecord, replaceHosts } from '../dns/hosts.ts';
import { addressOf } from '../model/address.ts';
import type { Container, EndpointLink, PortKey } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Endpoint } from '../model/network.ts';
import type { Owner } from '../model/resource.ts';
import { containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { linkVariables } from './link-variables.ts';
import { findContainer } from './lookup.ts';
import { isUp } from './sandboxes.ts';
import type { Change, State } from './state.ts';

/** One link of the default network: `--link target:alias`. */
interface Link {
  readonly alias: string;
  readonly target: Container;
}

/**
 * `--link` on the default network as it is written down: by the target's full id, so that a rename does not part them. Of two
 * with the same alias the first counts, as in Docker.
 * @throws EngineError invalidArgument in Docker's words (moby: registerLinks)
 */
export function resolveLinks(state: State, asked: readonly EndpointLink[]): EndpointLink[] {
  const byAlias = new Map<string, EndpointLink>();
  for (const { container, alias } of asked) {
    const target = linkTarget(state, container);
    if (!byAlias.has(alias)) byAlias.set(alias, { container: target.id, alias });
  }
  return [...byAlias.values()];
}

/** A target in `container:` mode means the one whose network it has. */
function linkTarget(state: State, reference: string): Container {
  let target: Container;
  try {
    target = findContainer(state.containers, reference);
    for (let steps = 0; steps < state.containers.size; steps++) {
      const mode = target.spec.networkMode;
      if (mode.kind !== 'container') break;
      target = findContainer(state.containers, mode.container);
    }
  } catch (error) {
    // Not "not found": clients would take that for the image's absence and pull it.
    throw new EngineError('invalidArgument', `could not get container for ${reference}: ${errorMessage(error)}`);
  }
  if (target.spec.networkMode.kind === 'host') {
    throw new EngineError(
      'invalidArgument',
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  return target;
}

/** Links whose target is still there. */
export function linksOf(state: State, { spec }: Container): Link[] {
  return spec.links.flatMap(({ container, alias }) => {
    const target = state.containers.get(container);
    return target === undefined ? [] : [{ alias, target }];
  });
}

/** Names others have given it: "/web/db" of `--link it:db` of web. */
export function linkNames(state: State, { id }: Container): string[] {
  return [...state.containers.values()].flatMap((parent) =>
    parent.spec.links.filter(({ container }) => container === id).map(({ alias }) => `/${parent.name}/${alias}`),
  );
}

/** Its place on the default network, while it has one. */
function defaultEndpoint(state: State, { id }: Container): Endpoint | undefined {
  const network = state.networkNamed('bridge');
  return state.endpointsOf(id).find((endpoint) => endpoint.network === network?.id);
}

/** @throws EngineError internal in Docker's words when a target does not run, or is not on the default network */
export function requireLinks(state: State, container: Container): void {
  for (const { alias, target } of linksOf(state, container)) {
    if (!isUp(target)) {
      const link = `/${target.name} AS /${container.name}/${alias}`;
      throw new EngineError('internal', `Cannot link to a non running container: ${link}`);
    }
    if (defaultEndpoint(state, target) === undefined) {
      throw new EngineError('internal', `container ${target.id} not attached to default bridge network`);
    }
  }
}

/** Lines of its hosts file. */
export function linkRecords(state: State, container: Container): HostRecord[] {
  return linksOf(state, container).flatMap((link) => recordsOf(state, link));
}

function recordsOf(state: State, { alias, target }: Link): HostRecord[] {
  const names = [...new Set([alias, target.spec.hostname, target.name])].join(' ');
  const endpoint = defaultEndpoint(state, target);
  return (endpoint?.addresses ?? []).map((address) => ({ address: addressOf(address), names }));
}

/** Variables its processes find: DB_PORT_5432_TCP_ADDR and the like. */
export function linkEnvironment(state: State, container: Container): string[] {
  return linksOf(state, container).flatMap(({ alias, target }) => {
    const [address] = defaultEndpoint(state, target)?.addresses ?? [];
    if (address === undefined) return [];
    return linkVariables({
      name: `/${container.name}/${alias}`,
      alias,
      address: addressOf(address),
      ports: target.spec.exposedPorts,
      env: target.env,
    });
  });
}

/** Endpoints whose description speaks of a container, since theirs have links to it. */
export function linkerOwners(state: State, targetId: string): Owner[] {
  const parents = [...state.containers.values()].filter(({ spec }) =>
    spec.links.some(({ container }) => container === targetId),
  );
  return parents.flatMap((parent) => defaultEndpoint(state, parent) ?? []).map(({ id }): Owner => `endpoint:${id}`);
}

/** What an endpoint has links to, with the ports that are exposed there. */
export function linkedEndpoints(state: State, endpoint: Endpoint): { to: Endpoint; ports: readonly PortKey[] }[] {
  const container = state.containers.get(endpoint.container);
  if (container === undefined || container.spec.links.length === 0) return [];
  if (defaultEndpoint(state, container)?.id !== endpoint.id) return [];
  return linksOf(state, container).flatMap(({ target }) => {
    const to = defaultEndpoint(state, target);
    return to === undefined ? [] : [{ to, ports: target.spec.exposedPorts }];
  });
}

/** Those whose links on user networks name a container, naming it as it is called from now on. */
export function linkedByName(state: State, former: string, name: string): Container[] {
  return [...state.containers.values()].flatMap((container) => {
    const endpoints = container.spec.endpoints.map((request) => {
      if (request.links?.some((link) => link.container === former) !== true) return request;
      const links = request.links.map((link) => (link.container === former ? { ...link, container: name } : link));
      return { ...request, links };
    });
    const isSame = endpoints.every((request, index) => request === container.spec.endpoints[index]);
    return isSame ? [] : [{ ...container, spec: { ...container.spec, endpoints } }];
  });
}

/** After the target's start or rename: who runs with a link to it finds it under its address of today. */
export function tellLinked(core: Core, targetId: string): void {
  for (const parent of core.state.containers.values()) {
    if (!isUp(parent)) continue;
    for (const link of linksOf(core.state, parent)) {
      if (link.target.id === targetId) rewrite(core, parent, link.alias, recordsOf(core.state, link));
    }
  }
}

/** Without one of its links, as `docker rm --link web/db` wishes; its endpoint comes along, since its description speaks of them. */
export function withoutLink(state: State, parent: Container, alias: string): Change {
  const links = parent.spec.links.filter((link) => link.alias !== alias);
  const endpoint = defaultEndpoint(state, parent);
  return {
    put: {
      containers: [{ ...parent, spec: { ...parent.spec, links } }],
      endpoints: endpoint === undefined ? [] : [endpoint],
    },
  };
}

/** Who had it does not know the target by its names any more. */
export function tellUnlinked(core: Core, parent: Container, alias: string): void {
  if (isUp(parent)) rewrite(core, parent, alias, []);
}

/** In place: the file is bind-mounted into the container. */
function rewrite(core: Core, parent: Container, alias: string, records: readonly HostRecord[]): void {
  const path = containerPaths(core.config, core.state, parent).hosts;
  try {
    writeFileSync(path, replaceHosts(readFileSync(path, 'utf8'), alias, records));
  } catch (error) {
    core.logger.warn('the names of a link could not be updated', {
      container: parent.name,
      alias,
      error: errorMessage(error),
    });
  }
}
