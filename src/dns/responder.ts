import type { NamespaceName } from '../model/resource.ts';
import { answerLocally } from './answers.ts';
import { Forwarder } from './forwarder.ts';
import { parseQuery, type Query, Rcode } from './message.ts';
import type { NameSource, OpenSocket, Upstream } from './names.ts';
import { replyLimit, writeRefusal, writeReply } from './reply.ts';

/** Bytes of the largest query that is looked at; what is longer is no honest question */
export const MAX_QUERY = 4_096;

/** Counts since the server began. */
export interface Statistics {
  /** From what we know ourselves */
  answered: number;
  /** With another server's answer */
  forwarded: number;
  /** With an error of our own: unreadable, refused, or no server answered */
  failed: number;
}

/** A query others are to answer. */
interface Unanswered {
  readonly namespace: NamespaceName;
  readonly message: Buffer;
  readonly query: Query;
  readonly protocol: 'udp' | 'tcp';
}

/** Turns a query into its answer, whatever it came by. */
export class Responder {
  readonly statistics: Statistics = { answered: 0, forwarded: 0, failed: 0 };
  readonly #names: NameSource;
  readonly #forwarder: Forwarder;

  constructor(names: NameSource, openSocket: OpenSocket) {
    this.#names = names;
    this.#forwarder = new Forwarder(openSocket);
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
    if (query.kind === 'refusal') {
      this.statistics.failed++;
      return writeRefusal(message, query.rcode);
    }
    const answer = answerLocally(this.#names, namespace, query);
    if (answer === undefined) {
      this.#forward({ namespace, message: Buffer.from(message), query, protocol }, later);
      return undefined;
    }
    this.statistics.answered++;
    return writeReply(message, query, answer, replyLimit(query, protocol));
  }

  /** Forgets what a sandbox still waits for. */
  close(namespace: NamespaceName): void {
    this.#forwarder.close(namespace);
  }

  #forward({ namespace, message, query, protocol }: Unanswered, later: (reply: Buffer) => void): void {
    const outgoing = { namespace, message, questionEnd: query.questionEnd };
    this.#forwarder.forward(outgoing, this.#upstreams(namespace), protocol, (outcome) => {
      if (outcome.kind === 'reply') {
        this.statistics.forwarded++;
        later(outcome.message);
        return;
      }
      this.statistics.failed++;
      const rcode = outcome.kind === 'refused' ? Rcode.refused : Rcode.serverFailure;
      later(writeReply(message, query, { kind: 'empty', rcode }, replyLimit(query, protocol)));
    });
  }

  /** A sandbox on internal networks only reaches no server by way of the host, but may have one of its own. */
  #upstreams(namespace: NamespaceName): readonly Upstream[] {
    const upstreams = this.#names.upstreams(namespace);
    return this.#names.forwards(namespace) ? upstreams : upstreams.filter((upstream) => upstream.from === 'sandbox');
  }
}
