import { socketAddress } from '../kernel/socket.ts';
import * as sys from '../kernel/sys.ts';
import { familyOf, type IpAddress } from '../model/address.ts';
import type { NamespaceName } from '../model/resource.ts';
import { DNS_PORT } from './exchange.ts';
import type { OpenSocket, Upstream } from './names.ts';

/** socket(7) */
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

/** The address without its zone. */
export function plainAddress({ address }: Upstream): IpAddress {
  const percent = address.indexOf('%');
  return percent < 0 ? address : (address.slice(0, percent) as IpAddress);
}

/**
 * A socket in the namespace a server is asked from, not connected yet. A zone is an interface there: the socket is bound to it.
 * @throws KernelError when none can be had
 */
export function openToward(
  upstream: Upstream,
  namespace: NamespaceName,
  protocol: 'udp' | 'tcp',
  openSocket: OpenSocket,
): number {
  const family = familyOf(upstream.address);
  const fd = upstream.from === 'host' ? openAtHome(family, protocol) : openSocket(namespace, { protocol, family });
  const percent = upstream.address.indexOf('%');
  if (percent < 0) return fd;
  try {
    sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${upstream.address.slice(percent + 1)}\0`));
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

function openAtHome(family: 4 | 6, protocol: 'udp' | 'tcp'): number {
  return sys.socket(
    family === 4 ? sys.AF_INET : sys.AF_INET6,
    protocol === 'udp' ? sys.SOCK_DGRAM : sys.SOCK_STREAM,
    0,
  );
}

/**
 * A UDP socket that hears that server alone, from a port the kernel draws by lot; it also hears when nobody listens there.
 * @throws KernelError when no socket can be had in the namespace, or the address is out of its reach
 */
export function openUpstream(upstream: Upstream, namespace: NamespaceName, openSocket: OpenSocket): number {
  const fd = openToward(upstream, namespace, 'udp', openSocket);
  try {
    const { port = DNS_PORT } = upstream;
    sys.connect(fd, socketAddress(plainAddress(upstream), port), `reach ${upstream.address} port ${port}`);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}
