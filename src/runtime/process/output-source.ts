import { constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { hasCode } from '../../model/errors.ts';

const PROBE = 64 << 10;

/** Who takes what comes out of a FIFO. */
export interface Receiver {
  take(chunk: Buffer): void;
  /** Nothing more comes. */
  end(): void;
}

/** The reading end of a pipe or FIFO. It reads nothing until it is told to. */
export interface OutputSource {
  resume(): void;
  /** Gives no further chunk until resumed. */
  pause(): void;
  /** The receiver is told of the end, if it was not yet. */
  close(): void;
}

/** Opened without blocking, a FIFO's reader sees the end only after a writer was there (fifo(7)): it may be open before the shim is. */
export function openFifo(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Reads a pipe as it comes. What was read and not yet worked on dies with the daemon. */
export class SocketSource implements OutputSource {
  readonly #receiver: Receiver;
  readonly #socket: Socket;
  /** What a restored FIFO held when it was looked at */
  #held: Buffer | undefined;

  /** @param descriptor not blocking, and ours to close @param restored a former daemon had it open: perhaps its writers are gone */
  constructor(descriptor: number, receiver: Receiver, restored: boolean) {
    this.#receiver = receiver;
    const closed = restored && this.#probe(descriptor);
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    this.#socket.on('data', (chunk: Buffer) => receiver.take(chunk));
    this.#socket.pause();
    // An error ends the stream as its end does: there is no more to be had.
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => receiver.end());
    if (closed) this.#socket.destroy();
  }

  resume(): void {
    this.#socket.resume();
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#receiver.take(held);
  }

  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Whether no writer is left, which a poll would never tell of a FIFO opened after the last one went. */
  #probe(descriptor: number): boolean {
    const found = readNow(descriptor, PROBE);
    if (found !== undefined && found.length > 0) this.#held = found;
    return found?.length === 0;
  }
}

/** @returns undefined when nothing waits */
export function readNow(descriptor: number, length: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(length);
  try {
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, null));
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return undefined;
    throw error;
  }
}
