import { randomFillSync } from 'node:crypto';
import type { NamespaceName } from '../model/resource.ts';

export const DNS_PORT = 53;

/** A query as a client sent it; it is not changed. */
export interface Outgoing {
  readonly namespace: NamespaceName;
  readonly message: Buffer;
  /** Offset of the first byte behind the question */
  readonly questionEnd: number;
}

/** A query on its way to one server. */
export interface Exchange {
  /** Nothing is reported afterwards. */
  cancel(): void;
}

/** Called at most once, never before the exchange is returned: the server's message, or undefined when it cannot be reached. */
export type Settle = (reply: Buffer | undefined) => void;

/** Unpredictable 16-bit numbers, drawn from the kernel in lots. */
export class RandomIds {
  readonly #pool = new Uint16Array(512);
  #next = this.#pool.length;

  take(): number {
    if (this.#next === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    return this.#pool[this.#next++] ?? 0;
  }
}

/** The same query under another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
