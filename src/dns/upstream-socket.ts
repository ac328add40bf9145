import { watchReadable } from '../kernel/poll.ts';
import * as sys from '../kernel/sys.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { IncomingDatagrams, OutgoingDatagrams } from './datagrams.ts';
import type { Exchange, Outgoing, RandomIds, Settle } from './exchange.ts';
import { HEADER_SIZE, isReplyTo } from './message.ts';

/** Queries one source port carries before the next is taken: making a socket costs more than an answer */
const QUERIES_PER_SOCKET = 32;
/** Milliseconds a socket takes queries, so that its port is not worth guessing and no idle one holds a namespace */
const SOCKET_LIFE = 2_000;

interface Waiting {
  readonly outgoing: Outgoing;
  readonly settle: Settle;
}

interface SocketParts {
  readonly ids: RandomIds;
  readonly incoming: IncomingDatagrams;
  readonly outgoing: OutgoingDatagrams;
  readonly onClose: () => void;
}

/**
 * A connected UDP socket that takes a few queries for one server, then closes as soon as none of them waits. Not `dgram`: a
 * batch of questions and a batch of answers are one system call each.
 */
export class UpstreamSocket {
  readonly home: NamespaceName;
  readonly #fd: number;
  readonly #parts: SocketParts;
  readonly #watch: Disposable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #retirement: NodeJS.Timeout;
  #left = QUERIES_PER_SOCKET;
  #closed = false;

  /** @param fd belongs to the socket from here on */
  constructor(fd: number, home: NamespaceName, parts: SocketParts) {
    this.#fd = fd;
    this.home = home;
    this.#parts = parts;
    this.#watch = watchReadable(fd, () => this.#receive(), false);
    this.#retirement = setTimeout(() => this.#retire(), SOCKET_LIFE).unref();
  }

  get usable(): boolean {
    return this.#left > 0;
  }

  ask(outgoing: Outgoing, settle: Settle): Exchange {
    const { ids } = this.#parts;
    let id = ids.take();
    while (this.#waiting.has(id)) id = ids.take();
    this.#waiting.set(id, { outgoing, settle });
    this.#left--;
    this.#parts.outgoing.queueAs(this.#fd, outgoing.message, id);
    return { cancel: () => this.#forget(id) };
  }

  /** What the kernel reports (nobody listens, no route) holds for every query on this socket. */
  fail(): void {
    const waiting = [...this.#waiting.values()];
    this.close();
    for (const { settle } of waiting) settle(undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#left = 0;
    this.#waiting.clear();
    clearTimeout(this.#retirement);
    this.#parts.outgoing.forget(this.#fd);
    this.#watch[Symbol.dispose]();
    this.#parts.onClose();
    sys.close(this.#fd);
  }

  /** The replies are looked at after the batch: settling one may close this socket, or ask the next server. */
  #receive(): void {
    const settled: (() => void)[] = [];
    try {
      while (this.#parts.incoming.receive(this.#fd, (reply) => this.#take(reply, settled))) {}
    } catch {
      settled.push(() => this.fail());
    }
    for (const settle of settled) settle();
  }

  #take(view: Buffer, settled: (() => void)[]): void {
    if (view.length < HEADER_SIZE) return;
    const id = view.readUInt16BE(0);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || !isReplyTo(view, waiting.outgoing.message, waiting.outgoing.questionEnd, id)) return;
    const reply = Buffer.from(view);
    this.#forget(id);
    settled.push(() => waiting.settle(reply));
  }

  #forget(id: number): void {
    this.#waiting.delete(id);
    if (this.#left <= 0 && this.#waiting.size === 0) queueMicrotask(() => this.#closeIfIdle());
  }

  #closeIfIdle(): void {
    if (this.#left <= 0 && this.#waiting.size === 0) this.close();
  }

  #retire(): void {
    this.#left = 0;
    this.#closeIfIdle();
  }
}
