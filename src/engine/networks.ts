import type { NetworkTraits } from '../drivers/driver.ts';
import { HOST_ACCESS } from '../drivers/host-access.ts';
import { addressOf, type IpAddress, prefixContains } from '../model/address.ts';
import type { EndpointRequest } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { type IpamPool, type Network, PREDEFINED_NETWORKS, type SubnetTraits, shortId } from '../model/network.ts';
import { isConfiguration, planConfiguration, refuseRemoval, withConfiguration } from './configuration-network.ts';
import { connect, disconnect } from './connections.ts';
import { type Core, networkEvent } from './core.ts';
import { announcementOf } from './endpoint-options.ts';
import { isUserDefined } from './endpoints.ts';
import { newId, timestamp } from './ids.ts';
import { describeHost, driverOf, enact } from './intent.ts';
import { findNetwork, tryFindNetwork } from './lookup.ts';
import { automaticMtu, followsHost } from './mtu.ts';
import { withDefaults } from './network-request.ts';
import { matchesPrune, type PruneGuard } from './prune.ts';
import { planRenumber, type RenumberPlan, renumber } from './renumber.ts';
import type { NetworkRequest, Pruned, PruneFilters } from './requests.ts';
import type { State } from './state.ts';
import { hintingAtIdleNetworks, surroundings } from './surroundings.ts';
import { networkView } from './view-builder.ts';
import type { NetworkView } from './views.ts';

/** `reference`: a full id, a name, or a unique prefix of an id. */
export class Networks {
  readonly #core: Core;
  readonly #pruning: PruneGuard;

  constructor(core: Core, pruning: PruneGuard) {
    this.#core = core;
    this.#pruning = pruning;
  }

  /** @throws EngineError in Docker's words: conflict (name), forbidden (predefined, overlap), invalidArgument, notFound (driver) */
  async create(request: NetworkRequest): Promise<{ id: string; warning: string }> {
    const core = this.#core;
    const network = planNetwork(core, request);
    await enact(core, { put: { networks: [network] } });
    // The first bridge network is what forwarding is for; another may be too large for some way.
    await core.reconciler.commit(describeHost(core));
    networkEvent(core, network, 'create');
    core.overlaps.lookSoon();
    return { id: network.id, warning: ignoredSubnets(request, network) };
  }

  /** @throws EngineError notFound or invalidArgument (ambiguous) in Docker's words */
  find(reference: string): NetworkView {
    return networkView(this.#core.state, findNetwork(this.#core.state, reference));
  }

  /** In the order they were made; the predefined ones come first. */
  list(): NetworkView[] {
    const { state } = this.#core;
    return [...state.networks.values()].map((network) => networkView(state, network));
  }

  /** @param options force: a network that is not there is no error */
  async remove(reference: string, options: { readonly force: boolean }): Promise<void> {
    const { state } = this.#core;
    const network = options.force ? tryFindNetwork(state, reference) : findNetwork(state, reference);
    if (network !== undefined) await this.#remove(network);
  }

  /** What the kernel does slowly (deleting a bridge) goes on in the background when this is fulfilled. */
  async #remove(network: Network): Promise<void> {
    const core = this.#core;
    if (!isUserDefined(network)) {
      throw new EngineError('forbidden', `${network.name} is a pre-defined network and cannot be removed`);
    }
    const holders = networkView(core.state, network).containers.map(
      ({ name, endpointId }) => `name:${JSON.stringify(name)} id:${JSON.stringify(shortId(endpointId))}`,
    );
    if (holders.length > 0) {
      const text = `network ${network.name} has active endpoints (${holders.join(', ')})`;
      throw new EngineError('forbidden', `error while removing network: ${text}`);
    }
    refuseRemoval(core.state.networks, network);
    await enact(core, { remove: { networks: [network.id] } });
    await core.reconciler.commit(describeHost(core));
    networkEvent(core, network, 'destroy');
    core.overlaps.lookSoon();
  }

  /** `request.network` is ignored: `reference` counts */
  async connect(reference: string, container: string, request: EndpointRequest): Promise<void> {
    await connect(this.#core, reference, container, request);
  }

  async disconnect(reference: string, container: string, options: { readonly force: boolean }): Promise<void> {
    await disconnect(this.#core, reference, container, options);
  }

  /** Where it could go, and what that means: nothing is changed. @throws EngineError as `planRenumber` */
  planRenumber(reference: string, subnet: string | undefined): RenumberPlan {
    return planRenumber(this.#core, reference, subnet);
  }

  /** @throws EngineError as `renumber` */
  renumber(reference: string, subnet: string | undefined): Promise<RenumberPlan> {
    return renumber(this.#core, reference, subnet);
  }

  /** Takes away what no running container is on. @throws EngineError conflict while another prune runs */
  async prune(filters: PruneFilters): Promise<Pruned> {
    return this.#pruning.run(async () => {
      const core = this.#core;
      const deleted: string[] = [];
      for (const network of [...core.state.networks.values()]) {
        if (!isUserDefined(network) || isConfiguration(network) || !matchesPrune(filters, network)) continue;
        if (networkView(core.state, network).containers.length > 0) continue;
        await this.#remove(network);
        deleted.push(network.name);
      }
      core.events.emit('network', 'prune', '', { reclaimed: '0' });
      return { deleted, reclaimed: 0 };
    });
  }
}

/** The network as it will be written down; nothing is held by it yet. */
function planNetwork(core: Core, asked: NetworkRequest): Network {
  checkName(core, asked.name);
  const defaults = core.config.network.defaultNetworkOptions[asked.driver || 'bridge'];
  if (asked.configOnly === true) return planConfiguration(withDefaults(asked, defaults));
  const { configFrom } = asked;
  const request =
    configFrom === undefined
      ? withDefaults(asked, defaults)
      : withConfiguration(core.state.networks, asked, configFrom);
  const { name, internal, attachable, ipv4, ipv6, ipamOptions, labels, driverOptions } = request;
  const driver = driverOf(request.driver === '' ? 'bridge' : request.driver);
  if (driver.name === 'host' || driver.name === 'null') {
    throw new EngineError('forbidden', `only one instance of "${driver.name}" network is allowed`);
  }
  const options = driver.parse(driverOptions);
  // Endpoints ask for it when they come: what is wrong is told now.
  announcementOf(driverOptions);
  const families = { ipv4, ipv6 };
  const network = {
    id: newId(),
    name,
    driver: driver.name,
    created: timestamp(),
    internal,
    attachable,
    ...families,
    ipamDriver: request.ipamDriver || 'default',
    ipamOptions,
    pools: withHostAddresses(
      core,
      choosePools(core, request, driver.subnets(options, internal), families),
      driver.traits(options),
    ),
    ...(followsHost(driver.name, driverOptions) ? { mtu: automaticMtu(core.wayOut.mtu) } : {}),
    driverOptions,
    options,
    labels,
    ...(configFrom === undefined ? {} : { configFrom }),
  };
  driver.check?.(
    network,
    core.state.networks.values().filter((other) => other.driver === driver.name),
  );
  return network;
}

/** The host's own addresses on the network are reserved like auxiliary ones. */
function withHostAddresses(core: Core, pools: readonly IpamPool[], { hostAddresses }: NetworkTraits): IpamPool[] {
  if (hostAddresses === undefined) return [...pools];
  const { ipam, state } = core;
  const network = { id: '', name: HOST_ACCESS, pools };
  const taken = ipam.allocateAddresses(network, heldByAnybody(state), hostAddresses).map(addressOf);
  return pools.map((pool) => {
    const own = taken.find((address) => prefixContains(pool.subnet, address));
    return own === undefined ? pool : { ...pool, auxiliary: { ...pool.auxiliary, [HOST_ACCESS]: own } };
  });
}

/** Networks of one parent may overlap, so what endpoints and the host have on others is not free either. */
function heldByAnybody({ endpoints, networks }: State): Map<IpAddress, string> {
  const ofEndpoints = [...endpoints.values()].flatMap(({ addresses }) => addresses.map(addressOf));
  const ofHost = [...networks.values()].flatMap(({ pools }) =>
    pools.flatMap(({ auxiliary }) => auxiliary[HOST_ACCESS] ?? []),
  );
  return new Map([...ofEndpoints, ...ofHost].map((address) => [address, 'another network']));
}

/** As in Docker, a subnet of a family the network does not have counts for nothing; here it is said. */
function ignoredSubnets({ pools }: NetworkRequest, { ipv4, ipv6 }: Network): string {
  const ignored = pools.flatMap(({ subnet }) => subnet ?? []).filter((text) => !(text.includes(':') ? ipv6 : ipv4));
  return ignored.map((subnet) => `subnet ${subnet} is ignored: the network has no addresses of its family`).join('; ');
}

function checkName({ state }: Core, name: string): void {
  if (name.trim() === '') throw new EngineError('invalidArgument', 'invalid network name: name is empty');
  if (PREDEFINED_NETWORKS.includes(name) || name === 'default') {
    throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network `);
  }
  if (state.networkNamed(name) !== undefined) {
    throw new EngineError('conflict', `network with name ${name} already exists`);
  }
}

/** Subnets of our own networks are never overlapped; the host's only when the user asks for exactly that. */
function choosePools(
  core: Core,
  request: NetworkRequest,
  traits: SubnetTraits,
  families: { readonly ipv4: boolean; readonly ipv6: boolean },
): IpamPool[] {
  const { pools: requests, ipamDriver } = request;
  const driver = request.driver === '' ? 'bridge' : request.driver;
  const demand = { ...families, requests, ipamDriver, driver, traits };
  return hintingAtIdleNetworks(core.state, () => core.ipam.allocatePools(demand, surroundings(core, traits)));
}
