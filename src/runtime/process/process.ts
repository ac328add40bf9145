import type { Writable } from 'node:stream';
import type { Resources } from '../../model/resources.ts';
import type { Checkpoint } from '../logs/checkpoint.ts';

export type OutputStream = 'stdout' | 'stderr';

/**
 * Told of every chunk of output, which is overwritten with the next one: who keeps it copies it. A returned promise pauses reading
 * until it settles: that is the backpressure.
 */
export type OutputListener = (stream: OutputStream, chunk: Buffer) => void | Promise<void>;

/** A process's standard streams. */
export interface ProcessIo {
  /**
   * Listens from now on. Reading begins with the first listener or with the start, so nothing is missed by who listens
   * before the start, or at once after a restore. @returns the way to stop listening
   */
  subscribe(listener: OutputListener): () => void;
  /** Present when asked for. end() closes the process's stdin once everything written has arrived. */
  readonly stdin?: Writable;
  /** Present when output is kept until a log has it: for the log, which notes there what it has. */
  readonly checkpoint?: Checkpoint;
  /** Everything the process wrote was given to every listener, and all their promises settled. */
  readonly ended: Promise<void>;
  /** For a process that has ended: resolves when its output is delivered, or when no more of it is to be expected. */
  settled(): Promise<void>;
}

/** Of a terminal, in characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** How it ended. */
export interface ProcessExit {
  /** 0 to 255; 128 + signal when a signal ended it */
  readonly code: number;
  /** ISO 8601 with nanoseconds */
  readonly at: string;
}

/** What a container's own process and an exec'd process have in common. */
export interface StartedProcess {
  /** In the host's numbering; 0 before an exec is started */
  readonly pid: number;
  readonly io: ProcessIo;
  /** Settles when the process ended, which may be before its output was read: see `io.ended`. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** @throws EngineError in Docker's words: invalidArgument when the command is missing or may not be run */
  start(): Promise<void>;
  /** @throws EngineError notFound when it has ended */
  kill(signal: number, all?: boolean): Promise<void>;
  /** Of its terminal; the kernel sends SIGWINCH. @throws GrpcError when it has none, or does not run */
  resize(size: TerminalSize): Promise<void>;
}

export type ExecProcess = StartedProcess;

/** `docker exec`, parsed. */
export interface ExecOptions {
  /** Unique among the container's execs; becomes a file name: hexadecimal digits */
  readonly id: string;
  readonly args: readonly string[];
  /** Added to the container's own */
  readonly env: readonly string[];
  /** '': the container's */
  readonly cwd: string;
  /** '': the container's */
  readonly user: string;
  readonly tty: boolean;
  readonly size?: TerminalSize | undefined;
  /** False: /dev/null */
  readonly stdin: boolean;
  readonly privileged: boolean;
  /** The container's `--group-add`, which a user of another name gets too */
  readonly groupAdd?: readonly string[];
}

/** A container's own process, and what can be done to the container as a whole. */
export interface Process extends StartedProcess {
  /** Changes limits while it runs; what is left out stays. @throws EngineError in runc's and the kernel's words */
  limit(resources: Resources): Promise<void>;
  /** Freezes everything in the container (cgroup freezer). Output written before may still come. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Of everything that runs in the container, in the host's numbering */
  pids(): Promise<number[]>;
  /** Registers an exec: its FIFOs are open, `start` runs it. The same errors as start. */
  exec(options: ExecOptions): Promise<ExecProcess>;
  /**
   * For a process that has ended or was not started: waits for its output to be taken (2 s of silence, or 5 s of a listener
   * that does not take it, are enough), then takes the task and its FIFOs away. The containerd record stays. Missing is fine.
   */
  delete(): Promise<void>;
}
