import { closeSync } from 'node:fs';
import type { Logger } from '../model/logger.ts';
import type { NamespaceName } from '../model/resource.ts';
import { IncomingDatagrams, OutgoingDatagrams } from './datagrams.ts';
import { FairLimit } from './limit.ts';
import { MAX_QUERY } from './message.ts';
import type { NameSource, OpenSocket } from './names.ts';
import { type DnsStatistics, Responder } from './responder.ts';
import type { ServicePorts } from './services.ts';
import { listenTcp } from './tcp-listener.ts';
import { listenUdp } from './udp-listener.ts';

export type { NameSource, Upstream } from './names.ts';
export type { DnsStatistics } from './responder.ts';
export type { UpstreamStatistics } from './upstream-health.ts';

/** TCP connections of all sandboxes together */
const MAX_TCP_CLIENTS = 1_024;

export interface DnsServerOptions {
  readonly names: NameSource;
  /** What SRV questions mean by a port's name */
  readonly servicePorts: ServicePorts;
  readonly logger: Logger;
  /** Makes the sockets by which servers of `--dns` are asked from inside a sandbox */
  readonly openSocket: OpenSocket;
}

/** Sockets of one sandbox: UDP bound, TCP bound and listening. */
export interface ResolverSockets {
  readonly udp: number;
  readonly tcp: number;
}

/** The resolver that containers see at 127.0.0.11, for all sandboxes of the daemon. */
export class DnsServer {
  readonly #logger: Logger;
  readonly #responder: Responder;
  readonly #buffers = { incoming: new IncomingDatagrams(MAX_QUERY), outgoing: new OutgoingDatagrams(MAX_QUERY) };
  readonly #tcpClients = new FairLimit<NamespaceName>(MAX_TCP_CLIENTS);
  readonly #attached = new Set<DisposableStack>();

  constructor(options: DnsServerOptions) {
    this.#logger = options.logger;
    this.#responder = new Responder(options, options.openSocket);
  }

  /** Counts since the server began. */
  get statistics(): DnsStatistics {
    return this.#responder.statistics;
  }

  /** To be called when the host asks other servers than before: answers of the former ones are not given any more. */
  forgetAnswers(): void {
    this.#responder.forgetAnswers();
  }

  /**
   * Serves a sandbox. The descriptors belong to the server from here on, also when it throws: disposing closes them,
   * drops what is under way and leaves nothing of ours open in the sandbox's namespace. They must have been bound while
   * the sandbox's lo was up, or the kernel answers from 127.0.0.1.
   * @throws KernelError when the UDP descriptor is no socket
   */
  attach(namespace: NamespaceName, sockets: ResolverSockets): Disposable {
    using building = new DisposableStack();
    building.defer(() => this.#responder.close(namespace));
    building.use(this.#listenTcp(namespace, sockets.tcp));
    building.adopt(sockets.udp, closeSync);
    building.use(listenUdp(namespace, sockets.udp, this.#responder, this.#buffers));
    const attached = building.move();
    attached.defer(() => this.#attached.delete(attached));
    this.#attached.add(attached);
    this.#logger.debug('resolver attached', { namespace });
    return attached;
  }

  #listenTcp(namespace: NamespaceName, fd: number): Disposable {
    return listenTcp(namespace, fd, this.#responder, {
      clients: this.#tcpClients,
      onError: (error) => this.#logger.warn('the resolver takes no TCP', { namespace, error: error.message }),
    });
  }

  /** Ends all sandboxes' service. */
  close(): void {
    for (const attached of this.#attached) attached.dispose();
  }
}
