import { familyOf, type IpAddress } from '../model/address.ts';
import type { BridgeRule, OpenRule, PublishRule, TransportProtocol } from '../model/firewall.ts';
import type { Resource } from '../model/resource.ts';
import type { Core } from './core.ts';

/** Something of a container that others reach, and who they are. */
export interface Exposure {
  readonly container: string;
  readonly network: string;
  /** "0.0.0.0:8080", "[::]:5000-5003"; of a container's own address where nothing is translated; "10.0.0.2:*" for all ports */
  readonly address: string;
  readonly protocol: TransportProtocol | 'any';
  readonly containerPort: string;
  /** "LAN", "host", "other networks", or a link of the host that is trusted */
  readonly from: readonly string[];
  /** What the host's own firewall would have said of the host's port: accept, drop, or the rule that asks more than is known */
  readonly hostFirewall: string;
}

const EVERYBODY = ['LAN', 'host', 'other networks'] as const;

/** What is reachable from where, told from the very description that the kernel follows. */
export function exposures(core: Core): Exposure[] {
  const { state, reconciler } = core;
  const desired = reconciler.desired();
  const ask = { 4: reconciler.hostInput(4), 6: reconciler.hostInput(6) };
  return [...state.endpoints.values()].flatMap(({ id, container, network, addresses }) => {
    const names = {
      container: state.containers.get(container)?.name ?? container,
      network: state.networks.get(network)?.name ?? network,
    };
    const own = desired.get(`endpoint:${id}`) ?? [];
    const open = addresses.flatMap((address) => unprotected(address, desired.get(`network:${network}`) ?? []));
    const published = own.flatMap((resource) => {
      if (resource.kind !== 'firewall') return [];
      if (resource.meaning === 'open') return [byOwnAddress(resource)];
      if (resource.meaning !== 'publish') return [];
      const { hostAddress, hostPort: port, protocol } = resource;
      return [{ ...byHost(resource), hostFirewall: ask[familyOf(hostAddress)]({ protocol, port }) }];
    });
    return [...published, ...open].map((exposure) => ({ ...names, ...exposure }));
  });
}

function byHost({ protocol, hostAddress, hostPort, count, port }: PublishRule) {
  const loopback = hostAddress.startsWith('127.') || hostAddress === '::1';
  return {
    address: `${bracketed(hostAddress)}:${range(hostPort, count)}`,
    protocol,
    containerPort: range(port, count),
    from: loopback ? ['host'] : EVERYBODY,
  };
}

/** The host reaches its containers in any case. */
function byOwnAddress({ protocol, address, port, count, through }: OpenRule) {
  const ports = range(port, count);
  const from = through === undefined ? EVERYBODY : [`link ${through}`, 'host'];
  return { address: `${bracketed(address)}:${ports}`, protocol, containerPort: ports, from, hostFirewall: '' };
}

function unprotected(address: string, network: readonly Resource[]) {
  const [own = ''] = address.split('/');
  const family = own.includes(':') ? 6 : 4;
  const open = network.some(
    (resource) => isBridge(resource) && familyOf(resource.subnet) === family && resource.mode === 'nat-unprotected',
  );
  if (!open) return [];
  const from = ['LAN', 'host'] as const;
  return [{ address: `${bracketed(own)}:*`, protocol: 'any', containerPort: '*', from, hostFirewall: '' } as const];
}

function isBridge(resource: Resource): resource is BridgeRule {
  return resource.kind === 'firewall' && resource.meaning === 'bridge';
}

function range(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`;
}

function bracketed(address: IpAddress | string): string {
  return address.includes(':') ? `[${address}]` : address;
}
