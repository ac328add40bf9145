import type { NameSource, Outside, Service, ServiceQuestion } from '../dns/names.ts';
import { outsideOf } from '../dns/outside.ts';
import { familyOf, type IpAddress } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Network } from '../model/network.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { EngineConfig } from './config.ts';
import { isUserDefined, requestFor } from './endpoints.ts';
import { gatewayOf } from './gateway.ts';
import type { HostResolver } from './host-resolver.ts';
import { buildDirectory, type Directory, type Holder } from './name-directory.ts';
import { type ResolverSettings, resolvConf } from './resolv-conf.ts';
import { hostGateways } from './sandbox-files.ts';
import type { State } from './state.ts';

/** The machine itself, as Docker Desktop and Podman call it. A container or a link of that name comes before it. */
const HOST_NAME = 'host.docker.internal';

/** A build runs in a sandbox of its own and is no container: for the outside it asks whom the daemon's settings name. */
const NOBODY: { readonly spec: ResolverSettings } = {
  spec: { dns: [], dnsSearch: [], dnsOptions: [], networkMode: { kind: 'network', name: 'default' } },
};

/** One network as a sandbox sees it. */
interface Seen {
  readonly directory: Directory;
  /** Names its owner gave others there: they come before what these are called themselves */
  readonly links: ReadonlyMap<string, readonly Holder[]>;
}

/** One sandbox's view: the networks its owner is on, and whom it asks for the rest. */
interface View {
  readonly owner?: Container;
  /** In the order in which a name is looked for */
  readonly networks: readonly Seen[];
  readonly internalOnly: boolean;
  readonly host: readonly IpAddress[];
}

/**
 * What the embedded resolver answers from. Directories and views are built when first asked for and kept until the state
 * changes, so a query costs a few look-ups.
 */
export class Names implements NameSource {
  readonly #state: State;
  readonly #config: EngineConfig;
  readonly #hostResolver: HostResolver;
  #version = -1;
  #hostVersion = -1;
  readonly #views = new Map<NamespaceName, View>();
  readonly #directories = new Map<string, Directory>();
  readonly #outside = new Map<NamespaceName, Outside>();

  constructor(state: State, config: EngineConfig, hostResolver: HostResolver) {
    this.#state = state;
    this.#config = config;
    this.#hostResolver = hostResolver;
  }

  lookup(namespace: NamespaceName, name: string): readonly IpAddress[] | undefined {
    const view = this.#view(namespace);
    for (const { label, networks } of readings(name, view.networks)) {
      const found = addressesOf(label, networks);
      if (found !== undefined) return found;
    }
    return name === HOST_NAME && view.host.length > 0 ? view.host : undefined;
  }

  services(namespace: NamespaceName, name: string, { port, protocol }: ServiceQuestion): Service[] {
    for (const { label, networks } of readings(name, this.#view(namespace).networks)) {
      const found = networks.flatMap(({ directory, links }) => {
        const holders = links.get(label) ?? directory.holders.get(label) ?? [];
        return holders
          .filter(({ container }) => exposes(container, port, protocol))
          .map(({ container, addresses }) => ({
            name: `${container.name}.${directory.network.name}`,
            port,
            addresses,
          }));
      });
      if (found.length > 0) return found;
    }
    return [];
  }

  reverse(namespace: NamespaceName, address: IpAddress): string | undefined {
    for (const { directory } of this.#view(namespace).networks) {
      const name = directory.byAddress.get(address);
      if (name !== undefined) return `${name}.${directory.network.name}`;
    }
    return undefined;
  }

  outside(namespace: NamespaceName): Outside {
    const { owner, internalOnly } = this.#view(namespace);
    const version = this.#hostResolver.version();
    if (version !== this.#hostVersion) {
      this.#hostVersion = version;
      this.#outside.clear();
    }
    const known = this.#outside.get(namespace);
    if (known !== undefined) return known;
    const settings = resolvConf(this.#config, owner ?? NOBODY, { kind: 'resolver' });
    const outside = outsideOf(namespace, { ...settings, forwards: !internalOnly });
    this.#outside.set(namespace, outside);
    return outside;
  }

  /** Every change of the state makes all that was derived from it stale: changes are rare, queries are not. */
  #view(namespace: NamespaceName): View {
    if (this.#version !== this.#state.version) {
      this.#version = this.#state.version;
      for (const cache of [this.#views, this.#directories, this.#outside]) cache.clear();
    }
    const known = this.#views.get(namespace);
    if (known !== undefined) return known;
    const view = this.#buildView(namespace);
    this.#views.set(namespace, view);
    return view;
  }

  /** The endpoints are all the first container's: who joined its sandbox asks in its name. */
  #buildView(namespace: NamespaceName): View {
    const sandbox = this.#state.sandboxes.values().find((candidate) => candidate.namespace === namespace);
    const endpoints = [...this.#state.endpoints.values()].filter((endpoint) => endpoint.sandbox === sandbox?.id);
    const owner = this.#state.containers.get(endpoints[0]?.container ?? '');
    const priority = (network: Network) =>
      owner === undefined ? 0 : (requestFor(this.#state, owner, network)?.gatewayPriority ?? 0);
    const networks = endpoints
      .flatMap(({ network }) => this.#state.networks.get(network) ?? [])
      .toSorted((a, b) => priority(b) - priority(a) || bySearchOrder(a, b));
    return {
      ...(owner === undefined ? {} : { owner }),
      networks: networks.filter(isUserDefined).map((network) => ({
        directory: this.#directory(network),
        links: owner === undefined ? new Map() : this.#linked(owner, network),
      })),
      internalOnly: networks.every(({ internal }) => internal),
      host: this.#hostAddresses(networks),
    };
  }

  /** What the daemon was told, or the host's own address on the nearest bridge, which is reached without a route. */
  #hostAddresses(networks: readonly Network[]): readonly IpAddress[] {
    const bridged = networks.filter(({ driver }) => driver === 'bridge');
    const near = bridged.map(({ pools }) => pools.flatMap(({ gateway }) => gateway ?? []));
    const told = this.#config.network.hostGateways;
    return told.length > 0
      ? told
      : (near.find((addresses) => addresses.length > 0) ?? hostGateways(this.#state, this.#config));
  }

  /**
   * By whatever name the target has on the network, or by its id. Whoever does not run has no address, and then its link is no
   * name; whoever is not there yet need not be.
   */
  #linked(owner: Container, network: Network): Map<string, readonly Holder[]> {
    const { holders } = this.#directory(network);
    const linked = new Map<string, readonly Holder[]>();
    for (const { container: reference, alias } of requestFor(this.#state, owner, network)?.links ?? []) {
      const own = this.#state.containers.get(reference)?.name;
      const found = holders.get((own ?? reference).toLowerCase());
      if (found !== undefined) linked.set(alias.toLowerCase(), found);
    }
    return linked;
  }

  #directory(network: Network): Directory {
    const known = this.#directories.get(network.id);
    if (known !== undefined) return known;
    const directory = buildDirectory(this.#state, network, this.#state.endpoints.values());
    this.#directories.set(network.id, directory);
    return directory;
  }
}

/** As Docker sorts a sandbox's endpoints (libnetwork's Endpoint.Less): what leads outside first, then by name. */
function bySearchOrder(a: Network, b: Network): number {
  const isWayOut = (network: Network) =>
    Number(gatewayOf(network, 4) !== undefined || gatewayOf(network, 6) !== undefined);
  return isWayOut(b) - isWayOut(a) || (a.name < b.name ? -1 : 1);
}

/**
 * What a name may mean, in the order it is tried: a name on any network; then, dot by dot from the end, a name on a network
 * ("web.app"): the network's name may hold dots itself, and so may the container's alias.
 */
function* readings(name: string, networks: readonly Seen[]): Generator<{ label: string; networks: readonly Seen[] }> {
  yield { label: name, networks };
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const suffix = name.slice(dot + 1);
    const named = networks.filter(({ directory }) => directory.network.name.toLowerCase() === suffix);
    if (named.length > 0) yield { label: name.slice(0, dot), networks: named };
  }
}

/**
 * The addresses of the first network that knows the name, as in Docker: two networks may each have a "db" of their own. What it
 * lacks of a family may come from the next one that knows it.
 */
function addressesOf(label: string, networks: readonly Seen[]): readonly IpAddress[] | undefined {
  const linked = networks.find(({ links }) => links.has(label))?.links.get(label);
  if (linked !== undefined) return linked.flatMap(({ addresses }) => addresses);
  let found: readonly IpAddress[] | undefined;
  for (const { directory } of networks) {
    const known = directory.byName.get(label);
    if (known === undefined) continue;
    const families = new Set(found?.map(familyOf));
    found = found === undefined ? known : [...found, ...known.filter((address) => !families.has(familyOf(address)))];
  }
  return found;
}

function exposes({ spec }: Container, port: number, protocol: string): boolean {
  return spec.exposedPorts.some((exposed) => exposed === `${port}/${protocol}`);
}
