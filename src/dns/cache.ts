import type { Lifetime } from './lifetime.ts';
import { lifetimeOf } from './lifetime.ts';
import { HEADER_SIZE, type Query } from './message.ts';

/** Answers kept at most, and bytes of all of them: a bound on memory, whatever is asked */
const MAX_ANSWERS = 8_192;
const MAX_BYTES = 2 << 20;
/** What is larger is kept by nobody: one sandbox could push out everything else */
const MAX_MESSAGE = 4_096;
/** Bytes an entry takes beside its message: key, offsets and objects, as measured by heap snapshots, roundly */
const OVERHEAD = 400;
/** Seconds an answer is kept at most. The host's resolver knows better soon; a change should not take a day to arrive. */
const MAX_POSITIVE = 3_600;
/** RFC 2308 section 5 suggests one to three hours at most; who waits for a record of his to appear waits for this. */
const MAX_NEGATIVE = 300;

interface Entry {
  readonly message: Buffer;
  readonly ttls: readonly number[];
  /** Milliseconds of Date.now(), which goes on while the machine sleeps */
  readonly stored: number;
  readonly until: number;
}

/**
 * Answers of other servers, as long as they hold. Who asks other servers, or from another place, has other answers: the
 * key says both, and what changes the answer (see Query.flags).
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** @param scope see Outside.scope */
  static key(scope: string, query: Query): string {
    return `${scope} ${query.type} ${query.class} ${query.flags} ${query.name}`;
  }

  /** Keeps a server's message if it may be kept. It must have the question that was asked. */
  store(key: string, message: Buffer, questionEnd: number): void {
    this.#drop(key);
    if (message.length > MAX_MESSAGE) return;
    const lifetime = lifetimeOf(message, questionEnd);
    if (lifetime === undefined) return;
    const stored = Date.now();
    const until = stored + keptSeconds(lifetime) * 1_000;
    this.#entries.set(key, { message: Buffer.from(message), ttls: lifetime.ttls, stored, until });
    this.#bytes += cost(key, message);
    this.#shrink();
  }

  /**
   * @param query the client's message, whose id and question (with its mix of cases) the answer gets
   * @returns a message of its own with TTLs counted down, or undefined when nothing that still holds is kept
   */
  find(key: string, query: Buffer, questionEnd: number): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = Date.now();
    // A clock that was set back says nothing about how old an answer is
    if (now >= entry.until || now < entry.stored) {
      this.#drop(key);
      return undefined;
    }
    return aged(entry, query, questionEnd, Math.floor((now - entry.stored) / 1_000));
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** The oldest go first. Popular ones are asked for again and come back young. */
  #shrink(): void {
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ANSWERS && this.#bytes <= MAX_BYTES) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= cost(key, entry.message);
  }
}

function keptSeconds({ seconds, negative }: Lifetime): number {
  return Math.min(seconds, negative ? MAX_NEGATIVE : MAX_POSITIVE);
}

function cost(key: string, message: Buffer): number {
  return key.length + message.length + OVERHEAD;
}

function aged({ message, ttls }: Entry, query: Buffer, questionEnd: number, age: number): Buffer {
  const reply = Buffer.from(message);
  query.copy(reply, 0, 0, 2);
  query.copy(reply, HEADER_SIZE, HEADER_SIZE, questionEnd);
  if (age > 0) for (const at of ttls) reply.writeUInt32BE(Math.max(reply.readUInt32BE(at) - age, 0), at);
  return reply;
}
