import type { NameSource, Outside } from '../dns/names.ts';
import { outsideOf } from '../dns/outside.ts';
import { addressOf, type IpAddress } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint, Network } from '../model/network.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { EngineConfig } from './config.ts';
import { dnsNames, isUserDefined, requestFor } from './endpoints.ts';
import { exactContainer } from './lookup.ts';
import { type ResolverSettings, resolvConf } from './sandbox-files.ts';
import type { State } from './state.ts';

/** The host's resolv.conf is read anew at most so often, in milliseconds: a laptop changes its network while containers run. */
const HOST_FILE_AGE = 1000;

/** A build runs in a sandbox of its own and is no container: for the outside it asks whom the daemon's settings name. */
const NOBODY: { readonly spec: ResolverSettings } = {
  spec: { dns: [], dnsSearch: [], dnsOptions: [], networkMode: { kind: 'network', name: 'default' } },
};

/** Who is called what on one network. */
interface Directory {
  readonly network: Network;
  readonly byName: ReadonlyMap<string, readonly IpAddress[]>;
  readonly byAddress: ReadonlyMap<IpAddress, string>;
}

/** One sandbox's view: the networks its owner is on, and whom it asks for the rest. */
interface View {
  readonly owner?: Container;
  readonly directories: readonly Directory[];
  /** Names its owner gave others: they come before what these are called themselves */
  readonly links: ReadonlyMap<string, readonly IpAddress[]>;
  readonly internalOnly: boolean;
}

/**
 * What the embedded resolver answers from. Directories and views are built when first asked for and kept until the state
 * changes, so a query costs a few look-ups.
 */
export class Names implements NameSource {
  readonly #state: State;
  readonly #config: EngineConfig;
  #version = -1;
  readonly #views = new Map<NamespaceName, View>();
  readonly #directories = new Map<string, Directory>();
  readonly #outside = new Map<NamespaceName, { readonly until: number; readonly outside: Outside }>();

  constructor(state: State, config: EngineConfig) {
    this.#state = state;
    this.#config = config;
  }

  lookup(namespace: NamespaceName, name: string): readonly IpAddress[] | undefined {
    const { directories, links } = this.#view(namespace);
    const linked = links.get(name);
    if (linked !== undefined) return linked;
    const found = directories.flatMap(({ byName }) => byName.get(name) ?? []);
    if (found.length > 0) return found;
    // "web.app": the network's name may hold dots itself, and so may the container's alias.
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const suffix = name.slice(dot + 1);
      const directory = directories.find(({ network }) => network.name.toLowerCase() === suffix);
      const addresses = directory?.byName.get(name.slice(0, dot));
      if (addresses !== undefined) return addresses;
    }
    return undefined;
  }

  reverse(namespace: NamespaceName, address: IpAddress): string | undefined {
    for (const { byAddress, network } of this.#view(namespace).directories) {
      const name = byAddress.get(address);
      if (name !== undefined) return `${name}.${network.name}`;
    }
    return undefined;
  }

  outside(namespace: NamespaceName): Outside {
    const { owner, internalOnly } = this.#view(namespace);
    const known = this.#outside.get(namespace);
    if (known !== undefined && known.until > Date.now()) return known.outside;
    const settings = resolvConf(this.#config, owner ?? NOBODY, true);
    const outside = outsideOf(namespace, { ...settings, forwards: !internalOnly });
    this.#outside.set(namespace, { until: Date.now() + HOST_FILE_AGE, outside });
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
    const networks = endpoints.flatMap(({ network }) => this.#state.networks.get(network) ?? []);
    const owner = this.#state.containers.get(endpoints[0]?.container ?? '');
    return {
      ...(owner === undefined ? {} : { owner }),
      directories: networks.filter(isUserDefined).map((network) => this.#directory(network)),
      links: owner === undefined ? new Map() : this.#linked(owner, networks),
      internalOnly: networks.every(({ internal }) => internal),
    };
  }

  /** Whoever does not run has no address, and then its link is no name. */
  #linked(owner: Container, networks: readonly Network[]): Map<string, IpAddress[]> {
    const { containers, endpoints } = this.#state;
    const linked = new Map<string, IpAddress[]>();
    for (const network of networks) {
      for (const { container, alias } of requestFor(this.#state, owner, network)?.links ?? []) {
        const id = exactContainer(containers, container)?.id;
        const endpoint = endpoints.values().find((one) => one.container === id && one.network === network.id);
        if (endpoint !== undefined) linked.set(alias.toLowerCase(), endpoint.addresses.map(addressOf));
      }
    }
    return linked;
  }

  #directory(network: Network): Directory {
    const known = this.#directories.get(network.id);
    if (known !== undefined) return known;
    const endpoints = [...this.#state.endpoints.values()].filter((endpoint) => endpoint.network === network.id);
    const directory = buildDirectory(this.#state, network, endpoints);
    this.#directories.set(network.id, directory);
    return directory;
  }
}

/** Several containers may share a name: all their addresses answer. Queries come in lower case, so names are kept so. */
function buildDirectory(state: State, network: Network, endpoints: readonly Endpoint[]): Directory {
  const byName = new Map<string, IpAddress[]>();
  const byAddress = new Map<IpAddress, string>();
  for (const endpoint of endpoints) {
    const container = state.containers.get(endpoint.container);
    if (container === undefined) continue;
    const own = endpoint.addresses.map(addressOf);
    const names = dnsNames(container, requestFor(state, container, network)?.aliases ?? []);
    for (const name of names) {
      const key = name.toLowerCase();
      const addresses = byName.get(key);
      if (addresses === undefined) byName.set(key, [...own]);
      else addresses.push(...own);
    }
    const [first] = names;
    if (first !== undefined) for (const address of own) byAddress.set(address, first);
  }
  return { network, byName, byAddress };
}
