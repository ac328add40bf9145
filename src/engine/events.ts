import type { EngineEvent, EventType } from '../model/event.ts';

export interface EventQuery {
  /** Nanoseconds since 1970; events of the past from here on come first. Unless told: none, or all when `until` is told */
  readonly since?: bigint;
  /** The stream ends here; in the past: when history is told */
  readonly until?: bigint;
  readonly signal: AbortSignal;
}

/** Docker keeps 256 events for `--since`; so that a busy minute still fits, more are kept here: about 1 MB. */
const HISTORY = 2048;
/** A subscriber that does not read is cut off here instead of growing without bound. */
const BACKLOG = 16_384;

/** What happened, told to whoever listens, with a bounded history for `--since`. */
export class Events {
  readonly #history: EngineEvent[] = [];
  readonly #subscribers = new Set<Subscriber>();
  readonly #clock: () => bigint;
  #last = 0n;

  /** @param clock nanoseconds since 1970 */
  constructor(clock: () => bigint = wallClock) {
    this.#clock = clock;
  }

  get listeners(): number {
    return this.#subscribers.size;
  }

  /** No two events carry the same time, and none an earlier one than its predecessor. */
  emit(type: EventType, action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    const now = this.#clock();
    this.#last = now > this.#last ? now : this.#last + 1n;
    const event: EngineEvent = { type, action, id, attributes, timeNano: this.#last };
    this.#history.push(event);
    if (this.#history.length > HISTORY) this.#history.shift();
    for (const subscriber of this.#subscribers) subscriber.push(event);
  }

  /** Subscribes at once, not at the first read. Ends at `until`, when the signal aborts, or when the reader lags too far behind. */
  subscribe(query: EventQuery): AsyncIterable<EngineEvent> {
    const subscriber = new Subscriber(query.until, () => this.#subscribers.delete(subscriber));
    const since = query.since ?? (query.until === undefined ? undefined : 0n);
    if (since !== undefined) {
      for (const event of this.#history) if (event.timeNano >= since) subscriber.push(event);
    }
    const remaining = query.until === undefined ? undefined : Number((query.until - this.#clock()) / 1_000_000n);
    if (query.signal.aborted || (remaining !== undefined && remaining <= 0)) subscriber.end();
    else {
      this.#subscribers.add(subscriber);
      subscriber.endOn(query.signal, remaining);
    }
    return subscriber.read();
  }
}

class Subscriber {
  readonly #queue: EngineEvent[] = [];
  readonly #until: bigint | undefined;
  readonly #left: () => void;
  #ended = false;
  #wake: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(until: bigint | undefined, left: () => void) {
    this.#until = until;
    this.#left = left;
  }

  push(event: EngineEvent): void {
    if (this.#ended || (this.#until !== undefined && event.timeNano > this.#until)) return;
    this.#queue.push(event);
    if (this.#queue.length > BACKLOG) this.end();
    this.#wake();
  }

  /** @param remaining milliseconds */
  endOn(signal: AbortSignal, remaining: number | undefined): void {
    signal.addEventListener('abort', () => this.end(), { once: true });
    if (remaining !== undefined) this.#timer = setTimeout(() => this.end(), Math.min(remaining, 0x7fffffff));
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#left();
    this.#wake();
  }

  async *read(): AsyncGenerator<EngineEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event !== undefined) yield event;
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.end();
    }
  }
}

/** Milliseconds are all the wall clock gives Node; `emit` keeps the order below that. */
function wallClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
