import type { NamespaceName } from '../model/resource.ts';
import { type AnswerSource, answerLocally, asksAddress, EMPTY } from './answers.ts';
import { AnswerCache } from './cache.ts';
import { Forwarder, type Outcome } from './forwarder.ts';
import { parseQuery, type Query, Rcode } from './message.ts';
import type { OpenSocket } from './names.ts';
import { type Answer, replyLimit, truncated, writeRefusal, writeReply } from './reply.ts';
import { SearchMemory } from './search-memory.ts';
import type { UpstreamStatistics } from './upstream-health.ts';

/** Counts since the server began, and what is known about the servers that were asked. */
interface Statistics {
  /** All that were asked */
  readonly questions: number;
  /** From what we know ourselves */
  readonly answered: number;
  /** With another server's answer that was kept */
  readonly cached: number;
  /** With another server's answer */
  readonly forwarded: number;
  /** With SERVFAIL: no server answered */
  readonly failed: number;
  /** Unreadable, or too many at once */
  readonly refused: number;
}

export interface DnsStatistics extends Statistics {
  readonly upstreams: readonly UpstreamStatistics[];
}

/** A query others are to answer. */
interface Unanswered {
  readonly namespace: NamespaceName;
  readonly message: Buffer;
  readonly query: Query;
  readonly protocol: 'udp' | 'tcp';
  /** Under which an answer is kept; undefined: it is the client's alone */
  readonly key?: string;
}

/** Turns a query into its answer, whatever it came by. */
export class Responder {
  readonly #counts = { questions: 0, answered: 0, cached: 0, forwarded: 0, failed: 0, refused: 0 };
  readonly #source: AnswerSource;
  readonly #search = new SearchMemory();
  readonly #forwarder: Forwarder;
  readonly #cache = new AnswerCache();
  /** What was asked before the servers changed is answered, but not kept */
  #epoch = 0;

  constructor(source: AnswerSource, openSocket: OpenSocket) {
    this.#source = source;
    this.#forwarder = new Forwarder(openSocket);
  }

  get statistics(): DnsStatistics {
    return { ...this.#counts, upstreams: this.#forwarder.upstreams };
  }

  /**
   * @param message belongs to the caller again on return
   * @param later called when others are asked, once, and not after the namespace is closed
   * @returns the answer, when no one has to be asked; undefined also for what deserves none
   */
  handle(
    namespace: NamespaceName,
    message: Buffer,
    protocol: 'udp' | 'tcp',
    later: (reply: Buffer) => void,
  ): Buffer | undefined {
    const query = parseQuery(message);
    if (query === undefined) return undefined;
    this.#counts.questions++;
    if (query.kind === 'refusal') {
      this.#counts.refused++;
      return writeRefusal(message, query.rcode);
    }
    const answer = this.#answer(namespace, query);
    if (answer !== undefined) {
      this.#counts.answered++;
      return writeReply(message, query, answer, replyLimit(query, protocol));
    }
    const { scope } = this.#source.names.outside(namespace);
    const key = query.plain ? AnswerCache.key(scope, query) : undefined;
    const kept = key === undefined ? undefined : this.#cache.find(key, message, query.questionEnd);
    if (kept !== undefined) {
      this.#counts.cached++;
      return fitting(message, query, kept, protocol);
    }
    this.#forward({ namespace, message: Buffer.from(message), query, protocol, ...(key && { key }) }, later);
    return undefined;
  }

  /** Forgets what a sandbox still waits for. */
  close(namespace: NamespaceName): void {
    this.#forwarder.close(namespace);
    this.#search.forget(namespace);
  }

  /** The host asks others from now on: what the former ones said may not hold any more. */
  forgetAnswers(): void {
    this.#epoch++;
    this.#cache.clear();
    this.#forwarder.forgetHost();
  }

  /** Our own answer, also to the steps of a search list that follow upon an empty one. */
  #answer(namespace: NamespaceName, query: Query): Answer | undefined {
    const answer = answerLocally(this.#source, namespace, query);
    if (!asksAddress(query.type)) return answer;
    if (answer?.kind === 'empty') this.#search.noteEmpty(namespace, query.name, query.type);
    if (answer !== undefined) return answer;
    const { search } = this.#source.names.outside(namespace);
    return this.#search.isStep(namespace, query.name, query.type, search) ? EMPTY : undefined;
  }

  #forward(asked: Unanswered, later: (reply: Buffer) => void): void {
    const { namespace, message, query, protocol } = asked;
    const outgoing = { namespace, message, questionEnd: query.questionEnd };
    const { upstreams } = this.#source.names.outside(namespace);
    const epoch = this.#epoch;
    this.#forwarder.forward(outgoing, upstreams, protocol, (outcome) => {
      const { key: _, ...unkept } = asked;
      later(this.#conclude(epoch === this.#epoch ? asked : unkept, outcome));
    });
  }

  #conclude({ message, query, protocol, key }: Unanswered, outcome: Outcome): Buffer {
    if (outcome.kind === 'reply') {
      this.#counts.forwarded++;
      if (key !== undefined) this.#cache.store(key, outcome.message, query.questionEnd);
      return fitting(message, query, outcome.message, protocol);
    }
    const refused = outcome.kind === 'refused';
    this.#counts[refused ? 'refused' : 'failed']++;
    const rcode = refused ? Rcode.refused : Rcode.serverFailure;
    return writeReply(message, query, { kind: 'empty', rcode }, replyLimit(query, protocol));
  }
}

/** Somebody's reply as far as the client takes it, whatever that server thinks of limits: an answer is not larger than was asked for. */
function fitting(message: Buffer, query: Query, reply: Buffer, protocol: 'udp' | 'tcp'): Buffer {
  return reply.length > replyLimit(query, protocol) ? truncated(message, query, reply) : reply;
}
