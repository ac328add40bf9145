import dgram from 'node:dgram';
import { familyOf } from '../model/address.ts';
import type { NamespaceName } from '../model/resource.ts';
import { DNS_PORT, type Exchange, type Outgoing, RandomIds, type Settle, withId } from './exchange.ts';
import { HEADER_SIZE, isReplyTo } from './message.ts';
import type { OpenSocket, Upstream } from './names.ts';

/** Queries one source port carries before the next is taken: making a socket costs more than an answer */
const QUERIES_PER_SOCKET = 32;
/** Milliseconds a socket takes queries, so that its port is not worth guessing and no idle one holds a namespace */
const SOCKET_LIFE = 2_000;

/** UDP queries to servers. Sockets are shared by the queries of a moment, each with a random port and random ids. */
export class UdpExchanges {
  readonly #openSocket: OpenSocket;
  readonly #ids = new RandomIds();
  /** What takes new queries, by server and the namespace it is asked from */
  readonly #current = new Map<string, UpstreamSocket>();
  /** All that are open, by the namespace they live in */
  readonly #open = new Map<NamespaceName, Set<UpstreamSocket>>();

  constructor(openSocket: OpenSocket) {
    this.#openSocket = openSocket;
  }

  /** @throws when no socket can be had in the namespace, or the address is out of its reach */
  ask(upstream: Upstream, outgoing: Outgoing, settle: Settle): Exchange {
    const home = upstream.from === 'host' ? 'host' : outgoing.namespace;
    const key = `${home} ${upstream.address} ${upstream.port ?? DNS_PORT}`;
    const current = this.#current.get(key);
    if (current?.usable === true) return current.ask(outgoing, settle);
    const opened = this.#openUpstream(upstream, home, key);
    return opened.ask(outgoing, settle);
  }

  /** Closes what is open in a namespace, which would live on as long as a socket of ours does. */
  close(namespace: NamespaceName): void {
    for (const socket of this.#open.get(namespace) ?? []) socket.close();
  }

  #openUpstream(upstream: Upstream, home: NamespaceName, key: string): UpstreamSocket {
    const socket = new UpstreamSocket(connect(upstream, home, this.#openSocket), this.#ids, () => {
      if (this.#current.get(key) === socket) this.#current.delete(key);
      this.#open.get(home)?.delete(socket);
      if (this.#open.get(home)?.size === 0) this.#open.delete(home);
    });
    this.#current.set(key, socket);
    const siblings = this.#open.get(home);
    if (siblings === undefined) this.#open.set(home, new Set([socket]));
    else siblings.add(socket);
    return socket;
  }
}

/** Addresses here are numeric: the system's lookup would only cost a tick, and connecting would not be done on return. */
const numericLookup = (
  address: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
): void => found(null, address, address.includes(':') ? 6 : 4);

/** The kernel passes on what comes from that server alone, and reports when nobody listens there. */
function connect(upstream: Upstream, home: NamespaceName, openSocket: OpenSocket): dgram.Socket {
  const family = familyOf(upstream.address);
  const socket = dgram.createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup: numericLookup });
  try {
    if (home !== 'host') socket.bind({ fd: openSocket(home, { protocol: 'udp', family }), exclusive: true });
    socket.connect(upstream.port ?? DNS_PORT, upstream.address);
    // A question to others is no reason for the daemon to stay
    return socket.unref();
  } catch (error) {
    socket.close();
    throw error;
  }
}

interface Waiting {
  readonly outgoing: Outgoing;
  readonly settle: Settle;
}

/** Takes a few queries for one server, then closes as soon as none of them waits. */
class UpstreamSocket {
  readonly #socket: dgram.Socket;
  readonly #ids: RandomIds;
  readonly #onClose: () => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #retirement: NodeJS.Timeout;
  #left = QUERIES_PER_SOCKET;
  #closed = false;

  constructor(socket: dgram.Socket, ids: RandomIds, onClose: () => void) {
    this.#socket = socket;
    this.#ids = ids;
    this.#onClose = onClose;
    this.#retirement = setTimeout(() => this.#retire(), SOCKET_LIFE).unref();
    socket.on('message', (reply) => this.#receive(reply));
    socket.on('error', () => this.#fail());
  }

  get usable(): boolean {
    return this.#left > 0;
  }

  ask(outgoing: Outgoing, settle: Settle): Exchange {
    let id = this.#ids.take();
    while (this.#waiting.has(id)) id = this.#ids.take();
    this.#socket.send(withId(outgoing.message, id), (error) => {
      if (error !== null) this.#settle(id, undefined);
    });
    this.#waiting.set(id, { outgoing, settle });
    this.#left--;
    return { cancel: () => this.#forget(id) };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#left = 0;
    this.#waiting.clear();
    clearTimeout(this.#retirement);
    this.#socket.close();
    this.#onClose();
  }

  #receive(reply: Buffer): void {
    if (reply.length < HEADER_SIZE) return;
    const id = reply.readUInt16BE(0);
    const outgoing = this.#waiting.get(id)?.outgoing;
    if (outgoing !== undefined && isReplyTo(reply, outgoing.message, outgoing.questionEnd, id)) this.#settle(id, reply);
  }

  #settle(id: number, reply: Buffer | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#forget(id);
    waiting?.settle(reply);
  }

  /** What the kernel reports (nobody listens, no route) holds for every query on this socket. */
  #fail(): void {
    this.#left = 0;
    const waiting = [...this.#waiting.values()];
    this.close();
    for (const { settle } of waiting) settle(undefined);
  }

  #forget(id: number): void {
    this.#waiting.delete(id);
    if (this.#left <= 0 && this.#waiting.size === 0) this.close();
  }

  #retire(): void {
    this.#left = 0;
    if (this.#waiting.size === 0) this.close();
  }
}
