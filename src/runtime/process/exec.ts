import { errorMessage } from '../../model/errors.ts';
import { PROCESS_URL } from '../containerd/protos/tasks.ts';
import { overlayEnvironment } from '../spec/environment.ts';
import { encodeSpec } from '../spec/json.ts';
import type { OciProcess, OciUser } from '../spec/oci.ts';
import type { ProcessName } from './exit.ts';
import type { ExecOptions } from './process.ts';
import { type IoMaker, type ProcessContext, TaskProcess } from './started.ts';

/** What a process on a terminal finds in its environment, and no other. */
const DEFAULT_TERMINAL = 'TERM=xterm';

/** What an exec runs: the container's own process, changed as asked. */
export function describeExec(
  own: OciProcess,
  options: ExecOptions,
  user: OciUser | undefined,
  allCapabilities: readonly string[],
): OciProcess {
  const env = own.env.filter((setting) => !own.terminal || options.tty || setting !== DEFAULT_TERMINAL);
  const terminal = options.tty ? overlayEnvironment([DEFAULT_TERMINAL], env) : env;
  const { privileged } = options;
  return {
    ...own,
    terminal: options.tty,
    ...(options.tty && options.size !== undefined ? { consoleSize: options.size } : {}),
    user: user ?? own.user,
    args: options.args,
    env: overlayEnvironment(terminal, options.env),
    cwd: options.cwd === '' ? own.cwd : options.cwd,
    capabilities: privileged
      ? { bounding: allCapabilities, effective: allCapabilities, permitted: allCapabilities }
      : own.capabilities,
  };
}

/** Starts it when nothing speaks against it. */
type InTurn = (start: () => Promise<void>) => Promise<void>;

/** A process added to a running container. It takes itself away when it has ended. */
export class TaskExec extends TaskProcess {
  readonly #inTurn: InTurn;
  /** Settled when containerd has answered the request to start it */
  #answered: Promise<void> = Promise.resolve();

  private constructor(context: ProcessContext, name: ProcessName, makeIo: IoMaker, inTurn: InTurn) {
    super(context, name, makeIo, 0);
    this.#inTurn = inTurn;
  }

  /**
   * @throws GrpcError when the container does not run
   */
  static async register(
    context: ProcessContext,
    name: ProcessName,
    makeIo: IoMaker,
    spec: OciProcess,
    inTurn: InTurn,
  ): Promise<TaskExec> {
    const exec = new TaskExec(context, name, makeIo, inTurn);
    const value = Buffer.from(encodeSpec(spec));
    try {
      const { terminal } = spec;
      await context.containerd.tasks.exec({
        ...name,
        ...exec.io.paths,
        terminal,
        spec: { typeUrl: PROCESS_URL, value },
      });
    } catch (error) {
      exec.io.remove();
      throw error;
    }
    void exec.exited.then(() => exec.#leave());
    return exec;
  }

  /** Of an exec that a former daemon was about: its output goes nowhere, and it takes itself away when it has ended. */
  static adopt(context: ProcessContext, name: ProcessName, makeIo: IoMaker): void {
    const exec = new TaskExec(context, name, makeIo, (start) => start());
    exec.io.begin();
    exec.watch();
    void exec.exited.then(() => exec.#leave());
  }

  override async start(): Promise<void> {
    try {
      this.#answered = this.#inTurn(() => super.start());
      await this.#answered;
    } catch (error) {
      void this.#remove();
      throw error;
    }
  }

  /**
   * Its last output first; then the shim forgets it, which containerd must not find while it still answers the start: it asks for
   * the state last (containerd: services/tasks/local.go).
   */
  async #leave(): Promise<void> {
    await Promise.allSettled([this.#answered]);
    await this.io.settled();
    // Before the shim is asked: it would wait 2 s more for what the process left behind.
    this.io.close();
    await this.#remove();
  }

  async #remove(): Promise<void> {
    try {
      await this.context.containerd.tasks.deleteProcess(this.name);
    } catch (error) {
      // It may be gone with its container already, and else goes with it later.
      this.context.logger.debug('An exec was not taken away', { ...this.name, reason: errorMessage(error) });
    }
    this.io.remove();
  }
}
