import type { DhcpIdentity } from '../ipam/dhcp/client.ts';
import { familyOf } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Endpoint, Lease } from '../model/network.ts';
import type { Core } from './core.ts';
import { assignGateway } from './endpoints.ts';
import { enact } from './intent.ts';
import { updateSandboxFiles } from './sandbox-files.ts';

/**
 * Gets addresses for endpoints that are up and whose networks leave that to a DHCP server; others have theirs.
 * @throws EngineError unavailable when no server answers
 */
export async function obtainLeases(core: Core, container: Container, endpoints: readonly Endpoint[]): Promise<void> {
  const asking = endpoints.filter((endpoint) => isLeased(core, endpoint));
  await Promise.all(asking.map((endpoint) => core.leases.obtain(endpoint, identityOf(container, endpoint))));
}

/** At the daemon's start: leases of containers that went on running are prolonged as before. */
export function resumeLeases(core: Core): void {
  for (const endpoint of core.state.endpoints.values()) {
    const container = core.state.containers.get(endpoint.container);
    if (container === undefined || !isLeased(core, endpoint)) continue;
    try {
      core.leases.resume(endpoint, identityOf(container, endpoint));
    } catch (error) {
      core.logger.error('a DHCP lease could not be taken up', {
        container: container.name,
        error: errorMessage(error),
      });
    }
  }
}

/** Makes the endpoint, its routes and the container's files follow what the server says. */
export async function followLease(core: Core, { id }: Endpoint, lease: Lease | undefined): Promise<void> {
  const { state } = core;
  const endpoint = state.endpoints.get(id);
  const container = endpoint && state.containers.get(endpoint.container);
  if (endpoint === undefined || container === undefined) return; // it stopped meanwhile
  const { lease: former, ...rest } = endpoint;
  const addresses = [
    ...(lease === undefined ? [] : [lease.address]),
    ...endpoint.addresses.filter((address) => familyOf(address) === 6),
  ];
  const updated: Endpoint = { ...rest, addresses, ...(lease === undefined ? {} : { lease }) };
  const all = state.endpointsOf(container.id).map((one) => (one.id === id ? updated : one));
  await enact(core, { put: { endpoints: assignGateway(core, container, all) } });
  if (former?.address === lease?.address) return;
  updateSandboxFiles(core, container, { removed: endpoint, added: updated });
  core.logger.info('the LAN gave an address', { container: container.name, address: lease?.address ?? 'none' });
}

function isLeased({ state }: Core, { network }: Endpoint): boolean {
  return state.networks.get(network)?.ipamDriver === 'dhcp';
}

/**
 * RFC 4361: 255, four bytes that tell the links of a machine apart (here: the network's id), and a DUID, of which number 4
 * is a UUID of the maker's own (RFC 6355; here: the container's id). So a container that is started again has another
 * MAC address, and gets the same IP address.
 */
function identityOf({ id, spec }: Container, { network, mac }: Endpoint): DhcpIdentity {
  if (mac === undefined) throw new EngineError('internal', 'DHCP needs a link with a MAC address of its own');
  const bytes = (hex: string, count: number) => Buffer.from(hex.slice(0, 2 * count), 'hex');
  const clientId = Uint8Array.from([255, ...bytes(network, 4), 0, 4, ...bytes(id, 16)]);
  return { mac, clientId, hostName: spec.hostname };
}
