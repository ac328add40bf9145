import type { Writable } from 'node:stream';

export type OutputStream = 'stdout' | 'stderr';
/** A returned promise pauses reading until it is fulfilled. */
export type OutputListener = (stream: OutputStream, chunk: Buffer) => void | Promise<void>;

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay what was logged first */
  readonly logs: boolean;
  /** Go on with what comes */
  readonly stream: boolean;
}

/** The streams of a container or an exec, as one client sees them. Works on a container that has not started. */
export interface Attachment {
  readonly tty: boolean;
  /** @returns ends the subscription */
  subscribe(listener: OutputListener): () => void;
  /** What is written before the start is kept; `end()` closes the process's standard input */
  readonly stdin?: Writable;
  /** Fulfilled when the process's output has been delivered to its end, or will never come */
  readonly ended: Promise<void>;
}
