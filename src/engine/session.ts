import { PassThrough, type Writable } from 'node:stream';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { ProcessIo } from '../runtime/process/process.ts';
import type { OutputListener, OutputStream } from './attachment.ts';

/** Where a container's output goes, whoever is attached. */
export interface OutputSink {
  append(stream: OutputStream, chunk: Buffer): void | Promise<void>;
}

/**
 * The streams of one run of a container, or of one exec. Clients attach before there is a process, so the session comes
 * first: listeners wait, what is written to stdin is kept (64 KiB, then the writer waits).
 */
export class Session {
  readonly #listeners = new Set<OutputListener>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #logger: Logger;
  readonly #stdin: PassThrough | undefined;

  /** @param stdin whether the process will have a standard input */
  constructor(logger: Logger, stdin: boolean) {
    this.#logger = logger;
    this.#stdin = stdin ? new PassThrough({ highWaterMark: 64 << 10 }) : undefined;
    // A process that went away while somebody was still typing is no error of the daemon's.
    this.#stdin?.on('error', (error) => logger.debug('standard input broke', { error: error.message }));
  }

  get stdin(): Writable | undefined {
    return this.#stdin;
  }

  /** Fulfilled when all output has been delivered, or when there will be none. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  subscribe(listener: OutputListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called before the process starts, so that nothing it writes is missed. Its end is not the session's. @param sink is told everything first */
  connect(io: ProcessIo, sink?: OutputSink): void {
    io.subscribe((stream, chunk) => this.#deliver(stream, chunk, sink));
    if (io.stdin !== undefined && this.#stdin !== undefined) {
      io.stdin.on('error', (error) => this.#logger.debug('standard input broke', { error: errorMessage(error) }));
      this.#stdin.pipe(io.stdin);
    }
  }

  /** No output comes any more, or ever. */
  end(): void {
    this.#ended.resolve();
    this.#listeners.clear();
    this.#stdin?.unpipe();
    this.#stdin?.destroy();
  }

  /** Waits for the slowest listener: that is the backpressure on the process. */
  #deliver(stream: OutputStream, chunk: Buffer, sink: OutputSink | undefined): void | Promise<void> {
    const waits: Promise<void>[] = [];
    const logged = sink?.append(stream, chunk);
    if (logged instanceof Promise) waits.push(logged);
    // Clients take their time, and the chunk is overwritten with the next one.
    const kept = this.#listeners.size === 0 ? chunk : Buffer.from(chunk);
    for (const listener of this.#listeners) {
      const delivered = listener(stream, kept);
      if (delivered instanceof Promise) waits.push(delivered);
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }
}
