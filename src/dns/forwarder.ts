import type { NamespaceName } from '../model/resource.ts';
import { type Outgoing, RandomIds } from './exchange.ts';
import { askOverTcp } from './exchange-tcp.ts';
import { UdpExchanges } from './exchange-udp.ts';
import { Forward } from './forward.ts';
import { FairLimit } from './limit.ts';
import type { OpenSocket, Upstream } from './names.ts';
import { type RatedUpstream, UpstreamRatings, type UpstreamStatistics } from './upstream-health.ts';

/** Docker's number: queries under way, for all sandboxes together */
const MAX_IN_FLIGHT = 1_024;

/** What became of a forwarded query. */
export type Outcome =
  /** A server's message under the client's id, with the client's question as it wrote it */
  | { readonly kind: 'reply'; readonly message: Buffer }
  /** No server had an answer */
  | { readonly kind: 'failed' }
  /** Too many queries are under way */
  | { readonly kind: 'refused' };

/** Asks other servers what we do not know. */
export class Forwarder {
  readonly #openSocket: OpenSocket;
  readonly #udp: UdpExchanges;
  readonly #ids = new RandomIds();
  readonly #limit = new FairLimit<NamespaceName>(MAX_IN_FLIGHT);
  readonly #ratings = new UpstreamRatings();
  /** Also those that are answered, as long as a server may still tell how slow it is */
  readonly #underWay = new Map<NamespaceName, Map<Forward, 'waiting' | 'answered'>>();

  constructor(openSocket: OpenSocket) {
    this.#openSocket = openSocket;
    this.#udp = new UdpExchanges(openSocket);
  }

  /** Queries under way. */
  get inFlight(): number {
    return this.#limit.held;
  }

  /** What is known about each server that was asked. */
  get upstreams(): UpstreamStatistics[] {
    return this.#ratings.statistics(performance.now());
  }

  /**
   * Asks the servers over the protocol the client used, in their order, those that fail behind those that answer. The next
   * one is asked at once when one fails or says it cannot answer, and a little later when one keeps silent longer than it
   * usually does; the first answer counts.
   * @param done called once, unless the namespace is closed before
   */
  forward(outgoing: Outgoing, servers: readonly Upstream[], protocol: 'udp' | 'tcp', done: (o: Outcome) => void): void {
    const { namespace } = outgoing;
    if (servers.length === 0 || !this.#limit.enter(namespace)) {
      done({ kind: servers.length === 0 ? 'failed' : 'refused' });
      return;
    }
    const forward: Forward = new Forward({
      plan: this.#plan(servers, namespace, protocol),
      observed: protocol === 'udp',
      ask: (upstream, settle) =>
        protocol === 'udp'
          ? this.#udp.ask(upstream, outgoing, settle)
          : askOverTcp(upstream, outgoing, { openSocket: this.#openSocket, ids: this.#ids }, settle),
      done: (reply) => {
        this.#limit.leave(namespace);
        this.#underWay.get(namespace)?.set(forward, 'answered');
        done(reply === undefined ? { kind: 'failed' } : { kind: 'reply', message: restored(reply, outgoing) });
      },
      ended: () => this.#forget(namespace, forward),
    });
    const siblings = this.#underWay.get(namespace);
    if (siblings === undefined) this.#underWay.set(namespace, new Map([[forward, 'waiting']]));
    else siblings.set(forward, 'waiting');
    forward.start();
  }

  /** Drops what is under way for a sandbox and closes every socket in its namespace. */
  close(namespace: NamespaceName): void {
    for (const [forward, state] of this.#underWay.get(namespace) ?? []) {
      forward.cancel();
      if (state === 'waiting') this.#limit.leave(namespace);
    }
    this.#underWay.delete(namespace);
    this.#udp.close(namespace);
    this.#ratings.forget(namespace);
  }

  /** What was learned about servers that are not in use any more is no more of interest. */
  forgetHost(): void {
    this.#ratings.forget('host');
  }

  /** A datagram may be lost: where there is one server only, it is asked a second time. */
  #plan(servers: readonly Upstream[], namespace: NamespaceName, protocol: 'udp' | 'tcp'): RatedUpstream[] {
    const ranked = this.#ratings.rank(servers, namespace, performance.now());
    return ranked.length === 1 && protocol === 'udp' ? [...ranked, ...ranked] : ranked;
  }

  #forget(namespace: NamespaceName, forward: Forward): void {
    const siblings = this.#underWay.get(namespace);
    siblings?.delete(forward);
    if (siblings?.size === 0) this.#underWay.delete(namespace);
  }
}

/** The reply as the client expects it: under its id, and with its own mix of upper and lower case in the question. */
function restored(reply: Buffer, { message, questionEnd }: Outgoing): Buffer {
  message.copy(reply, 0, 0, 2);
  if (reply.readUInt16BE(4) === 1) message.copy(reply, 12, 12, questionEnd);
  return reply;
}
