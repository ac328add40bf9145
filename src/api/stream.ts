import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Attachment, OutputStream } from '../engine/attachment.ts';
import type { DetachKeys } from './detach.ts';

/** Docker's frame: 1 byte stream, 3 bytes zero, 4 bytes length in network order. */
const HEADER_BYTES = 8;
const STREAM_NUMBER: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };

/** How one connection carries output: a terminal's as it is, two streams in frames. */
export type Framing = 'raw' | 'multiplexed';

function frameHeader(stream: OutputStream, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(STREAM_NUMBER[stream], 0);
  header.writeUInt32BE(length, 4);
  return header;
}

/** Where output goes. A slow client makes `write` return a promise, which holds the process instead of filling memory. */
export class OutputSink {
  readonly #target: Writable;
  readonly #framing: Framing;
  #drained: Promise<void> | undefined;

  constructor(target: Writable, framing: Framing) {
    this.#target = target;
    this.#framing = framing;
  }

  /** @returns a promise when the client lags: fulfilled when it has caught up or is gone */
  write(stream: OutputStream, chunk: Buffer): void | Promise<void> {
    if (this.#target.destroyed || this.#target.writableEnded || chunk.length === 0) return;
    let more: boolean;
    if (this.#framing === 'raw') more = this.#target.write(chunk);
    else {
      // One system call for both, without copying the payload.
      this.#target.cork();
      this.#target.write(frameHeader(stream, chunk.length));
      more = this.#target.write(chunk);
      this.#target.uncork();
    }
    if (more) return;
    this.#drained ??= drained(this.#target).then(() => {
      this.#drained = undefined;
    });
    return this.#drained;
  }
}

/** Fulfilled when the stream takes more, or never will again. */
export async function drained(target: Writable): Promise<void> {
  if (target.destroyed || !target.writableNeedDrain) return;
  const over = new AbortController();
  await Promise.race([
    once(target, 'drain', { signal: over.signal }),
    once(target, 'close', { signal: over.signal }),
  ]).catch(() => undefined);
  over.abort();
}

/** Writes and waits while the client lags. */
export async function writeAll(target: Writable, chunk: Buffer | string): Promise<void> {
  if (!target.destroyed && !target.writableEnded && !target.write(chunk)) await drained(target);
}

/** A connection that carries a process's streams in both directions. */
export interface Connection {
  readonly input: Readable;
  readonly output: Writable;
  /** How output is to be written */
  readonly framing: Framing;
  /** Aborted when the client is gone */
  readonly signal: AbortSignal;
}

export interface PumpOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** A client that closes its side closes the process's standard input with it */
  readonly closeStdin: boolean;
  /** What a client types to leave a terminal without ending the process */
  readonly detachKeys?: DetachKeys;
}

/**
 * Carries both directions until the process's output ended, the client is gone, or it typed its detach keys. Ends the
 * client's output; the process goes on unless its input's end was its own.
 */
export async function pump(attachment: Attachment, connection: Connection, options: PumpOptions): Promise<void> {
  const sink = new OutputSink(connection.output, connection.framing);
  const unsubscribe = attachment.subscribe((stream, chunk) => {
    if (options[stream]) return sink.write(stream, chunk);
  });
  const input = copyInput(attachment.stdin, connection, options);
  const gone = new Promise<void>((resolve) => {
    if (connection.signal.aborted) resolve();
    connection.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([attachment.ended, gone, input.detached]);
  unsubscribe();
  input.stop();
  connection.output.end();
}

interface InputCopy {
  /** Fulfilled when the detach keys were typed; otherwise never */
  readonly detached: Promise<void>;
  stop(): void;
}

/** What a client sends goes to the process, as fast as the process takes it. */
function copyInput(stdin: Writable | undefined, connection: Connection, options: PumpOptions): InputCopy {
  const { input } = connection;
  const { promise: detached, resolve: detach } = Promise.withResolvers<void>();
  const data = (chunk: Buffer) => {
    if (stdin === undefined) return;
    const typed = options.detachKeys?.push(chunk) ?? { bytes: chunk, detached: false };
    if (typed.bytes.length > 0 && stdin.writable && !stdin.write(typed.bytes)) {
      input.pause();
      void drained(stdin).then(() => input.resume());
    }
    if (typed.detached) detach();
  };
  const end = () => {
    if (options.closeStdin) stdin?.end();
  };
  // The container may close its side first: the client learns that from the output's end.
  const ignore = () => undefined;
  stdin?.on('error', ignore);
  // It was paused while the request's body was read.
  input.on('data', data).once('end', end).resume();
  // One without a single byte ends even while it is paused, before there was anybody to hear it.
  if (input.readableEnded) end();
  const stop = () => {
    input.off('data', data).off('end', end);
    input.resume();
    if (connection.signal.aborted) end();
  };
  return { detached, stop };
}
