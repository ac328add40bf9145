import type { Checkpoint } from './checkpoint.ts';

/** Where a container's output is kept, for one run. */
export interface ContainerLog {
  /** A returned promise asks to wait with more. */
  append(stream: 'stdout' | 'stderr', chunk: Buffer): void | Promise<void>;
  /**
   * Before the first append: takes up what a former daemon left, and notes from now on what has been written, so that a daemon
   * that is killed loses and doubles nothing.
   */
  protect(checkpoint: Checkpoint): void;
  /** Its clock: what was appended before has an earlier time, what comes has a later one. Nanoseconds since 1970 */
  now(): bigint;
  /** What was appended since the last newline, and is not logged yet */
  rest(stream: 'stdout' | 'stderr'): Buffer;
  /** Resolves when all whole lines appended so far can be read. */
  flush(): Promise<void>;
  /** Logs unfinished lines too. What is appended afterwards is lost. */
  close(): Promise<void>;
}
