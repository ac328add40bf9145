import { addressOf, FAMILIES, type IpAddress } from '../model/address.ts';
import type { Container, EndpointRequest } from '../model/container.ts';
import { type Endpoint, type Network, poolOf } from '../model/network.ts';
import { chooseApparmor } from '../runtime/spec/apparmor.ts';
import { parseSecurityOptions } from '../runtime/spec/security.ts';
import { linkNames, linksOf } from './container-links.ts';
import { volumesOf } from './container-mounts.ts';
import { containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { bareEndpointId, dnsNames, isUserDefined, requestFor } from './endpoints.ts';
import { isBare, traitsOf } from './intent.ts';
import { tryFindNetwork } from './lookup.ts';
import { isUp } from './sandboxes.ts';
import type { State } from './state.ts';
import type { ContainerView, EndpointView, NetworkMember, NetworkView } from './views.ts';

/** A container as the API shows it: what is written down, and what it has while it runs. */
export function containerView(core: Core, container: Container): ContainerView {
  const { state, reconciler, config, live } = core;
  const health = live.of(container).health?.current ?? container.health;
  const sandbox = container.sandbox === undefined ? undefined : state.sandboxes.get(container.sandbox);
  return {
    container,
    networks: container.spec.endpoints.map((request) => endpointView(state, container, request)),
    ports: state.endpointsOf(container.id).flatMap(({ ports }) => ports),
    sandboxId: sandbox?.id ?? '',
    sandboxKey: sandbox === undefined ? '' : reconciler.sandboxPath(sandbox.namespace),
    paths: containerPaths(config, state, container),
    volumePaths: Object.fromEntries(volumesOf(container).map(({ name }) => [name, core.runtime.volumes.path(name)])),
    apparmorProfile: apparmorProfile(core, container),
    execIds: [...live.of(container).execs],
    links: linksOf(state, container).map(({ alias, target }) => `/${target.name}:/${container.name}/${alias}`),
    linkNames: linkNames(state, container),
    ...(health === undefined ? {} : { health }),
  };
}

function apparmorProfile({ host }: Core, { spec }: Container): string {
  const { apparmorProfiles: profiles } = host;
  if (profiles === undefined) return '';
  const { apparmor: asked } = parseSecurityOptions(spec.securityOptions);
  return chooseApparmor({ asked, privileged: spec.privileged, profiles });
}

/** Of one that does not run, only what was asked for. A network that is gone keeps its place by its name. */
function endpointView(state: State, container: Container, request: EndpointRequest): EndpointView {
  const network = tryFindNetwork(state, request.network);
  const endpoint = state.endpointsOf(container.id).find((candidate) => candidate.network === network?.id);
  return {
    networkId: network?.id ?? '',
    networkName: network?.name ?? request.network,
    request,
    ...(endpoint === undefined ? {} : { endpoint }),
    endpointId: endpoint?.id ?? (runsOnBare(container, network) ? bareEndpointId(container, network) : ''),
    gateways: gatewaysOf(network, endpoint),
    dnsNames: network !== undefined && isUserDefined(network) ? dnsNames(container, request.aliases) : [],
  };
}

/** Of an internal network none is shown: nobody routes through it. */
function gatewaysOf(network: Network | undefined, endpoint: Endpoint | undefined): IpAddress[] {
  if (network === undefined || endpoint === undefined || network.internal) return [];
  if (endpoint.lease !== undefined) return [endpoint.lease.gateway].filter((gateway) => gateway !== undefined);
  if (traitsOf(network).defaultRoute !== 'gateway') return [];
  return FAMILIES.flatMap((family) => poolOf(network, family, endpoint.addresses.map(addressOf))?.gateway ?? []);
}

function runsOnBare(container: Container, network: Network | undefined): network is Network {
  return network !== undefined && isBare(network) && isUp(container);
}

/** A network with its running containers; stopped ones hold nothing of it, and do not keep it from being removed. */
export function networkView(state: State, network: Network): NetworkView {
  const containers: NetworkMember[] = [];
  for (const { id, network: on, container, mac, addresses } of state.endpoints.values()) {
    const holder = on === network.id ? state.containers.get(container) : undefined;
    if (holder !== undefined) {
      const own = mac === undefined ? {} : { mac };
      containers.push({ id: holder.id, name: holder.name, endpointId: id, ...own, addresses });
    }
  }
  const users = [...state.containers.values()].filter(
    (container) => requestFor(state, container, network) !== undefined,
  );
  for (const user of users.filter((container) => runsOnBare(container, network))) {
    containers.push({ id: user.id, name: user.name, endpointId: bareEndpointId(user, network), addresses: [] });
  }
  return { network, containers, users: users.length };
}
