import { Duplex } from 'node:stream';

/** A connection within a call that goes both ways: what comes in messages is read from it, what is written to it goes in messages. */
export class Tunnel extends Duplex {
  readonly #incoming: AsyncIterator<Buffer>;
  readonly #waiting: Buffer[] = [];
  #wake: () => void = () => undefined;
  #written: () => void = () => undefined;

  constructor(incoming: AsyncIterable<Buffer>) {
    super();
    this.#incoming = incoming[Symbol.asyncIterator]();
    // Whoever uses it hears of its end by its close.
    this.on('error', () => undefined);
  }

  override _read(): void {
    this.#incoming.next().then(
      (next) => this.push(next.done === true ? null : next.value),
      (error: Error) => this.destroy(error),
    );
  }

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    this.#waiting.push(chunk);
    this.#written = written;
    this.#wake();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wake();
    done(error);
  }

  /** What is to go out, until the connection ends. */
  async *outgoing(): AsyncGenerator<Buffer, void, undefined> {
    while (!this.destroyed) {
      const chunk = this.#waiting.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.#written();
      } else if (this.writableEnded) return;
      else await this.#another();
    }
  }

  override _final(done: () => void): void {
    this.#wake();
    done();
  }

  #another(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
