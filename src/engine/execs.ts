import { randomBytes } from 'node:crypto';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { ExecProcess, TerminalSize } from '../runtime/process/process.ts';
import { resolveUser } from '../runtime/spec/user.ts';
import type { Attachment } from './attachment.ts';
import { attachEarly, attachTo } from './container-attach.ts';
import { runOf } from './container-stop.ts';
import { type Core, containerEvent } from './core.ts';
import type { Run } from './live.ts';
import { findContainer } from './lookup.ts';
import type { ExecRequest, ExecStart, ExecView } from './requests.ts';
import { Session } from './session.ts';

/** How long one that has ended can still be asked about, in milliseconds. Docker collects them every five minutes. */
const REMEMBERED = 5 * 60_000;
/** Execs of one container that were created and not forgotten yet. */
const MAX_EXECS = 4096;
/** Most are started at once. Milliseconds */
const START_EXPECTED = 30;

/** From its creation until it is forgotten. `starting` keeps a second start out while the first is under way. */
interface Exec {
  readonly id: string;
  readonly container: string;
  /** Of its container: without it there is nothing to be started in */
  readonly run: Run;
  readonly request: ExecRequest;
  readonly session: Session;
  /** Resolved when the exit code can be asked for */
  readonly over: PromiseWithResolvers<void>;
  status: 'created' | 'starting' | 'running' | 'ended';
  exitCode?: number;
  process?: ExecProcess;
  size?: TerminalSize;
}

/** Further processes in running containers. They live only while the daemon and their container do. */
export class Execs {
  readonly #core: Core;
  readonly #byId = new Map<string, Exec>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** @throws EngineError conflict in Docker's words when the container does not run */
  async create(reference: string, request: ExecRequest): Promise<{ id: string }> {
    const core = this.#core;
    const container = findContainer(core.state.containers, reference);
    const run = runOf(core, container);
    refusePaused(container, reference);
    if (request.command.length === 0) throw new EngineError('invalidArgument', 'No exec command specified');
    await this.#checkUser(container, request.user);
    core.processes.moves.expectFor(START_EXPECTED);
    const { execs } = core.live.of(container);
    if (execs.size >= MAX_EXECS) {
      throw new EngineError('conflict', `container ${container.id} has ${MAX_EXECS} execs already`);
    }
    const id = randomBytes(32).toString('hex');
    const session = new Session(core.logger, request.attachStdin);
    const over = Promise.withResolvers<void>();
    this.#byId.set(id, { id, container: container.id, run, request, session, over, status: 'created' });
    execs.add(id);
    containerEvent(core, container, `exec_create: ${commandText(request)}`, { execID: id });
    return { id };
  }

  /** @throws EngineError invalidArgument while there is still HTTP to say so: the start happens behind it */
  async #checkUser({ id }: Container, user: string): Promise<void> {
    if (user === '') return;
    const mounts = await this.#core.runtime.snapshots.mounts(id);
    try {
      resolveUser(mounts, user, []);
    } catch (error) {
      throw new EngineError('invalidArgument', errorMessage(error), { cause: error });
    }
  }

  /**
   * Fulfilled when the process has started. Its output waits for the first listener; detached, nobody needs to listen.
   */
  async start(id: string, request: ExecStart): Promise<Attachment> {
    const core = this.#core;
    const exec = this.#find(id);
    const container = findContainer(core.state.containers, exec.container);
    // One that was not started ends with its container's run.
    if (exec.status === 'created' && core.live.of(container).run !== exec.run) {
      this.#forget(exec);
      throw notFound(id);
    }
    const run = runOf(core, container);
    refusePaused(container, container.id);
    if (exec.status === 'ended') throw new EngineError('conflict', `exec command ${id} has already run`);
    if (exec.status !== 'created') throw new EngineError('conflict', `exec command ${id} is already running`);
    exec.status = 'starting';
    using _moves = core.processes.moves.expect();
    const size = exec.size ?? request.size ?? exec.request.size;
    if (size !== undefined) exec.size = size;
    const attachment = attach(exec, request.detach);
    containerEvent(core, container, `exec_start: ${commandText(exec.request)}`, { execID: id });
    try {
      const process = await run.process.exec({ ...optionsOf(exec.request), size, id });
      if (request.detach) exec.session.stdin?.end();
      exec.session.connect(process.io);
      const end = () => exec.session.end();
      process.io.ended.then(end, end);
      exec.process = process;
      await process.start();
    } catch (error) {
      this.#end(exec, error instanceof EngineError && 'exitCode' in error ? Number(error.exitCode) : 126);
      throw error;
    }
    await this.#follow(exec, container, exec.process);
    return attachment;
  }

  /** May come before the process exists: then it is born with this size. @throws EngineError conflict when the container does not run */
  async resize(id: string, size: TerminalSize): Promise<void> {
    const exec = this.#find(id);
    runOf(this.#core, findContainer(this.#core.state.containers, exec.container));
    exec.size = size;
    if (exec.status === 'running') await exec.process?.resize(size);
  }

  /** @throws EngineError notFound, also for one that ended a while ago */
  inspect(id: string): ExecView {
    const exec = this.#find(id);
    return {
      id,
      containerId: exec.container,
      request: exec.request,
      running: exec.status === 'running',
      ...(exec.exitCode === undefined ? {} : { exitCode: exec.exitCode }),
      pid: exec.process?.pid ?? 0,
    };
  }

  /** The container's own end takes its execs along: containerd tells theirs, too. */
  async #follow(exec: Exec, container: Container, process: ExecProcess): Promise<void> {
    exec.status = 'running';
    void process.exited.then(({ code }) => {
      this.#end(exec, code);
      containerEvent(this.#core, container, 'exec_die', { execID: exec.id, exitCode: String(code) });
    });
    if (exec.size !== undefined) await process.resize(exec.size).catch(() => undefined);
  }

  /** The session of one that ran ends with its output; one that never ran has none to wait for. */
  #end(exec: Exec, code: number): void {
    exec.status = 'ended';
    exec.exitCode = code;
    exec.over.resolve();
    if (exec.process === undefined) exec.session.end();
    this.#unlist(exec);
    setTimeout(() => this.#forget(exec), REMEMBERED).unref();
  }

  #forget(exec: Exec): void {
    this.#byId.delete(exec.id);
    this.#unlist(exec);
  }

  /** Off the container's list, where Docker shows those that run or wait for their start. */
  #unlist(exec: Exec): void {
    const container = this.#core.state.containers.get(exec.container);
    if (container !== undefined) this.#core.live.of(container).execs.delete(exec.id);
  }

  #find(id: string): Exec {
    const exec = this.#byId.get(id);
    if (exec === undefined) throw notFound(id);
    return exec;
  }
}

/** It ends with the process, not with the output alone: the CLI asks for the exit code as soon as its stream is closed. */
function attach({ session, request, over }: Exec, detach: boolean): Attachment {
  const { tty, attachStdin: stdin, attachStdout: stdout, attachStderr: stderr } = request;
  const choice = { tty, wanted: { stdin: stdin && !detach, stdout, stderr }, closesStdin: true };
  const attachment = detach ? attachTo(session, choice) : attachEarly(session, choice);
  return { ...attachment, ended: Promise.all([attachment.ended, over.promise]).then(() => undefined) };
}

function notFound(id: string): EngineError {
  return new EngineError('notFound', `No such exec instance: ${id}`);
}

function refusePaused({ state }: Container, reference: string): void {
  if (state.status !== 'paused') return;
  throw new EngineError('conflict', `Container ${reference} is paused, unpause the container before exec`);
}

/** As events tell it: the program, a blank, its arguments. The blank stands there without arguments, too. */
function commandText({ command: [program = '', ...args] }: ExecRequest): string {
  return `${program} ${args.join(' ')}`;
}

function optionsOf({ command, env, workingDirectory, user, tty, attachStdin, privileged }: ExecRequest) {
  return { args: command, env, cwd: workingDirectory, user, tty, stdin: attachStdin, privileged };
}
