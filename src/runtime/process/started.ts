import { errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { Containerd } from '../containerd/client.ts';
import { type ProcessName, waitForExit } from './exit.ts';
import type { ProcessExit, StartedProcess, TerminalSize } from './process.ts';
import { startError } from './start-error.ts';
import type { TaskIo } from './task-io.ts';

/** What processes need of the room they live in. */
export interface ProcessContext {
  readonly containerd: Containerd;
  readonly logger: Logger;
  /** Aborted when the daemon ends: nobody is waited for any longer */
  readonly closing: AbortSignal;
  /** What must be closed when the daemon ends */
  readonly open: Set<TaskIo>;
}

/** How to come by a process's streams, given what tells its shim that there is no more input. */
export type IoMaker = (closeInput: () => Promise<void>) => TaskIo;

/** The common half of a container's process and an exec. */
export class TaskProcess implements StartedProcess {
  readonly io: TaskIo;
  readonly exited: Promise<ProcessExit>;
  protected readonly context: ProcessContext;
  protected readonly name: ProcessName;
  readonly #exit = Promise.withResolvers<ProcessExit>();
  readonly #started = Promise.withResolvers<boolean>();
  #pid: number;

  constructor(context: ProcessContext, name: ProcessName, makeIo: IoMaker, pid: number) {
    this.context = context;
    this.name = name;
    this.#pid = pid;
    this.exited = this.#exit.promise;
    this.io = makeIo(() => this.#closeInput());
    context.open.add(this.io);
    void this.io.ended.then(() => context.open.delete(this.io));
  }

  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<void> {
    const stop = new AbortController();
    this.io.begin();
    // Asked before it is started, so that the answer is already under way when it ends at once.
    this.watch(stop.signal);
    try {
      const { pid } = await this.context.containerd.tasks.start(this.name);
      this.runsAs(pid);
    } catch (error) {
      stop.abort();
      this.#started.resolve(false);
      throw startError(error, '');
    }
  }

  async kill(signal: number, all = false): Promise<void> {
    await this.context.containerd.tasks.kill({ ...this.name, signal, all });
  }

  async resize({ width, height }: TerminalSize): Promise<void> {
    await this.context.containerd.tasks.resizePty({ ...this.name, width, height });
  }

  /** It has begun: from now on the shim takes the end of its input. */
  protected runsAs(pid: number): void {
    this.#pid = pid;
    this.#started.resolve(true);
  }

  /** Takes notice of the end; `stop` ends the watch without it. */
  protected watch(stop?: AbortSignal): void {
    const { containerd, closing } = this.context;
    const signal = stop === undefined ? closing : AbortSignal.any([closing, stop]);
    void waitForExit(containerd, this.name, signal).then((exit) => exit !== undefined && this.settle(exit));
  }

  /** Tells everybody who waits. The output may still be on its way. */
  protected settle(exit: ProcessExit): void {
    // What was still to be read by the process has no reader any more.
    this.io.stdin?.destroy();
    this.#exit.resolve(exit);
  }

  /** The shim knows a process's input only from its start on. */
  async #closeInput(): Promise<void> {
    if (!(await this.#started.promise)) return;
    try {
      await this.context.containerd.tasks.closeIo({ ...this.name, stdin: true });
    } catch (error) {
      // Most often it has ended meanwhile.
      this.context.logger.debug('The input of a process was not closed', { ...this.name, reason: errorMessage(error) });
    }
  }
}
