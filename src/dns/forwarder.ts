import type { NamespaceName } from '../model/resource.ts';
import { type Exchange, type Outgoing, RandomIds } from './exchange.ts';
import { askOverTcp } from './exchange-tcp.ts';
import { UdpExchanges } from './exchange-udp.ts';
import { FairLimit } from './limit.ts';
import { Rcode, rcodeOf } from './message.ts';
import type { OpenSocket, Upstream } from './names.ts';

/** Docker's numbers: servers asked for one query, and milliseconds each of them has */
const MAX_SERVERS = 3;
const SERVER_TIMEOUT = 4_000;
/** Milliseconds after which the next server is asked too, while the former may still answer */
const HEDGE_DELAY = 1_000;
/** Queries under way for all sandboxes together */
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
  readonly #underWay = new Map<NamespaceName, Set<Forward>>();

  constructor(openSocket: OpenSocket) {
    this.#openSocket = openSocket;
    this.#udp = new UdpExchanges(openSocket);
  }

  /** Queries under way. */
  get inFlight(): number {
    return this.#limit.held;
  }

  /**
   * Asks the servers in their order, over the protocol the client used. The next one is asked at once when one fails or
   * says it cannot answer, and after a second when one keeps silent; the first answer counts.
   * @param done called once, unless the namespace is closed before
   */
  forward(outgoing: Outgoing, servers: readonly Upstream[], protocol: 'udp' | 'tcp', done: (o: Outcome) => void): void {
    const { namespace } = outgoing;
    if (servers.length === 0 || !this.#limit.enter(namespace)) {
      done({ kind: servers.length === 0 ? 'failed' : 'refused' });
      return;
    }
    const ask: Ask = (upstream, settle) =>
      protocol === 'udp'
        ? this.#udp.ask(upstream, outgoing, settle)
        : askOverTcp(upstream, outgoing, { openSocket: this.#openSocket, ids: this.#ids }, settle);
    const forward = new Forward(ask, servers.slice(0, MAX_SERVERS), (reply) => {
      this.#forget(namespace, forward);
      done(reply === undefined ? { kind: 'failed' } : { kind: 'reply', message: restored(reply, outgoing) });
    });
    const siblings = this.#underWay.get(namespace);
    if (siblings === undefined) this.#underWay.set(namespace, new Set([forward]));
    else siblings.add(forward);
    forward.start();
  }

  /** Drops what is under way for a sandbox and closes every socket in its namespace. */
  close(namespace: NamespaceName): void {
    for (const forward of this.#underWay.get(namespace) ?? []) {
      forward.cancel();
      this.#limit.leave(namespace);
    }
    this.#underWay.delete(namespace);
    this.#udp.close(namespace);
  }

  #forget(namespace: NamespaceName, forward: Forward): void {
    const siblings = this.#underWay.get(namespace);
    if (siblings?.delete(forward) !== true) return;
    this.#limit.leave(namespace);
    if (siblings.size === 0) this.#underWay.delete(namespace);
  }
}

type Ask = (upstream: Upstream, settle: (reply: Buffer | undefined) => void) => Exchange;

/** One query and the servers it is tried on. */
class Forward {
  readonly #ask: Ask;
  readonly #servers: readonly Upstream[];
  readonly #done: (reply: Buffer | undefined) => void;
  readonly #attempts = new Map<Exchange, NodeJS.Timeout>();
  #next = 0;
  #hedge: NodeJS.Timeout | undefined;

  constructor(ask: Ask, servers: readonly Upstream[], done: (reply: Buffer | undefined) => void) {
    this.#ask = ask;
    this.#servers = servers;
    this.#done = done;
  }

  /** Asks the next server; when none is left and none is waited for, that was all. */
  start(): void {
    clearTimeout(this.#hedge);
    let attempt: Exchange | undefined;
    while (attempt === undefined) {
      const upstream = this.#servers[this.#next++];
      if (upstream === undefined) {
        if (this.#attempts.size === 0) this.#done(undefined);
        return;
      }
      attempt = this.#try(upstream);
    }
    this.#hedge = setTimeout(() => this.start(), HEDGE_DELAY);
  }

  cancel(): void {
    clearTimeout(this.#hedge);
    for (const [exchange, timer] of this.#attempts) {
      clearTimeout(timer);
      exchange.cancel();
    }
    this.#attempts.clear();
  }

  /** A server whose address has no route, or a sandbox that is just going, is a server that does not answer. */
  #try(upstream: Upstream): Exchange | undefined {
    try {
      const exchange = this.#ask(upstream, (reply) => this.#settle(exchange, reply));
      const expire = (): void => {
        exchange.cancel();
        this.#settle(exchange, undefined);
      };
      this.#attempts.set(exchange, setTimeout(expire, SERVER_TIMEOUT));
      return exchange;
    } catch {
      return undefined;
    }
  }

  #settle(exchange: Exchange, reply: Buffer | undefined): void {
    clearTimeout(this.#attempts.get(exchange));
    this.#attempts.delete(exchange);
    if (reply === undefined || isFailure(reply)) {
      this.start();
      return;
    }
    this.cancel();
    this.#done(reply);
  }
}

/** Another server may know better. */
function isFailure(reply: Buffer): boolean {
  const rcode = rcodeOf(reply);
  return rcode === Rcode.serverFailure || rcode === Rcode.refused;
}

/** The reply as the client expects it: under its id, and with its own mix of upper and lower case in the question. */
function restored(reply: Buffer, { message, questionEnd }: Outgoing): Buffer {
  message.copy(reply, 0, 0, 2);
  if (reply.readUInt16BE(4) === 1) message.copy(reply, 12, 12, questionEnd);
  return reply;
}
