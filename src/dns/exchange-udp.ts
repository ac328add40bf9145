import type { NamespaceName } from '../model/resource.ts';
import { IncomingDatagrams, OutgoingDatagrams } from './datagrams.ts';
import { DNS_PORT, type Exchange, type Outgoing, RandomIds, type Settle } from './exchange.ts';
import { MAX_QUERY } from './message.ts';
import type { OpenSocket, Upstream } from './names.ts';
import { openUpstream } from './upstream-address.ts';
import { UpstreamSocket } from './upstream-socket.ts';

/** Bytes of the largest answer: what 16 bits can say */
const MAX_REPLY = 65_535;

/** UDP queries to servers. Sockets are shared by the queries of a moment, each with a random port and random ids. */
export class UdpExchanges {
  readonly #openSocket: OpenSocket;
  readonly #ids = new RandomIds();
  readonly #incoming = new IncomingDatagrams(MAX_REPLY);
  readonly #outgoing = new OutgoingDatagrams(MAX_QUERY, (fd) => this.#sockets.get(fd)?.fail());
  /** What takes new queries, by server and the namespace it is asked from */
  readonly #current = new Map<string, UpstreamSocket>();
  /** All that are open */
  readonly #sockets = new Map<number, UpstreamSocket>();

  constructor(openSocket: OpenSocket) {
    this.#openSocket = openSocket;
  }

  /** @throws when no socket can be had in the namespace, or the address is out of its reach */
  ask(upstream: Upstream, outgoing: Outgoing, settle: Settle): Exchange {
    const home = upstream.from === 'host' ? 'host' : outgoing.namespace;
    const key = `${home} ${upstream.address} ${upstream.port ?? DNS_PORT}`;
    let socket = this.#current.get(key);
    if (socket?.usable !== true) {
      socket = this.#open(upstream, home, key);
      this.#current.set(key, socket);
    }
    return socket.ask(outgoing, settle);
  }

  /** Closes what is open in a namespace, which would live on as long as a socket of ours does. */
  close(namespace: NamespaceName): void {
    for (const socket of this.#sockets.values()) if (socket.home === namespace) socket.close();
  }

  #open(upstream: Upstream, home: NamespaceName, key: string): UpstreamSocket {
    const fd = openUpstream(upstream, home, this.#openSocket);
    const socket = new UpstreamSocket(fd, home, {
      ids: this.#ids,
      incoming: this.#incoming,
      outgoing: this.#outgoing,
      onClose: () => {
        this.#sockets.delete(fd);
        if (this.#current.get(key) === socket) this.#current.delete(key);
      },
    });
    this.#sockets.set(fd, socket);
    return socket;
  }
}
