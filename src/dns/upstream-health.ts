import type { NamespaceName } from '../model/resource.ts';
import { DNS_PORT } from './exchange.ts';
import type { Upstream } from './names.ts';

/** Milliseconds the first server has before the next is asked too, when nothing is known about its speed */
const FIRST_DELAY = 300;
/** Bounds of that delay when something is: shorter would double the questions for a hiccup, longer is felt */
const MIN_DELAY = 50;
const MAX_DELAY = 1_000;
/** Milliseconds without a word, questions waiting, after which a server comes behind those that answer */
const PATIENCE = 400;
/** Errors (SERVFAIL, REFUSED) in a row after which it does, too: one name's trouble is not the server's */
const MAX_ERRORS = 5;
/** Milliseconds until one that failed is asked beside the others, doubled each time it fails again */
const FIRST_PROBE = 1_000;
const MAX_PROBE = 30_000;
/** RFC 6298 section 2: how fast the smoothed round trip and its deviation follow */
const ALPHA = 1 / 8;
const BETA = 1 / 4;

/** What is told about a server in `fairway status` and the metrics. */
export interface UpstreamStatistics {
  /** "192.0.2.1", with its port when that is not 53 */
  readonly server: string;
  /** The namespace it is asked from */
  readonly from: NamespaceName;
  readonly healthy: boolean;
  /** Smoothed milliseconds between question and answer; undefined before the first */
  readonly latency?: number;
  readonly asked: number;
  readonly answered: number;
  /** Answers that say SERVFAIL or REFUSED, and questions the network or four seconds of silence ended */
  readonly failed: number;
}

/** What experience says about one server, asked from one place. Times are milliseconds of performance.now(). */
export class UpstreamHealth {
  readonly #server: string;
  readonly #from: NamespaceName;
  #latency: number | undefined;
  #deviation = 0;
  /** The first question since its last word; undefined while it owes nothing */
  #silentSince: number | undefined;
  #errors = 0;
  #probeDelay = FIRST_PROBE;
  #nextProbe = 0;
  #asked = 0;
  #answered = 0;
  #failed = 0;

  constructor(server: string, from: NamespaceName) {
    this.#server = server;
    this.#from = from;
  }

  /** False: others are to be asked first. */
  isHealthy(now: number): boolean {
    if (this.#errors >= MAX_ERRORS) return false;
    return this.#silentSince === undefined || now - this.#silentSince < PATIENCE;
  }

  /** Milliseconds to wait for it before the next server is asked too. */
  hedgeDelay(now: number): number {
    if (!this.isHealthy(now)) return MIN_DELAY;
    if (this.#latency === undefined) return FIRST_DELAY;
    return Math.min(Math.max(Math.ceil(this.#latency + 4 * this.#deviation), MIN_DELAY), MAX_DELAY);
  }

  /** Whether a question should go to it beside the one that is asked first, to see whether it is back. Says so once a while. */
  takeProbe(now: number): boolean {
    if (now < this.#nextProbe) return false;
    this.#nextProbe = now + this.#probeDelay;
    this.#probeDelay = Math.min(this.#probeDelay * 2, MAX_PROBE);
    return true;
  }

  noteAsked(now: number): void {
    this.#asked++;
    this.#silentSince ??= now;
  }

  /** @param usable false: it said that it cannot answer */
  noteReply(now: number, latency: number, usable: boolean): void {
    this.#silentSince = undefined;
    this.#smooth(latency);
    if (!usable) {
      this.#failed++;
      this.#errors++;
      return;
    }
    this.#answered++;
    this.#errors = 0;
    this.#probeDelay = FIRST_PROBE;
    this.#nextProbe = now;
  }

  /** It did not answer. @param known true: the network said so at once (nobody listens, no route) */
  noteFailure(known: boolean): void {
    this.#failed++;
    if (known) this.#silentSince = Number.NEGATIVE_INFINITY;
  }

  statistics(now: number): UpstreamStatistics {
    return {
      server: this.#server,
      from: this.#from,
      healthy: this.isHealthy(now),
      ...(this.#latency === undefined ? {} : { latency: this.#latency }),
      asked: this.#asked,
      answered: this.#answered,
      failed: this.#failed,
    };
  }

  #smooth(sample: number): void {
    if (this.#latency === undefined) {
      this.#latency = sample;
      this.#deviation = sample / 2;
      return;
    }
    this.#deviation += BETA * (Math.abs(this.#latency - sample) - this.#deviation);
    this.#latency += ALPHA * (sample - this.#latency);
  }
}

/** A server with what is known about it. */
export interface RatedUpstream {
  readonly upstream: Upstream;
  readonly health: UpstreamHealth;
}

/** Experience with all servers, by the place they are asked from (docs/decisions/0010). */
export class UpstreamRatings {
  readonly #places = new Map<NamespaceName, Map<string, UpstreamHealth>>();

  /**
   * The servers in the order they should be asked: as they are listed, since who writes them down means something by it
   * (an office's server knows names that a public one denies), but those that fail behind those that answer.
   */
  rank(upstreams: readonly Upstream[], namespace: NamespaceName, now: number): RatedUpstream[] {
    const failing: RatedUpstream[] = [];
    const ranked: RatedUpstream[] = [];
    for (const upstream of upstreams) {
      const health = this.#find(upstream, upstream.from === 'host' ? 'host' : namespace);
      (health.isHealthy(now) ? ranked : failing).push({ upstream, health });
    }
    if (failing.length > 0) ranked.push(...failing);
    return ranked;
  }

  statistics(now: number): UpstreamStatistics[] {
    const all = [...this.#places.values()].flatMap((servers) => [...servers.values()]);
    return all.map((health) => health.statistics(now));
  }

  forget(namespace: NamespaceName): void {
    this.#places.delete(namespace);
  }

  #find({ address, port = DNS_PORT }: Upstream, from: NamespaceName): UpstreamHealth {
    const servers = this.#places.get(from) ?? new Map<string, UpstreamHealth>();
    if (servers.size === 0) this.#places.set(from, servers);
    const key = port === DNS_PORT ? address : `${address}#${port}`;
    const known = servers.get(key);
    if (known !== undefined) return known;
    const health = new UpstreamHealth(key, from);
    servers.set(key, health);
    return health;
  }
}
