import { addressBytes, familyOf, type IpAddress, parseIpAddress } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import type { TransportProtocol } from '../model/firewall.ts';
import type { NetworkNamespace } from './netns.ts';
import * as sys from './sys.ts';

/** A socket that is open, and the port it got. */
export interface OpenSocket {
  readonly fd: number;
  readonly port: number;
}

const IPPROTO_SCTP = 132;
const SOL_IP = 0;
const IP_FREEBIND = 15;
const SOL_IPV6 = 41;
/** A socket on "::" takes IPv6 alone, and leaves the port of IPv4 to another, or not */
const IPV6_V6ONLY = 26;
const IPV6_FREEBIND = 78;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUF = 8;
const MAX_BACKLOG = 4096;

/** A UDP socket in a namespace, for `dgram`'s bind({fd}). @param port 0: any free one */
export function openUdp(namespace: NetworkNamespace, address: IpAddress, port: number): OpenSocket {
  return open(namespace, new Wanted('udp', address, port));
}

/** A listening TCP socket in a namespace, for `net.Server`'s listen({fd}). @param port 0: any free one */
export function openTcpListener(namespace: NetworkNamespace, address: IpAddress, port: number): OpenSocket {
  const before = (fd: number) => sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const socket = open(namespace, new Wanted('tcp', address, port), before);
  try {
    sys.listen(socket.fd, MAX_BACKLOG);
    return socket;
  } catch (error) {
    closeSocket(socket);
    throw error;
  }
}

/** Closes a socket Node has not taken over. */
export function closeSocket(socket: OpenSocket): void {
  sys.close(socket.fd);
}

/** Ports of one address of the host. */
interface HostPorts {
  readonly protocol: TransportProtocol;
  readonly address: IpAddress;
  readonly port: number;
  readonly count: number;
  /** Of "::": IPv4's ports too */
  readonly dualStack?: boolean;
}

/** Whether the kernel has sockets of SCTP: it loads them when they are asked for, where they are built. */
export function speaksSctp(namespace: NetworkNamespace): boolean {
  try {
    sys.close(namespace.run(() => sys.socket(sys.AF_INET, sys.SOCK_STREAM, IPPROTO_SCTP)));
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EPROTONOSUPPORT') return false;
    throw error;
  }
}

/** What is done with the sockets of neighbouring ports, in their order; they belong to what it returns, which undoes that. */
export type KeepSockets = (sockets: readonly OpenSocket[]) => Disposable;

/**
 * Holds ports of the host so that nobody else gets them: bound sockets that answer nothing. All or none. Where the kernel has no
 * sockets of SCTP nobody else can have them, and nothing is held.
 * @param keep takes the sockets over, with TCP's listening; unless told, they are closed in the end
 * @throws KernelError EADDRINUSE naming the port, EADDRNOTAVAIL when the host has no such address
 */
export function reservePorts(
  namespace: NetworkNamespace,
  { protocol, address, port: first, count, dualStack }: HostPorts,
  keep?: KeepSockets,
): Disposable {
  if (protocol === 'sctp' && !speaksSctp(namespace)) return { [Symbol.dispose]: () => undefined };
  const wanted = new Wanted(protocol, address, first, dualStack);
  const sockets: OpenSocket[] = [];
  const close = () => sockets.forEach(closeSocket);
  try {
    namespace.run(() => {
      for (; wanted.port < first + count; wanted.port++) sockets.push(reserve(wanted, keep !== undefined));
    });
    return keep?.(sockets) ?? { [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A socket without SO_REUSEADDR excludes every other, with it or without. */
function reserve(wanted: Wanted, answers: boolean): OpenSocket {
  if (wanted.protocol === 'udp') {
    // What arrives here was not redirected, and when nobody reads it, it shall take no memory
    const deaf = (fd: number) => sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 0);
    return openHere(wanted, answers ? undefined : deaf);
  }
  if (wanted.protocol === 'sctp') return openHere(wanted);
  const socket = reserveTcp(wanted);
  if (!answers) return socket;
  // A socket that listens excludes others also with it. Its connections inherit it: else the closing ones would keep the port
  // from the next daemon for a minute.
  sys.setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, 1);
  sys.listen(socket.fd, MAX_BACKLOG);
  return socket;
}

function reserveTcp(wanted: Wanted): OpenSocket {
  try {
    return openHere(wanted);
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'EADDRINUSE') throw error;
    return reserveAfterServer(wanted, error);
  }
}

/** In the host's loopback network, and in the one that is to be discarded (RFC 6666); nobody's */
const UNUSED = { 4: parseIpAddress('127.255.255.254'), 6: parseIpAddress('100::1') } as const;

/**
 * Connections of an earlier server that are still closing (TIME_WAIT) refuse a plain socket for a minute. SO_REUSEADDR gets
 * past them, not past a server that listens. But then the kernel remembers the port as shareable (inet_bind_bucket.fastreuse)
 * and would let others bind it as well; a plain socket on an unused address beforehand, closed again, ends that.
 */
function reserveAfterServer(wanted: Wanted, refused: KernelError): OpenSocket {
  try {
    const family = familyOf(wanted.address);
    const [level, option] = family === 4 ? [SOL_IP, IP_FREEBIND] : [SOL_IPV6, IPV6_FREEBIND];
    const unused = new Wanted('tcp', UNUSED[family], wanted.port);
    closeSocket(openHere(unused, (fd) => sys.setsockopt(fd, level, option, 1)));
  } catch {
    throw refused; // a server on all addresses
  }
  const socket = openHere(wanted, (fd) => sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1));
  sys.setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, 0);
  return socket;
}

/** What a socket is to be bound to. The next port's is the same object: of 500 ports, two of everything are a thousand. */
class Wanted {
  readonly protocol: TransportProtocol;
  readonly address: IpAddress;
  readonly dualStack: boolean;
  /** As the kernel reads them, see socketAddress() */
  readonly name: Buffer;
  #port: number;

  /** @param port 0: any free one @param dualStack of "::": IPv4 as well */
  constructor(protocol: TransportProtocol, address: IpAddress, port: number, dualStack = false) {
    this.protocol = protocol;
    this.address = address;
    this.dualStack = dualStack;
    this.name = socketAddress(address, port);
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  set port(port: number) {
    this.#port = port;
    this.name.writeUInt16BE(port, 2);
  }
}

function open(namespace: NetworkNamespace, wanted: Wanted, beforeBind?: (fd: number) => void): OpenSocket {
  return namespace.run(() => openHere(wanted, beforeBind));
}

/** In the namespace where the caller is. */
function openHere({ protocol, address, port, name, dualStack }: Wanted, beforeBind?: (fd: number) => void): OpenSocket {
  const family = name.readUInt16LE(0);
  const type = protocol === 'udp' ? sys.SOCK_DGRAM : sys.SOCK_STREAM;
  const fd = sys.socket(family, type, protocol === 'sctp' ? IPPROTO_SCTP : 0);
  try {
    if (family === sys.AF_INET6) sys.setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    beforeBind?.(fd);
    sys.bind(fd, name, `bind ${protocol} ${address} port ${port}`);
    return { fd, port: port === 0 ? portOf(fd) : port };
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** The port a socket is bound to. */
export function portOf(fd: number): number {
  return sys.getsockname(fd).readUInt16BE(2);
}

/** struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)) */
export function socketAddress(address: IpAddress, port: number): Buffer {
  const bytes = addressBytes(address);
  const four = bytes.length === 4;
  const result = Buffer.alloc(four ? 16 : 28);
  result.writeUInt16LE(four ? sys.AF_INET : sys.AF_INET6, 0);
  result.writeUInt16BE(port, 2);
  result.set(bytes, four ? 4 : 8);
  return result;
}
