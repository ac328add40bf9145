import type { Exchange, Settle } from './exchange.ts';
import { Rcode, rcodeOf } from './message.ts';
import type { Upstream } from './names.ts';
import type { RatedUpstream } from './upstream-health.ts';

/** Docker's number: milliseconds each server has */
const SERVER_TIMEOUT = 4_000;
/** Milliseconds until the next server is tried over TCP, where a slow handshake says little about the server */
const TCP_HEDGE = 1_000;

/** Sends the query to one server. @throws when that is impossible from where it is asked */
type Ask = (upstream: Upstream, settle: Settle) => Exchange;

export interface ForwardOptions {
  readonly ask: Ask;
  /** In the order they are asked */
  readonly plan: readonly RatedUpstream[];
  /** True: over UDP, where answers tell about the server's health, also those that come late */
  readonly observed: boolean;
  /** Called once, unless cancelled before: the first usable answer, or undefined when there is none */
  readonly done: (reply: Buffer | undefined) => void;
  /** Nothing is under way any more */
  readonly ended: () => void;
}

interface Attempt {
  readonly exchange: Exchange;
  readonly rated: RatedUpstream;
  /** Milliseconds of performance.now() */
  readonly sent: number;
  readonly timeout: NodeJS.Timeout;
}

/** One query and the servers it is tried on. */
export class Forward {
  readonly #options: ForwardOptions;
  readonly #attempts = new Set<Attempt>();
  #next = 0;
  /** Asked out of its turn, so not again in it */
  #probed: RatedUpstream | undefined;
  #done = false;
  #hedge: NodeJS.Timeout | undefined;

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Asks the first server, and beside it one that failed before, to see whether it is back: the first answer counts. */
  start(): void {
    this.#askNext();
    if (this.#done || !this.#options.observed) return;
    const now = performance.now();
    const { plan } = this.#options;
    const [first] = plan;
    const failing = plan.slice(this.#next).filter((rated) => rated !== first && !rated.health.isHealthy(now));
    this.#probed = failing.find(({ health }) => health.takeProbe(now));
    if (this.#probed !== undefined) this.#try(this.#probed);
  }

  /** Nothing is reported afterwards. */
  cancel(): void {
    this.#done = true;
    clearTimeout(this.#hedge);
    for (const { exchange, timeout } of this.#attempts) {
      clearTimeout(timeout);
      exchange.cancel();
    }
    this.#attempts.clear();
  }

  /** When no server is left and none is waited for, that was all. */
  #askNext(): void {
    clearTimeout(this.#hedge);
    const { plan, observed } = this.#options;
    for (let rated = plan[this.#next++]; rated !== undefined; rated = plan[this.#next++]) {
      if (rated === this.#probed || !this.#try(rated)) continue;
      const delay = observed ? rated.health.hedgeDelay(performance.now()) : TCP_HEDGE;
      if (this.#next < plan.length) this.#hedge = setTimeout(() => this.#askNext(), delay);
      return;
    }
    if (this.#attempts.size === 0) this.#finish(undefined);
  }

  /** A server whose address has no route, or a sandbox that is just going, is a server that does not answer. */
  #try(rated: RatedUpstream): boolean {
    const sent = performance.now();
    if (this.#options.observed) rated.health.noteAsked(sent);
    try {
      const exchange = this.#options.ask(rated.upstream, (reply) => this.#settle(attempt, reply));
      const timeout = setTimeout(() => this.#expire(attempt), SERVER_TIMEOUT);
      const attempt: Attempt = { exchange, rated, sent, timeout };
      this.#attempts.add(attempt);
      return true;
    } catch {
      if (this.#options.observed) rated.health.noteFailure(true);
      return false;
    }
  }

  #settle(attempt: Attempt, reply: Buffer | undefined): void {
    clearTimeout(attempt.timeout);
    this.#attempts.delete(attempt);
    const usable = reply !== undefined && !isFailure(reply);
    if (this.#options.observed) note(attempt, reply, usable);
    if (!this.#done && usable) this.#finish(reply);
    else if (!this.#done) this.#askAnother(attempt.rated);
    else if (this.#attempts.size === 0) this.#options.ended();
  }

  /** One that has said no says it again: only silence is worth a second question. */
  #askAnother(failed: RatedUpstream): void {
    if (this.#options.plan[this.#next] === failed) this.#next++;
    this.#askNext();
  }

  #expire(attempt: Attempt): void {
    attempt.exchange.cancel();
    this.#attempts.delete(attempt);
    if (this.#options.observed) attempt.rated.health.noteFailure(false);
    if (!this.#done) this.#askNext();
    else if (this.#attempts.size === 0) this.#options.ended();
  }

  /** Servers that have not answered yet may: what they say is not heard, but how long it took is. */
  #finish(reply: Buffer | undefined): void {
    this.#done = true;
    clearTimeout(this.#hedge);
    if (!this.#options.observed) this.cancel();
    for (const { timeout } of this.#attempts) timeout.unref();
    this.#options.done(reply);
    if (this.#attempts.size === 0) this.#options.ended();
  }
}

function note({ rated: { health }, sent }: Attempt, reply: Buffer | undefined, usable: boolean): void {
  if (reply === undefined) {
    health.noteFailure(true);
    return;
  }
  const now = performance.now();
  health.noteReply(now, now - sent, usable);
}

/** Another server may know better. */
function isFailure(reply: Buffer): boolean {
  const rcode = rcodeOf(reply);
  return rcode === Rcode.serverFailure || rcode === Rcode.refused;
}
