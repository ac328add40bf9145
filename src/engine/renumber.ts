import { moveAddress, movePool } from '../ipam/renumber.ts';
import { type AddressFamily, addressOf, familyOf, type IpAddress, lengthOf } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { IpamPool, Network } from '../model/network.ts';
import { type Core, networkEvent } from './core.ts';
import { isUserDefined, requestFor } from './endpoints.ts';
import { enact } from './intent.ts';
import { findNetwork } from './lookup.ts';
import { subnetTraits, surroundings } from './surroundings.ts';

/** Where a network could go, and what that means for whom. */
export interface RenumberPlan {
  readonly network: string;
  /** Subnets that change, with their gateways */
  readonly moves: readonly { readonly from: string; readonly to: string; readonly gateway?: string }[];
  readonly containers: readonly RenumberedContainer[];
}

interface RenumberedContainer {
  readonly name: string;
  /** It must be stopped first */
  readonly running: boolean;
  readonly addresses: readonly {
    readonly from: string;
    /** undefined: it has no place in the new subnet; with `--ip` the container must be made anew */
    readonly to?: string;
    /** Asked for by `--ip`; others are chosen anew at the next start, most likely the same place */
    readonly static: boolean;
  }[];
  /** "8080 → 80/tcp": they lead to the new address, under the same numbers */
  readonly ports: readonly string[];
}

interface Move {
  readonly from: IpamPool;
  readonly to: IpamPool;
}

/**
 * Where a network could go that overlaps something of the host: every subnet that does, or all when none does.
 * @param subnet where to; undefined: the next free one of the same size
 * @throws EngineError in Docker's words when the subnet cannot be had
 */
export function planRenumber(core: Core, reference: string, subnet: string | undefined): RenumberPlan {
  const network = findNetwork(core.state, reference);
  return render(core, network, chooseMoves(core, network, subnet));
}

/**
 * Does it: the network, its bridge and the static addresses of its stopped containers.
 * @throws EngineError conflict while containers run on it, or when a static address has no place
 */
export async function renumber(core: Core, reference: string, subnet: string | undefined): Promise<RenumberPlan> {
  const network = findNetwork(core.state, reference);
  if (!isUserDefined(network)) {
    throw new EngineError('forbidden', `the subnet of ${network.name} comes from the daemon's options: --bip`);
  }
  const moves = chooseMoves(core, network, subnet);
  const plan = render(core, network, moves);
  refuseHindrances(plan);
  const pools = network.pools.map((pool) => moves.find(({ from }) => from === pool)?.to ?? pool);
  const containers = [...core.state.containers.values()].flatMap((container) => moved(core, container, network, moves));
  await enact(core, { put: { networks: [{ ...network, pools }], containers } });
  networkEvent(core, network, 'update');
  core.overlaps.lookSoon();
  return plan;
}

function refuseHindrances({ network, containers }: RenumberPlan): void {
  const names = (some: readonly RenumberedContainer[]) => some.map(({ name }) => name).join(', ');
  const running = containers.filter((container) => container.running);
  if (running.length > 0) {
    throw new EngineError('conflict', `Cannot renumber "${network}": stop what runs on it first: ${names(running)}`);
  }
  const lost = containers.filter(({ addresses }) => addresses.some((one) => one.static && one.to === undefined));
  if (lost.length > 0) {
    throw new EngineError('conflict', `Cannot renumber "${network}": no place for the addresses of ${names(lost)}`);
  }
}

function chooseMoves(core: Core, network: Network, subnet: string | undefined): Move[] {
  const hit = new Set(
    core.overlaps.list().flatMap((overlap) => (overlap.network === network.name ? overlap.subnet : [])),
  );
  const wanted = network.pools.filter((pool) =>
    subnet === undefined ? hit.size === 0 || hit.has(pool.subnet) : isFamily(pool, subnet.includes(':') ? 6 : 4),
  );
  if (wanted.length === 0) {
    throw new EngineError('invalidArgument', `network ${network.name} has no subnet of that family to move`);
  }
  return wanted.map((from) => ({ from, to: choosePool(core, network, from, subnet) }));
}

function isFamily({ subnet }: IpamPool, family: AddressFamily): boolean {
  return familyOf(subnet) === family;
}

function choosePool({ ipam, ...core }: Core, network: Network, from: IpamPool, subnet: string | undefined): IpamPool {
  const traits = subnetTraits(network);
  const around = surroundings(core, traits, network);
  const family = familyOf(from.subnet);
  const size = `${family === 4 ? '0.0.0.0' : '::'}/${lengthOf(from.subnet)}`;
  const [chosen] = ipam.allocatePools(
    {
      ipv4: family === 4,
      ipv6: family === 6,
      requests: [{ subnet: subnet ?? size, auxiliary: {} }],
      ipamDriver: network.ipamDriver,
      driver: network.driver,
      traits,
    },
    // What it has now is no way out.
    { ...around, near: [...around.near, ...network.pools.map((pool) => pool.subnet)] },
  );
  if (chosen === undefined) throw new EngineError('internal', `network ${network.name} got no subnet`);
  return movePool(from, chosen.subnet) ?? chosen;
}

function render(core: Core, network: Network, moves: readonly Move[]): RenumberPlan {
  return {
    network: network.name,
    moves: moves.map(({ from, to }) => ({
      from: from.subnet,
      to: to.subnet,
      ...(to.gateway === undefined ? {} : { gateway: to.gateway }),
    })),
    containers: [...core.state.containers.values()].flatMap((container) =>
      renderContainer(core, container, network, moves),
    ),
  };
}

/** Nothing when it is not on the network. */
function renderContainer(
  { state }: Core,
  container: Container,
  network: Network,
  moves: readonly Move[],
): RenumberedContainer[] {
  const request = requestFor(state, container, network);
  if (request === undefined) return [];
  const endpoint = state.endpointsOf(container.id).find((one) => one.network === network.id);
  const statics = [request.address, request.address6].filter((address) => address !== undefined);
  const held = endpoint?.addresses.map(addressOf) ?? statics;
  const ports = endpoint?.ports ?? [];
  return [
    {
      name: container.name,
      running: endpoint !== undefined,
      addresses: held.flatMap((address) => {
        const move = moveOf(address, moves);
        if (move === undefined) return [];
        const to = moveAddress(address, move.from.subnet, move.to.subnet);
        return [{ from: address, ...(to === undefined ? {} : { to }), static: statics.includes(address) }];
      }),
      ports: ports.flatMap(({ hostPort, containerPort, protocol }) =>
        hostPort === 0 ? [] : [`${hostPort} → ${containerPort}/${protocol}`],
      ),
    },
  ];
}

function moveOf(address: IpAddress, moves: readonly Move[]): Move | undefined {
  return moves.find(({ from }) => moveAddress(address, from.subnet, from.subnet) !== undefined);
}

/** The container with its static addresses on that network moved; nothing when there are none. */
function moved({ state }: Core, container: Container, network: Network, moves: readonly Move[]): Container[] {
  const request = requestFor(state, container, network);
  if (request === undefined) return [];
  const shift = (address: IpAddress | undefined): IpAddress | undefined => {
    const move = address === undefined ? undefined : moveOf(address, moves);
    if (address === undefined || move === undefined) return address;
    return moveAddress(address, move.from.subnet, move.to.subnet);
  };
  const [address, address6] = [shift(request.address), shift(request.address6)];
  if (address === request.address && address6 === request.address6) return [];
  const changed = {
    ...request,
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
  };
  const endpoints = container.spec.endpoints.map((one) => (one === request ? changed : one));
  return [{ ...container, spec: { ...container.spec, endpoints } }];
}
